"""The queue of what will happen: packets that arrive, and whatever else has its moment.

Moments are rounded up to whole ticks; what falls into the same tick happens in an order drawn from the seed.
The clock does it when it comes there, between the steps of tasks, so that no task wakes for it alone.
"""

import heapq
import math
from collections.abc import Callable
from typing import Final

import anyio

from simnet.chance import Chance
from simnet.scheduling import compute_tick, get_clock

EVENTS_MAX: Final = 1_000_000
"""Most events that may be due in the future; windows of streams keep it far below, so more is a fault of the
simulator."""


class Timeline:
    """Runs actions at their moments, once ``run`` does."""

    def __init__(self, chance: Chance) -> None:
        self.next_tick: float = math.inf
        """When something happens next."""

        self._chance = chance
        self._events: list[tuple[int, int, int, Callable[[], None]]] = []
        self._count = 0
        self._failed = anyio.Event()
        self._failure: Exception | None = None

    def __len__(self) -> int:
        return len(self._events)

    def add(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do ``action`` in ``delay_s``, rounded up to a tick."""
        assert len(self._events) < EVENTS_MAX, "streams bound what is under way"
        tick = compute_tick(anyio.current_time() + delay_s)
        self._count += 1
        heapq.heappush(self._events, (tick, self._chance.getrandbits(30), self._count, action))
        self.next_tick = self._events[0][0]

    async def wait(self, delay_s: float) -> None:
        """Return in ``delay_s``, in the queue's order."""
        due = anyio.Event()
        self.add(delay_s, due.set)
        await due.wait()

    def run_due(self, tick: int) -> None:
        """Do what is due; the first failure ends ``run`` and everything after it."""
        events = self._events
        try:
            while events and events[0][0] <= tick:
                heapq.heappop(events)[3]()
        except Exception as failure:  # raised where it is heard: here it would end the event loop itself
            events.clear()
            self._failure = failure
            self._failed.set()
        self.next_tick = events[0][0] if events else math.inf

    async def run(self) -> None:
        """Let what becomes due happen until cancelled."""
        clock = get_clock()
        clock.agenda = self
        try:
            await self._failed.wait()
        finally:
            clock.agenda = None
        if self._failure is not None:
            raise self._failure
