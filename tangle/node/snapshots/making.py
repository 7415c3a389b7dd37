"""Making a snapshot: the state of one moment, and the part of history that goes with it, into a file.

The state is that of the newest executed checkpoint in one view of the live tables; history is looked at
later, when that checkpoint is certified. A node writes to both meanwhile: it is read in another process.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from msgspec import Struct

from shards.bundles import decode_bundle
from shards.certificates import Certificate, decode_certificate
from shards.checkpoints import Checkpoint, compute_checkpoint_digest, decode_checkpoint
from shards.commits import CommitRecord, decode_commit
from shards.epochs import LEADING_SHARD, EpochEnd
from shards.receipts import Receipt
from tangle.core.blob_id import BlobId
from tangle.core.encoding import decode
from tangle.core.genesis import Genesis, compute_chain_id
from tangle.core.types import Digest, JobId, Shard
from tangle.ledger.accounts import EMPTY_ACCOUNT, decode_account
from tangle.ledger.effects import decode_effect
from tangle.ledger.state import LedgerState, decode_ledger_state
from tangle.node.archive import LEDGER, RECORD_SIZE_MAX
from tangle.node.committee_archive import EXECUTED, decode_committee
from tangle.node.receipt_archive import SentReceipt, read_batches
from tangle.node.snapshots.errors import SnapshotUnready
from tangle.node.snapshots.records import (
    LATER_MAX,
    MAGIC,
    PURPOSE,
    SNAPSHOT_VERSION,
    STATE_TABLES,
    Blocks,
    CertifiedCheckpoint,
    Commits,
    End,
    EpochEnds,
    Head,
    Master,
    PaidModel,
    Record,
    Rows,
    Section,
    encode_record,
)
from tangle.node.snapshots.window import (
    Window,
    find_window,
    iterate_checkpoints,
    list_witnessed,
    read_checkpoint,
    read_generation,
    read_genesis_jobs,
    read_paid_job,
)
from tangle.store.errors import CopyExists, CopyFailed
from tangle.store.files import PRIVATE_FILE_MODE, sync_directory
from tangle.store.framed import FRAME_BYTES, FrameWriter
from tangle.store.keys import (
    compute_generation_key,
    compute_receipt_key,
    compute_sequence_key,
    decode_place,
    parse_sequence_key,
)
from tangle.store.snapshot import Readable, Row
from tangle.store.store import Table

ENDS_PER_RECORD: Final = 64
"""Ends of epochs in one record: some hundred kilobytes with a committee of fifty."""

OnMade = Callable[[str, int, int], None]
"""Told of progress: which part, how much of it, of how much (0 where nobody knows)."""


class SnapshotFacts(Struct, frozen=True, array_like=True):
    """What a snapshot is of."""

    checkpoint: int
    """Index of its checkpoint."""

    digest: Digest
    """That checkpoint's digest."""

    first: int
    """First checkpoint of the history inside."""

    timestamp_ms: int
    """Commit time of the checkpoint."""

    transactions: int
    """Transactions inside."""

    rows: int
    """Rows of the state inside."""

    size: int
    """Bytes of the file."""


class Moment(Struct, frozen=True):
    """The state of one moment, and history that reaches at least as far."""

    live: Readable
    """The live tables."""

    history: Readable
    """History, looked at no earlier."""

    state: LedgerState
    """The ledger's state in ``live``."""

    later: tuple[Checkpoint, ...]
    """From the one after the state's up to the one that is certified."""

    certificate: Certificate
    """Its certificate."""


def find_certified(live: Readable, history: Readable) -> Moment | None:
    """Whether the checkpoint of the state is certified in ``history``; none where it is not yet.

    :raises SnapshotUnready: there is nothing yet that could be certified.
    """
    value = live.get(Table.META, LEDGER)
    state = None if value is None else decode_ledger_state(value)
    if state is None or not state.checkpoint_index:
        raise SnapshotUnready(0, "nothing was ordered yet")
    later: list[Checkpoint] = []
    previous = state.previous
    for index in range(state.checkpoint_index, state.checkpoint_index + LATER_MAX):
        row = history.get(Table.CHECKPOINTS, compute_sequence_key(index))
        if row is None:
            return None
        checkpoint = decode_checkpoint(row)
        if index > state.checkpoint_index:
            later.append(checkpoint)
            if checkpoint.previous != previous:
                raise SnapshotUnready(index, "history does not follow from the state")
            previous = compute_checkpoint_digest(checkpoint)
        signed = history.get(Table.CERTIFICATES, compute_sequence_key(index))
        if signed is not None:
            certificate = decode_certificate(signed)
            if certificate.digest != previous:
                raise SnapshotUnready(index, "another one was certified")
            return Moment(live, history, state, tuple(later), certificate)
    return None


