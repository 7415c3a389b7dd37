"""Restoring a snapshot: its verified parts become the rows that a node would have written itself.

They go to a database beside the home's place, and that takes the place only when all of it held. A crash
before leaves nothing but that other directory, which the next try removes.
"""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, assert_never

import anyio

from poi.market.records import Job
from shards.checkpoints import Checkpoint, decode_checkpoint
from shards.epochs import LEADING_SHARD
from tangle.core.chunk_tree import compute_tree
from tangle.core.encoding import encode
from tangle.core.errors import TangleError
from tangle.core.genesis import Genesis, compute_chain_id
from tangle.core.types import CheckpointIndex, Grains, Shard, TransactionId
from tangle.ledger.effects import Status
from tangle.ledger.state import LedgerState, decode_ledger_state
from tangle.node.archive import (
    ARRIVAL_FLOOR,
    LEDGER,
    Archive,
    EvaluationRecord,
    GenerationRecord,
    HistoryBase,
)
from tangle.node.care.tables import read_market_entry
from tangle.node.market_archive import JobRecord
from tangle.node.receipt_archive import SentReceipt
from tangle.node.snapshots.errors import HomeNotEmpty, SnapshotFalse
from tangle.node.snapshots.models import OpenedGeneration
from tangle.node.snapshots.verifying import (
    CommitteePart,
    Finished,
    HistoryPart,
    ModelKnown,
    OnRead,
    Part,
    Started,
    StateRows,
    Witness,
    verify_snapshot,
)
from tangle.node.training_archive import PaidJob
from tangle.store.errors import StorageFailed
from tangle.store.files import sync_directory
from tangle.store.keys import (
    TransactionPlace,
    compute_account_history_key,
    compute_generation_key,
    compute_receipt_key,
    compute_sequence_key,
    encode_place,
)
from tangle.store.lmdb_store import open_lmdb_store
from tangle.store.places import DATA_NAME, LIVE_NAME, finish_swap, get_making, get_repaired, swap
from tangle.store.snapshot import open_snapshot
from tangle.store.store import Store, Table, WriteBatch

BATCH_BYTES = 8_388_608
"""Rows are written together until they have this many bytes: the disk is waited for some times a gigabyte."""


