"""What a tensor of a model is while the model is translated: constants, bytes with a meaning, sums, indices.

A float tensor is never computed. It is a tensor of integers and what each integer stands for; the next
operator that needs bytes decides the scale (see ``aivm.importers.translation``).
"""

from math import inf
from typing import Any

import numpy as np
from msgspec import Struct

from aivm.importers.graph import Array
from aivm.importers.scales import Affine
from aivm.program.building import Handle


class Constant(Struct, frozen=True, eq=False):
    """A tensor known now."""

    array: Array
    """Its elements, in the model's own type; the first dimension counts rows if there are as many."""


class Packed(Struct, frozen=True, eq=False):
    """A constant that the model holds as integers."""

    integers: Array
    """int8, uint8 or int32."""

    scales: Array
    """float32: one, or one per place along ``axis``."""

    zero: int
    """Zero point of all."""

    axis: int
    """Dimension along which scales change."""

    @property
    def array(self) -> Array:
        """The numbers, in float32."""
        scales = self.scales
        if scales.size > 1:
            lengths = [1] * self.integers.ndim
            lengths[self.axis] = scales.size
            scales = scales.reshape(lengths)
        real: Array = (self.integers.astype(np.int64) - self.zero).astype(np.float32) * scales
        return real


class Real(Struct, frozen=True, eq=False):
    """Bytes, each standing for a number."""

    handle: Handle
    """The bytes."""

    levels: Array
    """float32 (256,): the number behind each byte, smallest byte first."""

    affine: Affine | None
    """Scale and zero point, when the levels have them."""

    @property
    def is_rising(self) -> bool:
        """Whether a larger byte never stands for a smaller number: then maxima can be taken of the bytes."""
        return bool(np.all(np.diff(self.levels) >= 0))


class Sum(Struct, frozen=True, eq=False):
    """32-bit integers in steps of a scale, limited to a range."""

    handle: Handle
    """The integers."""

    scale: Array
    """float32, broadcasting to the shape of one row."""

    low: float = -inf
    """Smaller numbers count as this one."""

    high: float = inf
    """Larger numbers count as this one."""


class Pair(Struct, frozen=True, eq=False):
    """A sum, difference or product of two tensors of bytes, whose scale is not decided yet."""

    left: Real
    """First operand, affine."""

    right: Real
    """Second operand, affine."""

    operator: str
    """``Add``, ``Sub`` or ``Mul``."""

    low: float = -inf
    """Smaller numbers count as this one."""

    high: float = inf
    """Larger numbers count as this one."""


class Joined(Struct, frozen=True, eq=False):
    """Tensors one after the other, whose common scale is not decided yet."""

    parts: tuple[Any, ...]
    """Real, Sum, Pair, Constant or Packed."""

    axis: int
    """Dimension of a row along which they are joined."""


class Shares(Struct, frozen=True, eq=False):
    """The softmax of a tensor, not computed yet: what reads an output may compute it in floats."""

    base: "Real | Sum"
    """The tensor."""

    name: str
    """Its name in the model."""

    axis: int
    """Dimension of a row whose shares add up to one."""

    is_log: bool
    """Whether their logarithms are meant."""


class Raw(Struct, frozen=True, eq=False):
    """Bytes whose scale is said where they are read."""

    handle: Handle
    """The bytes."""

    affine: Affine | None
    """Their scale as it was said where they were made."""


class Index(Struct, frozen=True, eq=False):
    """Integers that stand for themselves."""

    handle: Handle
    """The integers."""


Value = Constant | Packed | Real | Sum | Pair | Joined | Shares | Raw | Index
"""Whatever a name of a model may stand for."""
