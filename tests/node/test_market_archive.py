"""The market in the store and in a node: rows come back as they were, whatever a crash left behind."""

import anyio
import pytest
from msgspec.structs import replace

from poi.market.entries import Shelf
from poi.market.jobs import compute_job_name
from poi.market.operations import CancelJob, OpenJob, Operation, SealAnswer, encode_operation
from poi.market.outcomes import Ending, JobEnded, JobOpened
from poi.market.problems import Packing, encode_problem
from poi.market.records import Collecting, Optimisation
from tangle.core.transactions import MarketCall, TransactionBody
from tangle.core.types import Digest, Grains, Milliseconds
from tangle.node.archive import Archive
from tangle.node.market_archive import MarketArchive
from tangle.node.service import Service
from tangle.node.views import TransactionStatus
from tangle.store.memory_store import MemoryStore
from tangle.store.store import Environment, WriteBatch
from tests.ledger.market_shell import CAPACITY, PROGRAM, REGISTER, MarketShell
from tests.node.wallets import Bend, Wallet, submit, wait_final
from tests.node.world import assert_same_history, network_of, wait_until

PROBLEM = Optimisation(encode_problem(Packing(10, (6, 5, 4, 3))))
ESCROW = Grains(10**6)


class StoredShell(MarketShell):
    """A shard whose market is written to a store after each checkpoint."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__()
        self.archive = MarketArchive(store)
        self.written = 0

    def put_new(self, batch: WriteBatch) -> None:
        """Everything since the last call, in one batch."""
        for outcome in self.outcomes[self.written :]:
            checkpoint = outcome.checkpoint
            self.archive.put_closing(batch, outcome.market, checkpoint.index, checkpoint.timestamp_ms)
        self.written = len(self.outcomes)


def live_through(it: MarketShell) -> Digest:
    """A market's beginnings, and a job that is given up again."""
    it.settle_in("worker", "other")
    job = it.open()
    it.run()
    it.open()
    return job


async def test_what_is_written_reads_back_and_is_the_market() -> None:
    store = MemoryStore()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.run)
        it = StoredShell(store)
        job = live_through(it)
        batch = WriteBatch()
        it.put_new(batch)
        await store.commit(batch)
        entries = it.archive.list_entries()
        assert set(map(repr, entries)) == set(map(repr, it.entries.values()))
        assert len(entries) == len(it.entries) == 5
        view = it.archive.find_job(job)
        assert view is not None
        assert (view.job, view.ending) == (it.machine.market.get_job(job), None)
        assert [each.job.order for each in it.archive.list_jobs(None, 9)] == [1, 0]
        assert [each.job.order for each in it.archive.list_jobs(1, 9)] == [0]
        events = it.archive.list_job_events(job, 0, 9)
        assert [each.number for each in events] == [0, 1]
        assert [each.transaction is None for each in events] == [False, True]
        assert it.archive.list_job_events(job, 1, 9) == events[1:]
        assert it.archive.list_job_events(job, 2, 9) == []
        assert it.archive.list_job_events(Digest(bytes(32)), 0, 9) == []
        assert it.archive.find_job(Digest(bytes(32))) is None
        assert len(it.archive.list_job_events(PROGRAM, 0, 9)) == 5
        tasks.cancel_scope.cancel()


async def test_events_keep_their_numbers_when_a_crash_left_history_ahead() -> None:
    """History of the last batch is there and its state is not; both are written again, in other batches."""
    store = MemoryStore()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.run)
        it, again = StoredShell(store), StoredShell(store)
        job = live_through(it)
        assert live_through(again) == job
        half = len(it.outcomes) // 2
        late = it.outcomes[half:]
        del it.outcomes[half:]
        batch = WriteBatch()
        it.put_new(batch)
        await store.commit(batch)
        torn = WriteBatch()
        again.written = half
        again.put_new(torn)
        for table in [table for table in torn.changes if table.environment is Environment.LIVE]:
            del torn.changes[table]
        await store.commit(torn)
        assert it.archive.list_job_events(job, 0, 9) == [], "what has no state behind it is not shown"
        it.outcomes += late
        for outcome in late:
            one = WriteBatch()
            it.archive.put_closing(
                one, outcome.market, outcome.checkpoint.index, outcome.checkpoint.timestamp_ms
            )
            await store.commit(one)
        events = it.archive.list_job_events(job, 0, 99)
        assert [each.event for each in events] == [
            told.event for outcome in it.outcomes for told in outcome.market_events.get(job, ())
        ]
        assert [each.number for each in events] == list(range(len(events)))
        tasks.cancel_scope.cancel()


