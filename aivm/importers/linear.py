"""``MatMul``, ``Gemm`` and ``Conv``: bytes times weights, as sums that wait for their scale."""

import numpy as np

from aivm.importers.graph import Array, GraphNode
from aivm.importers.scales import SCALE_MIN
from aivm.importers.translation import Translation
from aivm.importers.values import Constant, Packed, Sum
from aivm.importers.windows import get_pads, get_pair
from aivm.program.building import Handle
from aivm.program.limits import BIAS_MAX
from aivm.program.operators import Conv2d, Matmul, Reshape

WEIGHT_MAX = 127
"""Largest magnitude of a weight quantised here; -128 stays out, so that every weight has a negation."""


def translate_matmul(translation: Translation, node: GraphNode) -> None:
    """``left @ right``, and a bias where folding put one."""
    left, left_affine = translation.get_bytes(node, 0)
    factor = translation.values[node.inputs[1]]
    if isinstance(factor, (Constant, Packed)):
        if factor.array.ndim != 2:
            translation.refuse(node, f"weights of shape {factor.array.shape} are no matrix")
        bias = translation.get_constant(node, 2)
        _add_product(translation, node, left.handle, left_affine.zero, left_affine.scale, factor, bias, 1.0)
        return
    right, right_affine = translation.get_bytes(node, 1)
    handle = translation.builder.add(Matmul(left_affine.zero, right_affine.zero), left.handle, right.handle)
    scale = np.float32(left_affine.scale) * np.float32(right_affine.scale)
    translation.values[node.outputs[0]] = Sum(handle, np.array(scale))


def translate_gemm(translation: Translation, node: GraphNode) -> None:
    """``alpha A B + beta C``."""
    left, affine = translation.get_bytes(node, 0)
    handle = left.handle
    if node.attributes.get("transA"):
        translation.refuse(node, "a transposed left operand mixes rows")
    factor = translation.values[node.inputs[1]]
    if not isinstance(factor, (Constant, Packed)) or factor.array.ndim != 2:
        translation.refuse(node, "its weights must be a constant matrix")
    if node.attributes.get("transB"):
        factor = _transpose(factor)
    bias = translation.get_constant(node, 2)
    beta = float(node.attributes.get("beta", 1.0))
    if bias is not None and beta != 1.0:
        bias = bias * np.float32(beta)
    alpha = float(node.attributes.get("alpha", 1.0))
    _add_product(translation, node, handle, affine.zero, affine.scale, factor, bias, alpha)


def translate_conv(translation: Translation, node: GraphNode) -> None:
    """A convolution over one or two dimensions."""
    image, affine = translation.get_bytes(node, 0)
    factor = translation.values[node.inputs[1]]
    if not isinstance(factor, (Constant, Packed)):
        translation.refuse(node, "its kernels must be constant")
    handle, shape = image.handle, image.handle.type.shape
    kernels = factor.array
    if len(shape) not in (2, 3) or kernels.ndim != len(shape) + 1:
        translation.refuse(node, f"an image of shape {shape} and kernels of shape {kernels.shape}")
    if min(kernels.shape) < 1:
        translation.refuse(node, f"kernels of shape {kernels.shape} have no elements")
    bias = translation.get_constant(node, 2)
    groups = int(node.attributes.get("group", 1))
    integers, scales, zero = get_weights(translation, node, factor, 0, affine.scale, bias)
    is_line = len(shape) == 2
    if is_line:  # (c, l) is an image of width 1
        handle = translation.builder.add(Reshape((*shape, 1)), handle)
        integers = integers.reshape(*integers.shape, 1)
    strides, dilations = get_pair(node, "strides", 1), get_pair(node, "dilations", 1)
    kernel = (integers.shape[2], integers.shape[3])
    lengths = (handle.type.shape[1], handle.type.shape[2])
    pads = get_pads(node, lengths, kernel, strides, dilations)
    operands = [handle, translation.builder.add_initializer(integers)]
    products = np.float32(affine.scale) * scales.astype(np.float32)
    if bias is not None:
        operands.append(add_bias(translation, node, bias.ravel(), products))
    operator = Conv2d(strides, pads, dilations, groups, affine.zero, zero)
    result = translation.builder.add(operator, *operands)
    if is_line:
        result = translation.builder.add(Reshape(result.type.shape[:2]), result)
    lengths_of = (products.size, *(1 for _ in result.type.shape[1:])) if products.size > 1 else ()
    translation.values[node.outputs[0]] = Sum(result, products.reshape(lengths_of))


