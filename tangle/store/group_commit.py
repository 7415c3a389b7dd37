"""Group commit: one task hands everything that waits to the disk at once.

A durable write costs the same for one key as for a thousand, so batches gather: while one group is on its way
to the disk, the next forms; a batch that comes alone waits ``wait_ms`` for company, unless it is urgent.
After a failure no batch is written any more: a later one must not become durable where an earlier one did
not.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import anyio

from tangle.store.errors import StorageFailed, StoreClosed
from tangle.store.store import Changes, Table, WriteBatch

GROUP_WAIT_MS: Final = 20
"""Longest wait for company (architecture 7); short beside a commit of the committee."""

GROUP_BYTES_MAX: Final = 16_777_216
"""A group that is this large is not made larger by waiting; it also bounds what one LMDB transaction
dirties."""

WAITING_BYTES_MAX: Final = 67_108_864
"""Bytes that may wait for the disk; more wait in front of ``commit``, which is how a slow disk slows the
node."""


class _Waiting:
    """One batch on its way."""

    __slots__ = ("batch", "done", "fault", "is_urgent")

    def __init__(self, batch: WriteBatch, *, is_urgent: bool) -> None:
        self.batch = batch
        self.is_urgent = is_urgent
        self.done = anyio.Event()
        self.fault: StorageFailed | StoreClosed | None = None


class GroupCommit:
    """The queue in front of a disk."""

    def __init__(self, write: Callable[[Changes], Awaitable[None]], *, wait_ms: int = GROUP_WAIT_MS) -> None:
        """Prepare; ``run`` does the work.

        :param write: makes changes durable, or raises ``StorageFailed``.
        """
        self._write = write
        self._wait_ms = wait_ms
        self._waiting: deque[_Waiting] = deque()
        self._arrival = anyio.Event()
        self._room = anyio.Event()
        self._company = anyio.Event()
        self._fault: StorageFailed | StoreClosed | None = None
        self._is_stopping = False
        self.waiting_bytes = 0
        """Size of the batches that wait."""
        self.groups = self.batches = self.keys = 0
        self.last_write_ms = self.worst_write_ms = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    async def commit(self, batch: WriteBatch, *, is_urgent: bool) -> None:
        """See ``Store.commit``."""
        while self.waiting_bytes and self.waiting_bytes + batch.size_bytes > WAITING_BYTES_MAX:
            self._check()
            if self._room.is_set():
                self._room = anyio.Event()
            await self._room.wait()
        self._check()
        waiting = _Waiting(batch, is_urgent=is_urgent)
        self._waiting.append(waiting)
        self.waiting_bytes += batch.size_bytes
        self._arrival.set()
        if is_urgent or self.waiting_bytes >= GROUP_BYTES_MAX:
            self._company.set()
        await waiting.done.wait()
        if waiting.fault is not None:
            raise waiting.fault

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
        self._arrival.set()
        self._company.set()

    async def _wait_for_batches(self) -> bool:
        """Wait for a first batch, and for its company; false when there is nothing left to do."""
        while not self._waiting:
            if self._is_stopping:
                return False
            self._arrival = anyio.Event()
            await self._arrival.wait()
        is_ready = self._is_stopping or self.waiting_bytes >= GROUP_BYTES_MAX
        if not is_ready and not any(waiting.is_urgent for waiting in self._waiting):
            self._company = anyio.Event()
            with anyio.move_on_after(self._wait_ms / 1_000):
                await self._company.wait()
        return True

    async def _write_group(self) -> None:
        group, size = [self._waiting.popleft()], 0
        while self._waiting and (size := size + group[-1].batch.size_bytes) < GROUP_BYTES_MAX:
            group.append(self._waiting.popleft())
        self.waiting_bytes -= sum(waiting.batch.size_bytes for waiting in group)
        self._room.set()
        changes = merge_changes(waiting.batch for waiting in group)
        started_s = anyio.current_time()
        fault: StorageFailed | StoreClosed | None = StoreClosed()
        try:
            await self._write(changes)
            fault = None
        except StorageFailed as failure:
            fault = failure
            raise
        finally:
            for waiting in group:
                waiting.fault = fault
                waiting.done.set()
        self.last_write_ms = (anyio.current_time() - started_s) * 1_000
        self.worst_write_ms = max(self.worst_write_ms, self.last_write_ms)
        self.groups += 1
        self.batches += len(group)
        self.keys += sum(map(len, changes.values()))

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault
        if self._is_stopping:
            raise StoreClosed

    def _close(self, fault: StorageFailed | StoreClosed) -> None:
        """Take nothing more, and tell everybody who waits."""
        if self._fault is not None:
            return
        self._fault = fault
        for waiting in self._waiting:
            waiting.fault = fault
            waiting.done.set()
        self._waiting.clear()
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
