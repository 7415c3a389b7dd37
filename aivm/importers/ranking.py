"""``Softmax``, ``LayerNormalization``, ``ArgMax`` and look-ups in constants."""

from math import prod
from typing import Final

import numpy as np

from aivm.importers.errors import CalibrationMissing
from aivm.importers.graph import GraphNode
from aivm.importers.layout import get_axis, get_movable, reshape_value, take_places, transpose_value
from aivm.importers.scales import make_affine
from aivm.importers.translation import Translation
from aivm.importers.values import Constant, Index, Packed, Real, Shares, Sum
from aivm.program.limits import EPSILON_MAX
from aivm.program.operators import Argmax, Centering, Gather, LayerNorm, Reshape
from aivm.program.types import DType

GAIN_BITS: Final = 20
"""Bits of the largest gain of a normalisation: beside them 41 bits of a normalised value still fit 62."""

FRACTION_BITS: Final = 16
"""Fraction bits of a normalised value in the operator."""

AXIS_OPSET: Final = 13
"""From this opset on a softmax is along one dimension; before, along all from it on."""


def translate_softmax(translation: Translation, node: GraphNode) -> None:
    """Shares; computed only where something other than the reader of an output needs them."""
    value = translation.values[node.inputs[0]]
    base = value if isinstance(value, (Real, Sum)) else translation.get_bytes(node, 0)[0]
    if isinstance(base, Real) and base.affine is None:
        base = translation.get_bytes(node, 0)[0]
    rank = base.handle.type.rank
    default = -1 if translation.graph.opset >= AXIS_OPSET else 1
    axis = get_axis(translation, node, int(node.attributes.get("axis", default)), rank)
    if translation.graph.opset < AXIS_OPSET and axis != rank - 1:
        translation.refuse(node, "a softmax over several dimensions")
    is_log = node.operator == "LogSoftmax"
    translation.values[node.outputs[0]] = Shares(base, node.inputs[0], axis, is_log)


def translate_argmax(translation: Translation, node: GraphNode) -> None:
    """Place of the largest number, the lowest on ties."""
    value = translation.values[node.inputs[0]]
    base = value.base if isinstance(value, Shares) else value
    if node.attributes.get("select_last_index"):
        translation.refuse(node, "of equals the first is taken")
    is_direct = isinstance(base, Sum) and base.scale.size == 1 and abs(base.low) == abs(base.high) == np.inf
    if not (is_direct or (isinstance(base, Real) and base.is_rising)):
        if base is not value:
            translation.values[node.inputs[0]] = base
        base = translation.get_bytes(node, 0)[0]
        translation.values[node.inputs[0]] = value
    assert isinstance(base, (Real, Sum)), "get_bytes gives bytes"
    shape = base.handle.type.shape
    axis = get_axis(translation, node, int(node.attributes.get("axis", 0)), len(shape))
    handle = translation.builder.add(Argmax(axis), base.handle)
    if node.attributes.get("keepdims", 1):
        handle = translation.builder.add(Reshape((*shape[:axis], 1, *shape[axis + 1 :])), handle)
    translation.values[node.outputs[0]] = Index(handle)


def translate_gather(translation: Translation, node: GraphNode) -> None:
    """Slices of a constant by computed places, or of a computed tensor by constant places."""
    data, places = translation.values[node.inputs[0]], translation.values[node.inputs[1]]
    axis = int(node.attributes.get("axis", 0))
    if isinstance(places, (Constant, Packed)):
        if isinstance(data, (Constant, Packed)):
            translation.refuse(node, "constants alone were not folded")
        value = get_movable(translation, node)
        place = get_axis(translation, node, axis, value.handle.type.rank)
        length = value.handle.type.shape[place]
        wanted = places.array.astype(np.int64)
        if wanted.ndim > 1 or wanted.min() < -length or wanted.max() >= length:
            translation.refuse(node, f"places {wanted.shape} outside a dimension of {length}")
        taken = take_places(translation, node, value, place, np.atleast_1d(wanted) % length)
        if wanted.ndim == 0:
            shape = taken.handle.type.shape
            taken = reshape_value(translation, node, taken, (*shape[:place], *shape[place + 1 :]))
        translation.values[node.outputs[0]] = taken
        return
    if not isinstance(places, Index) or not isinstance(data, (Constant, Packed)):
        translation.refuse(node, "it looks computed things up in computed things")
    if axis != 0:
        translation.refuse(node, "constants are looked up along their first dimension")
    translation.values[node.outputs[0]] = look_up(translation, node, data, places)


