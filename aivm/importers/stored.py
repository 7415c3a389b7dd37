"""``QuantizeLinear`` and ``DequantizeLinear``: where a quantised model says what its integers mean."""

from typing import Any, Final

import numpy as np

from aivm.importers.errors import InvalidScale
from aivm.importers.graph import Array, GraphNode
from aivm.importers.scales import SCALE_MIN, Affine
from aivm.importers.translation import Translation
from aivm.importers.values import Constant, Index, Packed, Raw, Real, Sum
from aivm.program.types import DTYPES, DType

SCALE_MAX: Final = 2.0**64
"""Largest scale of a model: products of two still fit a float32."""

_CODES = {dtype: code for code, dtype in DTYPES.items()}


def translate_quantize(translation: Translation, node: GraphNode) -> None:
    """Numbers to bytes of a wanted scale."""
    scales, zero, dtype = read_scales(translation, node, np.dtype(np.uint8))
    if scales.size != 1:
        translation.refuse(node, "numbers that are computed have one scale for the whole tensor")
    if dtype not in (np.dtype(np.int8), np.dtype(np.uint8)):
        translation.refuse(node, f"bytes are wanted, not {dtype}")
    affine = Affine(_CODES[dtype], float(scales.ravel()[0]), zero)
    value = translation.values[node.inputs[0]]
    if isinstance(value, (Constant, Packed)):
        array = affine.quantize(value.array)
        translation.values[node.outputs[0]] = Constant(array)
        return
    translation.values[node.outputs[0]] = Raw(translation.bring(node, value, affine), affine)


def translate_dequantize(translation: Translation, node: GraphNode) -> None:
    """Bytes to numbers: nothing is computed, their meaning is noted."""
    value = translation.values[node.inputs[0]]
    if isinstance(value, Constant):
        scales, zero, _ = read_scales(translation, node, value.array.dtype)
        if value.array.dtype not in _CODES:
            translation.refuse(node, f"weights are int8, uint8 or int32, not {value.array.dtype}")
        axis = int(node.attributes.get("axis", 1)) if scales.size > 1 else 0
        axis += value.array.ndim if axis < 0 else 0
        if scales.size > 1 and (axis >= value.array.ndim or value.array.shape[axis] != scales.size):
            translation.refuse(node, f"{scales.size} scales along dimension {axis} of {value.array.shape}")
        translation.values[node.outputs[0]] = Packed(value.array, scales, zero, axis)
        return
    if not isinstance(value, (Raw, Index)):
        translation.refuse(node, "it reads numbers, not integers")
    code = value.handle.type.dtype
    scales, zero, _ = read_scales(translation, node, DTYPES[code])
    if scales.size != 1:
        translation.refuse(node, "what is computed has one scale for the whole tensor")
    if code is DType.INT32:
        translation.values[node.outputs[0]] = Sum(value.handle, scales.reshape(()))
        return
    affine = Affine(code, float(scales.ravel()[0]), zero)
    translation.values[node.outputs[0]] = Real(value.handle, affine.get_levels(), affine)


def read_scales(
    translation: Translation, node: GraphNode, dtype: np.dtype[Any]
) -> tuple[Array, int, np.dtype[Any]]:
    """Scales, the one zero point, and the integers' type.

    :param dtype: type where no zero point says it.
    :raises InvalidScale: a scale is not positive and finite.
    :raises UnsupportedNode: zero points differ, or scales are those of blocks.
    """
    scales = translation.get_constant(node, 1)
    zeros = translation.get_constant(node, 2)
    if scales is None or scales.dtype != np.float32 or node.attributes.get("block_size"):
        translation.refuse(node, "its scales are no float32 constants, or those of blocks")
    if (
        not scales.size
        or not np.isfinite(scales).all()
        or scales.min() < SCALE_MIN
        or scales.max() > SCALE_MAX
    ):
        raise InvalidScale(node.inputs[1], float(scales.ravel()[0]) if scales.size else 0.0)
    if zeros is None:
        return scales.ravel(), 0, dtype
    if zeros.dtype.kind not in "iu" or zeros.size not in (1, scales.size):
        translation.refuse(node, f"zero points of type {zeros.dtype}")
    if zeros.size and np.any(zeros != zeros.ravel()[0]):
        translation.refuse(node, "zero points differ from channel to channel")
    return scales.ravel(), int(zeros.ravel()[0]), zeros.dtype