def make_file(moment: Moment, genesis: Genesis, path: Path, on_made: OnMade) -> SnapshotFacts:
    """Write a snapshot to a new file. It is whole and durable, or not there.

    :raises CopyExists: something is at ``path``.
    :raises CopyFailed: the disk refuses.
    :raises SnapshotUnready: history lacks what belongs into it.
    """
    if path.exists():
        raise CopyExists(path)
    making = path.with_name(f".{path.name}.making")
    try:
        descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE_MODE)
        with open(descriptor, "wb") as file:
            facts = _Maker(moment, genesis, file, on_made).write()
            file.flush()
            os.fsync(descriptor)
        making.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise CopyFailed(path, error.strerror or str(error)) from error
    finally:
        making.unlink(missing_ok=True)
    return facts


class _Maker:
    def __init__(self, moment: Moment, genesis: Genesis, file: BinaryIO, on_made: OnMade) -> None:
        self._moment = moment
        self._history = moment.history
        self._genesis = genesis
        self._file = file
        self._writer = FrameWriter(file, MAGIC, PURPOSE)
        self._on_made = on_made

    def write(self) -> SnapshotFacts:
        state = self._moment.state
        checkpoint = read_checkpoint(self._history, state.checkpoint_index)
        window = find_window(self._history_with_state(), self._genesis, checkpoint.index)
        self._put(self._make_head(checkpoint, window))
        ends = list(iterate_epoch_ends(self._history_with_state(), checkpoint.shard, self._get_last()))
        for start in range(0, len(ends), ENDS_PER_RECORD):
            self._put(EpochEnds(tuple(ends[start : start + ENDS_PER_RECORD])))
        self._write_models(window)
        transactions = self._write_sections(window)
        self._write_committee(checkpoint)
        rows = self._write_rows()
        self._put(End(transactions, rows))
        return SnapshotFacts(
            checkpoint.index,
            compute_checkpoint_digest(checkpoint),
            window.first,
            checkpoint.timestamp_ms,
            transactions,
            rows,
            self._file.tell(),
        )

    def _history_with_state(self) -> Readable:
        return TwoViews(self._moment.live, self._history)

    def _get_last(self) -> Checkpoint:
        moment = self._moment
        return (
            moment.later[-1]
            if moment.later
            else read_checkpoint(self._history, moment.state.checkpoint_index)
        )

    def _put(self, record: Record) -> None:
        self._writer.write(encode_record(record))

    def _make_head(self, checkpoint: Checkpoint, window: Window) -> Head:
        moment = self._moment
        encoded = moment.live.get(Table.META, LEDGER)
        assert encoded is not None, "the moment has a state"
        key = compute_sequence_key(checkpoint.committee_epoch)
        stored = self._history.get(Table.EPOCHS, key)
        if stored is None:
            raise SnapshotUnready(checkpoint.index, "its committee is not here")
        committee, begun = decode_committee(checkpoint.committee_epoch, stored)
        return Head(
            SNAPSHOT_VERSION,
            compute_chain_id(self._genesis),
            checkpoint.shard,
            window.first,
            checkpoint,
            moment.later,
            moment.certificate,
            encoded,
            begun,
            committee.origin,
            find_event_id(self._history, checkpoint),
        )

    def _write_models(self, window: Window) -> None:
        own = read_genesis_jobs(self._genesis)
        paid: dict[JobId, None] = {}
        masters: dict[tuple[JobId, int], None] = {}
        for checkpoint in iterate_checkpoints(self._history, window):
            for model in checkpoint.models:
                if model.job not in own:
                    paid[model.job] = None
                masters[model.job, model.generation] = None
        for job in paid:
            record = read_paid_job(self._history, job)
            content = self._history.get(Table.TRAINING_DATA, record.data)
            if content is None:
                raise SnapshotUnready(window.last, f"the data of job {job.hex()[:16]} are not here")
            self._put(PaidModel(record.parameters, BlobId(record.data), content, record.opened))
        witnessed = set(list_witnessed(self._history, self._genesis, window.first))
        for done, (job, generation) in enumerate([*sorted(witnessed), *masters], 1):
            master = self._history.get(Table.WEIGHTS, compute_generation_key(job, generation))
            if master is None:
                raise SnapshotUnready(window.last, f"generation {generation} of a model is not here")
            witnesses = (
                (find_witness(self._history, job, generation),) if (job, generation) in witnessed else ()
            )
            self._put(Master(job, generation, master, witnesses))
            self._on_made("models", done, len(witnessed) + len(masters))

    def _write_sections(self, window: Window) -> int:
        total, of = 0, window.last - window.first + 1
        for done, checkpoint in enumerate(iterate_checkpoints(self._history, window), 1):
            self._put(self._make_section(checkpoint, is_first=checkpoint.index == window.first))
            total += checkpoint.ordered_count if checkpoint.index > window.first else 0
            self._on_made("history", done, of)
        return total

    def _make_section(self, checkpoint: Checkpoint, *, is_first: bool) -> Section:
        if is_first:
            return Section(checkpoint, (), (), (), (), ())
        history = self._history
        effects, transactions = [], []
        for index in range(checkpoint.ordered_total - checkpoint.ordered_count, checkpoint.ordered_total):
            row = history.get(Table.ORDERED, compute_sequence_key(index))
            encoded = None if row is None else self._read_transaction(decode_effect(row[8:]).transaction)
            if row is None or encoded is None:
                raise SnapshotUnready(checkpoint.index, f"ordered transaction {index} is not here")
            effects.append(row[8:])
            transactions.append(encoded)
        key = compute_sequence_key(checkpoint.index)
        batches = history.get(Table.RECEIPT_BATCHES, key)
        signed = history.get(Table.CERTIFICATES, key)
        read = () if batches is None else read_batches(key, batches)
        receipts = tuple(
            self._read_receipt(checkpoint.index, batch.target, batch.first_sequence + number)
            for batch in read
            for number in range(batch.count)
        )
        certificates = () if signed is None else (decode_certificate(signed),)
        return Section(checkpoint, tuple(transactions), tuple(effects), read, receipts, certificates)

    def _read_transaction(self, identity: bytes) -> bytes | None:
        place = self._history.get(Table.TRANSACTION_INDEX, identity)
        if place is None:
            return None
        return self._history.get(Table.TRANSACTIONS, compute_sequence_key(decode_place(place).arrival))

    def _read_receipt(self, index: int, target: int, sequence: int) -> Receipt:
        value = self._history.get(Table.RECEIPTS_OUT, compute_receipt_key(target, sequence))
        if value is None:
            raise SnapshotUnready(index, f"receipt {sequence} to shard {target} is not here")
        return decode(SentReceipt, value, limit=RECORD_SIZE_MAX).receipt

    def _write_committee(self, checkpoint: Checkpoint) -> None:
        if checkpoint.epoch > checkpoint.committee_epoch:
            self._put(Commits(()))  # another committee goes on, and begins anew
            return
        depth = self._genesis.parameters.commit_depth
        records, prefix = self._read_commits(checkpoint, depth)
        self._put(Commits(records))
        horizon = max(0, checkpoint.leader.round - depth)
        blocks = self._history.iterate(Table.BLOCKS, prefix + compute_sequence_key(horizon + 1))
        for rows in gather(row for row in blocks if row[0].startswith(prefix)):
            self._put(Blocks(tuple(value for _, value in rows)))

    def _read_commits(self, checkpoint: Checkpoint, depth: int) -> tuple[tuple[CommitRecord, ...], bytes]:
        """Commits from that of the checkpoint down to the horizon, and what their keys begin with."""
        executed = self._moment.live.get(Table.META, EXECUTED)
        if executed is None:
            raise SnapshotUnready(checkpoint.index, "no commit was executed")
        prefix, number = executed[:-8], parse_sequence_key(executed[-8:])
        horizon = max(0, checkpoint.leader.round - depth)
        found: list[CommitRecord] = []
        while number:  # commits count from 1
            value = self._history.get(Table.COMMITS, prefix + compute_sequence_key(number))
            if value is None:
                break
            record = decode_commit(value)
            number -= 1
            if record.leader.round <= horizon:
                break
            if found or record.leader == checkpoint.leader:
                found.append(record)
        if not found:
            raise SnapshotUnready(checkpoint.index, "the commit that made it is not here")
        return tuple(reversed(found)), prefix

    def _write_rows(self) -> int:
        total = 0
        for place, table in enumerate(STATE_TABLES):
            of = self._moment.live.count(table)
            rows: Iterable[Row] = self._moment.live.iterate(table)
            if table is Table.ACCOUNTS:
                rows = (row for row in rows if decode_account(row[1]) != EMPTY_ACCOUNT)
            done = 0
            for gathered in gather(rows):
                self._put(Rows(place, tuple(gathered)))
                done += len(gathered)
                self._on_made(table.title, done, max(done, of))
            total += done
        return total


