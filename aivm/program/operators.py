"""The operators of AIVM-Q1 and their attributes, a record each.

Operands are named by the node that holds an operator (see ``aivm.program.record``); shapes never count rows.
What each computes is defined, with formula and source, in ``aivm.oracle.graph``; what fits together is
checked in ``aivm.program.inference``. The tag is the operator's code in the encoding and never changes its
meaning.
"""

from enum import IntEnum
from typing import Annotated, Final, get_args

from msgspec import Meta, Struct

from aivm.program.limits import RANK_MAX, WINDOW_MAX
from aivm.program.types import DType, Shape
from tangle.core.types import Natural, Signed

Pair = Annotated[tuple[Annotated[int, Meta(ge=0, le=WINDOW_MAX)], ...], Meta(min_length=2, max_length=2)]
"""A height and a width, in elements."""

Quad = Annotated[tuple[Annotated[int, Meta(ge=0, le=WINDOW_MAX)], ...], Meta(min_length=4, max_length=4)]
"""Padding: top, left, bottom, right, in elements."""

Axes = Annotated[tuple[Natural, ...], Meta(max_length=RANK_MAX)]
"""Places of dimensions, from 0."""


class Mode(IntEnum):
    """How a sum is scaled back to a byte; ``aivm.oracle.graph.rounding`` has the formulas."""

    RNE64 = 1
    """One 64-bit product, then a shift that rounds half to even: the mode of models quantised here."""

    ORT_F32 = 2
    """Bit for bit what onnxruntime computes in float32, here in integers."""

    TFL1 = 3
    """One 64-bit product, then a shift that rounds half up: TensorFlow Lite's single rounding."""


class Border(IntEnum):
    """What a mean does with elements outside the image."""

    IGNORED = 0
    COUNTED = 1


class Centering(IntEnum):
    """What is normalised: the values, or their distances from the mean."""

    NONE = 0
    MEAN = 1


