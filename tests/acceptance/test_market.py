"""Paid jobs on four real nodes: an honest one ends paid, a stranger's lie costs the stranger's bond."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import anyio
import numpy as np
import pytest

from aivm.program.binding import Tensor
from aivm.verification.graph import GraphProgram
from aivm.verification.trace import Context, Trace
from aivm.verification.traced import run_traced
from poi.market.jobs import compute_job_name
from poi.market.operations import AnnounceCapacity, OpenJob, Operation, SubmitResult
from poi.market.records import Inference, Kind
from tangle.api.schemas.jobs import JobAnswer
from tangle.cli.devnet import SETTINGS
from tangle.client.client import TangleClient
from tangle.core.address import encode_address
from tangle.core.chunk_tree import compute_tree
from tangle.core.signing import SigningKey
from tangle.core.types import GRAINS_PER_TOKEN, Digest, Grains, Milliseconds
from tangle.node.views import TransactionStatus
from tests.acceptance.paying import Customer
from tests.acceptance.support import NetworkUnderTest, check_books, found_devnet, running
from tests.node.jobs.bazaar import make_program, make_rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BOUND: Final = make_program()
ROWS: Final = 40
PROGRAM: Final = GraphProgram(BOUND, ROWS)
INPUTS: Final = make_rows(BOUND, ROWS)
HONEST: Final = run_traced(PROGRAM, INPUTS)

RESULT_MS: Final = 240_000
"""Time of a worker: the machine may be busy."""

DEADLINE_MS: Final = 1_200_000

SETTLE_TIMEOUT_S: Final = 400.0
"""For a job to end: windows and clocks of up to 70 s each, twice."""

JOBS_MAX: Final = 30
"""Jobs until the stranger has one: it stands beside four others."""

LIAR: Final = SigningKey(b"liar".ljust(32))


@pytest.fixture
def network(tmp_path: Path) -> Iterator[NetworkUnderTest]:
    """Four validators that take paid jobs; without a compiler, whose start takes long on a busy machine."""
    with running(found_devnet(tmp_path / "net", 4, settings={**SETTINGS, "device": "numpy"})) as started:
        yield started


class Buyer(Customer):
    """A customer that opens jobs and waits for the ledger."""

    async def call(self, operation: Operation, key: SigningKey | None = None) -> int:
        """Have the market do something; the sequence of its transaction."""
        answer = await self.client.call_market(key or self.key, operation, timeout_s=60)
        assert answer.status is TransactionStatus.CHECKPOINTED, answer
        return int(answer.sequence)

    async def open_job(self, inputs: tuple[Tensor, ...]) -> Digest:
        """A job over these inputs."""
        context = Context(Digest(bytes(32)), self.key.public_key, 0)
        trace = Trace(PROGRAM, run_traced(PROGRAM, inputs), context)
        for tensor in inputs:
            await self.client.put_blob(tensor.tobytes())
        roots = tuple(trace.trees[number].root for number in PROGRAM.inputs)
        task = Inference(BOUND.plan.program_id, trace.commitment.inputs, ROWS, 3, roots)
        now_ms = int((await self.client.get_market()).timestamp_ms)
        limits = (Grains(10**6), Grains(10**9), Milliseconds(now_ms + DEADLINE_MS), Milliseconds(RESULT_MS))
        sequence = await self.call(OpenJob(task, *limits))
        return compute_job_name(self.key.public_key, sequence)

    async def wait_paid(self, job: Digest) -> JobAnswer:
        """Until it is paid."""
        answer = await self.client.wait_job(job, lambda each: not each.is_live, SETTLE_TIMEOUT_S)
        assert answer.phase == "paid", answer
        return answer


async def catch_job(buyer: Buyer, address: str) -> tuple[Digest, list[Digest]]:
    """Open jobs until the account at ``address`` has one; that, and those that others got."""
    others: list[Digest] = []
    for _ in range(JOBS_MAX):
        job = await buyer.open_job(INPUTS)
        answer = await buyer.client.wait_job(job, lambda each: each.worker is not None, 60.0)
        if answer.worker == address:
            return job, others
        others.append(job)
    raise AssertionError("the draw never fell on the stranger")


async def hand_in_zeros(buyer: Buyer, job: Digest) -> None:
    """A result that took no work."""
    zeros = (*HONEST[: PROGRAM.first], *map(np.zeros_like, HONEST[PROGRAM.first :]))
    trace = Trace(PROGRAM, zeros, Context(job, LIAR.public_key, 0))
    roots = tuple(trace.trees[number].root for number in PROGRAM.outputs)
    await buyer.call(SubmitResult(job, trace.commitment, roots, b""), LIAR)


async def test_an_honest_job_is_paid_and_a_liar_that_falls_silent_loses_its_bond(
    network: NetworkUnderTest,
) -> None:
    await network.wait_ready()
    async with TangleClient(network.urls[0]) as client, TangleClient(network.urls[3]) as other:
        buyer = Buyer(client, SigningKey(b"buyer".ljust(32)))
        await buyer.fund()
        await buyer.register(BOUND)
        with anyio.fail_after(120):
            while len(await client.get_workers()) < len(network.nodes):  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.5)
        paid = await buyer.open_job(INPUTS)
        claimed = await client.wait_job(paid, lambda each: each.claim is not None, SETTLE_TIMEOUT_S)
        assert claimed.claim is not None
        await buyer.wait_paid(paid)

        await client.wait_transaction(await client.request_faucet(LIAR.public_key))
        kinds = (Kind.INFERENCE, Kind.TRANSFORMATION)
        bond = Grains(20 * GRAINS_PER_TOKEN)
        await buyer.call(AnnounceCapacity(kinds, 10**6, 10**6, 1, 1, bond), LIAR)
        prefix = network.genesis.parameters.address_prefix.decode()
        job, others = await catch_job(buyer, encode_address(prefix, LIAR.public_key))
        await hand_in_zeros(buyer, job)
        ended = await buyer.wait_paid(job)
        assert encode_address(prefix, LIAR.public_key) in ended.failed_workers
        for each in others:
            await buyer.wait_paid(each)

        tree = compute_tree(HONEST[PROGRAM.outputs[0]].tobytes())
        assert bytes(claimed.claim.outputs[0].chunk_root) == tree.shape.root
        assert await other.get_blob(tree.id) == HONEST[PROGRAM.outputs[0]].tobytes()
    assert await network.stop() == [0] * len(network.nodes)
    for node in network.nodes:
        check_books(node, network.genesis)
