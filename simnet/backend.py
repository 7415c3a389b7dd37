"""What anyio asks of trio most often in a simulation, answered with less work.

Nodes see anyio alone, so a backend that stands behind it changes nothing for them: tasks, cancellation and
deadlines are trio's own. Here are only an event and a sleep that hand their task straight to trio's
scheduler. Trio's sleep is a cancel scope with a deadline and an exception through every frame of the sleeper,
and an event of anyio is an object around another.
"""

import math
import types
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final, Protocol, Self

import anyio
import trio
from anyio import EventStatistics
from anyio._backends._trio import TrioBackend
from anyio._core import _eventloop as anyio_loop
from trio._core import _traps as trio_traps
from trio.lowlevel import Abort, Task

from simnet.errors import SwitchMissing

BACKENDS: Final = "loaded_backends"
"""Private name in anyio's module of event loops: the backends by their names."""

SNIFFING: Final = "current_async_library"
"""Private name in the same module: tells which library runs, at every event and every look at the time."""

PARKING: Final = "WaitTaskRescheduled"
"""Private name in trio's module of traps: what a task yields to be parked."""


class Alarms(Protocol):
    """The clock of a simulation."""

    now_s: float
    """Virtual time."""

    def add_alarm(self, delay_s: float, task: Task) -> Callable[[], None]:
        """Wake a parked task in ``delay_s``; answers what takes the alarm back."""


@types.coroutine
def park(abort: Callable[[Any], Abort]) -> Generator[Any, Any, None]:
    """Leave the scheduler until somebody reschedules this task: ``trio.lowlevel.wait_task_rescheduled``
    without two coroutines around it.
    """
    outcome = yield trio_traps.WaitTaskRescheduled(abort)
    outcome.unwrap()


class ParkedEvent(anyio.Event):
    """An event that keeps the tasks that wait for it in the order of their coming."""

    __slots__ = ("_is_set", "_waiting")

    def __new__(cls) -> Self:
        """A plain object; anyio's own constructor would ask the backend again."""
        return object.__new__(cls)

    def __init__(self) -> None:
        self._is_set = False
        self._waiting: list[Task] = []

    def is_set(self) -> bool:
        """See ``anyio.Event``."""
        return self._is_set

    def set(self) -> None:
        """See ``anyio.Event``."""
        if not self._is_set:
            self._is_set = True
            for task in self._waiting:
                trio.lowlevel.reschedule(task)
            self._waiting.clear()

    async def wait(self) -> None:
        """See ``anyio.Event``: others get their turn in any case."""
        if self._is_set:
            await trio.lowlevel.checkpoint()
            return
        task = trio.lowlevel.current_task()
        self._waiting.append(task)

        def abort(_: object) -> Abort:
            self._waiting.remove(task)
            return Abort.SUCCEEDED

        await park(abort)

    def statistics(self) -> EventStatistics:
        """See ``anyio.Event``."""
        return EventStatistics(tasks_waiting=len(self._waiting))


class SimulatedBackend(TrioBackend):
    """Trio behind anyio, in virtual time."""

    clock: ClassVar[Alarms]
    """Of the simulation that runs."""

    @classmethod
    def current_time(cls) -> float:
        """See ``anyio.current_time``."""
        return cls.clock.now_s

    @classmethod
    async def sleep(cls, delay: float) -> None:
        """See ``anyio.sleep``."""
        if delay <= 0:
            await trio.lowlevel.checkpoint()
            return
        if delay == math.inf:
            await trio.sleep_forever()
        take_back = cls.clock.add_alarm(delay, trio.lowlevel.current_task())

        def abort(_: object) -> Abort:
            take_back()
            return Abort.SUCCEEDED

        await park(abort)

    @classmethod
    def create_event(cls) -> ParkedEvent:
        """See ``anyio.Event``."""
        return ParkedEvent()


@contextmanager
def name_library() -> Iterator[None]:
    """Inside the event loop: anyio need not find out which library runs, again and again."""
    sniff = anyio_loop.current_async_library
    anyio_loop.current_async_library = lambda: "trio"
    try:
        yield
    finally:
        anyio_loop.current_async_library = sniff


def check_names(loop: object = anyio_loop, traps: object = trio_traps) -> None:
    """Look for the private names.

    :raises SwitchMissing: anyio or trio renamed one.
    """
    for module, name in ((loop, BACKENDS), (loop, SNIFFING), (traps, PARKING)):
        if not hasattr(module, name):
            raise SwitchMissing(f"{getattr(module, '__name__', 'anyio')}.{name}")


def install(clock: Alarms) -> Callable[[], None]:
    """Stand behind anyio from now on; answers what puts its own backend back.

    :raises SwitchMissing: anyio or trio renamed something private.
    """
    check_names()
    before = anyio_loop.loaded_backends.get("trio")
    SimulatedBackend.clock = clock
    anyio_loop.loaded_backends["trio"] = SimulatedBackend

    def put_back() -> None:
        if before is None:
            del anyio_loop.loaded_backends["trio"]
        else:
            anyio_loop.loaded_backends["trio"] = before

    return put_back
