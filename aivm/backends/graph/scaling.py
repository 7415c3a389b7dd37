"""The elementwise operators on a device."""

from tinygrad import Tensor, dtypes

from aivm.backends.graph.linear import center
from aivm.backends.graph.rounding import scale, shift_half_even, shift_half_up
from aivm.program.operators import Add, Mode, Mul, Requantize
from aivm.program.types import HIGHEST, LOWEST, DType

ENTRIES = 256
"""Entries of a table."""


def saturate(values: Tensor, dtype: DType) -> Tensor:
    """Values limited to the range of a type; they keep their width until they are stored."""
    return values.clip(LOWEST[dtype], HIGHEST[dtype])


def align(values: Tensor, rank: int) -> Tensor:
    """The same values with dimensions of length 1 after the rows."""
    return values.reshape(values.shape[0], *(1,) * (rank + 1 - values.ndim), *values.shape[1:])


def build_add(operator: Add, left: Tensor, right: Tensor) -> Tensor:
    """Weighted sum in 64 bits, rounded and saturated."""
    rank = max(left.ndim, right.ndim) - 1
    first = (align(left, rank).cast(dtypes.int64) - operator.left_zero) * operator.left_multiplier
    second = (align(right, rank).cast(dtypes.int64) - operator.right_zero) * operator.right_multiplier
    shift = shift_half_up if operator.mode is Mode.TFL1 else shift_half_even
    return saturate(shift(first + second, operator.shift) + operator.output_zero, operator.dtype)


def build_mul(operator: Mul, left: Tensor, right: Tensor) -> Tensor:
    """Exact product; int32."""
    rank = max(left.ndim, right.ndim) - 1
    return center(align(left, rank), operator.left_zero) * center(align(right, rank), operator.right_zero)


def build_requantize(operator: Requantize, values: Tensor, constants: tuple[Tensor, ...]) -> Tensor:
    """Scaled and saturated.

    :param constants: multipliers and shifts, int64, when they change along a dimension.
    """
    multiplier: Tensor | int = operator.multipliers[0]
    shift: Tensor | int = operator.shifts[0]
    if constants:
        places = [-1 if place == operator.axis + 1 else 1 for place in range(values.ndim)]
        multiplier, shift = (constant.reshape(*places) for constant in constants)
    centered = values.cast(dtypes.int64) - operator.input_zero
    scaled = scale(centered, multiplier, shift, operator.mode)
    return saturate(scaled + operator.output_zero, operator.dtype)


def build_table(dtype: DType, values: Tensor, table: Tensor) -> Tensor:
    """Entries looked up; int32."""
    return look_up(values.cast(dtypes.int32) - LOWEST[dtype], table)


def look_up(places: Tensor, table: Tensor) -> Tensor:
    """``table[places]`` of 256 entries; int32. Written as the one term of a sum, which tinygrad turns into a
    load.
    """
    entries = Tensor.arange(ENTRIES, dtype=dtypes.int32)
    is_place = places.unsqueeze(-1) == entries
    return is_place.where(table.cast(dtypes.int32).reshape(ENTRIES), 0).sum(-1, dtype=dtypes.int32)
