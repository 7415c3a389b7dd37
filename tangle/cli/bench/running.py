"""Runs stages: warm-up, passes, and the raw limit taken right before and right after each of them."""

import gc
import os
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter, process_time
from typing import Final

from tangle.cli.bench.records import RESULTS_VERSION, Figure, Machine, Pass, Plan, Results, Stage
from tangle.cli.bench.statistics import compute_median_rate, make_figure
from tangle.core.errors import TangleError
from tangle.node.clock import SystemClock

PACKAGES: Final = ("pynacl", "cbor2", "lmdb", "aiohttp", "uvloop", "numpy", "tinygrad", "msgspec", "anyio")
"""Whose versions stand beside the figures."""

Tell = Callable[[str], None]
"""Told what is measured next."""


class UnknownStage(TangleError):
    """A stage that there is none of."""

    code = "stage-unknown"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name = name
        super().__init__(f"there is no stage {name[:40]!r}; there are {', '.join(known)}")


def choose_stages(stages: Sequence[Stage], names: Sequence[str]) -> tuple[Stage, ...]:
    """The named stages with the limits that they are read beside, in the suite's order; all for no name.

    :raises UnknownStage: there is none of that name.
    """
    known = {stage.name: stage for stage in stages}
    for name in names:
        if name not in known:
            raise UnknownStage(name, tuple(known))
    chosen = set(names) or set(known)
    chosen |= {limit for name in chosen if (limit := known[name].limit) is not None}
    return tuple(stage for stage in stages if stage.name in chosen)


def run_stages(stages: Sequence[Stage], plan: Plan, tell: Tell) -> Results:
    """Measure stages one after the other.

    :param stages: those to be measured, and every limit that one of them is read beside.
    """
    load_before = os.getloadavg()[0]
    limits = {stage.name: stage for stage in stages if stage.limit is None}
    figures: list[Figure] = []
    for stage in stages:
        tell(stage.name)
        if stage.limit is None:
            figures.append(make_figure(stage, stage.measure(plan), ()))
            continue
        limit = limits[stage.limit]
        around = [compute_median_rate(limit.measure(plan), stage.clock)]
        passes = stage.measure(plan)
        around.append(compute_median_rate(limit.measure(plan), stage.clock))
        figures.append(make_figure(stage, passes, around))
    return Results(RESULTS_VERSION, plan.is_quick, plan.device, describe_machine(load_before), tuple(figures))


def time_passes(plan: Plan, count: int, prepare: Callable[[], Callable[[], object]]) -> list[Pass]:
    """Time something in this process: once to warm up, then ``plan.passes`` times.

    :param count: items that each time handles.
    :param prepare: makes what one time needs, outside of the time, and answers what is to be timed.
    """
    passes = []
    for _ in range(plan.passes + 1):
        timed = prepare()
        gc.collect()
        wall_s, cpu_s = perf_counter(), process_time()
        timed()
        passes.append(Pass(count, perf_counter() - wall_s, process_time() - cpu_s))
    return passes[1:]


def describe_machine(load_before: float) -> Machine:
    """What it is measured on.

    :param load_before: its load average when the run began.
    """
    versions = {"python": platform.python_version()} | {name: _find_version(name) for name in PACKAGES}
    return Machine(
        system=f"{platform.system()} {platform.release()}, {_find_processor()}",
        cores=len(os.sched_getaffinity(0)),
        load_before=load_before,
        load_after=os.getloadavg()[0],
        versions=versions,
        timestamp_ms=SystemClock().now_ms(),
    )


def _find_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _find_processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
