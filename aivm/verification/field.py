"""Arithmetic modulo the Mersenne prime p = 2^61 - 1, on whole arrays, exact in 64-bit integers.

Why this prime: every int32 value differs from every other modulo p, a product of two elements is reduced by
shifts, because ``2^61 = 1``, and one random element already makes an error as unlikely as 1/p. A ring of
2^32 or 2^64 would not do: an entry that is wrong by 2^31 vanishes there under every even factor.

Elements are uint64 within 0 ... p - 1.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

BITS: Final = 61
"""Bits of an element."""

PRIME: Final = 2**BITS - 1
"""The modulus."""

ZERO_BITS: Final = BITS - 1
"""Whole bits of security of one random element: the largest e with ``1 / p <= 2^-e``."""

Elements = NDArray[np.uint64]
"""Field elements, 0 ... p - 1."""

_PRIME: Final = np.uint64(PRIME)
_BITS: Final = np.uint64(BITS)
_LOW_BITS: Final = np.uint64(31)
_LOW: Final = np.uint64(2**31 - 1)
_HALF_BITS: Final = np.uint64(30)
_HALF: Final = np.uint64(2**30 - 1)


def reduce(values: NDArray[np.uint64]) -> Elements:
    """Values below 2^64 as elements: ``(x mod 2^61) + (x >> 61)`` is at most p + 7, then once minus p."""
    folded = (values & _PRIME) + (values >> _BITS)
    return np.where(folded >= _PRIME, folded - _PRIME, folded)


def make_elements(values: NDArray[np.signedinteger] | NDArray[np.unsignedinteger]) -> Elements:
    """Signed integers as elements: a negative ``x`` becomes ``p - |x|``. Any int64 except -2^63."""
    wide = values.astype(np.int64)
    positive = reduce(np.abs(wide).astype(np.uint64))
    return np.where((wide < 0) & (positive > 0), _PRIME - positive, positive)


def add(left: Elements, right: Elements) -> Elements:
    """Sum: below 2^62 before it is reduced."""
    return reduce(left + right)


def subtract(left: Elements, right: Elements) -> Elements:
    """Difference: between 1 and 2p - 1 before it is reduced."""
    return reduce(left + (_PRIME - right))


def multiply(left: Elements, right: Elements) -> Elements:
    """Product of two elements.

    With ``a = a1 2^31 + a0``: ``2^62 = 2``, so ``a1 b1`` (below 2^60) counts twice; ``m = a1 b0 + a0 b1``
    is below 2^62 and ``m 2^31 = (m >> 30) + (m mod 2^30) 2^31``; ``a0 b0`` is below 2^62. The terms are
    below 2^61, 2^32, 2^61 and 2^62: their sum is below 2^64.
    """
    left_high, left_low = left >> _LOW_BITS, left & _LOW
    right_high, right_low = right >> _LOW_BITS, right & _LOW
    middle = left_high * right_low + left_low * right_high
    high = (left_high * right_high) << np.uint64(1)
    return reduce(high + (middle >> _HALF_BITS) + ((middle & _HALF) << _LOW_BITS) + left_low * right_low)


def rotate(values: Elements, bits: int) -> Elements:
    """``x 2^bits`` for ``0 <= bits < 61``: a rotation of 61 bits, because ``2^61 = 1``."""
    if bits == 0:
        return values
    low = np.uint64(2 ** (BITS - bits) - 1)
    # Not all bits of an element are set, so neither are those of its rotation: the result is below p.
    return ((values & low) << np.uint64(bits)) | (values >> np.uint64(BITS - bits))


def add_up(values: Elements) -> int:
    """Sum of all elements, as a plain integer below p.

    Halves of 31 and 30 bits are summed apart: up to 2^33 elements fit in 64 bits.
    """
    low = int((values & _LOW).sum(dtype=np.uint64))
    high = int((values >> _LOW_BITS).sum(dtype=np.uint64))
    return (low + (high << 31)) % PRIME


def compute_inner_product(left: Elements, right: Elements) -> int:
    """``sum left_i right_i`` as a plain integer below p."""
    return add_up(multiply(left, right))
