"""The queue of what will happen: packets that arrive, and whatever else has its moment.

Moments are rounded up to whole ticks, so that one waking of the event loop does everything that is due; what
falls into the same tick happens in an order drawn from the seed.
"""

import heapq
import math
from collections.abc import Callable
from typing import Final

import anyio

from simnet.chance import Chance
from simnet.scheduling import TICK_S

EVENTS_MAX: Final = 1_000_000
"""Most events that may be due in the future; windows of streams keep it far below, so more is a fault of the
simulator."""

_ROUNDING_S: Final = 1e-9


class Timeline:
    """Runs actions at their moments."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._events: list[tuple[int, int, int, Callable[[], None]]] = []
        self._count = 0
        self._sleep = anyio.CancelScope()

    def __len__(self) -> int:
        return len(self._events)

    def add(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do ``action`` in ``delay_s``, rounded up to a tick."""
        assert len(self._events) < EVENTS_MAX, "streams bound what is under way"
        tick = math.ceil((anyio.current_time() + delay_s - _ROUNDING_S) / TICK_S)
        self._count += 1
        heapq.heappush(self._events, (tick, self._chance.getrandbits(30), self._count, action))
        if self._events[0][2] == self._count:
            self._sleep.deadline = tick * TICK_S

    async def wait(self, delay_s: float) -> None:
        """Return in ``delay_s``, in the queue's order."""
        due = anyio.Event()
        self.add(delay_s, due.set)
        await due.wait()

    async def run(self) -> None:
        """Run what becomes due until cancelled."""
        while True:
            now_s = anyio.current_time() + _ROUNDING_S
            while self._events and self._events[0][0] * TICK_S <= now_s:
                heapq.heappop(self._events)[3]()
            # An earlier event moves the end of the sleep; nobody has to be woken for that.
            until_s = self._events[0][0] * TICK_S if self._events else math.inf
            with anyio.CancelScope(deadline=until_s) as self._sleep:
                await anyio.sleep_forever()
