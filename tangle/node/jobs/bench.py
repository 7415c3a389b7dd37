"""The seam for arithmetic that would hold the event loop up: hashing traces, judging results, games."""

from collections.abc import Callable
from typing import Protocol, TypeVar

import anyio.lowlevel
import anyio.to_thread

Answer = TypeVar("Answer")


class Bench(Protocol):
    """Where such work is done."""

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """Do it; what it raises is raised here."""


class ThreadBench:
    """A thread beside the loop, one piece of work at a time: the ledger's own work goes on next to it."""

    def __init__(self) -> None:
        self._turn = anyio.CapacityLimiter(1)

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """Do it in a thread; whoever stops waiting leaves it to end by itself."""
        return await anyio.to_thread.run_sync(work, limiter=self._turn, abandon_on_cancel=True)


class InlineBench:
    """The twin that works on the spot, for the simulator and for tests in virtual time."""

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """Do it now."""
        await anyio.lowlevel.checkpoint()
        return work()
