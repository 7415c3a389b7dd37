"""Between floats and programs: scales as multipliers and shifts, inputs quantised, outputs dequantised.

Programs hold no floats. A client quantises what it sends and dequantises what it gets; an importer turns the
scales of a model into integers. Every function here is one float32 operation at a time, as IEEE 754 rounds
it, which is what onnxruntime's QuantizeLinear and DequantizeLinear do, too.
"""

from math import frexp, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aivm.program.binding import Tensor
from aivm.program.errors import InvalidInput
from aivm.program.limits import MULTIPLIER_MAX, MULTIPLIER_MIN, SHIFT_MAX
from aivm.program.operators import Mode
from aivm.program.types import DTYPES, HIGHEST, LOWEST, DType

MANTISSA_BITS = 24
"""Significant bits of a float32."""

MULTIPLIER_BITS = 31
"""Significant bits of a multiplier in modes RNE64 and TFL1."""


def split_scale(scale: float, mode: Mode) -> tuple[int, int]:
    """A positive scale as ``(multiplier, shift)``: ``scale`` is about ``multiplier / 2^shift``.

    :param scale: exact in mode ORT_F32 when it is a float32; else rounded to 31 significant bits.
    :raises InvalidInput: not positive and finite, or too large or small for the shift.
    """
    if not (isfinite(scale) and scale > 0):
        raise InvalidInput("scale", f"{scale} is no positive number")
    bits = MANTISSA_BITS if mode is Mode.ORT_F32 else MULTIPLIER_BITS
    fraction, exponent = frexp(np.float32(scale) if mode is Mode.ORT_F32 else scale)
    multiplier, shift = round(fraction * 2**bits), bits - exponent
    if multiplier == 2**bits:  # rounded up to the next power of two
        multiplier, shift = multiplier // 2, shift - 1
    if not 0 <= shift <= SHIFT_MAX:
        raise InvalidInput("scale", f"{scale} needs a shift of {shift} bits, not 0 to {SHIFT_MAX}")
    assert mode is Mode.ORT_F32 or MULTIPLIER_MIN <= multiplier <= MULTIPLIER_MAX
    return multiplier, shift


def quantize_linear(values: NDArray[np.float32], scale: float, zero: int, dtype: DType) -> Tensor:
    """``sat(RNE(x / scale) + zero)``, the quotient a float32. Source: ONNX QuantizeLinear.

    :raises InvalidInput: a value is no number (NaN); infinities saturate.
    """
    if np.isnan(values).any():
        raise InvalidInput("values", "one is not a number")
    with np.errstate(over="ignore"):  # becomes an infinity, which saturates
        quotients = np.rint(values.astype(np.float32) / np.float32(scale))
    limited = np.clip(quotients, LOWEST[dtype] - zero, HIGHEST[dtype] - zero)
    quantized: Tensor = (limited.astype(np.int64) + zero).astype(DTYPES[dtype])
    return quantized


def dequantize_linear(values: Tensor, scale: float, zero: int) -> NDArray[np.float32]:
    """``(x - zero) * scale`` as a float32. Source: ONNX DequantizeLinear."""
    centered: NDArray[Any] = (values.astype(np.int64) - zero).astype(np.float32)
    floats: NDArray[np.float32] = centered * np.float32(scale)
    return floats
