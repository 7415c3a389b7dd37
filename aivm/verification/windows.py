"""Convolutions as matrix products: each window of the image becomes a row (im2col).

Row ``(r, y, x)`` of the left matrix holds, for one group, the window's ``c kh kw`` values; column o of the
right one holds kernel o. Border elements hold the image's zero point, so they are 0 after centring.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from aivm.program.operators import Conv2d
from aivm.verification.freivalds import Product

Centered = NDArray[np.int8] | NDArray[np.uint8] | NDArray[np.int16]
"""Bytes minus their zero point: within -255 ... 255."""


def list_convolution_products(
    image: Centered,
    kernels: Centered,
    bias: NDArray[np.int32] | None,
    operator: Conv2d,
    result: NDArray[np.int32],
) -> list[Product]:
    """The products of a convolution, one per group: left ``(r h w, c kh kw)``, right ``(c kh kw, o)``.

    :param image: shape ``(rows, channels, h, w)``, centred.
    :param kernels: shape ``(o, c, kh, kw)``, centred. :param bias: shape ``(o,)``.
    :param result: shape ``(rows, o, h', w')``.
    """
    top, left, bottom, right = operator.pads
    padded = np.pad(image, ((0, 0), (0, 0), (top, bottom), (left, right)))
    outputs, channels, height, width = kernels.shape
    down, along = operator.dilations
    reach = ((height - 1) * down + 1, (width - 1) * along + 1)
    views = sliding_window_view(padded, reach, (2, 3))[
        :, :, :: operator.strides[0], :: operator.strides[1], ::down, ::along
    ]
    per_group = outputs // operator.groups
    products = []
    for group in range(operator.groups):
        windows = views[:, group * channels : (group + 1) * channels].transpose(0, 2, 3, 1, 4, 5)
        part = slice(group * per_group, (group + 1) * per_group)
        products.append(
            Product(
                windows.reshape(-1, channels * height * width),
                kernels[part].reshape(per_group, -1).T,
                result[:, part].transpose(0, 2, 3, 1).reshape(-1, per_group),
                None if bias is None else bias[part],
            )
        )
    return products
