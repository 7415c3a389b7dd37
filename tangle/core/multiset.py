"""An additive hash over a set of entries, updated in time proportional to the changes.

LtHash16 (Lewi, Kim, Maykov, Weis: "Securing Update Propagation with Homomorphic Hashing", eprint 2019/227):
each entry is expanded to 1,024 16-bit lanes, lanes add modulo 2**16, so entries can be added and removed in
any order and the sum depends on the set alone. Finding two sets with one sum is as hard as a short-integer-
solution problem of more than 200 bits.
"""

from functools import lru_cache
from hashlib import shake_128

import numpy as np
from numpy.typing import NDArray

from tangle.core.hashing import STATE, compute_hash
from tangle.core.types import Digest

STATE_SIZE = 2048
"""Bytes of the running sum: 1,024 lanes of 16 bits, the size analysed in the paper."""

LANES_KEPT = 1024
"""Expanded entries that are remembered, two megabytes: what is taken out was mostly put in not long ago."""

Lanes = NDArray[np.uint16]


class MultisetHash:
    """The running sum over a set of byte strings."""

    __slots__ = ("_lanes",)

    def __init__(self, state: bytes = bytes(STATE_SIZE)) -> None:
        """:param state: a sum from ``get_state``; all zero is the empty set."""
        self._lanes: Lanes = np.frombuffer(state, "<u2").copy()

    def add(self, entry: bytes) -> None:
        """Put ``entry`` in; it must be in at most once for the digest to name a set."""
        self._lanes += _compute_lanes(entry)

    def remove(self, entry: bytes) -> None:
        """Take ``entry`` out."""
        self._lanes -= _compute_lanes(entry)

    def get_state(self) -> bytes:
        """The sum as 2,048 little-endian bytes, to be stored and continued."""
        return self._lanes.astype("<u2").tobytes()

    def compute_digest(self) -> Digest:
        """The 32-byte commitment to the set."""
        return compute_hash(STATE, self.get_state())


@lru_cache(LANES_KEPT)
def _compute_lanes(entry: bytes) -> Lanes:
    return np.frombuffer(shake_128(STATE + b"\x00" + entry).digest(STATE_SIZE), "<u2")
