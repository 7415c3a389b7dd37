"""Times of blocks and transactions, taken where a user stands."""

from msgspec.structs import replace

from shards.blocks import BlockReference
from shards.commits import CommitRecord, encode_commit
from simnet.load import Accepted
from simnet.run import run_simulation
from simnet.stopwatch import BLOCKS_MAX, Stopwatch
from simnet.verdicts import Pass
from tangle.core.types import Digest, Milliseconds, TransactionId
from tangle.store.keys import TransactionPlace, compute_block_key, encode_place
from tangle.store.store import Table, WriteBatch
from tests.simnet.builders import make_options

OWN = Digest(bytes([1]) * 32)
OTHER = Digest(bytes([2]) * 32)
IDENTITY = TransactionId(bytes(32))


def make_blocks() -> WriteBatch:
    batch = WriteBatch()
    batch.put(Table.BLOCKS, compute_block_key(0, 1, 0, OWN), b"")
    batch.put(Table.BLOCKS, compute_block_key(0, 1, 1, OTHER), b"")
    return batch


def make_commit() -> WriteBatch:
    batch = WriteBatch()
    blocks = tuple(BlockReference(1, author, digest) for author, digest in enumerate((OWN, OTHER)))
    record = CommitRecord(1, Digest(bytes(32)), Milliseconds(0), blocks[1], blocks)
    batch.put(Table.COMMITS, bytes(8), encode_commit(record))
    batch.put(Table.TRANSACTION_INDEX, IDENTITY, encode_place(TransactionPlace(0, 0)))
    return batch


def test_each_end_is_where_it_began() -> None:
    accepted = [Accepted(IDENTITY, node=1, disks_lost=0, at_s=0.5)]
    stopwatch = Stopwatch(2, accepted)
    stopwatch.on_durable(0, make_blocks(), 1.0)
    stopwatch.on_durable(1, make_blocks(), 1.25)
    stopwatch.on_durable(0, make_commit(), 2.0)
    assert (stopwatch.blocks_ms, stopwatch.ordered_ms) == ([1_000.0], [])
    stopwatch.on_durable(1, make_commit(), 2.25)
    assert (stopwatch.blocks_ms, stopwatch.ordered_ms) == ([1_000.0, 1_000.0], [1_750.0])
    for node in (0, 1):
        stopwatch.on_final(node, (IDENTITY,), 3.0)
    assert stopwatch.final_ms == [2_500.0]


def test_blocks_that_no_commit_takes_are_forgotten() -> None:
    stopwatch = Stopwatch(1, [])
    stopwatch.on_durable(0, make_blocks(), 0.0)
    for number in range(BLOCKS_MAX):
        batch = WriteBatch()
        batch.put(Table.BLOCKS, compute_block_key(0, 2, 0, Digest(number.to_bytes(32, "big"))), b"")
        stopwatch.on_durable(0, batch, 1.0)
    stopwatch.on_durable(0, make_commit(), 2.0)
    assert stopwatch.blocks_ms == []


def test_a_run_reports_order_before_finality_and_settled_wallets_do_not_conflict() -> None:
    options = replace(make_options(time_s=4.0, rate=30.0), is_settled=True)
    report = run_simulation(options)
    assert isinstance(report.verdict, Pass)
    assert report.conflicts == 0
    assert report.block_p50_ms is not None
    assert report.order_p50_ms is not None
    assert report.finality_p50_ms is not None
    # Blocks are not compared with transactions: one that a leader passes over waits a round longer, and few
    # of these carry anything, so either median may be the larger one.
    assert report.block_p50_ms > 0
    assert 0 < report.order_p50_ms < report.finality_p50_ms
