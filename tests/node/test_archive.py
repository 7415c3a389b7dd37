"""The archive gives back what it was given, in order, and pages do not overlap."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from msgspec.structs import replace

from poi.events import ClosedGeneration, JobSnapshot
from poi.market.limits import DEVNET_RULES
from poi.market.machine import Market
from shards.events import EquivocationSeen
from tangle.core.parameters import MINIMAL
from tangle.core.transactions import Transaction
from tangle.core.types import (
    CheckpointIndex,
    Digest,
    Grains,
    JobId,
    Milliseconds,
    PublicKey,
    Sequence,
    Shard,
    TransactionId,
)
from tangle.ledger.accounts import EMPTY_ACCOUNT, Account
from tangle.ledger.effects import AccountChange, Effect, Status, encode_effect
from tangle.ledger.machine import CheckpointOutcome
from tangle.ledger.marketplace import Marketplace
from tangle.ledger.receipts import Crossing
from tangle.ledger.staking.desk import StakingClosing
from tangle.node.archive import ARRIVAL_FLOOR, PAGE, Archive, EvaluationRecord, EventRow
from tangle.store.memory_store import MemoryStore
from tangle.store.store import Table, WriteBatch
from tests.drawing.subdag import GENESIS_ID, get_account, make_transaction
from tests.node.test_finality import CHECKPOINT, STATE, make_block

JOB = JobId(b"j" * 32)
NOTHING_CLOSED = Marketplace(Market.start(DEVNET_RULES, Milliseconds(0)), (1,)).close()
OTHER_JOB = JobId(b"k" * 32)


@asynccontextmanager
async def archive_on(store: MemoryStore) -> AsyncIterator[Archive]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.run)
        yield Archive(store)
        tasks.cancel_scope.cancel()


def make_effect(identity: TransactionId, *accounts: PublicKey) -> Effect:
    changes = tuple(AccountChange(account, Grains(1), Sequence(1), Grains(0)) for account in accounts)
    return Effect(identity, Status.APPLIED, Grains(9), 1, changes, ())


def make_outcome(
    first: int, index: int, transactions: list[Transaction], effects: list[Effect]
) -> CheckpointOutcome:
    """A checkpoint that orders ``transactions`` from ordered index ``first`` on."""
    checkpoint = replace(
        CHECKPOINT,
        index=CheckpointIndex(index),
        ordered_total=first + len(transactions),
        ordered_count=len(transactions),
    )
    return CheckpointOutcome(
        checkpoint=checkpoint,
        digest=Digest(bytes(32)),
        state=STATE,
        transactions=tuple(transactions),
        effects=tuple(effects),
        effects_encoded=tuple(map(encode_effect, effects)),
        accounts={},
        counted=(),
        closed=(),
        earnings=(),
        market=NOTHING_CLOSED,
        staking=StakingClosing(),
        crossing=Crossing(Shard(0), STATE, MINIMAL).close(),
        next_committee=None,
    )


async def test_transactions_are_found_by_id_place_and_account() -> None:
    alice, nobody = get_account("alice"), get_account("nobody")
    sent = [make_transaction([GENESIS_ID], issuer="alice", sequence=number) for number in range(5)]
    store = MemoryStore()
    async with archive_on(store) as archive:
        batch = WriteBatch()
        archive.put_transactions(batch, sent)
        assert archive.find_transaction(sent[0].id) is None, "reads see what is durable"
        await archive.commit(batch)
        stored = archive.get_transaction(sent[3].id)
        assert stored is not None
        assert stored.encoded == sent[3].encoded
        batch = WriteBatch()
        effects = [make_effect(transaction.id, alice, nobody) for transaction in sent[:3]]
        archive.put_ordered(batch, make_outcome(10, 7, sent[:3], effects))
        await archive.commit(batch)
        place = archive.find_transaction(sent[1].id)
        assert place is not None
        assert (place.arrival, place.ordered) == (1, 11)
        rows = archive.get_ordered_range(10, 13)
        assert [(row.index, row.checkpoint) for row in rows] == [(10, 7), (11, 7), (12, 7)]
        assert [row.effect for row in rows] == effects
        assert archive.get_ordered_range(13, 13) == archive.get_ordered_range(13, 9) == []
        assert archive.get_ordered(13) is None
        assert archive.get_account_history(nobody, None, 2) == [12, 11]
        assert archive.get_account_history(alice, 11, 9) == [10]
        assert archive.get_account_history(get_account("bob"), None, 9) == []
        assert [transaction.id for transaction in archive.read_unordered(13)] == [t.id for t in sent[3:]]
        # What history holds ahead of the state is to be ordered again: the state's part was not written.
        store.disk[Table.META].delete(ARRIVAL_FLOOR)
        assert [transaction.id for transaction in archive.read_unordered(11)] == [t.id for t in sent[1:]]
    async with archive_on(MemoryStore(store.disk)) as again:
        batch = WriteBatch()
        again.put_transactions(batch, [make_transaction([GENESIS_ID], issuer="bob")])
        await again.commit(batch)
        assert store.count(Table.TRANSACTIONS) == 6, "arrivals go on where they were"


async def test_a_restart_looks_for_the_unordered_from_the_oldest_on() -> None:
    sent = [make_transaction([GENESIS_ID], issuer="alice", sequence=number) for number in range(PAGE + 20)]
    async with archive_on(MemoryStore()) as archive:
        batch = WriteBatch()
        archive.put_transactions(batch, sent)
        await archive.commit(batch)
        assert len(list(archive.read_unordered(0))) == len(sent)
        batch = WriteBatch()
        archive.give_up([transaction.id for transaction in sent[:5]])
        gone = archive.delete_given_up(batch, [transaction.id for transaction in sent[:7]])
        assert gone == [transaction.id for transaction in sent[:5]]
        effects = [make_effect(transaction.id) for transaction in sent[5:10]]
        archive.put_ordered(batch, make_outcome(0, 1, sent[5:10], effects))
        await archive.commit(batch)
        assert next(iter(archive.read_unordered(5))).id == sent[10].id


async def test_what_is_given_up_holds_the_floor_until_it_is_deleted() -> None:
    """A restart finds it again, and gives it up again: nothing stays on disk that nobody looks for."""
    first, second = (make_transaction([GENESIS_ID], issuer="alice", sequence=number) for number in range(2))
    store = MemoryStore()
    async with archive_on(store) as archive:
        batch = WriteBatch()
        archive.put_transactions(batch, [first, second])
        archive.give_up([first.id])
        archive.put_ordered(batch, make_outcome(0, 1, [second], [make_effect(second.id)]))
        await archive.commit(batch)
    async with archive_on(MemoryStore(store.disk)) as again:
        assert [transaction.id for transaction in again.read_unordered(1)] == [first.id]
        batch = WriteBatch()
        again.give_up([first.id])
        again.on_deleted(again.delete_given_up(batch, [first.id]))
        again.put_ordered(batch, make_outcome(1, 2, [], []))
        await again.commit(batch)
        assert again.find_transaction(first.id) is None
        assert list(again.read_unordered(1)) == []
        assert store.disk[Table.META].values[ARRIVAL_FLOOR] == (2).to_bytes(8, "big")


async def test_what_comes_again_has_one_row_whenever_it_comes() -> None:
    (sent,) = (make_transaction([GENESIS_ID], issuer="alice"),)
    store = MemoryStore()

    async def write(batch: WriteBatch) -> None:
        await archive.commit(batch)
        assert len(store.disk[Table.TRANSACTIONS].keys) == 1
        assert archive.get_transaction(sent.id) is not None

    async with archive_on(store) as archive:
        batch = WriteBatch()
        archive.put_transactions(batch, [sent])
        await write(batch)
        # Given up, and again here before its row is deleted.
        archive.give_up([sent.id])
        batch = WriteBatch()
        archive.put_transactions(batch, [sent])
        assert archive.delete_given_up(batch, [sent.id]) == []
        await write(batch)
        # Given up, and looked up in the store.
        archive.give_up([sent.id])
        archive.keep(sent.id)
        assert archive.delete_given_up(WriteBatch(), [sent.id]) == []
        # Given up, and again here while the deletion is on its way to the disk.
        archive.give_up([sent.id])
        deletion, again = WriteBatch(), WriteBatch()
        gone = archive.delete_given_up(deletion, [sent.id])
        assert archive.get_transaction(sent.id) is None
        archive.put_transactions(again, [sent])
        await archive.commit(deletion)
        archive.on_deleted(gone)
        await write(again)


async def test_blocks_come_in_rounds() -> None:
    blocks = [make_block(author) for author in range(4)]
    async with archive_on(MemoryStore()) as archive:
        batch = WriteBatch()
        archive.committees.put_blocks(batch, blocks)
        archive.committees.put_evidence(batch, EquivocationSeen(blocks[0], blocks[0]))
        await archive.commit(batch)
        assert archive.committees.get_block(0, blocks[2].reference) == blocks[2].encoded
        assert archive.committees.get_blocks(0, 1, 1, 3) == [block.encoded for block in blocks[:3]]
        assert archive.committees.get_blocks(0, 2, 9, 3) == []
        assert archive.committees.get_blocks(0, 2, 1, 3) == archive.committees.get_blocks(1, 1, 1, 3) == []
        assert [block.reference for block in archive.committees.read_blocks(0, 1)] == [
            b.reference for b in blocks
        ]
        assert archive.committees.count_evidence() == 1


async def test_generations_and_work_are_kept_apart_by_job() -> None:
    closed = [
        ClosedGeneration(
            job, number, Digest(bytes([number]) * 32), 10 + number, 6, Milliseconds(5), b"w" * number
        )
        for job in (JOB, OTHER_JOB)
        for number in range(4)
    ]
    async with archive_on(MemoryStore()) as archive:
        batch = WriteBatch()
        for generation in closed:
            archive.put_generation(batch, generation, 3)
        for index in range(6):
            archive.put_evaluation(batch, JOB if index % 2 else OTHER_JOB, index, EvaluationRecord(index))
        snapshot = JobSnapshot(2, b"master", b"direction", 5, Milliseconds(9))
        archive.put_job(batch, JOB, snapshot)
        await archive.commit(batch)
        assert [record.generation for record in archive.get_generations(JOB, 1, 2)] == [1, 2]
        assert [record.generation for record in archive.get_generations(OTHER_JOB, 3, 9)] == [3]
        assert archive.get_generations(JOB, 4, 9) == []
        assert archive.get_master(JOB, 3) == b"www"
        assert archive.get_master(JOB, 4) is None
        assert archive.get_evaluations(JOB, 2, 9) == [(3, EvaluationRecord(3)), (5, EvaluationRecord(5))]
        assert archive.get_job(JOB) == snapshot
        assert archive.get_job(OTHER_JOB) is None


async def test_accounts_and_event_rows() -> None:
    accounts = {
        get_account(str(number)): Account(Grains(number), Sequence(0), Grains(0))
        for number in range(PAGE + 3)
    }
    async with archive_on(MemoryStore()) as archive:
        batch = WriteBatch()
        archive.put_accounts(batch, accounts)
        for first, checkpoint, count in ((1, 1, 4), (5, 2, 1), (6, 3, 10)):
            archive.put_event_row(batch, first, checkpoint, count)
        await archive.commit(batch)
        assert dict(archive.list_accounts()) == accounts
        assert [key for key, _ in archive.list_accounts()] == sorted(accounts)
        assert archive.get_account(get_account("stranger")) == EMPTY_ACCOUNT
        assert archive.get_last_event_row() == EventRow(6, 3, 10)
        assert [row.checkpoint for row in archive.get_event_rows(4, 9)] == [1, 2, 3]
        assert [row.checkpoint for row in archive.get_event_rows(5, 1)] == [2]
        assert [row.checkpoint for row in archive.get_event_rows(99, 9)] == [3]


async def test_an_empty_home_has_nothing() -> None:
    async with archive_on(MemoryStore()) as archive:
        assert archive.get_ledger_state() is None
        assert archive.get_last_event_row() is None
        assert archive.committees.get_executed_commits(0, 10) == ()
        assert archive.get_checkpoint(CheckpointIndex(0)) is None
        assert archive.get_certificate(0) is None
        assert archive.get_transaction(GENESIS_ID) is None
        assert list(archive.read_unordered(0)) == []
        assert archive.get_event_rows(1, 10) == []


@pytest.mark.parametrize("name", ["alice", "bob"])
async def test_history_keys_do_not_run_into_the_next_account(name: str) -> None:
    """The last key below a prefix of all ones, and its neighbour."""
    highest = PublicKey(b"\xff" * 32)
    sent = make_transaction([GENESIS_ID], issuer=name)
    async with archive_on(MemoryStore()) as archive:
        batch = WriteBatch()
        archive.put_transactions(batch, [sent])
        archive.put_ordered(batch, make_outcome(0, 1, [sent], [make_effect(sent.id, highest)]))
        await archive.commit(batch)
        assert archive.get_account_history(highest, None, 5) == [0]
        assert archive.get_account_history(PublicKey(b"\xff" * 31 + b"\xfe"), None, 5) == []
