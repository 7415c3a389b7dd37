"""``infer``: the job that is asked for, the answer that comes back, and what is not believed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from aivm.backends.program_protocol import OracleBackend
from aivm.oracle.graph.run import run_program
from aivm.verification.errors import WrongCommitment
from poi.countersigning import Sealed, compute_result_digest
from poi.market.operations import RegisterProgram
from poi.market.records import ProgramEntry
from poi.receipts.check import Agreement
from poi.receipts.record import Countersigned, Receipt, SignedReplica, encode_receipt
from poi.replication import compute_seal
from tangle.api.wire import HexBytes
from tangle.client.client import TangleClient
from tangle.client.errors import ApiProblem, UnexpectedAnswer
from tangle.client.inference import InferenceResult, describe_tensor, make_inference_job, verify_inference
from tangle.core.errors import InvalidSignature
from tangle.core.genesis import Validator, compute_chain_id
from tangle.core.signing import SigningKey
from tangle.core.types import Digest, Grains
from tangle.node.replicas.orders import Order, bind_inputs, read_order
from tangle.node.replicas.views import AnswerTimes, FastAnswer
from tangle.node.replicas.worker import ReplicaWorker
from tangle.node.sandbox.runner import InlineRunner
from tests.api.ledger_double import ALICE, LedgerDouble
from tests.node.replicas.builders import BOUND, Shelf, make_entry, make_rows
from tests.node.twins import SeededRandomness

ROWS = np.frombuffer(make_rows(), np.uint8).reshape(3, 16)
KEYS = tuple(SigningKey(bytes([number]) * 32) for number in (41, 42, 43))


class Willing:
    """Payments that are always made."""

    def examine(self, _: Order) -> ProgramEntry:
        return make_entry()

    async def settle(self, _: Order) -> None:
        return


class Answering:
    """Three real workers behind the double's door; the answer may be bent on its way."""

    def __init__(self, ledger: LedgerDouble) -> None:
        committee = tuple(Validator(key.public_key, 1) for key in KEYS)
        self.genesis = replace(ledger.genesis, validators=committee)
        self.chain = compute_chain_id(self.genesis)
        self.bend: Callable[[FastAnswer], FastAnswer] = lambda answer: answer
        self.orders: list[Order] = []

    async def answer(self, encoded: bytes, inputs: tuple[bytes, ...]) -> FastAnswer:
        order = read_order(encoded, inputs)
        bind_inputs(order, BOUND)
        self.orders.append(order)
        workers = [self._make_worker(key) for key in sorted(KEYS, key=lambda key: key.public_key)]
        sealed = [await worker.seal(order, b"asker") for worker in workers]
        seals = tuple(Sealed(each.worker, each.seal) for each in sealed)
        shown = [await worker.show(order.job, seals, b"asker") for worker in workers]
        for each, seal in zip(shown, seals, strict=True):
            digest = compute_result_digest(each.commitment)
            assert compute_seal(order.job, seal.worker, digest, each.salt) == seal.seal
        replicas = tuple(SignedReplica(each.commitment, each.salt, each.signature) for each in shown)
        evidence = Countersigned(seals, 2, replicas)
        receipt = encode_receipt(Receipt(1, shown[0].commitment, shown[0].openings, evidence))
        voters = tuple(each.worker for each in seals)
        answer = FastAnswer(
            job=order.job,
            transaction=order.transaction.id,
            program=order.task.program,
            rows=order.task.rows,
            types=BOUND.plan.output_types,
            outputs=shown[0].outputs,
            level=4,
            agreeing=voters,
            assigned=voters,
            receipt=receipt,
            times=AnswerTimes(1.0, 2.0, 3.0),
        )
        return self.bend(answer)

    def _make_worker(self, key: SigningKey) -> ReplicaWorker:
        return ReplicaWorker(
            key=key,
            chain=self.chain,
            runner=InlineRunner(OracleBackend()),
            programs=Shelf(),
            payments=Willing(),
            randomness=SeededRandomness(key.public_key.hex()),
        )


@pytest.fixture
def answering(ledger: LedgerDouble) -> Answering:
    """A registered, confirmed program, and a node that answers."""
    cost, program = BOUND.plan.cost, BOUND.plan.program_id
    ledger.jobs.market.apply(
        RegisterProgram(program, cost.macs, cost.steps, cost.bytes_moved, make_entry().package),
        replace(ledger.jobs._make_caller(ALICE.public_key, 0), balance=Grains(10**12)),
        ledger.jobs.get_moment(),
    )
    ledger.jobs.confirm(program)
    ledger.replicas = answering = Answering(ledger)
    return answering


async def infer(client: TangleClient, **settings: Any) -> InferenceResult:
    return await client.infer(ALICE, BOUND.plan.program_id, (ROWS,), **settings)


async def test_an_answer_is_had_and_verified_in_one_call(
    client: TangleClient, ledger: LedgerDouble, answering: Answering
) -> None:
    result = await infer(client)
    (right,) = run_program(BOUND, (ROWS,))
    assert np.array_equal(result.outputs[0], right)
    (order,) = answering.orders
    assert (order.job, order.task.rows) == (result.job, 3)
    assert order.operation.escrow >= result.price > 0
    report = verify_inference(result, BOUND, (ROWS,), answering.genesis)
    assert (report.level, report.error_bound) == (4, Agreement(3, 3))
    with pytest.raises(InvalidSignature):  # of a network whose validators are others
        verify_inference(result, BOUND, (ROWS,), ledger.genesis)


async def test_limits_are_the_customers(client: TangleClient, answering: Answering) -> None:
    await infer(client, price_limit=5_000, escrow=77_777, level=3)
    operation = answering.orders[0].operation
    assert (operation.price_limit, operation.escrow, answering.orders[0].task.level) == (5_000, 77_777, 3)
    with pytest.raises(ApiProblem) as caught:
        await infer(client, price_limit=1)
    assert caught.value.code == "job-price"


@pytest.mark.parametrize(
    "bend",
    [
        lambda answer: replace(answer, job=Digest(bytes(32))),
        lambda answer: replace(answer, transaction=bytes(32)),
        lambda answer: replace(answer, outputs=(answer.outputs[0][:-1],)),
    ],
    ids=["job", "transaction", "short"],
)
async def test_an_answer_to_something_else_is_refused(
    client: TangleClient, answering: Answering, bend: Callable[[FastAnswer], FastAnswer]
) -> None:
    answering.bend = bend
    with pytest.raises(UnexpectedAnswer):
        await infer(client)


async def test_other_outputs_than_the_receipt_has_are_no_answer(
    client: TangleClient, answering: Answering
) -> None:
    result = await infer(client)
    false = replace(result, outputs=(result.outputs[0] ^ 1,))
    with pytest.raises(WrongCommitment):
        verify_inference(false, BOUND, (ROWS,), answering.genesis)
    with pytest.raises(WrongCommitment):
        verify_inference(result, BOUND, (ROWS ^ 1,), answering.genesis)
    stranger = replace(result, job=Digest(bytes(32)))
    with pytest.raises(WrongCommitment):
        verify_inference(stranger, BOUND, (ROWS,), answering.genesis)
    assert isinstance(result.answer.receipt, HexBytes)


def test_only_integers_of_programs_are_sent() -> None:
    assert describe_tensor(ROWS).shape == (3, 16)
    for wrong in (ROWS.astype(np.float32), ROWS.astype(np.int64)):
        with pytest.raises(TypeError):
            make_inference_job(bytes(32), (wrong,), price_limit=1, escrow=1, now_ms=0)
