"""The roundings: everything in AIVM-Q1 that is not exact goes through one of these functions.

``>>`` is the arithmetic shift (floor). No intermediate exceeds 2^63: planning has seen to that.
"""

from typing import Any, Final, assert_never

import numpy as np
from numpy.typing import NDArray

from aivm.program.operators import Mode

Wide = NDArray[np.int64]
"""Integers of a computation."""

SIGNIFICANT_BITS: Final = 24
"""Bits of a float32's significand."""

WIDE_BITS: Final = 62
"""Longest value that is rounded to 24 bits."""

ROOT_BITS: Final = 31
"""Bits of an integer square root: its argument is below 2^62."""


def shift_half_even(values: Wide, shift: Any) -> Wide:
    """``values / 2^shift``, rounded to the nearest integer, halves to the even one (RNE).

    :param shift: bits, 0 to 62: an integer or an array that broadcasts.
    """
    shifts = np.asarray(shift, np.int64)
    quotient: Wide = values >> shifts
    remainder = values - (quotient << shifts)
    half = (np.int64(1) << shifts) >> 1
    is_up = (remainder > half) | ((remainder == half) & (quotient % 2 == 1))
    rounded: Wide = quotient + (is_up & (shifts > 0))
    return rounded


def shift_half_up(values: Wide, shift: Any) -> Wide:
    """``(values + 2^(shift-1)) >> shift``: nearest integer, halves up. Source: TensorFlow Lite built with
    ``TFLITE_SINGLE_ROUNDING``.
    """
    shifts = np.asarray(shift, np.int64)
    result: Wide = (values + ((np.int64(1) << shifts) >> 1)) >> shifts
    return result


def round_to_float32(values: Wide) -> Wide:
    """The nearest integers that a float32 can hold: 24 significant bits, halves to even. Source: IEEE 754.

    Below 2^127 a float32 differs from an integer in nothing but its 24 bits, so this is what a conversion or
    a product in float32 gives.
    """
    dropped = np.zeros_like(values)
    for bit in range(SIGNIFICANT_BITS, WIDE_BITS + 1):
        dropped += np.abs(values) >= (1 << bit)
    rounded: Wide = shift_half_even(values, dropped) << dropped
    return rounded


def scale(values: Wide, multiplier: Any, shift: Any, mode: Mode) -> Wide:
    """``R(values * multiplier / 2^shift)`` in one of the three modes.

    - RNE64: ``RNE(v * m / 2^s)``, the product exact.
    - ORT_F32: ``RNE(RN24(RN24(v) * m) / 2^s)``: a float32 ``m / 2^s`` times the integer, as float32, rounded.
      Source: onnxruntime, MLAS ``MlasRequantizeOutput``.
    - TFL1: ``(v * m + 2^(s-1)) >> s``. Source: TensorFlow Lite, single rounding.
    """
    multipliers = np.asarray(multiplier, np.int64)
    match mode:
        case Mode.RNE64:
            return shift_half_even(values * multipliers, shift)
        case Mode.ORT_F32:
            return shift_half_even(round_to_float32(round_to_float32(values) * multipliers), shift)
        case Mode.TFL1:
            return shift_half_up(values * multipliers, shift)
        case _:
            assert_never(mode)


def divide_half_even(values: Wide, divisor: Any) -> Wide:
    """``values / divisor`` to the nearest integer, halves to even; the divisor is positive."""
    divisors = np.asarray(divisor, np.int64)
    quotient: Wide = values // divisors
    doubled = (values - quotient * divisors) * 2
    is_up = (doubled > divisors) | ((doubled == divisors) & (quotient % 2 == 1))
    rounded: Wide = quotient + is_up
    return rounded


def compute_root(values: Wide) -> Wide:
    """Largest integers whose squares are at most ``values`` (0 to 2^62 - 1), bit by bit from the highest."""
    root = np.zeros_like(values)
    for bit in reversed(range(ROOT_BITS)):
        trial = root + (1 << bit)
        root = np.where(trial * trial <= values, trial, root)
    return root
