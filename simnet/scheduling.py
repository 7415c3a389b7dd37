"""The event loop of a simulation: trio in virtual time, whose order of tasks depends on a seed alone.

Trio shuffles tasks that are ready at the same moment, on purpose and with a generator of its own. Two private
switches make that repeat: one sorts the tasks before they are shuffled, the other is the generator. They are
named in this file only, and looked for before they are used.
"""

import gc
import heapq
import math
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

import anyio
import trio
from trio._core import _run as trio_run
from trio.lowlevel import Task

from simnet.backend import install, name_library
from simnet.errors import SwitchMissing

SWITCHES = ("_ALLOW_DETERMINISTIC_SCHEDULING", "_r")
"""Private names in trio's run module."""

PASSES_MAX: Final = 200_000
"""Passes of the event loop at one moment of virtual time before somebody is said to run in circles; the
busiest moment of an honest simulation has a few hundred."""

TICK_S: Final = 0.0005
"""Resolution of virtual time: far below any latency between two hosts, and long enough that what happens at
about the same moment is done in one pass of the event loop."""

OBJECTS_BETWEEN_COLLECTIONS: Final = 50_000
"""New objects after which Python looks for cycles among them. A simulation makes hardly any, so that looking
after every 700, as usual, finds nothing and takes a tenth of the time."""

_ROUNDING_S: Final = 1e-9

Answer = TypeVar("Answer")


class Agenda(Protocol):
    """What happens at moments of its own, between the steps of tasks."""

    next_tick: float
    """Tick of the next moment; infinity when there is none."""

    def run_due(self, tick: int) -> None:
        """Do what is due at ``tick``; may wake tasks, and must not raise."""


class VirtualClock(trio.abc.Clock):
    """Time that begins at 0, stands still while a task can run, and else jumps to the next moment of anybody:
    a deadline of trio's, an alarm, or the agenda.

    It comes to rest at whole ticks only. Trio asks how long it may sleep when no task is ready, and only
    then: the jump is made there, so that the pass that asks wakes who waited for it.
    """

    def __init__(self) -> None:
        self.now_s = 0.0
        self.agenda: Agenda | None = None
        """What else happens, once somebody brings it."""

        self.on_still: Callable[[], None] | None = None
        """Told when time has stood still for long; see ``watch_time``."""

        self._alarms: list[tuple[int, int, list[Task]]] = []
        self._count = 0
        self._passes = 0

    def start_clock(self) -> None:
        """See ``Clock.start_clock``."""

    def current_time(self) -> float:
        """See ``Clock.current_time``; trio asks once in each pass of its loop."""
        self._passes += 1
        if self._passes == PASSES_MAX and self.on_still is not None:
            self.on_still()
        return self.now_s

    def add_alarm(self, delay_s: float, task: Task) -> Callable[[], None]:
        """Wake a parked task in ``delay_s``, rounded up to a tick; answers what takes the alarm back."""
        self._count += 1
        sleeper = [task]
        heapq.heappush(self._alarms, (compute_tick(self.now_s + delay_s), self._count, sleeper))
        return sleeper.clear

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """See ``Clock.deadline_to_sleep_time``: never, unless nobody waits for a time."""
        alarms, agenda = self._alarms, self.agenda
        tick = math.inf if deadline == math.inf else compute_tick(deadline)
        if alarms and alarms[0][0] < tick:
            tick = alarms[0][0]
        if agenda is not None and agenda.next_tick < tick:
            tick = agenda.next_tick
        if tick == math.inf:
            return math.inf
        now_s = tick * TICK_S
        if now_s < deadline < now_s + TICK_S / 2:
            now_s = deadline  # the same moment, but for rounding
        if now_s > self.now_s:
            self.now_s, self._passes = now_s, 0
        while alarms and alarms[0][0] <= tick:
            for task in heapq.heappop(alarms)[2]:
                trio.lowlevel.reschedule(task)
        if agenda is not None and agenda.next_tick <= tick:
            agenda.run_due(int(tick))
        return 0.0


def compute_tick(moment_s: float) -> int:
    """The first tick that is not before a moment of virtual time."""
    return math.ceil((moment_s - _ROUNDING_S) / TICK_S)


def get_clock() -> VirtualClock:
    """The clock of the simulation that runs."""
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, VirtualClock), "simulations run in virtual time"
    return clock


def watch_time(on_still: Callable[[], None]) -> None:
    """Call ``on_still`` once time has stood still for ``PASSES_MAX`` passes; inside a simulation."""
    get_clock().on_still = on_still


def check_switches(module: object = trio_run) -> None:
    """Look for the switches.

    :raises SwitchMissing: trio renamed one.
    """
    for name in SWITCHES:
        if not hasattr(module, name):
            raise SwitchMissing(f"{getattr(module, '__name__', 'trio')}.{name}")


def fix_schedule(seed: int) -> bool:
    """The order of tasks that are ready at the same moment depends on ``seed`` alone from now on.

    :returns: whether it was before.
    :raises SwitchMissing: trio renamed a switch.
    """
    check_switches()
    before: bool = trio_run._ALLOW_DETERMINISTIC_SCHEDULING
    trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]  # trio offers no other way
    trio_run._r.seed(seed)
    return before


def run_in_virtual_time(main: Callable[[], Awaitable[Answer]], seed: int) -> Answer:
    """Run ``main`` to its end. Time begins at 0 and jumps whenever every task waits.

    :param seed: of the order of tasks that are ready at the same moment.
    :raises SwitchMissing: trio renamed a switch.
    """
    clock = VirtualClock()
    put_back = install(clock)
    before = fix_schedule(seed)
    thresholds = gc.get_threshold()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, *thresholds[1:])
    try:
        return anyio.run(_name_library, main, backend="trio", backend_options={"clock": clock})
    finally:
        put_back()
        gc.set_threshold(*thresholds)
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = before  # type: ignore[misc]  # put back as it was


async def _name_library(main: Callable[[], Awaitable[Answer]]) -> Answer:
    with name_library():
        return await main()