def look_up(
    translation: Translation, node: GraphNode, data: Constant | Packed, places: Index
) -> Real | Index:
    """Slices of a constant: numbers as bytes of one scale, integers as they are."""
    array = data.array
    if isinstance(data, Constant) and array.dtype.kind in "iu":
        if array.size and max(abs(int(array.min())), abs(int(array.max()))) >= 2**31:
            translation.refuse(node, "integers of more than 31 bits")
        entries = translation.builder.add_initializer(array.astype(np.int32))
        return Index(translation.builder.add(Gather(0), entries, places.handle))
    affine = translation.get_range(node, node.inputs[0], data)
    is_stored = isinstance(data, Packed) and data.scales.size == 1 and data.integers.dtype != np.int32
    integers = data.integers if is_stored and isinstance(data, Packed) else affine.quantize(array)
    handle = translation.builder.add(Gather(0), translation.builder.add_initializer(integers), places.handle)
    return Real(handle, affine.get_levels(), affine)


def translate_feature_extractor(translation: Translation, node: GraphNode) -> None:
    """scikit-learn's look-up of class labels. Source: ai.onnx.ml ArrayFeatureExtractor."""
    data, places = translation.values[node.inputs[0]], translation.values[node.inputs[1]]
    if not isinstance(data, Constant) or not isinstance(places, Index):
        translation.refuse(node, "labels are constants, looked up by computed places")
    labels = Constant(data.array.ravel())
    translation.values[node.outputs[0]] = look_up(translation, node, labels, places)


def translate_layernorm(translation: Translation, node: GraphNode) -> None:
    """``(x - mean) / sqrt(variance + epsilon) * gain + offset`` along dimensions."""
    real, affine = translation.get_bytes(node, 0)
    name = node.outputs[0]
    if translation.ranges is None or name not in translation.ranges:
        raise CalibrationMissing(node.name, name)
    output = make_affine(*translation.ranges[name])
    rank = real.handle.type.rank
    first = get_axis(translation, node, int(node.attributes.get("axis", -1)), rank)
    along = (first,) if node.attributes.get("is_single") else tuple(range(first, rank))
    kept = tuple(place for place in range(rank) if place not in along)
    moved = transpose_value(translation, node, real, (*kept, *along))
    shape = moved.handle.type.shape
    outer, length = prod(shape[: len(kept)]), prod(shape[len(kept) :])
    flat = reshape_value(translation, node, moved, (outer, length))
    gain = translation.get_constant(node, 1)
    offset = translation.get_constant(node, 2)
    gains = np.broadcast_to(gain.ravel() if gain is not None else np.ones(1), (length,)) / output.scale
    offsets = np.broadcast_to(offset.ravel() if offset is not None else np.zeros(1), (length,)) / output.scale
    bits = GAIN_BITS - int(
        np.ceil(np.log2(max(float(np.abs(gains).max()), float(np.abs(offsets).max()), 1e-9)))
    )
    bits = max(0, min(bits, GAIN_BITS))
    epsilon = float(node.attributes.get("epsilon", 1e-5)) * (length * 256 / affine.scale) ** 2
    operator = LayerNorm(
        Centering.MEAN,
        0,
        int(min(max(1, round(epsilon)), EPSILON_MAX)),
        FRACTION_BITS + bits,
        DType.INT8,
        output.zero,
    )
    operands = (
        translation.builder.add_initializer(np.rint(values * 2**bits).astype(np.int32))
        for values in (gains, offsets)
    )
    handle = translation.builder.add(operator, flat.handle, *operands)
    result = reshape_value(translation, node, Real(handle, output.get_levels(), output), shape)
    back = tuple(int(place) for place in np.argsort((*kept, *along)))
    translation.values[name] = transpose_value(translation, node, result, back)
