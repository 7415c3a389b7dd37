"""What a tensor of a program is: element type, shape of one row, and the range its values keep to.

Rows (the batch) are no dimension of a program: a program says what happens to one row, and any number of rows
is computed at once. Ranges are part of the type, because overflow is excluded by them: the range of an input
is checked when a task arrives, that of an initialiser when a program is bound, and that of every other tensor
follows from its operator.
"""

from enum import IntEnum
from math import prod
from typing import Annotated, Final

import numpy as np
from msgspec import Meta, Struct

from aivm.program.limits import RANK_MAX
from tangle.core.types import Natural, Signed


class DType(IntEnum):
    """Element types. Codes are part of the record."""

    INT8 = 1
    UINT8 = 2
    INT32 = 3


DTYPES: Final[dict[DType, np.dtype[np.signedinteger] | np.dtype[np.unsignedinteger]]] = {
    DType.INT8: np.dtype("<i1"),
    DType.UINT8: np.dtype("<u1"),
    DType.INT32: np.dtype("<i4"),
}
"""numpy's name of every element type; bytes are little-endian on every machine."""

LOWEST: Final = {DType.INT8: -128, DType.UINT8: 0, DType.INT32: -(2**31) + 1}
"""Smallest value of every type. INT32 leaves out -2^31, so that every value has a negation."""

HIGHEST: Final = {DType.INT8: 127, DType.UINT8: 255, DType.INT32: 2**31 - 1}
"""Largest value of every type."""

BYTES: Final = (DType.INT8, DType.UINT8)
"""The one-byte types: activations and weights."""

Shape = Annotated[tuple[Natural, ...], Meta(max_length=RANK_MAX)]
"""Lengths of the dimensions, outermost first, without the rows; empty for one number per row."""


class TensorType(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Type of one tensor: what every row of it is."""

    dtype: DType
    """Element type."""

    shape: Shape
    """Lengths of the dimensions of one row."""

    low: Signed
    """Smallest value that occurs."""

    high: Signed
    """Largest value that occurs."""

    @property
    def elements(self) -> int:
        """Elements of one row."""
        return prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes of one row."""
        return self.elements * DTYPES[self.dtype].itemsize

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)


def make_full_type(dtype: DType, shape: tuple[int, ...]) -> TensorType:
    """The type of tensors that may hold any value of ``dtype``."""
    return TensorType(dtype, shape, LOWEST[dtype], HIGHEST[dtype])
