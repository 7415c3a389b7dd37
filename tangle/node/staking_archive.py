"""The book of stakes in the store: its present entries, and what happened to stakes and committees.

==================  ================================  =====================================================
table               key                               value
==================  ================================  =====================================================
staking             shelf (1), key                    encoded entry
staking_events      checkpoint, place in it (2)       commit time, encoded event
==================  ================================  =====================================================
"""

from collections.abc import Iterable
from typing import Final

from tangle.core.types import Milliseconds
from tangle.ledger.staking.events import (
    StakingEvent,
    StakingRecord,
    decode_staking_record,
    encode_staking_record,
)
from tangle.ledger.staking.records import (
    StakingChange,
    StakingEntry,
    StakingShelf,
    compute_entry_key,
    decode_entry,
    encode_entry,
    get_shelf,
)
from tangle.store.keys import compute_sequence_key, parse_sequence_key
from tangle.store.store import Store, Table, WriteBatch

PAGE: Final = 1_000
"""Rows read at a time."""

EVENTS_MAX: Final = 4_096
"""Most events of a checkpoint that are read: pay for 256 members, and a slash for every refuted result of a
checkpoint's transactions."""

PLACE_SIZE: Final = 2
"""Bytes of an event's place in its checkpoint."""


def compute_event_key(checkpoint: int, place: int) -> bytes:
    """10 bytes, in the order in which things happened."""
    return compute_sequence_key(checkpoint) + place.to_bytes(PLACE_SIZE, "big")


class StakingArchive:
    """Typed reads of the table, and builders of write batches."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put_entries(self, batch: WriteBatch, entries: Iterable[StakingEntry]) -> None:
        """Add entries, such as those of the genesis."""
        for entry in entries:
            key = bytes([get_shelf(entry)]) + compute_entry_key(entry)
            batch.put(Table.STAKING, key, encode_entry(entry))

    def put_changes(self, batch: WriteBatch, changes: Iterable[StakingChange]) -> None:
        """Add what a checkpoint changed."""
        for change in changes:
            key = bytes([change.shelf]) + change.key
            if change.after is None:
                batch.delete(Table.STAKING, key)
            else:
                batch.put(Table.STAKING, key, encode_entry(change.after))

    def put_events(
        self, batch: WriteBatch, checkpoint: int, timestamp_ms: Milliseconds, events: Iterable[StakingEvent]
    ) -> None:
        """Add what a checkpoint did, in order."""
        for place, event in enumerate(events):
            record = StakingRecord(timestamp_ms, event)
            batch.put(
                Table.STAKING_EVENTS, compute_event_key(checkpoint, place), encode_staking_record(record)
            )

    def list_events(self, checkpoint: int) -> list[StakingRecord]:
        """What a checkpoint did, in order."""
        start, stop = compute_event_key(checkpoint, 0), compute_event_key(checkpoint + 1, 0)
        rows = self._store.scan(Table.STAKING_EVENTS, start, stop, limit=EVENTS_MAX)
        return [decode_staking_record(value) for _, value in rows]

    def list_latest_events(self, limit: int) -> list[tuple[int, StakingRecord]]:
        """What happened last, newest first, with the checkpoints in which it did."""
        rows = self._store.scan(Table.STAKING_EVENTS, b"", limit=limit, reverse=True)
        return [(parse_sequence_key(key[:-PLACE_SIZE]), decode_staking_record(value)) for key, value in rows]

    def list_entries(self) -> list[StakingEntry]:
        """Everything that stands in the book."""
        entries: list[StakingEntry] = []
        start = b""
        while rows := self._store.scan(Table.STAKING, start, limit=PAGE):
            entries.extend(decode_entry(StakingShelf(key[0]), value) for key, value in rows)
            start = rows[-1][0] + b"\x00"
        return entries
