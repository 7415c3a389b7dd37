"""Remembers that a device passed, so that a restart need not compute the vectors again.

A stamp is an empty file whose name is the hash of everything that the passing run depended on: the vectors,
this package's source, the versions of tinygrad and of the compiler, the device and the machine. When any of
them changes (a new driver comes with a new kernel release or compiler), the name changes and the vectors run
again. A stamp saves seconds; it is not what protects results: every program is compared with numpy when it is
compiled.
"""

import platform
from hashlib import blake2b
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Final

from aivm.backends.program_protocol import ProgramBackend
from aivm.backends.protocol import Backend
from aivm.conformance.run import run_conformance
from aivm.conformance.run_programs import run_program_conformance

SOURCES: Final = (
    "backends", "backends/graph", "conformance", "oracle/graph", "program", "program/inference",
)  # fmt: skip
"""Folders of this package whose files decide what is computed and compared."""


def compute_fingerprint(backend: Backend | ProgramBackend, compiler_version: str) -> str:
    """Name of a passing run of ``backend`` here: 64 hexadecimal digits."""
    machine = platform.uname()
    parts = [backend.name, backend.device, compiler_version, version("tinygrad"), version("numpy")]
    parts += [machine.node, machine.release, machine.version, machine.machine, machine.processor]
    digest = blake2b("\0".join(parts).encode(), digest_size=32)
    for folder in SOURCES:
        for entry in sorted(files("aivm").joinpath(folder).iterdir(), key=lambda entry: entry.name):
            if entry.is_file():
                digest.update(entry.name.encode() + b"\0" + blake2b(entry.read_bytes()).digest())
    return digest.hexdigest()


def ensure_conformance(backend: Backend, compiler_version: str, cache: Path) -> bool:
    """Run the vectors on ``backend`` unless they passed here before.

    :param compiler_version: what the compiler says about itself; empty for numpy.
    :param cache: directory where stamps are kept, such as that of the compiled kernels.
    :return: whether the vectors were computed now.
    :raises ConformanceFailure: an integer differs; no stamp is left.
    """
    stamp = cache / f"conformance-{compute_fingerprint(backend, compiler_version)}"
    if stamp.exists():
        return False
    run_conformance(backend)
    cache.mkdir(parents=True, exist_ok=True)
    stamp.touch()
    return True


def ensure_program_conformance(backend: ProgramBackend, compiler_version: str, cache: Path) -> bool:
    """Run the quick vectors of programs on ``backend`` unless they passed here before.

    :param compiler_version: what the compiler says about itself; empty without one.
    :param cache: directory where stamps are kept.
    :return: whether the vectors were computed now.
    :raises ConformanceFailure: a bit differs; no stamp is left.
    """
    stamp = cache / f"programs-{compute_fingerprint(backend, compiler_version)}"
    if stamp.exists():
        return False
    run_program_conformance(backend, is_quick=True)
    cache.mkdir(parents=True, exist_ok=True)
    stamp.touch()
    return True
