"""Which version of the program runs: a module of its own, so that asking loads nothing else."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final

DISTRIBUTION: Final = "tangle-node"
"""Name of the installed package."""


def get_version() -> str:
    """Version of the installed package."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "0+source"
