"""Opens a backend by name. Call it in the process that will compute, before anything imports tinygrad."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

from aivm.backends.discovery import find_compiler, set_environment, verify_device
from aivm.backends.numpy_backend import NumpyBackend
from aivm.backends.program_protocol import OracleBackend, ProgramBackend
from aivm.backends.protocol import Backend

NUMPY: Final = "numpy"
"""Name under which the numpy twin is opened; every other name is a tinygrad device."""


def open_backend(name: str, environment: MutableMapping[str, str], cache: Path) -> Backend:
    """The backend called ``name``: ``numpy``, or a tinygrad device such as ``CPU`` or ``CUDA``.

    :param environment: ``os.environ``; tinygrad's compiler and kernel cache are written into it.
    :param cache: directory for compiled kernels.
    :raises CompilerMissing: a device was named and there is no clang.
    :raises DeviceUnavailable: the device cannot be opened; it was tried in a child process.
    """
    if name == NUMPY:
        return NumpyBackend()
    set_environment(environment, find_compiler(environment), cache)
    verify_device(name, environment)
    from aivm.backends.tinygrad_backend import TinygradBackend  # reads the environment when imported

    return TinygradBackend(name)


def open_program_backend(name: str, environment: MutableMapping[str, str], cache: Path) -> ProgramBackend:
    """What runs programs under ``name``: ``numpy`` (the oracle), or a tinygrad device.

    A device is handed out only when it has passed the quick vectors, now or (by its stamp) before.

    :param environment: ``os.environ``; tinygrad's compiler and kernel cache are written into it.
    :param cache: directory for compiled kernels and stamps.
    :raises CompilerMissing: a device was named and there is no clang.
    :raises DeviceUnavailable: the device cannot be opened; it was tried in a child process.
    :raises ConformanceFailure: the device computes other bits.
    """
    if name == NUMPY:
        return OracleBackend()
    compiler = find_compiler(environment)
    set_environment(environment, compiler, cache)
    verify_device(name, environment)
    from aivm.backends.tinygrad_programs import TinygradPrograms  # reads the environment when imported
    from aivm.conformance.stamp import ensure_program_conformance  # which knows the backends, too

    backend = TinygradPrograms(name)
    ensure_program_conformance(backend, compiler.version, cache)
    return backend
