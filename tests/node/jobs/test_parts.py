"""The parts of the room for jobs on their own: votes that wait, operations on their way, blobs that are held,
runs that are kept, names of tensors, what is served.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import numpy as np
import pytest
from anyio.abc import TaskGroup
from msgspec.structs import replace

from aivm.verification.chain import list_served
from aivm.verification.errors import WrongCommitment
from aivm.verification.graph import GraphProgram
from aivm.verification.serving import count_served_bytes, decode_served, encode_served
from aivm.verification.trace import Context, Trace
from aivm.verification.traced import run_traced
from poi.market.operations import CancelJob
from poi.market.records import Inference
from shards.blocks import VOTES_MAX
from tangle.core.blob_id import BlobId
from tangle.core.chunk_tree import PIECE_SIZE, compute_tree
from tangle.core.errors import TangleError
from tangle.core.types import Digest, PublicKey, TransactionId
from tangle.node.blobs import BlobRoom
from tangle.node.jobs.ballots import REPEAT_MS, BallotBox
from tangle.node.jobs.chores import CHORES_MAX, Chores, Name
from tangle.node.jobs.clerk import PAUSE_MS, PENDING_MAX, Clerk
from tangle.node.jobs.errors import JobDataMissing, JobDataOversize
from tangle.node.jobs.names import WrongSources, list_inputs, list_outputs
from tangle.node.jobs.shelf import RunShelf
from tangle.node.jobs.stock import Stock
from tangle.node.jobs.views import Role
from tangle.node.jobs.workshop import Run
from tangle.node.peer import Peer
from tangle.node.views import PreparedTransaction, SubmitOutcome, TransactionView
from tangle.store.blob_errors import BlobUnknown
from tangle.store.blob_files import MemoryBlobFiles
from tangle.store.blob_store import BlobStore
from tests.node.jobs.bazaar import make_program, make_rows
from tests.node.twins import LoopClock, make_key
from tests.node.wallets import Wallet, wait_final
from tests.node.world import network_of

SUBJECTS = [Digest(bytes([number]) * 32) for number in range(100)]
JOB, OTHER_JOB = SUBJECTS[:2]


# ── votes ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_vote_is_offered_at_once_and_again_only_after_a_while() -> None:
    box = BallotBox()
    assert box.cast(JOB, 1)
    assert not box.cast(JOB, 2), "the first word stands"
    assert box.has_due(0)
    assert [(vote.subject, vote.verdict) for vote in box.take(9, 1_000)] == [(JOB, 1)]
    assert not box.has_due(999 + REPEAT_MS)
    assert box.take(9, 999 + REPEAT_MS) == ()
    assert len(box.take(9, 1_000 + REPEAT_MS)) == 1


def test_no_more_votes_than_fit_and_the_longest_waiting_first() -> None:
    box = BallotBox()
    for subject in SUBJECTS:
        box.cast(subject, 1)
    first = box.take(1_000, 0)
    assert [vote.subject for vote in first] == SUBJECTS[:VOTES_MAX]
    assert [vote.subject for vote in box.take(5, 0)] == SUBJECTS[VOTES_MAX : VOTES_MAX + 5]
    box.retain(set(SUBJECTS[90:]))
    assert len(box) == 10
    assert [vote.subject for vote in box.take(1_000, 0)] == SUBJECTS[90:]


# ── operations ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_operation_is_on_its_way_once_and_what_is_refused_is_tried_after_a_pause() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        clerk = Clerk(service, alice.key)
        operation = CancelJob(JOB)
        assert clerk.is_sendable(b"cancel", 0)
        await clerk.send(b"cancel", operation, 0)
        assert not clerk.is_sendable(b"cancel", 10**9)
        (identity,) = list(world.members[0].node.book.recent)[-1:]
        view = await wait_final(service, identity)
        assert view.reason_code == "operation", "there is no such job"
        clerk.settle(1_000)
        assert clerk.failed_total == 1
        assert not clerk.is_sendable(b"cancel", 1_000 + PAUSE_MS - 1)
        assert clerk.is_sendable(b"cancel", 1_000 + PAUSE_MS)
        await clerk.send(b"cancel", operation, 2_000)
        assert clerk.sent_total == 2


class DeadWalk:
    """A node that takes nothing in."""

    async def prepare(
        self,
        issuer: PublicKey,
        *,
        with_work: bool,
        worker: PublicKey | None = None,
        sequence: int | None = None,
        operation_size: int = 0,
    ) -> PreparedTransaction:
        await anyio.lowlevel.checkpoint()
        raise BlobUnknown("anything")

    async def submit(self, items: Sequence[bytes]) -> tuple[SubmitOutcome, ...]:
        raise AssertionError("nothing was prepared")

    def get_transaction(self, identity: TransactionId) -> TransactionView:
        raise AssertionError("nothing was sent")


async def test_pauses_grow_and_the_number_of_operations_on_their_way_is_bounded() -> None:
    clerk = Clerk(DeadWalk(), make_key("alice"))
    pauses = []
    for _ in range(4):
        await clerk.send(b"x", CancelJob(JOB), 0)
        pauses.append(next(at for at in range(0, 10**6, 500) if clerk.is_sendable(b"x", at)))
    assert pauses == [PAUSE_MS, 2 * PAUSE_MS, 4 * PAUSE_MS, 8 * PAUSE_MS]
    async with anyio.create_task_group() as tasks:
        for number in range(PENDING_MAX):
            assert clerk.is_sendable(bytes([number]), 0)
            tasks.start_soon(clerk.send, bytes([number]), CancelJob(JOB), 0)
        await anyio.lowlevel.checkpoint()


# ── blobs ───────────────────────────────────────────────────────────────────────────────────────────────────


class Nobody:
    """A network without peers."""

    def get_peers(self) -> list[Peer]:
        return []

    def blame(self, peer: Peer, error: TangleError) -> None:
        raise AssertionError("there are none")


@asynccontextmanager
async def stock_of(quota: int = 10 * PIECE_SIZE) -> AsyncIterator[tuple[Stock, BlobRoom]]:
    clock = LoopClock(anyio.current_time())
    store = BlobStore(MemoryBlobFiles(), clock.now_ms, quota_bytes=quota)
    await store.open()
    blobs = BlobRoom(store, Nobody())
    async with anyio.create_task_group() as tasks:
        await tasks.start(blobs.run)
        yield Stock(blobs, patience_s=2.0), blobs
        tasks.cancel_scope.cancel()


async def test_what_a_job_needs_is_not_collected_before_the_job_ends() -> None:
    async with stock_of() as (stock, blobs):
        kept = await stock.keep(b"outputs", JOB)
        named = await stock.put(b"inputs")
        loose = await stock.put(b"whatever")
        stock.retain({named}, {JOB})
        await blobs.collect()
        assert {kept, named} == set(stock.held)
        assert blobs.store.has(kept)
        assert blobs.store.has(named)
        assert not blobs.store.has(loose)
        stock.retain({kept}, ())
        await blobs.collect()
        assert blobs.store.has(kept), "the ledger names it now"
        assert not blobs.store.has(named)
        stock.close()
        await blobs.collect()
        assert not blobs.store.has(kept)


async def test_what_people_pinned_is_left_to_them() -> None:
    async with stock_of() as (stock, blobs):
        pinned = await blobs.put(b"mine", is_pinned=True)
        stock.retain({pinned}, ())
        stock.close()
        assert blobs.get(pinned).is_pinned


async def test_a_blob_that_nobody_has_is_missing_after_a_while() -> None:
    async with stock_of() as (stock, _):
        begun_s = anyio.current_time()
        with pytest.raises(JobDataMissing, match="a package is not here"):
            await stock.get(compute_tree(b"elsewhere").id, "a package", 100)
        assert anyio.current_time() - begun_s == pytest.approx(2.0)


async def test_a_blob_that_is_too_long_is_refused() -> None:
    async with stock_of() as (stock, _):
        blob = await stock.put(bytes(101))
        with pytest.raises(JobDataOversize):
            await stock.get(blob, "a package", 100)
        assert await stock.get(blob, "a package", 101) == bytes(101)


# ── chores ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_chore_runs_once_at_a_time_and_pauses_when_it_was_in_vain() -> None:
    async with anyio.create_task_group() as tasks:
        chores, ended = open_chores(tasks)
        gate = anyio.Event()
        done: list[str] = []

        async def work() -> bool:
            await gate.wait()
            done.append("once")
            return len(done) > 2

        name: Name = (Role.WORKER, "run", JOB)
        assert chores.start(name, work)
        assert not chores.start(name, work)
        assert [(doing.role, doing.about) for doing in chores.list()] == [(Role.WORKER, JOB)]
        gate.set()
        await anyio.sleep(0.01)
        assert (len(done), len(ended)) == (1, 1)
        assert not chores.start(name, work), "it was in vain"
        await anyio.sleep(0.5)
        assert chores.start(name, work)
        await anyio.sleep(0.6)
        assert not chores.start(name, work), "the pause is longer now"
        await anyio.sleep(0.6)
        assert chores.start(name, work)
        await anyio.sleep(0.01)
        assert chores.start(name, work), "it was done"


async def test_a_chore_that_fails_is_in_vain_and_the_number_of_chores_is_bounded() -> None:
    async with anyio.create_task_group() as tasks:
        chores, _ = open_chores(tasks)

        async def fail() -> bool:
            await anyio.lowlevel.checkpoint()
            raise JobDataMissing("it", "nobody knows")

        names: list[Name] = [(Role.WORKER, "run", subject) for subject in SUBJECTS]
        started = [chores.start(name, fail) for name in names]
        assert started.count(True) == CHORES_MAX
        await anyio.sleep(0.01)
        assert not chores.start(names[0], fail)
        assert chores.start(names[-1], fail)


def open_chores(tasks: TaskGroup) -> tuple[Chores, list[None]]:
    ended: list[None] = []
    return Chores(tasks, LoopClock(anyio.current_time()), lambda: ended.append(None)), ended


# ── runs, tensors, what is served ───────────────────────────────────────────────────────────────────────────

BOUND = make_program(1_024)
PROGRAM = GraphProgram(BOUND, 300)
INPUTS = make_rows(BOUND, 300)
TENSORS = run_traced(PROGRAM, INPUTS)
TRACE = Trace(PROGRAM, TENSORS, Context(JOB, make_key("worker").public_key, 0))


def make_task() -> Inference:
    roots = tuple(TRACE.trees[number].root for number in PROGRAM.inputs)
    return Inference(BOUND.plan.program_id, TRACE.commitment.inputs, PROGRAM.rows, 3, roots)


def test_blobs_of_tensors_follow_from_roots_and_types() -> None:
    (source,) = list_inputs(PROGRAM, make_task())
    assert source.blob == compute_tree(INPUTS[0].tobytes()).id
    roots = tuple(TRACE.trees[number].root for number in PROGRAM.outputs)
    (output,) = list_outputs(PROGRAM, TRACE.commitment, roots)
    assert output.blob == BlobId(compute_tree(TENSORS[PROGRAM.outputs[0]].tobytes()).id)


def test_roots_of_other_tensors_are_refused() -> None:
    task = make_task()
    for wrong in (
        replace(task, sources=(JOB,)),
        replace(task, sources=task.sources * 2),
        replace(task, inputs=task.inputs * 2),
    ):
        with pytest.raises(WrongSources, match="input"):
            list_inputs(PROGRAM, wrong)
    with pytest.raises(WrongSources, match="output"):
        list_outputs(PROGRAM, TRACE.commitment, (JOB,))


def test_what_is_served_is_read_back_and_nothing_else() -> None:
    data = encode_served(PROGRAM, TENSORS)
    assert len(data) == count_served_bytes(PROGRAM) > 0
    served = decode_served(PROGRAM, data)
    assert tuple(served) == list_served(PROGRAM)
    for number, tensor in served.items():
        assert np.array_equal(tensor, TENSORS[number])
    for wrong in (b"", data[:-1], data + b"\0"):
        with pytest.raises(WrongCommitment):
            decode_served(PROGRAM, wrong)


def test_runs_leave_the_shelf_when_they_are_too_much_and_the_last_one_stays() -> None:
    run = Run(TENSORS, TRACE)
    size = 2 * sum(tensor.nbytes for tensor in TENSORS)
    shelf = RunShelf(2 * size)
    for subject in SUBJECTS[:2]:
        shelf.put(subject, run)
    assert shelf.get(SUBJECTS[0]) is run
    shelf.put(SUBJECTS[2], run)
    assert shelf.get(SUBJECTS[1]) is None, "the one that was asked for longest ago"
    shelf.retain({SUBJECTS[2]})
    assert shelf.get(SUBJECTS[0]) is None
    small = RunShelf(1)
    small.put(JOB, run)
    assert small.get(JOB) is run
    small.put(OTHER_JOB, run)
    assert small.get(JOB) is None
