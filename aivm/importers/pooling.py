"""Maxima and means: over windows, over whole images, over dimensions."""

from math import prod

import numpy as np

from aivm.importers.graph import GraphNode
from aivm.importers.layout import (
    get_axes,
    get_axis,
    get_movable,
    reshape_value,
    transpose_value,
    with_handle,
)
from aivm.importers.translation import Translation
from aivm.importers.values import Raw, Real, Sum
from aivm.importers.windows import get_pads, get_pair
from aivm.program.operators import AveragePool, Border, Conv2d, Matmul, MaxPool, Reshape


def translate_maxpool(translation: Translation, node: GraphNode) -> None:
    """Largest number of each window, which is the largest byte."""
    stored = translation.values[node.inputs[0]]
    value = stored if isinstance(stored, Raw) else get_rising(translation, node)
    shape = value.handle.type.shape
    if len(shape) not in (2, 3) or len(node.outputs) > 1 or node.attributes.get("ceil_mode"):
        translation.refuse(node, f"pooling of {shape} in this way")
    handle = value.handle
    if len(shape) == 2:
        handle = translation.builder.add(Reshape((*shape, 1)), handle)
    kernel, strides = get_pair(node, "kernel_shape", 1), get_pair(node, "strides", 1)
    dilations = get_pair(node, "dilations", 1)
    lengths = (handle.type.shape[1], handle.type.shape[2])
    pads = get_pads(node, lengths, kernel, strides, dilations)
    handle = translation.builder.add(MaxPool(kernel, strides, pads, dilations), handle)
    if len(shape) == 2:
        handle = translation.builder.add(Reshape(handle.type.shape[:2]), handle)
    translation.values[node.outputs[0]] = with_handle(translation, node, value, handle, np.zeros(()))


def translate_global_maxpool(translation: Translation, node: GraphNode) -> None:
    """Largest number of each channel."""
    value = get_rising(translation, node)
    shape = value.handle.type.shape
    if len(shape) < 2:
        translation.refuse(node, f"there is no image in {shape}")
    translation.values[node.outputs[0]] = _take_maximum(
        translation, node, value, shape[0], prod(shape[1:]), (shape[0], *(1 for _ in shape[1:]))
    )


def translate_reduce_max(translation: Translation, node: GraphNode) -> None:
    """Largest number along dimensions."""
    value = get_rising(translation, node)
    kept, lost, final = _split_axes(translation, node, value.handle.type.shape)
    moved = transpose_value(translation, node, value, (*kept, *lost))
    assert isinstance(moved, Real), "moving keeps the kind"
    shape = value.handle.type.shape
    outer, inner = (prod(shape[place] for place in places) for places in (kept, lost))
    translation.values[node.outputs[0]] = _take_maximum(translation, node, moved, outer, inner, final)


def _take_maximum(
    translation: Translation, node: GraphNode, value: Real, outer: int, inner: int, final: tuple[int, ...]
) -> Real:
    flat = reshape_value(translation, node, value, (outer, inner, 1))
    window = MaxPool((inner, 1), (1, 1), (0, 0, 0, 0), (1, 1))
    largest = Real(translation.builder.add(window, flat.handle), value.levels, value.affine)
    shaped = reshape_value(translation, node, largest, final)
    assert isinstance(shaped, Real), "moving keeps the kind"
    return shaped


