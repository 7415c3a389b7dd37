"""What this machine can compute: the data behind ``tangle doctor``.

Opening devices belongs in a worker process: ``examine`` compiles kernels in the process that calls it.
"""

import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import Struct

from aivm.backends.discovery import Compiler, Device, find_compiler, find_devices, set_environment
from aivm.backends.numpy_backend import NumpyBackend
from aivm.backends.program_protocol import OracleBackend, ProgramBackend
from aivm.backends.protocol import Backend
from aivm.backends.trial import make_trial_batch
from aivm.conformance.run import ConformanceReport, run_conformance
from aivm.conformance.run_programs import ProgramReport, run_program_conformance
from aivm.errors import CompilerMissing, ConformanceFailure
from aivm.layered import EvaluationShape, LayeredShape

SPEED_SHAPE: Final = EvaluationShape(LayeredShape((64, 32, 10), (8,)), 8, 64, 8_000, 1_000)
"""Shape that speeds are told for: the standing job of a development network."""

SPEED_EVALUATIONS: Final = 256
"""Evaluations per timed call: what a busy node verifies at once."""

SPEED_CALLS: Final = 5
"""Timed calls; the fastest counts, because the others were interrupted by something else."""


class Speed(Struct, frozen=True):
    """How fast evaluations are computed, and under which conditions."""

    evaluations_per_second: int
    """Of the fastest of ``calls`` calls."""

    shape: EvaluationShape
    """What was evaluated."""

    evaluations: int
    """Evaluations per call."""

    calls: int
    """Calls timed, after one that warmed up."""


class Examination(Struct, frozen=True):
    """One backend on one device."""

    backend: str
    """Name of the implementation."""

    device: str
    """Name of the device."""

    conformance: ConformanceReport | None
    """The passed run; None when it did not pass or the device cannot be used."""

    speed: Speed | None
    """Measured only where conformance passed."""

    reason: str
    """Why it may not sign work; empty when it may."""


class Diagnosis(Struct, frozen=True):
    """Everything that ``tangle doctor`` tells about computing."""

    compiler: Compiler | None
    """The clang in use; None when there is none, and then tinygrad cannot be used."""

    advice: str
    """What to do about a missing compiler; empty when there is one."""

    devices: tuple[Device, ...]
    """Devices whose driver is present."""

    examinations: tuple[Examination, ...]
    """numpy first, then tinygrad on every usable device."""


class ProgramExamination(Struct, frozen=True):
    """All vectors of programs on one device."""

    backend: str
    """Name of the implementation."""

    device: str
    """Name of the device."""

    report: ProgramReport | None
    """The passed run; None when a bit differed."""

    reason: str
    """Why programs may not run there; empty when they may."""


def diagnose(
    environment: MutableMapping[str, str],
    cache: Path,
    clock_ns: Callable[[], int],
    interpreter: str = sys.executable,
) -> Diagnosis:
    """Find compiler and devices, run conformance on each, and measure speed.

    :param environment: ``os.environ``; the compiler's name is written into it for tinygrad.
    :param cache: directory for compiled kernels.
    :param clock_ns: monotonic clock in nanoseconds.
    :param interpreter: a clang beside it is found too.
    """
    examinations = [examine(NumpyBackend(), clock_ns)]
    try:
        compiler = find_compiler(environment, interpreter)
    except CompilerMissing as error:
        return Diagnosis(None, str(error), (), tuple(examinations))
    set_environment(environment, compiler, cache)
    devices = find_devices(environment)
    from aivm.backends.tinygrad_backend import TinygradBackend  # reads the environment when imported

    examinations += [
        examine(TinygradBackend(device.name), clock_ns) for device in devices if device.is_usable
    ]
    return Diagnosis(compiler, "", devices, tuple(examinations))


def examine_programs(
    environment: MutableMapping[str, str],
    cache: Path,
    on_progress: Callable[[str, int, int], None],
    interpreter: str = sys.executable,
) -> tuple[ProgramExamination, ...]:
    """Run all vectors of programs on the oracle and on every usable device: a minute for each.

    :param environment: ``os.environ``; the compiler's name is written into it for tinygrad.
    :param cache: directory for compiled kernels.
    :param on_progress: called with a device's name, the vectors done and their number.
    :param interpreter: a clang beside it is found too.
    """
    backends: list[ProgramBackend] = [OracleBackend()]
    with suppress(CompilerMissing):  # `diagnose` tells it
        set_environment(environment, find_compiler(environment, interpreter), cache)
        devices = [device.name for device in find_devices(environment) if device.is_usable]
        from aivm.backends.tinygrad_programs import TinygradPrograms  # reads the environment when imported

        backends += map(TinygradPrograms, devices)
    found = []
    for backend in backends:
        report, reason = None, ""
        try:
            report = run_program_conformance(
                backend,
                is_quick=False,
                on_progress=partial(on_progress, f"{backend.name} on {backend.device}"),
            )
        except ConformanceFailure as error:
            reason = str(error)
        found.append(ProgramExamination(backend.name, backend.device, report, reason))
    return tuple(found)


def examine(backend: Backend, clock_ns: Callable[[], int]) -> Examination:
    """Run the vectors on one backend and, when they pass, measure its speed."""
    try:
        report = run_conformance(backend)
    except ConformanceFailure as error:
        return Examination(backend.name, backend.device, None, None, str(error))
    return Examination(backend.name, backend.device, report, measure_speed(backend, clock_ns), "")


def measure_speed(backend: Backend, clock_ns: Callable[[], int]) -> Speed:
    """Evaluations per second on ``SPEED_SHAPE``; compiles what it needs before the clock starts."""
    batch = make_trial_batch(SPEED_SHAPE, SPEED_EVALUATIONS)
    backend.evaluate(batch)
    fastest_ns = None
    for _ in range(SPEED_CALLS):
        start_ns = clock_ns()
        backend.evaluate(batch)
        elapsed_ns = max(1, clock_ns() - start_ns)
        fastest_ns = elapsed_ns if fastest_ns is None else min(fastest_ns, elapsed_ns)
    assert fastest_ns is not None
    return Speed(SPEED_EVALUATIONS * 10**9 // fastest_ns, SPEED_SHAPE, SPEED_EVALUATIONS, SPEED_CALLS)