class Restorer:
    """Writes parts to an empty store."""

    def __init__(self, store: Store, genesis: Genesis) -> None:
        """:param store: its ``run`` is at work."""
        self._store = store
        self._archive = Archive(store)
        self._genesis = genesis
        self._batch = WriteBatch()
        self._first: Checkpoint | None = None
        self._started: Started | None = None
        self._closed_last = 0

    async def put(self, part: Part) -> None:
        """One more part.

        :raises StorageFailed: the disk refuses.
        """
        match part:
            case Started():
                self._put_start(part)
            case ModelKnown():
                self._put_model(part)
            case Witness(checkpoint, certificate):
                self._archive.put_checkpoint(self._batch, checkpoint)
                self._archive.put_certificate(self._batch, certificate)
            case HistoryPart():
                self._put_history(part)
            case CommitteePart():
                self._put_committee(part)
            case StateRows():
                self._put_rows(part)
            case Finished():
                self._put_end(part)
            case _:
                assert_never(part)
        if self._batch.size_bytes >= BATCH_BYTES or isinstance(part, Finished):
            batch, self._batch = self._batch, WriteBatch()
            await self._store.commit(batch, is_urgent=True)

    def _put_start(self, part: Started) -> None:
        batch, archive, head = self._batch, self._archive, part.head
        self._started = part
        archive.put_ledger_state(batch, part.state)
        for committee in part.committees:
            archive.committees.put_committee(batch, committee, part.begun[committee.epoch])
        for end in part.ends if head.shard == LEADING_SHARD else ():
            archive.put_checkpoint(batch, end.checkpoint)
            archive.put_certificate(batch, end.certificate)
        if head.certificate.index == head.checkpoint.index:
            archive.put_certificate(batch, head.certificate)

    def _put_model(self, part: ModelKnown) -> None:
        record = part.record
        if compute_tree(record.content).id != record.data:
            raise SnapshotFalse(f"model {part.job.hex()[:16]}", "its data have another id")
        paid = PaidJob(part.name, record.parameters, record.data, CheckpointIndex(record.opened))
        self._archive.training.put_job(self._batch, part.job, paid, record.content)

    def _put_history(self, part: HistoryPart) -> None:
        batch, archive, checkpoint = self._batch, self._archive, part.checkpoint
        self._first = self._first or checkpoint
        archive.put_checkpoint(batch, checkpoint)
        for certificate in part.certificates:
            archive.put_certificate(batch, certificate)
        for opened in part.generations:
            self._put_generation(opened)
        self._closed_last = len(part.generations)
        sent = self._put_transactions(part)
        key = compute_sequence_key(checkpoint.index)
        if part.batches:
            batch.put(Table.RECEIPT_BATCHES, key, encode(part.batches))
        for receipt in part.receipts:
            name = (receipt.target, receipt.sequence)
            record = SentReceipt(checkpoint.index, sent.get(name, ()), receipt)
            batch.put(Table.RECEIPTS_OUT, compute_receipt_key(*name), encode(record))

    def _put_transactions(self, part: HistoryPart) -> dict[tuple[int, int], tuple[int, ...]]:
        """Answers which transaction sent which receipt."""
        batch, checkpoint = self._batch, part.checkpoint
        prefix = compute_sequence_key(checkpoint.index)
        sent: dict[tuple[int, int], tuple[int, ...]] = {}
        first = checkpoint.ordered_total - len(part.transactions)
        rows = zip(part.transactions, part.effects, part.effects_encoded, strict=True)
        for index, (transaction, effect, encoded) in enumerate(rows, first):
            key, identity = compute_sequence_key(index), TransactionId(effect.transaction)
            # Arrivals count like the order: nobody knows when they arrived.
            batch.put(Table.TRANSACTIONS, key, transaction.encoded)
            batch.put(Table.TRANSACTION_INDEX, identity, encode_place(TransactionPlace(index, index)))
            batch.put(Table.ORDERED, key, prefix + encoded)
            for account in {transaction.body.issuer, *(change.account for change in effect.changes)}:
                batch.put(Table.ACCOUNT_HISTORY, compute_account_history_key(account, index), b"")
            if effect.work_counted:
                work = transaction.body.work
                self._archive.put_evaluation(batch, work.job, index, EvaluationRecord(work.generation))
            if effect.status is Status.APPLIED and len(effect.figures) == 2:
                sent[effect.figures[0], effect.figures[1]] = (index,)
        return sent

    def _put_generation(self, opened: OpenedGeneration) -> None:
        model = opened.model
        key = compute_generation_key(model.job, model.generation)
        record = GenerationRecord(
            model.generation,
            max(0, model.score),
            opened.evaluations,
            model.weights_digest,
            opened.checkpoint,
            opened.timestamp_ms,
        )
        self._batch.put(Table.GENERATIONS, key, encode(record))
        self._batch.put(Table.WEIGHTS, key, opened.master)

    def _put_committee(self, part: CommitteePart) -> None:
        assert self._started is not None, "the head came first"
        epoch = self._started.head.checkpoint.committee_epoch
        for record in part.records:
            self._archive.committees.put_commit(self._batch, epoch, record)
        self._archive.committees.put_blocks(self._batch, part.blocks)

    def _put_rows(self, part: StateRows) -> None:
        for key, value in part.rows:
            self._batch.put(part.table, key, value)
            if part.table is Table.MARKET:
                _, entry = read_market_entry(key, value)
                if isinstance(entry, Job):
                    self._batch.put(Table.JOBS, entry.id, encode(JobRecord(entry, 0, Grains(0))))
                    self._batch.put(Table.JOB_LIST, compute_sequence_key(entry.order), entry.id)

    def _put_end(self, part: Finished) -> None:
        assert self._started is not None, "the head came first"
        assert self._first is not None, "and history"
        batch, head = self._batch, self._started.head
        checkpoint = head.checkpoint
        for job, snapshot in part.jobs.items():
            self._archive.put_job(batch, job, snapshot)
        batch.put(Table.META, ARRIVAL_FLOOR, compute_sequence_key(checkpoint.ordered_total))
        count = 1 + self._closed_last + checkpoint.ordered_count
        self._archive.put_event_row(batch, head.event_id, checkpoint.index, count)
        horizon = max(0, checkpoint.leader.round - self._genesis.parameters.commit_depth)
        base = HistoryBase(self._first.index, self._first.ordered_total, checkpoint.committee_epoch, horizon)
        self._archive.put_history_base(batch, base)


