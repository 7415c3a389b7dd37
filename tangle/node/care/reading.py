"""A store that is open for writing, as checks and repairs read it."""

from collections.abc import Iterator
from typing import Final

from tangle.store.snapshot import Row
from tangle.store.store import Store, Table

PAGE: Final = 1_000
"""Rows read at a time."""


class StoreReader:
    """See ``Readable``."""

    def __init__(self, store: Store) -> None:
        """:param store: nothing is written to it."""
        self._store = store

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See ``Readable.get``."""
        return self._store.get(table, key)

    def iterate(self, table: Table, start: bytes = b"") -> Iterator[Row]:
        """See ``Readable.iterate``."""
        while rows := self._store.scan(table, start, limit=PAGE):
            yield from rows
            start = rows[-1][0] + b"\x00"

    def count(self, table: Table) -> int:
        """See ``Readable.count``."""
        return self._store.count(table)
