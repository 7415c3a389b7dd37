"""What each output of a small network looks for, computed from its weights.

The layers are multiplied as if nothing was clipped between them, which is not what the network computes but
shows well what excites each output. Pictures for people decide nothing, so floats are fine here.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import isqrt

import numpy as np

from tui.snapshot import Portrait

OUTPUTS_MAX = 16
"""Outputs above which the pictures would be too small and too many."""

SIDE_MAX = 16
"""Pixels on a side above which a picture does not fit into a panel."""

SPAN = 127
"""Levels on each side of indifference."""


def compute_portraits(weights: bytes, layer_sizes: Sequence[int]) -> tuple[Portrait, ...]:
    """A picture for each output; none when inputs are no small square or the weights do not fit the layers.

    :param weights: int32, little-endian, layer by layer, each row-major (inputs by outputs).
    """
    shapes = list(pairwise(layer_sizes))
    side = isqrt(layer_sizes[0]) if layer_sizes else 0
    is_drawable = (
        bool(shapes) and side**2 == layer_sizes[0] and side <= SIDE_MAX and layer_sizes[-1] <= OUTPUTS_MAX
    )
    if not is_drawable or len(weights) != 4 * sum(inputs * outputs for inputs, outputs in shapes):
        return ()
    numbers = np.frombuffer(weights, dtype="<i4").astype(np.float64)
    product, used = np.eye(layer_sizes[0]), 0
    for inputs, outputs in shapes:
        product = product @ numbers[used : used + inputs * outputs].reshape(inputs, outputs)
        used += inputs * outputs
    # What all outputs have in common decides nothing: only differences move the largest output.
    product -= product.mean(axis=1, keepdims=True)
    peaks = np.maximum(np.abs(product).max(axis=0), 1e-9)
    levels = np.rint(SPAN + 1 + SPAN * product / peaks).astype(np.uint8)
    return tuple(
        Portrait(label=str(output), side=side, levels=levels[:, output].tobytes())
        for output in range(layer_sizes[-1])
    )
