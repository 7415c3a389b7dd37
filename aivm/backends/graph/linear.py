"""``Matmul`` and ``Conv2d`` on a device: int32 sums."""

from tinygrad import Tensor, dtypes

from aivm.program.operators import Conv2d, Matmul


def build_matmul(operator: Matmul, left: Tensor, right: Tensor, bias: Tensor | None) -> Tensor:
    """Sums of products of centred values."""
    centered, factor = center(left, operator.left_zero), center(right, operator.right_zero)
    is_vector = left.ndim == 2
    if right.ndim == 3 and right.shape[0] == 1:
        factor = factor.reshape(*factor.shape[1:])  # one matrix for all rows
        is_vector = False  # rows of vectors are a matrix already
    elif is_vector:
        centered = centered.reshape(centered.shape[0], 1, centered.shape[1])
    if factor.ndim > 2:
        missing = centered.ndim - factor.ndim
        factor = factor.reshape(factor.shape[0], *(1,) * missing, *factor.shape[1:])
    sums = centered.matmul(factor, dtype=dtypes.int32)
    if is_vector:
        sums = sums.reshape(sums.shape[0], sums.shape[-1])
    return sums if bias is None else sums + bias.reshape(-1)


def build_conv2d(operator: Conv2d, image: Tensor, kernels: Tensor, bias: Tensor | None) -> Tensor:
    """Sums over windows of centred values; the border adds nothing."""
    top, left, bottom, right = operator.pads
    centered = center(image, operator.left_zero).pad(((0, 0), (0, 0), (top, bottom), (left, right)))
    sums = centered.conv2d(
        center(kernels, operator.right_zero).reshape(*kernels.shape[1:]),
        groups=operator.groups,
        stride=operator.strides,
        dilation=operator.dilations,
        dtype=dtypes.int32,
    )
    return sums if bias is None else sums + bias.reshape(1, -1, 1, 1)


def center(values: Tensor, zero: int) -> Tensor:
    """Values minus their zero point; int32."""
    wide = values.cast(dtypes.int32)
    return wide - zero if zero else wide
