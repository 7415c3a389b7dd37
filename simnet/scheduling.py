"""The event loop of a simulation: trio in virtual time, whose order of tasks depends on a seed alone.

Trio shuffles tasks that are ready at the same moment, on purpose and with a generator of its own. Two private
switches make that repeat: one sorts the tasks before they are shuffled, the other is the generator. They are
named in this file only, and looked for before they are used.
"""

import gc
import math
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio
import trio
from trio._core import _run as trio_run

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


class VirtualClock(trio.abc.Clock):
    """Time that begins at 0, stands still while a task can run, and else jumps to the next deadline.

    It comes to rest at whole ticks only. Trio asks how long it may sleep when no task is ready, and only
    then: the jump is made there, so that the pass that asks wakes who waited for it.
    """

    def __init__(self) -> None:
        self._now_s = 0.0

    def start_clock(self) -> None:
        """See ``Clock.start_clock``."""

    def current_time(self) -> float:
        """See ``Clock.current_time``."""
        return self._now_s

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """See ``Clock.deadline_to_sleep_time``: never, unless nobody waits for a time."""
        if deadline == math.inf:
            return math.inf
        tick = math.ceil((deadline - _ROUNDING_S) / TICK_S)
        self._now_s = max(self._now_s, deadline, tick * TICK_S)
        return 0.0


class StillTime(trio.abc.Instrument):
    """Notices when the event loop goes round and round and time does not pass."""

    def __init__(self, on_still: Callable[[], None]) -> None:
        self._on_still = on_still
        self._at_s = -1.0
        self._passes = 0

    def before_io_wait(self, timeout: float) -> None:
        """One pass of the event loop is over."""
        now_s = trio.current_time()
        if now_s > self._at_s:
            self._at_s, self._passes = now_s, 0
        self._passes += 1
        if self._passes == PASSES_MAX:
            self._on_still()


def watch_time(on_still: Callable[[], None]) -> None:
    """Call ``on_still`` once time has stood still for ``PASSES_MAX`` passes; inside a simulation."""
    trio.lowlevel.add_instrument(StillTime(on_still))


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
    before = fix_schedule(seed)
    thresholds = gc.get_threshold()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, *thresholds[1:])
    try:
        return anyio.run(main, backend="trio", backend_options={"clock": VirtualClock()})
    finally:
        gc.set_threshold(*thresholds)
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = before  # type: ignore[misc]  # put back as it was
