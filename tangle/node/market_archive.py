"""The market in the store: its present entries, the jobs there ever were, and what happened to each.

==================  ================================  =====================================================
table               key                               value
==================  ================================  =====================================================
market              shelf (1), key                    encoded entry
jobs                job id                            job record, its ending and refund
job_list            order of opening                  job id
event_counts        job or program id                 how many events it has
job_events          job or program id, number         checkpoint, commit time, transaction, event
==================  ================================  =====================================================

All but the events lie beside the accounts, so that they are never ahead of the ledger's state: a commit that
is executed again after a crash writes every event under the number that it had before.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from poi.market.entries import Entry, Shelf
from poi.market.outcomes import Ending, Event
from poi.market.records import Capacity, Job, ProgramEntry
from tangle.core.encoding import decode, encode
from tangle.core.types import Digest, Grains, Milliseconds, Natural, TransactionId
from tangle.ledger.marketplace import MarketClosing, MarketEvent
from tangle.node.market_views import JobEventView, JobView
from tangle.store.keys import compute_prefix_stop, compute_sequence_key, parse_sequence_key
from tangle.store.store import Store, Table, WriteBatch

RECORD_SIZE_MAX = 1024 * 1024
"""Longest record read back from the own store; guards against a damaged file, not against peers."""

PAGE = 1_000
"""Rows read at a time where a whole table is wanted."""

_KINDS: Mapping[Shelf, type[Entry]] = {
    Shelf.PROGRAM: ProgramEntry,
    Shelf.CAPACITY: Capacity,
    Shelf.JOB: Job,
}


class JobRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A job as kept."""

    job: Job
    """As it is, or as it was when it ended."""

    ending: Natural
    """How it ended; 0 while it is live."""

    refunded: Grains
    """What the customer got back at the end."""


class EventRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An event as kept."""

    checkpoint: Natural
    """In which it happened."""

    timestamp_ms: Milliseconds
    """That checkpoint's commit time."""

    transaction: bytes
    """The transaction that made it happen; empty where none did."""

    event: Event
    """What happened."""


class MarketArchive:
    """Typed reads of the market's tables, and builders of write batches."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put_closing(
        self, batch: WriteBatch, closing: MarketClosing, checkpoint: int, timestamp_ms: int
    ) -> None:
        """Add what a checkpoint did in the market."""
        for change in closing.changes:
            key = bytes([change.shelf]) + change.key
            if change.after is None:
                batch.delete(Table.MARKET, key)
            else:
                batch.put(Table.MARKET, key, encode(change.after))
        for row in closing.jobs:
            record = JobRecord(row.job, row.ending or 0, row.refunded)
            batch.put(Table.JOBS, row.job.id, encode(record))
            batch.put(Table.JOB_LIST, compute_sequence_key(row.job.order), row.job.id)
        for subject, events in closing.events.items():
            self._put_events(batch, subject, events, checkpoint, timestamp_ms)

    def list_entries(self) -> list[Entry]:
        """Everything that stands on the market's lists."""
        entries: list[Entry] = []
        start = b""
        while rows := self._store.scan(Table.MARKET, start, limit=PAGE):
            for key, value in rows:
                entries.append(decode(_KINDS[Shelf(key[0])], value, limit=RECORD_SIZE_MAX))
            start = rows[-1][0] + b"\x00"
        return entries

    def find_job(self, job: Digest) -> JobView | None:
        """A job, live or ended."""
        value = self._store.get(Table.JOBS, job)
        return None if value is None else _decode_job(value)

    def list_jobs(self, before: int | None, limit: int) -> Sequence[JobView]:
        """Jobs of orders below ``before``, newest first."""
        stop = None if before is None else compute_sequence_key(before)
        rows = self._store.scan(Table.JOB_LIST, b"", stop, limit=limit, reverse=True)
        found = (self.find_job(Digest(job)) for _, job in rows)
        return [view for view in found if view is not None]

    def list_job_events(self, job: Digest, first: int, limit: int) -> Sequence[JobEventView]:
        """Events of a job or program from number ``first`` on."""
        start, stop = job + compute_sequence_key(first), compute_prefix_stop(job)
        rows = self._store.scan(
            Table.JOB_EVENTS, start, stop, limit=min(limit, max(0, self._count(job) - first))
        )
        return [_make_event_view(key, value) for key, value in rows]

    def _put_events(
        self,
        batch: WriteBatch,
        subject: Digest,
        events: Sequence[MarketEvent],
        checkpoint: int,
        timestamp_ms: int,
    ) -> None:
        # An earlier commit of the same batch may have counted already.
        counted = batch.changes.get(Table.EVENT_COUNTS, {}).get(subject)
        number = self._count(subject) if counted is None else parse_sequence_key(counted)
        for happened in events:
            record = EventRecord(
                checkpoint, Milliseconds(timestamp_ms), happened.transaction or b"", happened.event
            )
            batch.put(Table.JOB_EVENTS, subject + compute_sequence_key(number), encode(record))
            number += 1
        batch.put(Table.EVENT_COUNTS, subject, compute_sequence_key(number))

    def _count(self, subject: Digest) -> int:
        value = self._store.get(Table.EVENT_COUNTS, subject)
        return 0 if value is None else parse_sequence_key(value)


def _decode_job(value: bytes) -> JobView:
    record = decode(JobRecord, value, limit=RECORD_SIZE_MAX)
    if not record.ending:
        return JobView(record.job, None, None)
    return JobView(record.job, Ending(record.ending), record.refunded)


def decode_event(value: bytes) -> EventRecord:
    """Read an event of the own store."""
    return decode(EventRecord, value, limit=RECORD_SIZE_MAX)


def _make_event_view(key: bytes, value: bytes) -> JobEventView:
    record = decode_event(value)
    return JobEventView(
        number=parse_sequence_key(key[32:]),
        checkpoint=record.checkpoint,
        timestamp_ms=record.timestamp_ms,
        transaction=TransactionId(record.transaction) if record.transaction else None,
        event=record.event,
    )