async def test_an_entry_that_goes_is_deleted() -> None:
    store = MemoryStore()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.run)
        it = StoredShell(store)
        it.run(it.call("other", REGISTER), it.call("worker", CAPACITY))
        it.run(passed_ms=400)
        batch = WriteBatch()
        it.put_new(batch)
        await store.commit(batch)
        assert [shelf for shelf, _ in it.entries] == [Shelf.CAPACITY]
        assert it.archive.list_entries() == list(it.entries.values())
        tasks.cancel_scope.cancel()


def ask(operation: Operation) -> Bend:
    """Ask the market for this instead of moving grains."""

    def bend(body: TransactionBody) -> TransactionBody:
        call = MarketCall(encode_operation(operation))
        return replace(body, operation=call, max_fee=Grains(8 * body.max_fee))

    return bend


def make_opening(service: Service) -> OpenJob:
    """A small contest that is open for long."""
    now_ms = service.node.executor.machine.state.timestamp_ms
    deadline_ms = Milliseconds(now_ms + 3_600_000)
    return OpenJob(PROBLEM, Grains(10**6), ESCROW, deadline_ms, Milliseconds(0))


async def test_a_job_outlives_a_restart_and_all_nodes_have_the_same_market() -> None:
    async with network_of(4) as world:
        customer, rival = Wallet("alice"), Wallet("bob")
        service = world.services[0]
        opened = await customer.send(service, bend=ask(make_opening(service)))
        await wait_final(service, opened.id)
        job = compute_job_name(customer.address, opened.body.sequence)
        sealed = await rival.send(service, bend=ask(SealAnswer(job, Digest(bytes(32)))))
        await wait_final(service, sealed.id)
        member = world.members[2]
        await wait_until(lambda: member.node.find_status(sealed.id) is TransactionStatus.CHECKPOINTED)
        before = member.node.executor.machine.market.make_state().jobs
        await member.stop()
        await member.start()
        after = member.node.executor.machine.market.make_state().jobs
        assert before == after
        assert isinstance(after[0].phase, Collecting)
        machine = member.node.executor.machine
        assert machine.state.supply.escrow == machine.market.held > ESCROW
        second = await customer.send(service, bend=ask(make_opening(service)))
        await wait_final(service, second.id)
        name = compute_job_name(customer.address, second.body.sequence)
        ended = await customer.send(service, bend=ask(CancelJob(name)))
        await wait_final(service, ended.id)
        await wait_until(lambda: member.node.find_status(ended.id) is TransactionStatus.CHECKPOINTED)
        for each in world.members:
            archive: Archive = each.node.archive
            events = archive.market.list_job_events(name, 0, 9)
            assert [view.transaction for view in events] == [second.id, ended.id]
            assert isinstance(events[0].event, JobOpened)
            assert events[1].event == JobEnded(name, Ending.CANCELLED, ESCROW)
        assert_same_history(world.members)


@pytest.mark.parametrize("data", [b"\x80", encode_operation(CancelJob(Digest(bytes(32)))) + b"\0"])
async def test_a_call_that_cannot_be_read_is_refused_at_the_door(data: bytes) -> None:
    async with network_of(1) as world:
        (service,) = world.services
        wallet = Wallet("alice")
        unreadable = await wallet.build(service, bend=lambda body: replace(body, operation=MarketCall(data)))
        outcome = await submit(service, unreadable)
        assert outcome.error is not None
        assert outcome.error.code == "transaction-invalid"


async def test_a_refused_call_is_a_conflict_with_the_markets_reason() -> None:
    async with network_of(1) as world:
        (service,) = world.services
        wallet = Wallet("alice")
        sent = await wallet.send(service, bend=ask(CancelJob(Digest(bytes(32)))))
        view = await service.wait_transaction(sent.id, TransactionStatus.CONFLICTING, 20.0)
        assert view.reason_code == "operation"
        assert view.reason == "operation: the market refuses it: job-not-live"
        assert view.fee == 0
