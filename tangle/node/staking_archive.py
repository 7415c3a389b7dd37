"""The book of stakes in the store: its present entries.

==================  ================================  =====================================================
table               key                               value
==================  ================================  =====================================================
staking             shelf (1), key                    encoded entry
==================  ================================  =====================================================
"""

from collections.abc import Iterable
from typing import Final

from tangle.ledger.staking.records import (
    StakingChange,
    StakingEntry,
    StakingShelf,
    compute_entry_key,
    decode_entry,
    encode_entry,
    get_shelf,
)
from tangle.store.store import Store, Table, WriteBatch

PAGE: Final = 1_000
"""Rows read at a time."""


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

    def list_entries(self) -> list[StakingEntry]:
        """Everything that stands in the book."""
        entries: list[StakingEntry] = []
        start = b""
        while rows := self._store.scan(Table.STAKING, start, limit=PAGE):
            entries.extend(decode_entry(StakingShelf(key[0]), value) for key, value in rows)
            start = rows[-1][0] + b"\x00"
        return entries
