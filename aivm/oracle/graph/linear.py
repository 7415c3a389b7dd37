"""``Matmul`` and ``Conv2d``: sums of products of centred values, plus a bias."""

import numpy as np

from aivm.oracle.graph.rounding import Wide
from aivm.program.operators import Conv2d, Matmul


def compute_matmul(operator: Matmul, left: Wide, right: Wide, bias: Wide | None) -> Wide:
    """``sum_k (left[.., m, k] - left_zero) (right[.., k, n] - right_zero) + bias[n]``.

    Source: ONNX MatMulInteger, with the bias of Gemm.
    """
    is_vector = left.ndim == 2  # (rows, k)
    centered = left - operator.left_zero
    factor = right - operator.right_zero
    if is_vector:
        centered = centered[:, None, :]
    missing = centered.ndim - factor.ndim
    factor = factor.reshape(factor.shape[:1] + (1,) * missing + factor.shape[1:])
    sums: Wide = centered @ factor
    if is_vector:
        sums = sums[:, 0, :]
    return sums if bias is None else sums + bias[0]


def compute_conv2d(operator: Conv2d, image: Wide, kernels: Wide, bias: Wide | None) -> Wide:
    """``sum_{c, i, j} (image[c, y s + i d - p, x s + j d - p] - left_zero) (kernels[o, c, i, j] - right_zero)
    + bias[o]``, c over the channels of o's group; outside the image the first factor is 0.

    Source: ONNX ConvInteger.
    """
    top, left, bottom, right = operator.pads
    centered = np.pad(image - operator.left_zero, ((0, 0), (0, 0), (top, bottom), (left, right)))
    factors = kernels[0] - operator.right_zero
    count, depth, height, width = factors.shape
    (step_y, step_x), (apart_y, apart_x) = operator.strides, operator.dilations
    rows_out = (centered.shape[2] - (height - 1) * apart_y - 1) // step_y + 1
    columns_out = (centered.shape[3] - (width - 1) * apart_x - 1) // step_x + 1
    sums = np.zeros((len(image), count, rows_out, columns_out), np.int64)
    per_group = count // operator.groups
    for group in range(operator.groups):
        channels = centered[:, group * depth : (group + 1) * depth]
        outputs = slice(group * per_group, (group + 1) * per_group)
        for i in range(height):
            for j in range(width):
                y, x = i * apart_y, j * apart_x
                window = channels[
                    :,
                    :,
                    y : y + (rows_out - 1) * step_y + 1 : step_y,
                    x : x + (columns_out - 1) * step_x + 1 : step_x,
                ]
                sums[:, outputs] += np.einsum("rcyx,oc->royx", window, factors[outputs, :, i, j])
    return sums if bias is None else sums + bias[0].reshape(1, -1, 1, 1)