async def restore_rows(
    file: BinaryIO, path: Path, genesis: Genesis, store: Store, on_read: OnRead
) -> Finished:
    """Verify a snapshot and write it to an empty store, whose ``run`` is at work.

    :raises SnapshotFault, WrongChain: see ``verify_snapshot``; what was written is worth nothing.
    """
    restorer = Restorer(store, genesis)
    for part in verify_snapshot(file, path, genesis, on_read):
        await restorer.put(part)
        if isinstance(part, Finished):
            return part
    raise AssertionError("the last part says that it is the last")


def read_state(root: Path, genesis: Genesis) -> LedgerState | None:
    """The state that a database holds; none where there is none yet.

    :raises StoreFault: it cannot be read.
    """
    finish_swap(root)
    if not (root / LIVE_NAME / DATA_NAME).exists():
        return None
    with open_snapshot(root, compute_chain_id(genesis)) as snapshot:
        value = snapshot.get(Table.META, LEDGER)
        return None if value is None else decode_ledger_state(value)


async def restore_home(
    path: Path, root: Path, genesis: Genesis, shard: Shard, on_read: OnRead, *, is_replacing: bool = False
) -> Finished:
    """Put the state of a snapshot where a home's database belongs; the caller holds the home.

    :param root: of the database.
    :param is_replacing: a ledger that is there is given up once the snapshot is verified.
    :raises HomeNotEmpty: one is there, and is not to be given up.
    :raises SnapshotFault, WrongChain: it is not to be used; the home is as it was.
    :raises StorageFailed: the disk refuses.
    """
    state = read_state(root, genesis)
    if state is not None and state.checkpoint_index and not is_replacing:
        raise HomeNotEmpty(root, state.checkpoint_index)
    making = get_making(root)
    _remove(making)
    try:
        with path.open("rb") as file:
            done = await _write_database(making, file, path, genesis, shard, on_read)
    except BaseException:
        _remove(making)
        raise
    _take_place(root, making)
    return done


def _check_shard(store: Store, shard: Shard) -> None:
    rows = store.scan(Table.CHECKPOINTS, limit=1)
    found = decode_checkpoint(rows[0][1]).shard
    if found != shard:
        raise SnapshotFalse("the head", f"it is of shard {found}, and this home is of shard {shard}")


async def _write_database(
    root: Path, file: BinaryIO, path: Path, genesis: Genesis, shard: Shard, on_read: OnRead
) -> Finished:
    store = open_lmdb_store(root, compute_chain_id(genesis), free_bytes_min=0)
    done: Finished | None = None
    fault: TangleError | None = None
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_run, store)
            try:
                done = await restore_rows(file, path, genesis, store, on_read)
                _check_shard(store, shard)
            except TangleError as error:
                fault = error  # by itself, and not in a group of the task's
            store.stop()
    finally:
        store.close()
    if fault is not None:
        raise fault
    assert done is not None, "it was done, or there was a fault"
    return done


async def _run(store: Store) -> None:
    # Whoever waits for a write that failed is told of it.
    with suppress(StorageFailed):
        await store.run()


def _take_place(root: Path, making: Path) -> None:
    """Two renames, as after a repair: a crash between them is made good at the next start."""
    try:
        _remove(get_repaired(root))
        making.rename(get_repaired(root))
        sync_directory(root.parent)
        if (root / LIVE_NAME).exists():
            _remove(swap(root))
        else:
            _remove(root)
            finish_swap(root)
    except OSError as error:
        raise StorageFailed(root, error.strerror or str(error)) from error


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageFailed(path, error.strerror or str(error)) from error
