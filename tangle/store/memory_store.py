"""The store of simulations and tests: the promises of ``LmdbStore``, kept in memory, with crashes on demand.

What a crash leaves is what a crash of the real store leaves: every batch whose ``commit`` returned; of the
group that was being written all, nothing, or the history part only; nothing of what still waited.
"""

from bisect import bisect_left
from collections.abc import Awaitable, Callable
from typing import Final

import anyio.lowlevel

from tangle.store.group_commit import GROUP_WAIT_MS, GroupCommit
from tangle.store.store import Changes, Environment, MapFacts, StoreStatistics, Table, WriteBatch

PAGE_BYTES: Final = 4_096
"""Size of the pages that figures speak of; memory has none."""

Step = Callable[[Environment], Awaitable[None]]
"""Called after each environment of a group became durable; a simulation takes its time or fails here."""


class _SortedTable:
    """One table: values by key, and the keys in order, which are sorted when somebody asks for them."""

    __slots__ = ("_new", "_sorted", "values")

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self._sorted: list[bytes] = []
        self._new: list[bytes] = []

    @property
    def keys(self) -> list[bytes]:
        """All keys, in order."""
        if self._new:
            self._sorted += self._new
            self._sorted.sort()
            self._new.clear()
        return self._sorted

    def put(self, key: bytes, value: bytes) -> None:
        if key not in self.values:
            if self._new or (self._sorted and key < self._sorted[-1]):
                self._new.append(key)
            else:
                self._sorted.append(key)
        self.values[key] = value

    def delete(self, key: bytes) -> None:
        if self.values.pop(key, None) is not None:
            keys = self.keys
            del keys[bisect_left(keys, key)]


Disk = dict[Table, _SortedTable]
"""What survives a crash."""


async def take_no_time(_: Environment) -> None:
    """The step of a disk that is as fast as memory."""
    await anyio.lowlevel.checkpoint()


class MemoryStore:
    """See ``Store``."""

    def __init__(
        self, disk: Disk | None = None, *, step: Step = take_no_time, group_wait_ms: int = GROUP_WAIT_MS
    ) -> None:
        """An empty disk, or one that a crash left.

        :param step: may raise ``StorageFailed``: a disk that dies.
        """
        self.disk: Final[Disk] = {table: _SortedTable() for table in Table} if disk is None else disk
        self._step = step
        self._group = GroupCommit(self._write, wait_ms=group_wait_ms)

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See ``Store.get``."""
        return self.disk[table].values.get(key)

    def scan(
        self,
        table: Table,
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        limit: int,
        reverse: bool = False,
    ) -> list[tuple[bytes, bytes]]:
        """See ``Store.scan``."""
        values, ordered = self.disk[table].values, self.disk[table].keys
        first = bisect_left(ordered, start)
        last = len(ordered) if stop is None else bisect_left(ordered, stop)
        if reverse:
            keys = ordered[max(first, last - limit) : last][::-1]
        else:
            keys = ordered[first : min(last, first + limit)]
        return [(key, values[key]) for key in keys]

    def count(self, table: Table) -> int:
        """See ``Store.count``."""
        return len(self.disk[table].values)

    async def commit(self, batch: WriteBatch, *, is_urgent: bool = False) -> None:
        """See ``Store.commit``."""
        await self._group.commit(batch, is_urgent=is_urgent)

    async def hand_in(
        self, batch: WriteBatch, on_durable: Callable[[], None], *, is_awaited: bool = False
    ) -> None:
        """See ``Store.hand_in``."""
        await self._group.hand_in(batch, on_durable, is_awaited=is_awaited)

    async def run(self) -> None:
        """See ``Store.run``. Cancelling it is the crash."""
        await self._group.run()

    def stop(self) -> None:
        """See ``Store.stop``."""
        self._group.stop()

    def close(self) -> None:
        """Nothing to close; the real twin has files."""

    def statistics(self) -> StoreStatistics:
        """See ``Store.statistics``."""
        group = self._group
        used = dict.fromkeys(map(str, Environment), 0)
        for table, content in self.disk.items():
            used[table.environment] += sum(len(key) + len(value) for key, value in content.values.items())
        return StoreStatistics(
            groups=group.groups,
            batches=group.batches,
            keys=group.keys,
            waiting_batches=len(group),
            waiting_bytes=group.waiting_bytes,
            content_bytes=used,
            last_write_ms=group.last_write_ms,
            worst_write_ms=group.worst_write_ms,
            used_bytes=used,
            write_counts=tuple(group.write_counts),
            write_total_s=group.write_total_s,
            maps={
                name: MapFacts(size, size // PAGE_BYTES + 1, PAGE_BYTES, 0, 0, 0)
                for name, size in used.items()
            },
        )

    async def _write(self, changes: Changes) -> None:
        for environment in Environment:
            if any(table.environment is environment for table in changes):
                self.apply(environment, changes)
                await self._step(environment)

    def apply(self, environment: Environment, changes: Changes) -> None:
        """Make one environment's part of ``changes`` durable, all of it at once."""
        for table, entries in changes.items():
            if table.environment is not environment:
                continue
            for key, value in entries.items():
                if value is None:
                    self.disk[table].delete(key)
                else:
                    self.disk[table].put(key, value)
