"""Scales as integers: the multiplier and shift of each rounding mode, and ranges as scale and zero point.

Sources: Jacob et al. 2018 (affine quantisation); onnxruntime's float32 scales, whose order of operations is
kept here because a program in mode ORT_F32 must give its very bits.
"""

from math import frexp, isfinite
from typing import Final

import numpy as np
from msgspec import Struct

from aivm.importers.errors import InvalidScale
from aivm.importers.graph import Array
from aivm.program.limits import MULTIPLIER_MAX, MULTIPLIER_MIN, SHIFT_MAX
from aivm.program.operators import Mode
from aivm.program.types import DTYPES, HIGHEST, LOWEST, DType

MANTISSA_BITS: Final = 24
"""Significant bits of a float32."""

MULTIPLIER_BITS: Final = 31
"""Significant bits of a multiplier in mode RNE64."""

SCALE_MIN: Final = 2.0**-60
"""Smallest scale of a range: a tensor that is 0 throughout still needs one."""


class Affine(Struct, frozen=True):
    """Bytes as numbers: ``real = (byte - zero) * scale``."""

    dtype: DType
    """Element type of the bytes."""

    scale: float
    """Step between two neighbours; a float32."""

    zero: int
    """The byte that stands for 0."""

    def get_levels(self) -> Array:
        """The number behind every byte, smallest byte first, in float32 as onnxruntime computes it."""
        codes = np.arange(LOWEST[self.dtype], HIGHEST[self.dtype] + 1)
        levels: Array = (codes - self.zero).astype(np.float32) * np.float32(self.scale)
        return levels

    def quantize(self, values: Array) -> Array:
        """``saturate(round(real / scale) + zero)`` in float32, halves to even.

        Source: ONNX QuantizeLinear.
        """
        steps = np.rint(np.asarray(values, np.float32) / np.float32(self.scale))
        limited = np.clip(steps + self.zero, LOWEST[self.dtype], HIGHEST[self.dtype])
        bytes_of: Array = limited.astype(DTYPES[self.dtype])
        return bytes_of

    def dequantize(self, values: Array) -> Array:
        """``(byte - zero) * scale`` in float32."""
        real: Array = (values.astype(np.int64) - self.zero).astype(np.float32) * np.float32(self.scale)
        return real


def make_affine(low: float, high: float) -> Affine:
    """int8 that covers a range, widened so that 0 is a byte of its own."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32(max((high - low) / 255, SCALE_MIN))
    zero = int(np.clip(np.rint(LOWEST[DType.INT8] - low / float(scale)), -128, 127))
    return Affine(DType.INT8, float(scale), zero)


def split_scale(scale: float, mode: Mode, name: str) -> tuple[int, int]:
    """A scale as ``multiplier / 2^shift``.

    :param name: tensor that is scaled, for messages.
    :raises InvalidScale: not positive and finite, or the shift would be negative or too long.
    """
    if not (isfinite(scale) and scale > 0):
        raise InvalidScale(name, scale)
    fraction, exponent = frexp(scale)
    if mode is Mode.ORT_F32:
        multiplier, shift = int(fraction * 2**MANTISSA_BITS), MANTISSA_BITS - exponent
        if multiplier / 2**MANTISSA_BITS != fraction or shift > SHIFT_MAX:
            raise InvalidScale(name, scale)
    else:
        multiplier, shift = round(fraction * 2**MULTIPLIER_BITS), MULTIPLIER_BITS - exponent
        if multiplier > MULTIPLIER_MAX:
            multiplier, shift = MULTIPLIER_MIN, shift - 1
        if shift > SHIFT_MAX:  # everything within 31 bits becomes 0
            multiplier, shift = MULTIPLIER_MIN, SHIFT_MAX
    if shift < 0:
        raise InvalidScale(name, scale)
    return multiplier, shift
