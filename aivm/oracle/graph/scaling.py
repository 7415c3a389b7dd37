"""The elementwise operators: ``Add``, ``Mul``, ``Requantize``, ``Clip`` and ``Table``."""

import numpy as np

from aivm.oracle.graph.rounding import Wide, scale, shift_half_even, shift_half_up
from aivm.program.operators import Add, Clip, Mode, Mul, Requantize
from aivm.program.types import HIGHEST, LOWEST, DType


def saturate(values: Wide, dtype: DType) -> Wide:
    """Values limited to the range of a type."""
    return np.clip(values, LOWEST[dtype], HIGHEST[dtype])


def align(values: Wide, rank: int) -> Wide:
    """The same values with dimensions of length 1 after the rows, so that tensors broadcast from the last."""
    return values.reshape(values.shape[:1] + (1,) * (rank + 1 - values.ndim) + values.shape[1:])


def compute_add(operator: Add, left: Wide, right: Wide) -> Wide:
    """``sat(R(((a - za) ma + (b - zb) mb) / 2^shift) + zy)``, R half to even (RNE64) or half up (TFL1)."""
    rank = max(left.ndim, right.ndim) - 1
    first = (align(left, rank) - operator.left_zero) * operator.left_multiplier
    second = (align(right, rank) - operator.right_zero) * operator.right_multiplier
    shift = shift_half_up if operator.mode is Mode.TFL1 else shift_half_even
    return saturate(shift(first + second, operator.shift) + operator.output_zero, operator.dtype)


def compute_mul(operator: Mul, left: Wide, right: Wide) -> Wide:
    """``(a - za) (b - zb)``, exact."""
    rank = max(left.ndim, right.ndim) - 1
    return (align(left, rank) - operator.left_zero) * (align(right, rank) - operator.right_zero)


def compute_requantize(operator: Requantize, values: Wide) -> Wide:
    """``sat(R((x - zx) m / 2^s) + zy)``; ``m`` and ``s`` may change along one dimension."""
    multipliers, shifts = np.array(operator.multipliers), np.array(operator.shifts)
    if len(multipliers) > 1:
        places = [-1 if place == operator.axis + 1 else 1 for place in range(values.ndim)]
        multipliers, shifts = multipliers.reshape(places), shifts.reshape(places)
    scaled = scale(values - operator.input_zero, multipliers, shifts, operator.mode)
    return saturate(scaled + operator.output_zero, operator.dtype)


def compute_clip(operator: Clip, values: Wide) -> Wide:
    """``min(max(x, low), high)``."""
    return np.clip(values, operator.low, operator.high)


def compute_table(dtype: DType, values: Wide, table: Wide) -> Wide:
    """``table[x - smallest value of x's type]``."""
    entries: Wide = table[0][values - LOWEST[dtype]]
    return entries
