"""Disks that take their time, and forget at a crash what was not committed.

The store seam's twin is the memory store with a latency for each environment that it writes, and an observer
that hears of every batch whose commit returned. A write becomes durable some time between its beginning and
the moment when its owner hears of it: a crash in between finds it there or not, for each environment.
"""

from collections.abc import Callable
from enum import Enum
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


class Torn(Enum):
    """What a crash leaves of a write that it comes into.

    Each environment takes its part of a group of batches as one transaction, history first, so no more is
    possible than this; a batch is never halved within one environment, nor taken without those before it.
    """

    NOTHING = "write-left-nothing"
    HISTORY = "write-left-history"
    """The part in history is there, the one in live state is not."""

    ALL = "write-left-all"
    """It is there, and its owner was not told."""

    GUARD_OLD = "guard-left-old"
    GUARD_NEW = "guard-left-new"
    """The new record is there, and what it allows was not signed."""


def ignore_torn(_: Torn) -> None:
    """Nobody counts."""


async def _reach(reach: Reach, point: FailPoint) -> None:
    if reach(point):
        await anyio.sleep_forever()  # until the cancellation that killed this process arrives


class DiskPace(Struct, frozen=True):
    """How fast a disk is."""

    write_ms: float = 1.0
    """Usual time of one environment's write."""


class _Stage(Struct, frozen=True):
    """One environment's part of a write."""

    environment: Environment
    kept_s: float
    """From when on a crash leaves it, after the beginning of the write."""


class SimulatedStore(MemoryStore):
    """The store seam's twin."""

    def __init__(
        self,
        disk: Disk,
        pace: DiskPace,
        chance: Chance,
        on_durable: Callable[[WriteBatch], None],
        reach: Reach = pass_by,
        on_torn: Callable[[Torn], None] = ignore_torn,
    ) -> None:
        """:param on_durable: told each batch whose commit returned, before its owner goes on.
        :param reach: told each fail point.
        :param on_torn: told what a crash in the middle of a write left of it.
        """
        super().__init__(disk)
        self._pace = pace
        self._chance = chance
        self._on_durable = on_durable
        self._reach = reach
        self._on_torn = on_torn
        self._points: tuple[FailPoint, FailPoint, FailPoint] | None = None

    async def commit(self, batch: WriteBatch, *, is_urgent: bool = False) -> None:
        """See ``Store.commit``."""
        await super().commit(batch, is_urgent=is_urgent)
        self._on_durable(batch)

    async def hand_in(
        self, batch: WriteBatch, on_durable: Callable[[], None], *, is_awaited: bool = False
    ) -> None:
        """See ``Store.hand_in``."""

        def tell() -> None:
            self._on_durable(batch)
            on_durable()

        await super().hand_in(batch, tell, is_awaited=is_awaited)

    async def _write(self, changes: Changes) -> None:
        self._points = find_points(changes, is_founding=not self.disk[Table.CHECKPOINTS].values)
        if self._points is not None:
            await _reach(self._reach, self._points[0])
        stages, end_s = self._plan(changes)
        begun_s, left = anyio.current_time(), Torn.NOTHING
        try:
            # One sleep for all: what stands on the disk in between shows only where a crash comes into it.
            await anyio.sleep(end_s)
            for stage in stages:
                self.apply(stage.environment, changes)
                left = _compute_left(stage.environment, changes)
                await self._pass_points(stage.environment)
        except anyio.get_cancelled_exc_class():
            if left is Torn.NOTHING:
                left = self._tear(stages, anyio.current_time() - begun_s, changes)
            self._on_torn(left)
            raise

    def _plan(self, changes: Changes) -> tuple[list[_Stage], float]:
        """When each environment has its part, and when all is over, both from now on."""
        stages, end_s = [], 0.0
        for environment in Environment:
            if any(table.environment is environment for table in changes):
                begin_s, end_s = end_s, end_s + self._draw_time_s()
                is_early = self._chance.random() < 1 / 2
                stages.append(_Stage(environment, begin_s if is_early else end_s))
        return stages, end_s

    def _tear(self, stages: list[_Stage], passed_s: float, changes: Changes) -> Torn:
        """A crash after ``passed_s``: the disk keeps what it had by then."""
        left = Torn.NOTHING
        for stage in stages:
            if passed_s < stage.kept_s:
                break
            self.apply(stage.environment, changes)
            left = _compute_left(stage.environment, changes)
        return left

    def _draw_time_s(self) -> float:
        write_ms = self._pace.write_ms * (0.5 + self._chance.random())
        if self._chance.random() < SLOW_WRITE_SHARE:
            write_ms *= SLOW_WRITE_TIMES
        return write_ms / 1_000

    async def _pass_points(self, environment: Environment) -> None:
        if self._points is not None:
            await _reach(self._reach, self._points[1 if environment is Environment.HISTORY else 2])
            await _reach(self._reach, FailPoint.CATCHING_UP)


def _compute_left(environment: Environment, changes: Changes) -> Torn:
    """What a crash leaves of ``changes`` once ``environment`` has its part."""
    is_more_to_come = environment is Environment.HISTORY and any(
        table.environment is Environment.LIVE for table in changes
    )
    return Torn.HISTORY if is_more_to_come else Torn.ALL


class SimulatedGuard(MemoryGuard):
    """The last-signed guard: survives every crash, and takes a disk's time to become durable.

    The real one is a file that is replaced whole: a new one is written beside it, synced, and renamed. So a
    crash leaves the old record or the new one, and nothing else.
    """

    def __init__(
        self,
        pace: DiskPace,
        chance: Chance,
        reach: Reach = pass_by,
        on_torn: Callable[[Torn], None] = ignore_torn,
        record: bytes = b"",
    ) -> None:
        super().__init__(record)
        self._pace = pace
        self._chance = chance
        self._reach = reach
        self._on_torn = on_torn

    async def save(self, record: bytes) -> None:
        """See ``Guard.save``. A crash before it returns leaves the old record, or the new one that nobody
        was told of.
        """
        await _reach(self._reach, FailPoint.GUARD_BEFORE)
        is_early = self._chance.random() < 1 / 2
        if is_early:
            await super().save(record)
        try:
            await anyio.sleep(self._pace.write_ms / 1_000)
        except anyio.get_cancelled_exc_class():
            self._on_torn(Torn.GUARD_NEW if is_early else Torn.GUARD_OLD)
            raise
        await super().save(record)
        await _reach(self._reach, FailPoint.GUARD_AFTER)


def make_disk() -> Disk:
    """An empty disk."""
    return MemoryStore().disk
