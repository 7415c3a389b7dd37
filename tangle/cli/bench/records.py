"""What is measured and what comes out: stages, passes, figures and a whole run's results.

A stage is one thing that can be timed. A pass is one timing of it; a figure is the median of a few passes,
read beside the raw limit of the same machine that was taken right before and right after them. Results are
kept as JSON.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from tangle.core.errors import TangleError

RESULTS_VERSION: Final = 1
"""Of the JSON below; files of another one are refused."""

RESULTS_SIZE_MAX: Final = 4 * 1024 * 1024
"""Longest file of results in bytes; a run writes some thirty kilobytes."""


class Clock(StrEnum):
    """What a figure goes by when it is compared."""

    CPU = "cpu"
    """Processor time: steps of one process, which another program can delay but not slow down."""

    WALL = "wall"
    """The clock on the wall: whatever waits for disks, sockets or several processes."""


class Pass(Struct, frozen=True):
    """One timing."""

    count: int
    """Items handled."""

    wall_s: float
    """Seconds that it took."""

    cpu_s: float
    """Processor seconds of everything that was measured, worker processes included."""

    details: Mapping[str, float] = {}
    """Further figures by name, the unit last: ``p50_ms``."""


class Plan(Struct, frozen=True):
    """How a run is done."""

    is_quick: bool
    """Few items and one pass: to see that everything works. Its figures say little."""

    passes: int
    """Timings of each stage after the warm-up."""

    device: str
    """Where nodes compute work: ``auto``, ``numpy`` or a tinygrad device."""

    scratch: Path
    """Existing empty directory on the disk that is measured."""

    def scale(self, count: int, quick: int) -> int:
        """``count``, or ``quick`` in a quick run."""
        return quick if self.is_quick else count


class Conditions(Struct, frozen=True):
    """What is on when a stage is measured: figures under other conditions are other figures."""

    bytes: int = 0
    """Of one item; 0 where items have no size."""

    is_signed: bool = False
    """Whether items carry real signatures."""

    is_verified: bool = False
    """Whether those are checked while the time runs."""

    is_worked: bool = False
    """Whether the AI work is recomputed."""

    is_executed: bool = False
    """Whether the ledger's state changes."""

    is_synced: bool = False
    """Whether writes reach the disk before they are answered."""

    nodes: int = 0
    """Nodes in processes of their own."""

    def describe(self) -> str:
        """In a few words."""
        flags = {
            "signed": self.is_signed,
            "verified": self.is_verified,
            "work recomputed": self.is_worked,
            "executed": self.is_executed,
            "fsync": self.is_synced,
        }
        parts = [f"{self.bytes} B"] if self.bytes else []
        parts += [name for name, is_on in flags.items() if is_on]
        parts += [f"{self.nodes} nodes" if self.nodes > 1 else "1 node"] if self.nodes else []
        return ", ".join(parts)


class Stage(Struct, frozen=True):
    """One thing that can be timed."""

    name: str
    """What it is called at the command line."""

    about: str
    """What is measured, in one sentence."""

    unit: str
    """What is counted, in the plural."""

    measure: Callable[[Plan], Sequence[Pass]]
    """Times it; the warm-up is not among the passes."""

    limit: str | None = None
    """Name of the raw limit that it is read beside; none for a limit itself."""

    clock: Clock = Clock.CPU
    """What it goes by."""

    conditions: Conditions = Conditions()
    """What is on."""

    is_pipeline: bool = False
    """Whether every transaction goes through it once: a part of the bar of costs."""


class Figure(Struct, frozen=True, forbid_unknown_fields=True):
    """What came out for one stage."""

    stage: str
    """Its name."""

    about: str
    """What was measured."""

    unit: str
    """What was counted."""

    clock: Clock
    """What it goes by."""

    conditions: Conditions
    """What was on."""

    passes: int
    """Timings."""

    count: int
    """Items of the median pass."""

    rate: float
    """Items a second, by its clock; the median of the passes."""

    rate_low: float
    """The slowest pass."""

    rate_high: float
    """The fastest pass."""

    wall_us: float
    """Microseconds on the wall for one item."""

    cpu_us: float
    """Microseconds of processors for one item."""

    limit: str | None
    """Raw limit that it is read beside."""

    share: float | None
    """Its rate as a part of that limit's, taken right before and after; none for a limit itself."""

    is_pipeline: bool
    """Whether it is a part of the bar of costs."""

    details: dict[str, float]
    """Further figures: the medians of the passes."""


class Machine(Struct, frozen=True, forbid_unknown_fields=True):
    """Where and when."""

    system: str
    """Operating system and processor."""

    cores: int
    """Processors that this process may use."""

    load_before: float
    """Processes that wanted a core in the minute before."""

    load_after: float
    """The same in the last minute of the run."""

    versions: dict[str, str]
    """Of Python and of the packages that matter; a package that is not installed has an empty one."""

    timestamp_ms: int
    """When the run ended, in milliseconds since 1970."""


class Results(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole run."""

    version: int
    """``RESULTS_VERSION``."""

    is_quick: bool
    """Whether it was a quick one."""

    device: str
    """Where nodes were told to compute work."""

    machine: Machine
    """Where and when."""

    figures: tuple[Figure, ...]
    """In the order of measuring, limits first."""


class InvalidResults(TangleError):
    """A file that holds no results of a benchmark."""

    code = "results-invalid"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path} holds no results of this version: {reason}; write new ones with --out")


def load_results(path: Path) -> Results:
    """Read a file of results.

    :raises InvalidResults: it is none.
    :raises OSError: it cannot be read.
    """
    if path.stat().st_size > RESULTS_SIZE_MAX:
        raise InvalidResults(path, f"it is longer than {RESULTS_SIZE_MAX} bytes")
    try:
        results = msgspec.json.decode(path.read_bytes(), type=Results)
    except msgspec.MsgspecError as error:
        raise InvalidResults(path, str(error)) from None
    if results.version != RESULTS_VERSION:
        raise InvalidResults(path, f"they are of version {results.version}, not {RESULTS_VERSION}")
    return results


def write_results(path: Path, results: Results) -> None:
    """Write them for people and machines."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
