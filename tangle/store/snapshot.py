"""One moment of a database, read beside a node that may be running.

LMDB lets any number of readers look at one moment each while a writer goes on; all that they cost is that
pages which the writer gives up stay in the file until they are done. Two environments have two moments: live
state is taken first, so that history is as far or further, as after a crash.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from heapq import merge
from itertools import islice
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

import lmdb

from tangle.core.types import ChainId
from tangle.store.errors import StoreUnreadable
from tangle.store.lmdb_environment import check_identity, open_for_reading
from tangle.store.places import LIVE_NAME, finish_swap, list_directories
from tangle.store.store import Environment, Table

COPY_ATTEMPTS: Final = 3
"""Tries to begin reading while a writer makes its map larger; it does so some ten times in a node's life."""

Row = tuple[bytes, bytes]
"""Key and value."""


class Readable(Protocol):
    """The half of ``Store`` that reads, and going through a table in order."""

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The value of ``key``, none where there is none."""
        ...

    def iterate(self, table: Table, start: bytes = b"") -> Iterator[Row]:
        """All rows from ``start`` on, in order of keys."""
        ...

    def count(self, table: Table) -> int:
        """How many rows the table has."""
        ...


class _Opened:
    """One environment within a snapshot."""

    def __init__(self, directory: Path, chain: ChainId) -> None:
        self.directory = directory
        self.environment = open_for_reading(directory)
        try:
            self.transaction = self._begin()
            check_identity(self.environment, self.transaction, directory, chain)
        except BaseException:
            self.environment.close()
            raise
        self._databases: dict[Table, Any] = {}

    def close(self) -> None:
        self.transaction.abort()
        self.environment.close()

    def renew(self) -> None:
        """Look at the present moment from now on."""
        self.transaction.abort()
        self._databases = {}
        self.transaction = self._begin()

    def open_table(self, table: Table) -> Any:
        """The table; none where it was never written."""
        if table not in self._databases:
            try:
                database = self.environment.open_db(table.title.encode(), txn=self.transaction, create=False)
            except (lmdb.NotFoundError, lmdb.ReadonlyError):
                database = None
            self._databases[table] = database
        return self._databases[table]

    def _begin(self) -> "lmdb.Transaction[bytes]":
        for _ in range(COPY_ATTEMPTS):
            try:
                return self.environment.begin()
            except lmdb.MapResizedError:
                self.environment.close()
                self.environment = open_for_reading(self.directory)
            except lmdb.Error as error:
                raise StoreUnreadable(self.directory, str(error)) from error
        raise StoreUnreadable(self.directory, "a writer makes it larger again and again")


class Snapshot:
    """See ``Readable``. Made by ``open_snapshot``; a context manager that lets go of the moment."""

    def __init__(self, opened: dict[Environment, list[_Opened]], stack: ExitStack) -> None:
        self._opened = opened
        self._stack = stack

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See ``Readable.get``."""
        for opened in reversed(self._opened[table.environment]):
            database = opened.open_table(table)
            value: bytes | None = opened.transaction.get(key, db=database) if database is not None else None
            if value is not None:
                return value
        return None

    def iterate(self, table: Table, start: bytes = b"") -> Iterator[Row]:
        """See ``Readable.iterate``."""
        parts = [self._iterate(opened, table, start) for opened in self._opened[table.environment]]
        return merge(*parts, key=itemgetter(0))

    def scan(
        self,
        table: Table,
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        limit: int,
    ) -> list[Row]:
        """At most ``limit`` rows with ``start <= key < stop``, in order."""
        rows = islice(self.iterate(table, start), limit)
        return [row for row in rows if stop is None or row[0] < stop]

    def renew_history(self) -> None:
        """Look at history as it is now; the live state stays that of the moment that was taken.

        :raises StoreUnreadable: it cannot be read any more.
        """
        for opened in self._opened[Environment.HISTORY]:
            opened.renew()

    def count(self, table: Table) -> int:
        """See ``Readable.count``."""
        total = 0
        for opened in self._opened[table.environment]:
            database = opened.open_table(table)
            if database is not None:
                total += int(opened.transaction.stat(database)["entries"])
        return total

    def _iterate(self, opened: _Opened, table: Table, start: bytes) -> Iterator[Row]:
        database = opened.open_table(table)
        if database is None:
            return
        with opened.transaction.cursor(database) as cursor:
            if cursor.set_range(start):
                yield from cursor


def open_snapshot(root: Path, chain: ChainId) -> Snapshot:
    """Take the present moment of the database at ``root``; a node may go on writing to it.

    :raises StoreOfAnotherChain, WrongSchema: see each.
    :raises StoreUnreadable: a file is gone, truncated or no database.
    """
    finish_swap(root)
    opened: dict[Environment, list[_Opened]] = {name: [] for name in Environment}
    with ExitStack() as stack:
        for directory in list_directories(root):
            name = Environment.LIVE if directory.name == LIVE_NAME else Environment.HISTORY
            part = _Opened(directory, chain)
            stack.callback(part.close)
            opened[name].append(part)
        return Snapshot(opened, stack.pop_all())
