"""Finds the C compiler and the devices that tinygrad can use here.

tinygrad builds CPU kernels with clang and reads its name from ``CC``, which must be one word; gcc does not
do. It opens no device at all when there is no clang, so a missing compiler is told first, with the command
that helps. Opening a foreign driver can crash a process: candidates are therefore opened in a child process.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping, MutableMapping
from ctypes.util import find_library
from pathlib import Path
from typing import Final

from msgspec import Struct

from aivm.errors import CompilerMissing, DeviceUnavailable

PROBE_TIMEOUT_SECONDS: Final = 120
"""Longest wait for a compiler's version or a device's first kernel; a cold start takes about five seconds."""

REASON_LENGTH_MAX: Final = 300
"""Longest reason quoted from a failed probe, in characters: its last line names the cause."""

CPU: Final = "CPU"
"""tinygrad's name of the processor."""

PROBE: Final = "from aivm.backends.probe import probe_device; import sys; probe_device(sys.argv[1])"
"""Program of the child process that opens one device."""

TINYGRAD_VARIABLES: Final = (
    "DEBUG DEBUG_GC DEBUG_LINEARIZE DEBUG_RANGEIFY PROFILE VIZ SPEC TRACEMETA NO_COLOR "
    "DEV AMD CL CPU CUDA DSP HIP METAL NULL NV PYTHON QCOM REMOTE WEBGPU "
    "BEAM CACHELEVEL CCACHE IMAGE JIT JITBEAM LRU NOOPT PARALLEL RING SCACHE TC "
    "DEFAULT_FLOAT DEFAULT_INT FLOAT16 HALF SUM_DTYPE THREADS TRAINING TRANSCENDENTAL"
)
"""Names of variables, by spaces, that tinygrad takes for its own switches: how much it prints, its device,
how it compiles, its types. Their names are common (``PYTHON`` is a path and ``DEBUG`` a word elsewhere), what
it cannot read as an integer stops it, and the rest would change kernels that were checked without them."""


class Compiler(Struct, frozen=True):
    """A clang that works here."""

    path: str
    """Absolute path, without spaces: tinygrad takes one word."""

    version: str
    """First line of what it prints about itself."""


class Device(Struct, frozen=True):
    """A device that was opened and ran a kernel, or the reason why not."""

    name: str
    """tinygrad's name, such as ``CPU`` or ``CUDA``."""

    is_usable: bool
    """Whether a kernel ran on it and gave the right integers."""

    reason: str
    """Why it is not usable; empty when it is."""


def find_compiler(environment: Mapping[str, str], interpreter: str = sys.executable) -> Compiler:
    """The clang to use: ``CC`` of the environment, else on its ``PATH``, else beside the interpreter.

    :param interpreter: path of the Python interpreter; a clang from a wheel lies beside it.
    :raises CompilerMissing: none of these is a clang that starts.
    """
    beside = Path(interpreter).parent / "clang"
    search_path = environment.get("PATH", "")
    candidates = [environment.get("CC", ""), "clang", str(beside)]
    tried = []
    for candidate in filter(None, candidates):
        found = shutil.which(candidate, path=search_path)
        tried.append(candidate)
        version = _get_clang_version(found) if found and " " not in found else None
        if found and version:
            return Compiler(found, version)
    raise CompilerMissing(tuple(tried))


def set_environment(environment: MutableMapping[str, str], compiler: Compiler, cache: Path) -> None:
    """Tell tinygrad its compiler and a kernel cache of our own, and keep from it what was meant for others;
    must happen before tinygrad is imported.

    :param cache: directory for compiled kernels, made when missing.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for name in TINYGRAD_VARIABLES.split():
        environment.pop(name, None)
    environment["CC"] = compiler.path
    environment["CACHEDB"] = str(cache / "kernels.db")


def get_candidates() -> tuple[str, ...]:
    """Names of devices whose driver seems present, most capable first, the CPU last. Opens nothing."""
    present = {
        "METAL": sys.platform == "darwin",
        "CUDA": find_library("cuda") is not None,
        "AMD": Path("/dev/kfd").exists(),
        "CL": find_library("OpenCL") is not None,
        CPU: True,
    }
    return tuple(name for name, is_present in present.items() if is_present)


def probe(name: str, environment: Mapping[str, str]) -> Device:
    """Open one device in a child process and run a kernel there; a crash is an answer, not a fault."""
    command = [sys.executable, "-c", PROBE, name]
    top = Path(__file__).parents[
        2
    ]  # where this package lies, so that the child finds it without being installed
    try:
        child = subprocess.run(
            command,
            cwd=top,
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Device(name, is_usable=False, reason=f"no answer within {PROBE_TIMEOUT_SECONDS} seconds")
    if child.returncode == 0:
        return Device(name, is_usable=True, reason="")
    last_line = child.stderr.strip().rpartition("\n")[2][:REASON_LENGTH_MAX]
    return Device(
        name, is_usable=False, reason=last_line or f"the probe ended with status {child.returncode}"
    )


def find_devices(environment: Mapping[str, str]) -> tuple[Device, ...]:
    """Every candidate, probed. Takes seconds: one child process each."""
    return tuple(probe(name, environment) for name in get_candidates())


def verify_device(name: str, environment: Mapping[str, str]) -> None:
    """Check that a device can be used from here.

    :raises DeviceUnavailable: it cannot.
    """
    device = probe(name, environment)
    if not device.is_usable:
        raise DeviceUnavailable(name, device.reason)


def _get_clang_version(path: str) -> str | None:
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=PROBE_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    first_line = answer.stdout.partition("\n")[0]
    return first_line if answer.returncode == 0 and "clang" in first_line else None
