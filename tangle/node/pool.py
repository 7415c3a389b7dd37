"""The compute pool: worker processes that take what is too heavy for the event loop.

Kernels and signature checks run only in workers, each a process of its own with its own tinygrad. A worker
that dies (a kernel's SIGFPE, the kernel's out-of-memory killer, an operator's kill) or runs past its time is
a failed call that is tried once more on a fresh process and then reported as ``ComputeFailed``: never a dead
node. Calls wait for a free worker in order of priority, so committee blocks overtake a flood of transactions.
"""

import asyncio
import heapq
import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from enum import IntEnum
from typing import Final, TypeVar

import anyio
import structlog

from tangle.core.errors import TangleError

CALL_SECONDS_MAX: Final = 60.0
"""A call that takes longer is stopped: the slowest honest one, a first compilation, takes a few seconds."""

ATTEMPTS_MAX: Final = 2
"""One retry: a crash may be bad luck once, the second time it is the input."""

PARENT_CHECK_SECONDS: Final = 1.0
"""How often an idle worker looks whether its node is still alive."""

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")

log = structlog.get_logger("pool")


class ComputeFailed(TangleError):
    """A computation crashed or ran out of time twice."""

    code = "compute-failed"

    def __init__(self, function: str, reason: str) -> None:
        self.function = function
        super().__init__(f"{function} failed in a worker process: {reason}")


class Priority(IntEnum):
    """Order in which calls get a worker."""

    BLOCK = 0
    PROVE = 1
    TRANSACTION = 2


class ComputePool:
    """A fixed number of single worker processes and a priority queue in front of them."""

    def __init__(self, workers: int, initializer: Callable[[], None]) -> None:
        """:param initializer: top-level function that readies a worker process."""
        self._initializer = initializer
        self._idle: list[int] = list(range(workers))
        self._waiters: list[tuple[int, int, anyio.Event, list[int]]] = []
        self._order = itertools.count()
        self._executors = [_start_executor(initializer) for _ in range(workers)]
        self._upgrades: dict[int, ProcessPoolExecutor] = {}
        self._plain = set(range(workers))
        self._restarted = anyio.Event()
        self.restarts = 0

    @property
    def workers(self) -> int:
        """Number of worker processes."""
        return len(self._executors)

    async def call(
        self, function: Callable[[Argument], Answer], argument: Argument, priority: Priority
    ) -> Answer:
        """Run ``function(argument)`` in a worker; both must be picklable.

        :raises ComputeFailed: the worker crashed or ran out of time twice.
        """
        name = getattr(function, "__name__", "call")
        reason = ""
        for attempt in range(1, ATTEMPTS_MAX + 1):
            async with self._borrow_worker(priority) as worker:
                try:
                    future = self._executors[worker].submit(function, argument)
                    with anyio.fail_after(CALL_SECONDS_MAX):
                        return await asyncio.wrap_future(future)
                except (BrokenProcessPool, TimeoutError) as error:
                    reason = "out of time" if isinstance(error, TimeoutError) else "the process died"
                    log.warning("worker-failed", function=name, attempt=attempt, reason=reason)
                    self._restart(worker)
        raise ComputeFailed(name, reason)

    async def keep_upgraded(
        self,
        initializer: Callable[[], None],
        probe: Callable[[None], Answer],
        on_upgraded: Callable[[Answer], None],
    ) -> None:
        """Replace each worker by one made ready with ``initializer``, which may take its time, until
        cancelled.

        The old worker serves until the new one has answered ``probe``; a worker that died comes back as it
        first was and is replaced again.
        """
        while True:
            self._restarted = anyio.Event()
            for worker in sorted(self._plain):
                executor = _start_executor(initializer)
                try:
                    answer = await asyncio.wrap_future(executor.submit(probe, None))
                except BrokenProcessPool as error:
                    _kill(executor)
                    raise ComputeFailed("worker start", str(error)) from None
                except BaseException:
                    _kill(executor, is_awaited=True)
                    raise
                self._plain.discard(worker)
                self._upgrades[worker] = executor
                on_upgraded(answer)
            await self._restarted.wait()

    def close(self) -> None:
        """Stop all workers without waiting for what they are doing."""
        for executor in (*self._executors, *self._upgrades.values()):
            _kill(executor, is_awaited=True)

    @asynccontextmanager
    async def _borrow_worker(self, priority: Priority) -> AsyncIterator[int]:
        if self._idle:
            worker = self._idle.pop()
        else:
            granted: list[int] = []
            event = anyio.Event()
            heapq.heappush(self._waiters, (priority, next(self._order), event, granted))
            try:
                await event.wait()
            except BaseException:
                if granted:
                    self._give_back(granted[0])
                else:
                    self._waiters = [entry for entry in self._waiters if entry[2] is not event]
                    heapq.heapify(self._waiters)
                raise
            worker = granted[0]
        try:
            self._swap(worker)
            yield worker
        finally:
            self._give_back(worker)

    def _give_back(self, worker: int) -> None:
        if self._waiters:
            _, _, event, granted = heapq.heappop(self._waiters)
            granted.append(worker)
            event.set()
        else:
            self._idle.append(worker)

    def _swap(self, worker: int) -> None:
        upgraded = self._upgrades.pop(worker, None)
        if upgraded is not None:
            _kill(self._executors[worker])
            self._executors[worker] = upgraded

    def _restart(self, worker: int) -> None:
        _kill(self._executors[worker])
        self._executors[worker] = _start_executor(self._initializer)
        self._plain.add(worker)
        self._restarted.set()
        self.restarts += 1


def _start_executor(initializer: Callable[[], None]) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        max_workers=1,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(os.getpid(), initializer),
    )


def _kill(executor: ProcessPoolExecutor, *, is_awaited: bool = False) -> None:
    """End an executor's process whatever it is doing.

    :param is_awaited: return when its management thread has ended too. At the end of the program that
        thread would otherwise meet the interpreter's own clean-up and complain of a closed pipe.
    """
    # ProcessPoolExecutor has no public way to stop a running call; its process table is stable since 3.8.
    for process in list((executor._processes or {}).values()):
        process.kill()
    executor.shutdown(wait=is_awaited, cancel_futures=True)


def _start_worker(parent: int, initializer: Callable[[], None]) -> None:
    # Ctrl-C reaches the whole process group; the node decides when its workers stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The parent's id is handed over: it may be gone before this process could ask who it is.
    threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()
    initializer()


def _exit_with_parent(parent: int) -> None:
    # A node killed with -9 cannot stop its workers; they notice that they were orphaned and leave.
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(1)