def translate_averagepool(translation: Translation, node: GraphNode) -> None:
    """Mean of each window: an integer sum whose scale is divided by the size of the window."""
    real, affine = translation.get_bytes(node, 0)
    shape = real.handle.type.shape
    if len(shape) not in (2, 3) or node.attributes.get("ceil_mode"):
        translation.refuse(node, f"pooling of {shape} in this way")
    handle = real.handle
    if len(shape) == 2:
        handle = translation.builder.add(Reshape((*shape, 1)), handle)
    kernel, strides = get_pair(node, "kernel_shape", 1), get_pair(node, "strides", 1)
    lengths = (handle.type.shape[1], handle.type.shape[2])
    pads = get_pads(node, lengths, kernel, strides, (1, 1))
    if any(length != 1 for length in node.attributes.get("dilations", (1, 1))):
        translation.refuse(node, "a dilated mean")
    if any(pads) and not node.attributes.get("count_include_pad"):
        pooled = translation.builder.add(
            AveragePool(kernel, strides, pads, Border.IGNORED, affine.zero), handle
        )
        if len(shape) == 2:
            pooled = translation.builder.add(Reshape(pooled.type.shape[:2]), pooled)
        translation.values[node.outputs[0]] = Real(pooled, real.levels, real.affine)
        return
    channels = handle.type.shape[0]
    ones = translation.builder.add_initializer(np.ones((channels, 1, *kernel), np.int8))
    sums = translation.builder.add(Conv2d(strides, pads, (1, 1), channels, affine.zero, 0), handle, ones)
    if len(shape) == 2:
        sums = translation.builder.add(Reshape(sums.type.shape[:2]), sums)
    if translation.ranges is None and not node.attributes.get("is_fused"):
        translation.notes.append(
            f"node {node.name}: onnxruntime computes this mean in floats; a byte may differ by one step"
        )
    scale = np.float32(affine.scale) / np.float32(prod(kernel))
    translation.values[node.outputs[0]] = Sum(sums, np.array(scale))


def translate_global_averagepool(translation: Translation, node: GraphNode) -> None:
    """Mean of each channel. onnxruntime's scale is ``sx / (sy n)``; here ``sy`` follows when it is known."""
    value = translation.get_bytes(node, 0)[0]
    shape = value.handle.type.shape
    if len(shape) < 2:
        translation.refuse(node, f"there is no image in {shape}")
    kept, lost = (0,), tuple(range(1, len(shape)))
    _add_reduction(translation, node, kept, lost, (shape[0], *(1 for _ in lost)), is_mean=True)


def translate_reduce_mean(translation: Translation, node: GraphNode) -> None:
    """Mean along dimensions."""
    shape = get_movable(translation, node).handle.type.shape
    _add_reduction(translation, node, *_split_axes(translation, node, shape), is_mean=True)


def translate_reduce_sum(translation: Translation, node: GraphNode) -> None:
    """Sum along dimensions."""
    shape = get_movable(translation, node).handle.type.shape
    _add_reduction(translation, node, *_split_axes(translation, node, shape), is_mean=False)


def _add_reduction(
    translation: Translation,
    node: GraphNode,
    kept: tuple[int, ...],
    lost: tuple[int, ...],
    final: tuple[int, ...],
    *,
    is_mean: bool,
) -> None:
    real, affine = translation.get_bytes(node, 0)
    shape = real.handle.type.shape
    count = prod(shape[place] for place in lost)
    moved = transpose_value(translation, node, real, (*kept, *lost))
    flat = reshape_value(translation, node, moved, (prod(shape[place] for place in kept), count))
    ones = translation.builder.add_initializer(np.ones((count, 1), np.int8))
    sums = translation.builder.add(Matmul(affine.zero, 0), flat.handle, ones)
    scale = np.float32(affine.scale) / np.float32(count) if is_mean else np.float32(affine.scale)
    result = reshape_value(translation, node, Sum(sums, np.array(scale)), final)
    translation.values[node.outputs[0]] = result


def get_rising(translation: Translation, node: GraphNode) -> Real:
    """An operand whose larger bytes are larger numbers."""
    value = get_movable(translation, node)
    if isinstance(value, Real) and value.is_rising:
        return value
    return translation.get_bytes(node, 0)[0]


def _split_axes(
    translation: Translation, node: GraphNode, shape: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    # Dimensions kept, dimensions reduced, and the shape of the result.
    axes = get_axes(translation, node, 1)
    if axes is None:
        translation.refuse(node, "reducing over all dimensions mixes rows")
    lost = tuple(sorted({get_axis(translation, node, axis, len(shape)) for axis in axes}))
    kept = tuple(place for place in range(len(shape)) if place not in lost)
    if node.attributes.get("keepdims", 1):
        return kept, lost, tuple(1 if place in lost else length for place, length in enumerate(shape))
    return kept, lost, tuple(shape[place] for place in kept)
