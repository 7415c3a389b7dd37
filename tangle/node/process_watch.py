"""What a node's process takes of its machine: processor time, and how late its event loop comes.

Looked at now and then by a task of its own, so that asking costs nothing. A loop that comes late is a node
that answers late, whatever else its figures say.
"""

import os
import resource
from collections import deque
from pathlib import Path
from typing import Final

import anyio
from msgspec import Struct

LOOK_S: Final = 0.25
"""Pause between two looks; a loop that is late by more is seen at once, a shorter lag is none."""

LAG_LOOKS: Final = 40
"""Looks whose worst counts: the last ten seconds."""

CHILDREN_EVERY: Final = 8
"""Looks between two at the worker processes, whose figures come from files."""

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")

_TASKS: Final = Path("/proc/self/task")


class ProcessUsage(Struct, frozen=True):
    """What the process has used."""

    cpu_s: float
    """Processor time of the core process since its start."""

    workers_cpu_s: float
    """Processor time of its children that live; 0 where the system does not tell."""

    loop_lag_ms: float
    """How late the event loop came at worst in the last ten seconds."""


class ProcessWatch:
    """Looks at the process that it runs in."""

    def __init__(self) -> None:
        self._lags_s: deque[float] = deque(maxlen=LAG_LOOKS)
        self._workers_cpu_s = 0.0

    def read(self) -> ProcessUsage:
        """The latest figures."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return ProcessUsage(
            cpu_s=used.ru_utime + used.ru_stime,
            workers_cpu_s=self._workers_cpu_s,
            loop_lag_ms=1_000 * max(self._lags_s, default=0.0),
        )

    async def run(self) -> None:
        """Look until cancelled."""
        looks = 0
        while True:
            if looks % CHILDREN_EVERY == 0:
                self._workers_cpu_s = read_children_cpu_s()
            looks += 1
            due_s = anyio.current_time() + LOOK_S
            await anyio.sleep(LOOK_S)
            self._lags_s.append(max(0.0, anyio.current_time() - due_s))


def read_children_cpu_s() -> float:
    """Processor time of all children that live, in seconds; 0 where the system does not tell."""
    total = 0
    for listing in _TASKS.glob("*/children"):
        for child in _read_words(listing):
            # The second field is the program's name in brackets, which may hold anything.
            _, _, fields = " ".join(_read_words(Path("/proc") / child / "stat")).rpartition(")")
            words = fields.split()
            if len(words) > 12:
                total += int(words[11]) + int(words[12])
    return total / _TICKS_PER_S


def _read_words(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").split()
    except OSError:
        return []  # it ended between two looks