class Matmul(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """Sums of products. Operands: left ``(..., m, k)`` or ``(k,)``, right ``(k, n)`` or ``(..., k, n)`` with
    left's leading dimensions, and perhaps a bias ``(n,)`` int32. Gives int32 ``(..., m, n)``.
    """

    left_zero: Signed
    """Zero point of the left operand, subtracted from it."""

    right_zero: Signed
    """Zero point of the right operand."""


class Conv2d(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """Grouped convolution. Operands: image ``(c, h, w)``, kernels ``(o, c / groups, kh, kw)``, and perhaps a
    bias ``(o,)`` int32. Gives int32 ``(o, h', w')``.
    """

    strides: Pair
    """Steps of the window."""

    pads: Quad
    """Border added around the image; it holds the zero point and so adds nothing."""

    dilations: Pair
    """Distances between the elements of a window."""

    groups: Natural
    """Number of groups: channels of one group are combined with that group's kernels only."""

    left_zero: Signed
    """Zero point of the image."""

    right_zero: Signed
    """Zero point of the kernels."""


class Add(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """Weighted sum of two tensors, broadcast from the last dimension on. Operands: two of any type."""

    mode: Mode
    """RNE64 or TFL1."""

    dtype: DType
    """Element type of the result, saturated to its range."""

    left_zero: Signed
    """Zero point of the left operand."""

    right_zero: Signed
    """Zero point of the right operand."""

    left_multiplier: Signed
    """Factor of the left operand, within 31 bits and a sign."""

    right_multiplier: Signed
    """Factor of the right operand."""

    shift: Natural
    """Right shift of the weighted sum, in bits."""

    output_zero: Signed
    """Zero point of the result, added last."""


class Mul(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """Product of two tensors, broadcast from the last dimension on. Gives int32; ``Requantize`` follows where
    bytes are wanted.
    """

    left_zero: Signed
    """Zero point of the left operand."""

    right_zero: Signed
    """Zero point of the right operand."""


class Requantize(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    """Scales a tensor and saturates it: ``clamp(output_zero + R((x - input_zero) * multiplier / 2^shift))``.
    Operand: a tensor of any type.
    """

    mode: Mode
    """The rounding R."""

    dtype: DType
    """Element type of the result."""

    axis: Natural
    """Dimension along which multipliers change; 0 when there is one multiplier for all."""

    multipliers: tuple[Natural, ...]
    """One, or one per place along ``axis``: within 2^30 ... 2^31 - 1, or 2^23 ... 2^24 - 1 in ORT_F32."""

    shifts: tuple[Natural, ...]
    """As many right shifts, in bits."""

    input_zero: Signed
    """Zero point of the operand."""

    output_zero: Signed
    """Zero point of the result."""


class Clip(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=6):
    """Limits values to a range. Operand: a tensor of any type."""

    low: Signed
    """Smallest value of the result."""

    high: Signed
    """Largest value of the result."""


class Table(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=7):
    """Looks every byte up. Operands: a tensor of a one-byte type, and an initialiser of 256 entries whose
    first stands for the type's smallest value.
    """


class MaxPool(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=8):
    """Largest value in each window. Operand: ``(c, h, w)`` of any type; the border does not take part."""

    kernel: Pair
    """Height and width of the window."""

    strides: Pair
    """Steps of the window."""

    pads: Quad
    """Border, each side smaller than the dilated window."""

    dilations: Pair
    """Distances between the elements of a window."""


class AveragePool(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=9):
    """Mean of each window, rounded half to even. Operand: ``(c, h, w)`` of a one-byte type."""

    kernel: Pair
    """Height and width of the window."""

    strides: Pair
    """Steps of the window."""

    pads: Quad
    """Border, each side smaller than the window."""

    border: Border
    """Whether border elements count as ``input_zero``; otherwise the mean is of what lies inside."""

    input_zero: Signed
    """Zero point of the operand, and of the result."""


class Reshape(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=10):
    """The same elements in the same order under another shape. Operand: any tensor."""

    shape: Shape
    """The new shape."""


class Transpose(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=11):
    """Dimensions in another order. Operand: any tensor."""

    order: Axes
    """Place i of the result is place ``order[i]`` of the operand."""


class Concat(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=12):
    """Tensors one after the other. Operands: two or more, of one type, equal in dimensions but ``axis``."""

    axis: Natural
    """Dimension along which they are joined."""


class Gather(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=13):
    """Slices by index. Operands: data, and indices whose range lies within data's length along ``axis``.
    Gives data's shape with ``axis`` replaced by the shape of the indices.
    """

    axis: Natural
    """Dimension of data that is indexed."""


class Softmax(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=14):
    """Shares of the exponentials, in 256ths. Operands: a tensor of a one-byte type, and an initialiser of 256
    int32 entries: ``2^24 exp(-i * scale)``, the first at least 1.
    """

    axis: Natural
    """Dimension whose shares add up to one."""

    dtype: DType
    """INT8 (zero point -128) or UINT8 (zero point 0); the scale is 1/256."""


class LayerNorm(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=15):
    """Normalises the last dimension. Operands: a tensor of a one-byte type, a gain ``(n,)`` int32 and an
    offset ``(n,)`` int32.
    """

    centering: Centering
    """Whether the mean is subtracted (LayerNorm) or not (RMSNorm)."""

    input_zero: Signed
    """Zero point of the operand; matters only without centring."""

    epsilon: Natural
    """Added to the variance, in units of ``(scale / (256 n))^2``; at least 1, so that nothing is divided by
    0."""

    shift: Natural
    """Right shift of the weighted sum in bits, half to even; 16 of them undo the fraction bits."""

    dtype: DType
    """INT8 or UINT8."""

    output_zero: Signed
    """Zero point of the result."""


class Argmax(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=16):
    """Place of the largest value, the lowest place on ties. Operand: a tensor of any type. Gives int32
    without ``axis``.
    """

    axis: Natural
    """Dimension that is searched."""


class TopK(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=17):
    """The largest values in falling order, the lowest place first on ties. Operand: a tensor of any type.
    Gives two tensors: values, and places as int32.
    """

    axis: Natural
    """Dimension that is searched."""

    count: Natural
    """How many are kept."""


Operator = (
    Matmul
    | Conv2d
    | Add
    | Mul
    | Requantize
    | Clip
    | Table
    | MaxPool
    | AveragePool
    | Reshape
    | Transpose
    | Concat
    | Gather
    | Softmax
    | LayerNorm
    | Argmax
    | TopK
)
"""Whatever may stand at a node."""

OPERATORS: Final[dict[int, type[Operator]]] = {
    kind.__struct_config__.tag: kind for kind in get_args(Operator)
}
"""Every operator by its code."""


def get_name(operator: Operator) -> str:
    """Name of an operator as people write it, such as ``matmul``."""
    return type(operator).__name__.lower()
