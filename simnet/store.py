"""Disks that take their time, and forget at a crash what was not committed.

The store seam's twin is the memory store with a latency for each environment that it writes, so a crash can
fall between the two, and an observer that hears of every batch whose commit returned.
"""

from collections.abc import Callable
from typing import Final

import anyio
from msgspec import Struct

from simnet.chance import Chance
from simnet.fail_points import FailPoint, find_points
from tangle.store.guard_file import MemoryGuard
from tangle.store.memory_store import Disk, MemoryStore
from tangle.store.store import Changes, Environment, Table, WriteBatch

SLOW_WRITE_SHARE: Final = 0.01
"""Writes that take much longer than usual, as disks do when they collect garbage."""

SLOW_WRITE_TIMES: Final = 20
"""How much longer."""


Reach = Callable[[FailPoint], bool]
"""Told a fail point; answers whether the process ends there."""


def pass_by(_: FailPoint) -> bool:
    """Nothing happens anywhere."""
    return False


async def _reach(reach: Reach, point: FailPoint) -> None:
    if reach(point):
        await anyio.sleep_forever()  # until the cancellation that killed this process arrives


class DiskPace(Struct, frozen=True):
    """How fast a disk is."""

    write_ms: float = 1.0
    """Usual time of one environment's write."""


class SimulatedStore(MemoryStore):
    """The store seam's twin."""

    def __init__(
        self,
        disk: Disk,
        pace: DiskPace,
        chance: Chance,
        on_durable: Callable[[WriteBatch], None],
        reach: Reach = pass_by,
    ) -> None:
        """:param on_durable: told each batch whose commit returned, before its owner goes on.
        :param reach: told each fail point.
        """
        super().__init__(disk, step=self._take_time)
        self._pace = pace
        self._chance = chance
        self._on_durable = on_durable
        self._reach = reach
        self._points: tuple[FailPoint, FailPoint, FailPoint] | None = None

    async def commit(self, batch: WriteBatch, *, is_urgent: bool = False) -> None:
        """See ``Store.commit``."""
        await super().commit(batch, is_urgent=is_urgent)
        self._on_durable(batch)

    async def _write(self, changes: Changes) -> None:
        self._points = find_points(changes, is_founding=not self.disk[Table.CHECKPOINTS].keys)
        if self._points is not None:
            await _reach(self._reach, self._points[0])
        await super()._write(changes)

    async def _take_time(self, environment: Environment) -> None:
        write_ms = self._pace.write_ms * (0.5 + self._chance.random())
        if self._chance.random() < SLOW_WRITE_SHARE:
            write_ms *= SLOW_WRITE_TIMES
        await anyio.sleep(write_ms / 1_000)
        if self._points is not None:
            await _reach(self._reach, self._points[1 if environment is Environment.HISTORY else 2])
            await _reach(self._reach, FailPoint.CATCHING_UP)


class SimulatedGuard(MemoryGuard):
    """The last-signed guard: survives every crash, and takes a disk's time to become durable."""

    def __init__(self, pace: DiskPace, reach: Reach = pass_by, record: bytes = b"") -> None:
        super().__init__(record)
        self._pace = pace
        self._reach = reach

    async def save(self, record: bytes) -> None:
        """See ``Guard.save``. A crash before it returns leaves the old record."""
        await _reach(self._reach, FailPoint.GUARD_BEFORE)
        await anyio.sleep(self._pace.write_ms / 1_000)
        await super().save(record)
        await _reach(self._reach, FailPoint.GUARD_AFTER)


def make_disk() -> Disk:
    """An empty disk."""
    return MemoryStore().disk
