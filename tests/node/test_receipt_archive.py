"""Receipts in the store: found by number and by account, and made into the same bundles again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from shards.blocks import compute_bundle_id
from shards.bundles import get_bundle_reference, verify_bundle
from tangle.core.types import BundleId, CheckpointIndex, Shard
from tangle.ledger.machine import CheckpointOutcome
from tangle.node.bundle_source import BundleMissing, NoBundles, StoredBundles
from tangle.node.receipt_archive import ReceiptArchive
from tangle.store.memory_store import MemoryStore
from tangle.store.store import Table, WriteBatch
from tests.drawing.subdag import CHAIN, get_account
from tests.ledger.crossing import COMMITTEE, OneShard, Shards, find_names

HERE, ALSO_HERE = find_names(0, 1)
THERE, ALSO_THERE = find_names(1, 1)


@asynccontextmanager
async def running_store() -> AsyncIterator[MemoryStore]:
    store = MemoryStore()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.run)
        yield store
        tasks.cancel_scope.cancel()


async def write(store: MemoryStore, outcome: CheckpointOutcome, archive: ReceiptArchive) -> None:
    batch = WriteBatch()
    archive.put_crossing(batch, outcome)
    await store.commit(batch)


async def test_every_bundle_can_be_made_again_from_history() -> None:
    world = Shards(1)
    here = world.every[0]
    async with running_store() as store:
        archive = ReceiptArchive(store)
        for amounts in ((5, 6), (), (7,)):
            payments = [world.pay(HERE, THERE, amount) for amount in amounts] + [world.pay(HERE, ALSO_HERE)]
            await write(store, here.run(payments), archive)
        for index, executed in enumerate(here.history, 1):
            checkpoint = executed.outcome.checkpoint
            made = archive.make_bundle(checkpoint, executed.certificate, Shard(1))
            assert made == here.bundle(index, 1)
            assert made is not None
            verify_bundle(made, COMMITTEE, CHAIN, Shard(1), 1)
        last = here.history[-1]
        assert archive.make_bundle(last.outcome.checkpoint, last.certificate, Shard(2)) is None
        sent = archive.find_sent(Shard(1), 2)
        assert sent is not None
        assert (sent.checkpoint, sent.receipt.amount) == (3, 7)
        assert sent.ordered == (4,), "the transfer that it came from"
        assert archive.find_sent(Shard(1), 3) is None
        assert len(archive.list_sent(Shard(1), 1, 10)) == 2
        assert archive.list_batches(CheckpointIndex(9)) == ()


async def test_credits_are_found_by_number_and_by_account() -> None:
    world = Shards(1)
    here, there = world.every
    async with running_store() as store:
        archive = ReceiptArchive(store)
        for amount in range(1, 6):
            here.run([world.pay(HERE, THERE, amount), world.pay(HERE, ALSO_THERE, 100)])
        await write(store, there.run((), [here.bundle(index, 1) for index in (1, 2)]), archive)
        await write(store, there.run((), [here.bundle(index, 1) for index in (3, 4, 5)]), archive)
        credited = archive.find_credited(Shard(0), 4)
        assert credited is not None
        assert (credited.checkpoint, credited.receipt.amount) == (2, 3)
        assert archive.find_credited(Shard(0), 10) is None
        account = get_account(THERE)
        newest = archive.list_credits(account, None, 3)
        assert [row.credited.receipt.amount for row in newest] == [5, 4, 3]
        older = archive.list_credits(account, newest[-1].position, 3)
        assert [row.credited.receipt.amount for row in older] == [2, 1]
        oldest = archive.list_credits(account, None, 2, is_oldest_first=True)
        assert [row.credited.receipt.amount for row in oldest] == [1, 2]
        later = archive.list_credits(account, oldest[-1].position, 9, is_oldest_first=True)
        assert [row.credited.receipt.amount for row in later] == [3, 4, 5]


async def test_ordered_bundles_stay_in_history() -> None:
    world = Shards(1)
    here: OneShard = world.every[0]
    here.run([world.pay(HERE, THERE)])
    bundle = here.bundle(1, 1)
    name = get_bundle_reference(bundle)
    async with running_store() as store:
        archive = ReceiptArchive(store)
        stored = StoredBundles(archive, Shard(1))
        with pytest.raises(BundleMissing):
            await stored.get([name])
        batch = WriteBatch()
        archive.put_bundles(batch, [bundle], Shard(1))
        await store.commit(batch)
        identity = compute_bundle_id(name, Shard(1))
        assert stored.is_present(identity)
        assert not stored.is_present(BundleId(bytes(32)))
        assert await stored.get([name, name]) == (bundle, bundle)


async def test_one_shard_writes_no_rows() -> None:
    world = Shards(0)
    async with running_store() as store:
        name, other = find_names(0, 0)
        await write(store, world.every[0].run([world.pay(name, other)]), ReceiptArchive(store))
        tables = (Table.RECEIPTS_OUT, Table.RECEIPTS_IN, Table.RECEIPT_BATCHES, Table.CREDITS, Table.BUNDLES)
        assert [store.count(table) for table in tables] == [0] * 5
        assert await NoBundles().get(()) == ()
