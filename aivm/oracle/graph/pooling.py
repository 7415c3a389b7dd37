"""``MaxPool`` and ``AveragePool``: windows that slide over an image, their border outside it."""

from collections.abc import Iterator

import numpy as np

from aivm.oracle.graph.rounding import Wide, divide_half_even
from aivm.program.operators import AveragePool, Border, MaxPool
from aivm.program.types import LOWEST, DType


def compute_maxpool(operator: MaxPool, image: Wide) -> Wide:
    """Largest value of each window; the border stands below every value."""
    padded = _pad(image, operator.pads, LOWEST[DType.INT32])
    windows = _get_windows(padded, operator.kernel, operator.strides, operator.dilations)
    largest: Wide = np.max(np.stack(list(windows)), axis=0)
    return largest


def compute_averagepool(operator: AveragePool, image: Wide) -> Wide:
    """``zx + RNE(sum (x - zx) / n)``; n counts the window, or only what lies inside the image.

    Source: ONNX AveragePool with ``count_include_pad``.
    """
    ones = np.ones_like(image)
    counts = _pad(ones, operator.pads, 1 if operator.border is Border.COUNTED else 0)
    values = _pad(image - operator.input_zero, operator.pads, 0)
    sums, divisors = (
        np.sum(np.stack(list(_get_windows(padded, operator.kernel, operator.strides, (1, 1)))), axis=0)
        for padded in (values, counts)
    )
    return divide_half_even(sums, divisors) + operator.input_zero


def _pad(image: Wide, pads: tuple[int, ...], value: int) -> Wide:
    top, left, bottom, right = pads
    return np.pad(image, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def _get_windows(
    padded: Wide, kernel: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...]
) -> Iterator[Wide]:
    # One array per element of the window, each of the result's shape.
    ends = [padded.shape[2 + at] - (kernel[at] - 1) * dilations[at] for at in (0, 1)]
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            y, x = i * dilations[0], j * dilations[1]
            yield padded[:, :, y : y + ends[0] : strides[0], x : x + ends[1] : strides[1]]
