"""``Softmax`` by a table of exponentials, and ``LayerNorm`` by an integer square root."""

from typing import Final

import numpy as np

from aivm.oracle.graph.rounding import Wide, compute_root, divide_half_even, shift_half_even
from aivm.oracle.graph.scaling import saturate
from aivm.program.operators import Centering, LayerNorm, Softmax
from aivm.program.types import LOWEST

SHARES: Final = 256
"""A share is counted in 256ths."""

SHARE_MAX: Final = 255
"""Largest share that a byte holds."""

DEVIATION_BITS: Final = 8
"""Fraction bits of a standard deviation."""

FRACTION_BITS: Final = 16
"""Fraction bits of a normalised value."""


def compute_softmax(operator: Softmax, values: Wide, table: Wide) -> Wide:
    """``e_i = table[max - x_i]``, ``y_i = min(255, RNE(256 e_i / sum e))``, as int8 minus 128.

    The largest element is subtracted first, as everywhere; ``table[d]`` is ``2^24 exp(-d scale)``, rounded
    when the model is made.
    """
    distances = values.max(axis=operator.axis + 1, keepdims=True) - values
    exponentials: Wide = table[0][distances]
    sums = exponentials.sum(axis=operator.axis + 1, keepdims=True)
    shares = np.minimum(SHARE_MAX, divide_half_even(exponentials * SHARES, sums))
    return shares + LOWEST[operator.dtype]


def compute_layernorm(operator: LayerNorm, values: Wide, gain: Wide, offset: Wide) -> Wide:
    """With n elements and S their sum: ``c = n x - S``, ``v = n sum x^2 - S^2`` (n^2 times the variance),
    ``s = isqrt(v 2^16 + epsilon)``, ``t = RNE(c 2^24 / s)``, ``y = sat(RNE((t gain + offset 2^16) / 2^shift)
    + zy)``. Without centring S is 0.

    Source: Ba, Kiros, Hinton 2016; Zhang, Sennrich 2019 (RMSNorm). All divisions but the rounded one are
    multiplied out, so ``s`` is n times the deviation in 256ths and ``t`` the quotient in 65,536ths.
    """
    centered = values - operator.input_zero
    length = values.shape[-1]
    total = centered.sum(axis=-1, keepdims=True)
    if operator.centering is Centering.NONE:
        total = np.zeros_like(total)
    distances = length * centered - total
    variance = length * (centered * centered).sum(axis=-1, keepdims=True) - total * total
    deviation = compute_root((variance << (2 * DEVIATION_BITS)) + operator.epsilon)
    normalized = divide_half_even(distances << (FRACTION_BITS + DEVIATION_BITS), deviation)
    weighted = normalized * gain[0] + (offset[0] << FRACTION_BITS)
    return saturate(shift_half_even(weighted, operator.shift) + operator.output_zero, operator.dtype)
