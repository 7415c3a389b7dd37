"""Looks at a worker from outside: its memory and processor time, those of its descendants included.

What a process may take of itself is limited in it (``confinement``); these limits leave out shared memory
and what its children take, and a process that runs a stranger's program need not keep to its own word.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from msgspec import Struct

PROCESSES_MAX: Final = 64
"""Most processes of one worker that are looked at; a compiler is one or two. A worker with more is over its
limits, whatever they take."""

RESIDENT_FIELD: Final = 1
"""Place in ``/proc/PID/statm``: resident pages (proc_pid_statm(5))."""

USER_TIME_FIELD: Final = 11
"""Place in ``/proc/PID/stat`` after the command: ticks in user mode; then those in the kernel, then
both of children that have ended (proc_pid_stat(5))."""

PAGE_SIZE: Final = os.sysconf("SC_PAGE_SIZE")

TICKS: Final = os.sysconf("SC_CLK_TCK")
"""Ticks of a second."""


class Usage(Struct, frozen=True):
    """What a tree of processes takes."""

    memory_bytes: int
    """Resident memory, shared pages counted for each."""

    cpu_s: float
    """Processor time so far."""

    processes: tuple[int, ...]
    """Their ids, the worker's first."""


def measure(process: int) -> Usage:
    """What a process and its descendants take; one that ended meanwhile takes nothing."""
    memory = 0
    cpu_s = 0.0
    found = []
    for each in _walk(process):
        with suppress(OSError, ValueError, IndexError):
            memory += int(_read(each, "statm").split()[RESIDENT_FIELD]) * PAGE_SIZE
            fields = _read(each, "stat").rpartition(")")[2].split()
            cpu_s += sum(map(int, fields[USER_TIME_FIELD : USER_TIME_FIELD + 4])) / TICKS
            found.append(each)
    return Usage(memory, cpu_s, tuple(found))


def _walk(process: int) -> Iterator[int]:
    waiting = [process]
    for _ in range(PROCESSES_MAX + 1):
        if not waiting:
            return
        each = waiting.pop(0)
        yield each
        with suppress(OSError):
            for thread in os.listdir(f"/proc/{each}/task"):
                waiting += map(int, _read(each, f"task/{thread}/children").split())


def _read(process: int, name: str) -> str:
    with open(f"/proc/{process}/{name}") as file:
        return file.read()
