"""The randomness seam: where a node's unpredictable bytes come from."""

import os
from typing import Protocol


class Randomness(Protocol):
    """Gives random bytes."""

    def get_bytes(self, count: int) -> bytes:
        """``count`` random bytes, fit for keys."""


class SystemRandomness:
    """The machine's generator."""

    def get_bytes(self, count: int) -> bytes:
        """``count`` random bytes, fit for keys."""
        return os.urandom(count)
