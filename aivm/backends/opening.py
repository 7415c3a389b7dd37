"""Opens a backend by name. Call it in the process that will compute, before anything imports tinygrad."""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

from aivm.backends.discovery import find_compiler, set_environment, verify_device
from aivm.backends.numpy_backend import NumpyBackend
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
