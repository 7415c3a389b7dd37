"""``MaxPool`` and ``AveragePool`` on a device."""

import numpy as np
from numpy.typing import NDArray
from tinygrad import Tensor, dtypes

from aivm.backends.graph.linear import center
from aivm.backends.graph.rounding import divide_half_even
from aivm.program.operators import AveragePool, Border, MaxPool
from aivm.program.types import LOWEST, DType


def build_maxpool(operator: MaxPool, image: Tensor) -> Tensor:
    """Largest value of each window; int32."""
    top, left, bottom, right = operator.pads
    borders = ((0, 0), (0, 0), (top, bottom), (left, right))
    padded = image.cast(dtypes.int32).pad(borders, value=LOWEST[DType.INT32])
    pooled = padded.max_pool2d(operator.kernel, operator.strides, operator.dilations)
    assert isinstance(pooled, Tensor)
    return pooled


def build_averagepool(operator: AveragePool, image: Tensor, divisors: Tensor, ones: Tensor) -> Tensor:
    """Rounded mean of each window; int32.

    :param divisors: int32 ``(h', w')`` from ``compute_divisors``.
    :param ones: int32 ``(1, 1, kh, kw)``, all 1: a sum over a window is a convolution with them.
    """
    rows, channels, height, width = image.shape
    top, left, bottom, right = operator.pads
    centered = center(image, operator.input_zero).pad(((0, 0), (0, 0), (top, bottom), (left, right)))
    flat = centered.reshape(-1, 1, height + top + bottom, width + left + right)
    sums = flat.conv2d(ones, stride=operator.strides, dtype=dtypes.int32)
    sums = sums.reshape(rows, channels, *sums.shape[2:]).contiguous()
    return divide_half_even(sums, divisors.reshape(1, 1, *divisors.shape)) + operator.input_zero


def compute_divisors(operator: AveragePool, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """How many elements each window's mean is of: int32 ``(h', w')``; known before anything runs."""
    sides = []
    for at, length in enumerate(shape[1:]):
        before, after = operator.pads[at], operator.pads[at + 2]
        kernel, stride = operator.kernel[at], operator.strides[at]
        starts = np.arange((length + before + after - kernel) // stride + 1) * stride - before
        inside = np.minimum(starts + kernel, length) - np.maximum(starts, 0)
        sides.append(np.full_like(inside, kernel) if operator.border is Border.COUNTED else inside)
    divisors: NDArray[np.int32] = np.outer(sides[0], sides[1]).astype(np.int32)
    return divisors
