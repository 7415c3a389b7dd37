"""Things that take time, each done once at a time, a bounded number side by side, and with pauses between
tries that failed.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from anyio.abc import TaskGroup
from msgspec import Struct

from tangle.core.errors import TangleError
from tangle.core.types import Digest
from tangle.node.clock import Clock
from tangle.node.jobs.views import Doing, Role

CHORES_MAX: Final = 32
"""Things done side by side: most of them wait for blobs; the sandbox has a queue of its own."""

PAUSE_S: Final = 0.5
"""Before something that was tried in vain is tried again; it doubles each time."""

PAUSE_MAX_S: Final = 30.0
"""Longest such pause."""

REMEMBERED_MAX: Final = 4_096
"""Tries in vain that are remembered; beyond that all are forgotten, which costs some tries."""

log = structlog.get_logger("jobs")

Name = tuple[Role, str, Digest]
"""As what, what, and about what."""


class _Tries(Struct):
    count: int
    due_s: float


class Chores:
    """What is under way."""

    def __init__(self, tasks: TaskGroup, clock: Clock, on_done: Callable[[], None]) -> None:
        """:param on_done: called whenever something has ended."""
        self._tasks = tasks
        self._clock = clock
        self._on_done = on_done
        self._running: dict[Name, int] = {}
        self._tries: dict[Name, _Tries] = {}

    def list(self) -> tuple[Doing, ...]:
        """What is under way, oldest first."""
        return tuple(
            Doing(role, about, what, since_ms) for (role, what, about), since_ms in self._running.items()
        )

    def start(self, name: Name, work: Callable[[], Awaitable[bool]]) -> bool:
        """Begin something, unless it is under way, there is no room, or its pause is not over.

        :param work: answers whether it need not be tried again.
        :return: whether it was begun.
        """
        tries = self._tries.get(name)
        is_pausing = tries is not None and self._clock.monotonic_s() < tries.due_s
        if name in self._running or is_pausing or len(self._running) >= CHORES_MAX:
            return False
        self._running[name] = self._clock.now_ms()
        self._tasks.start_soon(self._do, name, work)
        return True

    async def _do(self, name: Name, work: Callable[[], Awaitable[bool]]) -> None:
        is_done = False
        try:
            is_done = await work()
        except TangleError as error:
            role, what, about = name
            log.info(
                "chore-failed",
                role=role.value,
                what=what,
                about=about.hex()[:16],
                code=error.code,
                reason=str(error),
            )
        finally:
            del self._running[name]
        if is_done:
            self._tries.pop(name, None)
        else:
            self._pause(name)
        self._on_done()

    def _pause(self, name: Name) -> None:
        if len(self._tries) >= REMEMBERED_MAX:
            self._tries.clear()
        tries = self._tries.setdefault(name, _Tries(0, 0.0))
        pause_s = min(PAUSE_S * 2 ** min(tries.count, 16), PAUSE_MAX_S)
        tries.count += 1
        tries.due_s = self._clock.monotonic_s() + pause_s