def get_weights(
    translation: Translation,
    node: GraphNode,
    factor: Constant | Packed,
    axis: int,
    input_scale: float,
    bias: Array | None,
) -> tuple[Array, Array, int]:
    """Weights as integers, their scales (float32, one or one per output channel) and their zero point.

    :param axis: dimension of the output channels.
    """
    if isinstance(factor, Packed):
        if factor.integers.dtype == np.int32:
            translation.refuse(node, "weights of 32 bits")
        if factor.scales.size > 1 and factor.axis != axis:
            translation.refuse(node, f"scales along dimension {factor.axis}, where outputs lie along {axis}")
        return factor.integers, factor.scales.ravel(), factor.zero
    if translation.ranges is None:
        translation.refuse(node, f"its weights {node.inputs[1]!r} are floats in a quantised model")
    integers, scales = quantize_weights(factor.array, axis, input_scale, bias)
    return integers, scales, 0


def quantize_weights(
    weights: Array, axis: int, input_scale: float, bias: Array | None
) -> tuple[Array, Array]:
    """Symmetric int8 per output channel: ``scale = max |w| / 127``, wider where a bias would not fit.

    :return: int8 of the same shape, and float32 (channels,).
    """
    others = tuple(place for place in range(weights.ndim) if place != axis)
    largest = np.abs(weights).max(axis=others).astype(np.float64) / WEIGHT_MAX
    if bias is not None:
        largest = np.maximum(
            largest, np.abs(np.broadcast_to(bias, largest.shape)) / input_scale / BIAS_MAX * 1.01
        )
    scales = np.maximum(largest, SCALE_MIN).astype(np.float32)
    lengths = [1] * weights.ndim
    lengths[axis] = -1
    steps = np.rint(weights / scales.reshape(lengths))
    return np.clip(steps, -WEIGHT_MAX, WEIGHT_MAX).astype(np.int8), scales


def add_bias(translation: Translation, node: GraphNode, bias: Array, products: Array) -> Handle:
    """A bias in steps of input scale times weight scale, which is how quantised models hold it."""
    stored = translation.values.get(node.get_input(2))
    if (
        isinstance(stored, Packed)
        and stored.integers.dtype == np.int32
        and stored.zero == 0
        and np.allclose(stored.scales.ravel(), products.ravel(), rtol=1e-5, atol=0)
    ):
        return translation.builder.add_initializer(stored.integers.ravel())
    steps = np.rint(bias.astype(np.float64) / products.astype(np.float64))
    if np.abs(steps).max() > BIAS_MAX:
        translation.refuse(node, f"its bias is over {BIAS_MAX} in steps of its scale")
    if translation.ranges is None:
        translation.notes.append(f"node {node.name}: a bias in floats was rounded to its scale")
    return translation.builder.add_initializer(steps.astype(np.int32))


def _add_product(
    translation: Translation,
    node: GraphNode,
    handle: Handle,
    zero: int,
    scale: float,
    factor: Constant | Packed,
    bias: Array | None,
    alpha: float,
) -> None:
    columns = factor.array.shape[1]
    if bias is not None:
        if bias.size not in (1, columns) or (bias.ndim > 1 and bias.shape[-1] != bias.size):
            translation.refuse(node, f"a bias of shape {bias.shape} for {columns} outputs")
        bias = np.broadcast_to(bias.ravel(), (columns,))
    step = np.float32(alpha) * np.float32(scale)
    integers, scales, weight_zero = get_weights(translation, node, factor, 1, float(step), bias)
    products = step * scales.astype(np.float32)
    operands = [handle, translation.builder.add_initializer(integers)]
    if bias is not None:
        operands.append(add_bias(translation, node, bias, products))
    result = translation.builder.add(Matmul(zero, weight_zero), *operands)
    translation.values[node.outputs[0]] = Sum(result, products if products.size > 1 else products.reshape(()))


def _transpose(factor: Constant | Packed) -> Constant | Packed:
    if isinstance(factor, Constant):
        return Constant(factor.array.T)
    return Packed(np.ascontiguousarray(factor.integers.T), factor.scales, factor.zero, 1 - factor.axis)
