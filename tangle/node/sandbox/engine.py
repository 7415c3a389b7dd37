"""What a worker computes with: opened in the worker, after it has confined itself."""

import os
from pathlib import Path
from typing import Final

from aivm.backends.discovery import CPU
from aivm.backends.opening import NUMPY, open_program_backend
from aivm.backends.program_protocol import ProgramBackend
from aivm.errors import CompilerMissing

AUTO: Final = "auto"
"""Device name that lets the worker choose: tinygrad's processor device where there is a compiler, else the
oracle, which is slow and always there."""

PROGRAMS: Final = "tangle.node.sandbox.engine:open_programs"
"""Name of ``open_programs``, as it is told to a worker."""


def open_programs(device: str, cache: Path) -> ProgramBackend:
    """The backend for programs on ``device``: ``auto``, ``numpy`` or a tinygrad device name.

    :raises TangleError: as ``open_program_backend``.
    """
    if device != AUTO:
        return open_program_backend(device, os.environ, cache)
    try:
        return open_program_backend(CPU, os.environ, cache)
    except CompilerMissing:
        return open_program_backend(NUMPY, os.environ, cache)
