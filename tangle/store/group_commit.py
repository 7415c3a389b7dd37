"""Group commit: one task hands everything that waits to the disk at once.

A durable write costs the same for one key as for a thousand, so batches gather: while one group is on its way
to the disk, the next forms; a batch that comes alone waits for company, unless it is urgent, and longer where
nobody waits for it. After a failure no batch is written any more: a later one must not become durable where
an earlier one did not.
"""

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import anyio

from tangle.store.errors import StorageFailed, StoreClosed
from tangle.store.store import WRITE_BOUNDS_S, Changes, Table, WriteBatch

GROUP_WAIT_MS: Final = 20
"""Longest wait for company (architecture 7); short beside a commit of the committee."""

HANDED_IN_WAIT_MS: Final = 100
"""Longest wait of what nobody waits for: it goes with what is written anyway, once or twice a round, and a
crash takes no more of it than this."""

GROUP_BYTES_MAX: Final = 16_777_216
"""A group that is this large is not made larger by waiting; it also bounds what one LMDB transaction
dirties."""

WAITING_BYTES_MAX: Final = 67_108_864
"""Bytes that may wait for the disk; more wait in front of ``commit``, which is how a slow disk slows the
node."""


Fault = StorageFailed | StoreClosed
"""Why a batch did not become durable."""

OnEnd = Callable[[Fault | None], None]
"""Told once what became of a batch: none when it is durable."""


class _Waiting:
    """One batch on its way."""

    __slots__ = ("batch", "due_s", "on_end")

    def __init__(self, batch: WriteBatch, on_end: OnEnd, due_s: float) -> None:
        self.batch = batch
        self.on_end = on_end
        self.due_s = due_s
        """When it has waited long enough for company."""


class GroupCommit:
    """The queue in front of a disk."""

    def __init__(self, write: Callable[[Changes], Awaitable[None]], *, wait_ms: int = GROUP_WAIT_MS) -> None:
        """Prepare; ``run`` does the work.

        :param write: makes changes durable, or raises ``StorageFailed``.
        """
        self._write = write
        self._wait_ms = wait_ms
        self._waiting: deque[_Waiting] = deque()
        self._room = anyio.Event()
        self._due = anyio.Event()
        self._due_s = math.inf
        """When the first of those that wait is due."""
        self._gathering: anyio.CancelScope | None = None
        """Ends then, once ``run`` waits."""
        self._fault: Fault | None = None
        self._is_stopping = False
        self.waiting_bytes = 0
        """Size of the batches that wait."""
        self.groups = self.batches = self.keys = 0
        self.last_write_ms = self.worst_write_ms = 0.0
        self.write_counts = [0] * (len(WRITE_BOUNDS_S) + 1)
        self.write_total_s = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    async def commit(self, batch: WriteBatch, *, is_urgent: bool) -> None:
        """See ``Store.commit``."""
        done, faults = anyio.Event(), list[Fault]()

        def on_end(fault: Fault | None) -> None:
            if fault is not None:
                faults.append(fault)
            done.set()

        await self._hand_in(batch, on_end, 0 if is_urgent else self._wait_ms)
        await done.wait()
        if faults:
            raise faults[0]

    async def _hand_in(self, batch: WriteBatch, on_end: OnEnd, wait_ms: int) -> None:
        """Return once the queue has room for ``batch`` and took it; at once where it has.

        :param wait_ms: how long it may wait for company.
        :raises StorageFailed, StoreClosed: nothing is taken any more.
        """
        while self.waiting_bytes and self.waiting_bytes + batch.size_bytes > WAITING_BYTES_MAX:
            self._check()
            if self._room.is_set():
                self._room = anyio.Event()
            await self._room.wait()
        self._check()
        due_s = anyio.current_time() + wait_ms / 1_000
        self._waiting.append(_Waiting(batch, on_end, due_s))
        self.waiting_bytes += batch.size_bytes
        is_first, self._due_s = due_s < self._due_s, min(due_s, self._due_s)
        if not wait_ms or self.waiting_bytes >= GROUP_BYTES_MAX:
            self._due.set()
        elif is_first and self._gathering is not None:
            self._gathering.deadline = due_s

    async def hand_in(self, batch: WriteBatch, on_durable: Callable[[], None], *, is_awaited: bool) -> None:
        """See ``Store.hand_in``."""
        wait_ms = self._wait_ms if is_awaited else max(self._wait_ms, HANDED_IN_WAIT_MS)
        await self._hand_in(batch, lambda fault: on_durable() if fault is None else None, wait_ms)

    async def run(self) -> None:
        """Write groups until stopped.

        :raises StorageFailed: from the disk.
        """
        try:
            while await self._wait_for_batches():
                await self._write_group()
        except StorageFailed as fault:
            self._close(fault)
            raise
        finally:
            self._close(StoreClosed())

    def stop(self) -> None:
        """Write what waits, take nothing more."""
        self._is_stopping = True
        self._due.set()

    async def _wait_for_batches(self) -> bool:
        """Wait until a group is due: once for all that gathers; false when there is nothing left to do."""
        if not self._is_due():
            self._due = anyio.Event()
            with anyio.CancelScope(deadline=self._due_s) as self._gathering:
                await self._due.wait()
        return bool(self._waiting)

    def _is_due(self) -> bool:
        return (
            self._is_stopping or self.waiting_bytes >= GROUP_BYTES_MAX or self._due_s <= anyio.current_time()
        )

    async def _write_group(self) -> None:
        group, size = [self._waiting.popleft()], 0
        while self._waiting and (size := size + group[-1].batch.size_bytes) < GROUP_BYTES_MAX:
            group.append(self._waiting.popleft())
        self._due_s = min((waiting.due_s for waiting in self._waiting), default=math.inf)
        self.waiting_bytes -= sum(waiting.batch.size_bytes for waiting in group)
        self._room.set()
        changes = merge_changes(waiting.batch for waiting in group)
        started_s = anyio.current_time()
        fault: Fault | None = StoreClosed()
        try:
            await self._write(changes)
            fault = None
        except StorageFailed as failure:
            fault = failure
            raise
        finally:
            for waiting in group:
                waiting.on_end(fault)
        self.last_write_ms = (anyio.current_time() - started_s) * 1_000
        self.worst_write_ms = max(self.worst_write_ms, self.last_write_ms)
        self.write_counts[bisect_left(WRITE_BOUNDS_S, self.last_write_ms / 1_000)] += 1
        self.write_total_s += self.last_write_ms / 1_000
        self.groups += 1
        self.batches += len(group)
        self.keys += sum(map(len, changes.values()))

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault
        if self._is_stopping:
            raise StoreClosed

    def _close(self, fault: Fault) -> None:
        """Take nothing more, and tell everybody who waits."""
        if self._fault is not None:
            return
        self._fault = fault
        for waiting in self._waiting:
            waiting.on_end(fault)
        self._waiting.clear()
        self._due_s = math.inf
        self.waiting_bytes = 0
        self._room.set()


def merge_changes(batches: Iterable[WriteBatch]) -> Changes:
    """One set of changes with the effect of all batches in order."""
    merged: dict[Table, dict[bytes, bytes | None]] = {}
    for batch in batches:
        for table, changes in batch.changes.items():
            if table in merged:
                merged[table].update(changes)
            else:
                merged[table] = dict(changes)
    return merged
