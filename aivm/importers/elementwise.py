"""Functions of single numbers, and sums, differences and products of tensors.

A function of one tensor of bytes is a function of 256 numbers, however many nodes it is written in: each
node is applied to the levels of the bytes, and one table is made where bytes are wanted again.
"""

from math import inf
from typing import Final

import numpy as np

from aivm.importers.evaluating import evaluate_node
from aivm.importers.graph import Array, GraphNode
from aivm.importers.translation import Translation
from aivm.importers.values import Constant, Packed, Pair, Raw, Real, Sum, Value
from aivm.program.operators import Add, Mode
from aivm.program.types import DType

BINARY: Final = ("Add", "Sub", "Mul")
"""Operators that take two tensors."""

LEVEL_MAX: Final = float(np.finfo(np.float32).max)
"""Stands for infinity among levels: it saturates all the same."""


def translate_elementwise(translation: Translation, node: GraphNode) -> None:
    """One node of ``FUNCTIONS``."""
    values = [translation.values[name] if name else None for name in node.inputs]
    tensors = [value for value in values if value is not None and not isinstance(value, (Constant, Packed))]
    if len(tensors) == 1:
        done = _apply_to_sum(translation, node, values) or _apply_bounds(translation, node, values)
        if done is not None:
            translation.values[node.outputs[0]] = done
            return
    if not _is_scalar(values):
        translation.values[node.outputs[0]] = _combine(translation, node)
        return
    for place, value in enumerate(values):
        if value is not None and not isinstance(value, (Constant, Packed, Real)):
            values[place] = translation.get_bytes(node, place)[0]
    reals = [value for value in values if isinstance(value, Real)]
    if any(real.handle != reals[0].handle for real in reals):
        translation.values[node.outputs[0]] = _combine(translation, node)
        return
    operands = [_get_operand(value) for value in values]
    levels = evaluate_node(node, translation.graph.opset, operands)[0].astype(np.float32)
    levels = np.nan_to_num(levels, nan=0.0, posinf=LEVEL_MAX, neginf=-LEVEL_MAX).ravel()
    translation.values[node.outputs[0]] = Real(reals[0].handle, levels, None)


def _get_operand(value: Value | None) -> Array | None:
    match value:
        case Real():
            return value.levels
        case Constant() | Packed():
            return value.array.reshape(())
        case _:
            return None


def _is_scalar(values: list[Value | None]) -> bool:
    # Whether all constants among the operands are single numbers.
    return all(value.array.size == 1 for value in values if isinstance(value, (Constant, Packed)))


def _apply_bounds(translation: Translation, node: GraphNode, values: list[Value | None]) -> Sum | Pair | None:
    # Rounding never changes an order, so a limit of the numbers is a limit of the bytes made of them later.
    value = values[0]
    if not isinstance(value, (Sum, Pair)) or node.operator not in ("Relu", "Clip"):
        return None
    low, high = 0.0, inf
    if node.operator == "Clip":
        ends = [translation.get_constant(node, place) for place in (1, 2)]
        attributes = (node.attributes.get("min", -inf), node.attributes.get("max", inf))
        low, high = (
            float(end.ravel()[0]) if end is not None else float(attribute)
            for end, attribute in zip(ends, attributes, strict=True)
        )
    low, high = max(value.low, min(low, value.high)), min(value.high, max(high, value.low))
    if isinstance(value, Sum):
        return Sum(value.handle, value.scale, low, max(low, high))
    return Pair(value.left, value.right, value.operator, low, max(low, high))


def _apply_to_sum(translation: Translation, node: GraphNode, values: list[Value | None]) -> Sum | None:
    # A constant added to sums is a bias; a positive factor changes the scale only. Not in quantised models,
    # where onnxruntime would compute in floats.
    if translation.ranges is None or len(values) != 2 or node.operator not in ("Add", "Sub", "Mul", "Div"):
        return None
    place = 0 if isinstance(values[0], Sum) else 1
    value, other = values[place], values[1 - place]
    if translation.readers[node.inputs[place]] > 1:  # then one tensor of bytes serves all its readers
        return None
    if not isinstance(value, Sum) or not isinstance(other, (Constant, Packed)):
        return None
    if (value.low, value.high) != (-inf, inf):
        return None
    constant = translation.drop_rows(node, other.array, value.handle.type.rank)
    if node.operator in ("Mul", "Div"):
        if constant.size != 1 or float(constant.ravel()[0]) <= 0 or (node.operator == "Div" and place == 1):
            return None
        factor = np.float32(constant.ravel()[0])
        return Sum(value.handle, value.scale * (factor if node.operator == "Mul" else 1 / factor))
    if node.operator == "Sub":
        if place == 1:
            return None
        constant = -constant
    rank = value.handle.type.rank
    if constant.ndim > rank:
        return None
    scale = value.scale.reshape((1,) * (rank - value.scale.ndim) + value.scale.shape)
    steps = np.rint(constant.astype(np.float64) / scale.astype(np.float64))
    if np.abs(steps).max() >= 2**30:
        return None
    bias = translation.builder.add_initializer(steps.astype(np.int32))
    handle = translation.builder.add(Add(Mode.RNE64, DType.INT32, 0, 0, 1, 1, 0, 0), value.handle, bias)
    if handle.type.shape != value.handle.type.shape:
        return None
    return Sum(handle, value.scale)


def _combine(translation: Translation, node: GraphNode) -> Value:
    # Two tensors, or a tensor and a constant with a shape.
    operator = node.operator
    if len(node.inputs) != 2 or operator not in (*BINARY, "Div"):
        translation.refuse(node, "it combines tensors in a way that no integer operator has")
    if operator == "Div":
        divisor = translation.get_constant(node, 1)
        if divisor is None or not np.all(divisor):
            translation.refuse(node, "a divisor must be constant and not 0")
        name = f"{node.inputs[1]}/reciprocal"
        translation.values[name] = Constant((1 / divisor).astype(np.float32))
        node = GraphNode(node.name, "Mul", (node.inputs[0], name), node.outputs, {})
        operator = "Mul"
    sides = [_get_side(translation, node, place) for place in (0, 1)]
    return Pair(sides[0], sides[1], operator)


def _get_side(translation: Translation, node: GraphNode, place: int) -> Real:
    value = translation.values[node.inputs[place]]
    if isinstance(value, Raw):
        translation.refuse(node, "it reads bytes whose scale is not said")
    if not isinstance(value, (Constant, Packed)):
        return translation.get_bytes(node, place)[0]
    other = translation.values[node.inputs[1 - place]]
    if isinstance(other, (Constant, Packed)):
        translation.refuse(node, "both operands are constants")
    rank = translation.get_bytes(node, 1 - place)[0].handle.type.rank
    affine = translation.get_range(node, node.inputs[place], value)
    if isinstance(value, Packed) and value.scales.size == 1 and value.integers.dtype != np.int32:
        integers = value.integers
    else:
        if translation.ranges is None:
            translation.refuse(node, f"{node.inputs[place]!r} is a float constant in a quantised model")
        integers = affine.quantize(value.array)
    handle = translation.builder.add_initializer(translation.drop_rows(node, integers, rank))
    return Real(handle, affine.get_levels(), affine)
