"""Where an operator stands: its operands, and the refusals that name it."""

from collections.abc import Sequence
from typing import NoReturn

from msgspec import Struct

from aivm.program.errors import (
    InvalidAttribute,
    ProgramOverflow,
    ProgramTooLarge,
    ShapeMismatch,
    TypeMismatch,
    ZeroSize,
)
from aivm.program.types import BYTES, HIGHEST, LOWEST, DType, TensorType

INT32_MAX = HIGHEST[DType.INT32]
"""Largest magnitude of a 32-bit accumulator."""


class Site(Struct, frozen=True):
    """A node with the types of what it reads."""

    node: int
    """Number of the node."""

    name: str
    """Name of its operator."""

    operands: tuple[TensorType, ...]
    """Types of its operands."""

    constants: tuple[bool, ...]
    """Which operands are initialisers."""

    def refuse_shape(self, reason: str) -> NoReturn:
        """:raises ShapeMismatch: always."""
        raise ShapeMismatch(self.node, self.name, reason)

    def refuse_type(self, reason: str) -> NoReturn:
        """:raises TypeMismatch: always."""
        raise TypeMismatch(self.node, self.name, reason)

    def refuse_attribute(self, reason: str) -> NoReturn:
        """:raises InvalidAttribute: always."""
        raise InvalidAttribute(self.node, self.name, reason)

    def verify_count(self, low: int, high: int) -> None:
        """Check the number of operands.

        :raises ShapeMismatch: it is another.
        """
        if not low <= len(self.operands) <= high:
            self.refuse_shape(f"{len(self.operands)} operands, not {low} to {high}")

    def verify_dtype(self, place: int, *allowed: DType) -> None:
        """Check the element type of one operand.

        :raises TypeMismatch: it is none of ``allowed``.
        """
        if self.operands[place].dtype not in allowed:
            names = ", ".join(dtype.name for dtype in allowed)
            self.refuse_type(f"operand {place} is {self.operands[place].dtype.name}, not {names}")

    def verify_bytes(self, place: int) -> None:
        """Check that an operand has one-byte elements.

        :raises TypeMismatch: it has not.
        """
        self.verify_dtype(place, *BYTES)

    def verify_constant(self, place: int) -> None:
        """Check that an operand is an initialiser.

        :raises ShapeMismatch: it has rows.
        """
        if not self.constants[place]:
            self.refuse_shape(f"operand {place} must be an initialiser")

    def verify_shape(self, place: int, shape: tuple[int, ...]) -> None:
        """Check the shape of an operand.

        :raises ShapeMismatch: it is another.
        """
        if self.operands[place].shape != shape:
            self.refuse_shape(f"operand {place} has shape {self.operands[place].shape}, not {shape}")

    def verify_axis(self, axis: int, rank: int) -> None:
        """Check that a dimension exists.

        :raises InvalidAttribute: it does not.
        """
        if axis >= rank:
            self.refuse_attribute(f"dimension {axis} of a tensor of rank {rank}")

    def verify_zero(self, dtype: DType, zero: int) -> None:
        """Check that a zero point is a value of its type.

        :raises InvalidAttribute: it is not.
        """
        if not LOWEST[dtype] <= zero <= HIGHEST[dtype]:
            self.refuse_attribute(f"zero point {zero} is no {dtype.name}")

    def verify_positive(self, quantity: str, values: Sequence[int]) -> None:
        """Check that windows, steps and divisors are not zero.

        :raises ZeroSize: one is.
        """
        if min(values) < 1:
            raise ZeroSize(self.node, self.name, f"{quantity} {tuple(values)} has a zero")

    def verify_limit(self, quantity: str, value: int, limit: int) -> None:
        """Check a size.

        :raises ProgramTooLarge: it is over ``limit``.
        """
        if value > limit:
            raise ProgramTooLarge(self.node, self.name, quantity, value, limit)

    def verify_accumulator(self, quantity: str, largest: int, limit: int = INT32_MAX) -> None:
        """Check that a sum fits.

        :raises ProgramOverflow: it may not.
        """
        if largest > limit:
            raise ProgramOverflow(self.node, self.name, quantity, largest, limit)

    def get_centered(self, place: int, zero: int) -> tuple[int, int]:
        """Range of an operand minus its zero point."""
        operand = self.operands[place]
        self.verify_zero(operand.dtype, zero)
        return operand.low - zero, operand.high - zero


def get_magnitude(interval: tuple[int, int]) -> int:
    """Largest absolute value in a range."""
    return max(abs(interval[0]), abs(interval[1]))


def multiply(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    """Range of the products of two ranges."""
    corners = [first * second for first in left for second in right]
    return min(corners), max(corners)


def compute_broadcast(site: Site, left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of an elementwise result: equal lengths or 1, compared from the last dimension.

    :raises ShapeMismatch: two lengths differ and neither is 1.
    """
    rank = max(len(left), len(right))
    padded = [(1,) * (rank - len(shape)) + shape for shape in (left, right)]
    lengths = []
    for first, second in zip(*padded, strict=True):
        if first != second and 1 not in (first, second):
            site.refuse_shape(f"shapes {left} and {right} do not broadcast")
        lengths.append(max(first, second))
    return tuple(lengths)


def compute_window_lengths(
    site: Site,
    lengths: tuple[int, int],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    pads: tuple[int, ...],
    dilations: tuple[int, ...],
) -> tuple[int, int]:
    """Height and width of the result of a sliding window: ``floor((n + pads - reach) / stride) + 1``.

    :raises ZeroSize: a window, stride or dilation of zero.
    :raises ShapeMismatch: the window does not fit.
    """
    for quantity, values in (("window", kernel), ("stride", strides), ("dilation", dilations)):
        site.verify_positive(quantity, values)
    found = []
    for place in (0, 1):
        reach = (kernel[place] - 1) * dilations[place] + 1
        room = lengths[place] + pads[place] + pads[place + 2] - reach
        if room < 0:
            site.refuse_shape(f"a window reaching over {reach} does not fit {lengths[place]} and its border")
        found.append(room // strides[place] + 1)
    return found[0], found[1]
