"""Roundings on a device: the formulas of ``aivm.oracle.graph.rounding``."""

from typing import Final, assert_never

from tinygrad import Tensor, dtypes

from aivm.oracle.graph.rounding import ROOT_BITS, SIGNIFICANT_BITS
from aivm.program.operators import Mode

HALVINGS: Final = (16, 8, 4, 2, 1)
"""Steps of a search for the highest bit among 31."""


def shift_half_even(values: Tensor, shift: Tensor | int) -> Tensor:
    """``values / 2^shift``, halves to even; int64."""
    if isinstance(shift, int) and shift == 0:
        return values
    quotient = values >> shift
    if isinstance(shift, int):
        remainder, half = values & ((1 << shift) - 1), 1 << (shift - 1)
        is_up = (remainder > half) | ((remainder == half) & ((quotient & 1) == 1))
        return quotient + is_up.cast(values.dtype)
    power = Tensor.ones_like(shift) << shift
    remainder, half = values & (power - 1), power >> 1
    is_up = (remainder > half) | ((remainder == half) & ((quotient & 1) == 1))
    return quotient + (is_up & (shift > 0)).cast(values.dtype)


def shift_half_up(values: Tensor, shift: Tensor | int) -> Tensor:
    """``(values + 2^(shift-1)) >> shift``; int64."""
    if isinstance(shift, int):
        return (values + ((1 << shift) >> 1)) >> shift
    return (values + ((Tensor.ones_like(shift) << shift) >> 1)) >> shift


def round_to_float32(values: Tensor) -> Tensor:
    """The nearest integers of 24 significant bits, halves to even; int64, magnitude below 2^55."""
    magnitude = (values < 0).where(-values, values)
    high = magnitude >> SIGNIFICANT_BITS
    dropped = (high > 0).cast(dtypes.int64)  # will be the number of bits of `high`
    for step in HALVINGS:
        is_large = high >= (1 << step)
        dropped = dropped + is_large.where(step, 0).cast(dtypes.int64)
        high = is_large.where(high >> step, high)
    return shift_half_even(values, dropped) << dropped


def scale(values: Tensor, multiplier: Tensor | int, shift: Tensor | int, mode: Mode) -> Tensor:
    """``R(values * multiplier / 2^shift)``; int64."""
    match mode:
        case Mode.RNE64:
            return shift_half_even(values * multiplier, shift)
        case Mode.ORT_F32:
            return shift_half_even(round_to_float32(round_to_float32(values) * multiplier), shift)
        case Mode.TFL1:
            return shift_half_up(values * multiplier, shift)
        case _:
            assert_never(mode)


def divide_half_even(values: Tensor, divisor: Tensor) -> Tensor:
    """``values / divisor``, halves to even; the divisor is positive."""
    quotient = values // divisor  # floor
    doubled = (values - quotient * divisor) * 2
    is_up = (doubled > divisor) | ((doubled == divisor) & ((quotient & 1) == 1))
    return quotient + is_up.cast(values.dtype)


def compute_root(values: Tensor) -> Tensor:
    """Largest integers whose squares are at most ``values``; int64, bit by bit."""
    root = Tensor.zeros_like(values)
    for bit in reversed(range(ROOT_BITS)):
        trial = root + (1 << bit)
        root = (trial * trial <= values).where(trial, root)
    return root