class TwoViews:
    """The live tables of one view and history of another."""

    def __init__(self, live: Readable, history: Readable) -> None:
        self._live = live
        self._history = history

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See ``Readable.get``."""
        return self._choose(table).get(table, key)

    def iterate(self, table: Table, start: bytes = b"") -> Iterator[Row]:
        """See ``Readable.iterate``."""
        return self._choose(table).iterate(table, start)

    def count(self, table: Table) -> int:
        """See ``Readable.count``."""
        return self._choose(table).count(table)

    def _choose(self, table: Table) -> Readable:
        return self._live if table.environment is Table.META.environment else self._history


def gather(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows in lists of about ``FRAME_BYTES``."""
    gathered: list[Row] = []
    size = 0
    for row in rows:
        gathered.append(row)
        size += len(row[0]) + len(row[1])
        if size >= FRAME_BYTES:
            yield gathered
            gathered, size = [], 0
    if gathered:
        yield gathered


def find_witness(history: Readable, job: JobId, generation: int) -> CertifiedCheckpoint:
    """A certified checkpoint at which a generation was current, the one that opened it if possible.

    :raises SnapshotUnready: none is here.
    """
    opened = read_generation(history, job, generation).checkpoint
    for index in range(opened, opened + LATER_MAX):
        key = compute_sequence_key(index)
        value, signed = history.get(Table.CHECKPOINTS, key), history.get(Table.CERTIFICATES, key)
        if value is None or signed is None:
            continue
        checkpoint = decode_checkpoint(value)
        if any((model.job, model.generation) == (job, generation) for model in checkpoint.models):
            return CertifiedCheckpoint(checkpoint, decode_certificate(signed))
    raise SnapshotUnready(opened, f"no certified checkpoint names generation {generation} of a model")


def find_event_id(history: Readable, checkpoint: Checkpoint) -> int:
    """Id of the first event of a checkpoint: rows of events hold how many each checkpoint had.

    :raises SnapshotUnready: they do not reach so far.
    """
    # Each checkpoint has one event, one for each transaction, and few others: it is not far from here.
    before = checkpoint.ordered_total - checkpoint.ordered_count
    start = compute_sequence_key(max(0, checkpoint.index - 1 + before))
    for key, value in history.iterate(Table.EVENTS, start):
        first, (index, count) = parse_sequence_key(key), decode(tuple[int, int], value, limit=64)
        if index == checkpoint.index:
            return first
        if index == checkpoint.index - 1:
            return first + count
    raise SnapshotUnready(checkpoint.index, "its events are not written yet")


def iterate_epoch_ends(source: Readable, shard: Shard, last: Checkpoint) -> Iterator[EpochEnd]:
    """The ends of all epochs before that of ``last``'s committee, from the genesis on.

    :raises SnapshotUnready: one is not here, or not certified.
    """
    if shard == LEADING_SHARD:
        yield from _find_own_ends(source, last)
        return
    # Other shards were told by bundles.
    ends: dict[int, EpochEnd] = {}
    for _, value in source.iterate(Table.BUNDLES):
        bundle = decode_bundle(value)
        checkpoint = bundle.checkpoint
        is_end = checkpoint.shard == LEADING_SHARD and checkpoint.epoch > checkpoint.committee_epoch
        if is_end and checkpoint.committee_epoch < last.committee_epoch:
            ends[checkpoint.committee_epoch] = EpochEnd(checkpoint, bundle.certificate)
    yield from (ends[epoch] for epoch in sorted(ends))


def _find_own_ends(source: Readable, last: Checkpoint) -> Iterator[EpochEnd]:
    for key, value in source.iterate(Table.EPOCHS, compute_sequence_key(1)):
        epoch = parse_sequence_key(key)
        if epoch > last.committee_epoch:
            break
        _, begun = decode_committee(epoch, value)
        yield _make_end(source, compute_sequence_key(begun), read_checkpoint(source, begun))


def _make_end(source: Readable, key: bytes, checkpoint: Checkpoint) -> EpochEnd:
    signed = source.get(Table.CERTIFICATES, key)
    if signed is None:
        raise SnapshotUnready(checkpoint.index, "the end of an epoch has no certificate here")
    return EpochEnd(checkpoint, decode_certificate(signed))
