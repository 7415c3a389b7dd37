"""Which function translates which operator, and the walk over a graph."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from aivm.importers.elementwise import translate_elementwise
from aivm.importers.errors import CalibrationMissing, UnsupportedNode
from aivm.importers.evaluating import FUNCTIONS, evaluate_node
from aivm.importers.graph import Graph, GraphInput, GraphNode
from aivm.importers.layout import (
    get_movable,
    translate_concat,
    translate_flatten,
    translate_reshape,
    translate_slice,
    translate_split,
    translate_squeeze,
    translate_transpose,
    translate_unsqueeze,
)
from aivm.importers.linear import translate_conv, translate_gemm, translate_matmul
from aivm.importers.pooling import (
    translate_averagepool,
    translate_global_averagepool,
    translate_global_maxpool,
    translate_maxpool,
    translate_reduce_max,
    translate_reduce_mean,
    translate_reduce_sum,
)
from aivm.importers.ranking import (
    translate_argmax,
    translate_feature_extractor,
    translate_gather,
    translate_layernorm,
    translate_softmax,
)
from aivm.importers.scales import Affine, make_affine
from aivm.importers.stored import read_scales, translate_dequantize, translate_quantize
from aivm.importers.translation import Translation
from aivm.importers.values import Constant, Index, Raw, Real, Value
from aivm.program.building import make_input
from aivm.program.errors import InvalidProgram
from aivm.program.types import DType

Translator = Callable[[Translation, GraphNode], None]
"""Translates one node."""

MOVING: Final = frozenset(
    {"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Cast", "Dropout"}
)
"""Operators that leave every number as it is: an input's scale may be said behind them."""


FLOATS: Final = (1, 10, 11, 16)
"""ONNX's codes of float, float16, double and bfloat16."""


def translate_nothing(translation: Translation, node: GraphNode) -> None:
    """A node that changes nothing at inference."""
    translation.values[node.outputs[0]] = translation.values[node.inputs[0]]


def translate_cast(translation: Translation, node: GraphNode) -> None:
    """Another element type: nothing, unless fractions would be cut off."""
    value = translation.values[node.inputs[0]]
    if not isinstance(value, (Raw, Index)) and node.attributes.get("to") not in FLOATS:
        translation.refuse(node, "numbers become integers by quantisation only")
    translation.values[node.outputs[0]] = value


def translate_shape(translation: Translation, node: GraphNode) -> None:
    """Lengths, -1 for the number of rows, as ``Reshape`` understands it."""
    shape = get_movable(translation, node).handle.type.shape
    translation.values[node.outputs[0]] = Constant(np.array((-1, *shape), np.int64))


TRANSLATORS: Final[dict[str, Translator]] = {
    **dict.fromkeys(FUNCTIONS, translate_elementwise),
    "ArgMax": translate_argmax,
    "ArrayFeatureExtractor": translate_feature_extractor,
    "AveragePool": translate_averagepool,
    "Cast": translate_cast,
    "Concat": translate_concat,
    "Conv": translate_conv,
    "DequantizeLinear": translate_dequantize,
    "Dropout": translate_nothing,
    "Flatten": translate_flatten,
    "Gather": translate_gather,
    "Gemm": translate_gemm,
    "GlobalAveragePool": translate_global_averagepool,
    "GlobalMaxPool": translate_global_maxpool,
    "Identity": translate_nothing,
    "LayerNormalization": translate_layernorm,
    "LogSoftmax": translate_softmax,
    "MatMul": translate_matmul,
    "MaxPool": translate_maxpool,
    "QuantizeLinear": translate_quantize,
    "ReduceMax": translate_reduce_max,
    "ReduceMean": translate_reduce_mean,
    "ReduceSum": translate_reduce_sum,
    "Reshape": translate_reshape,
    "Shape": translate_shape,
    "Slice": translate_slice,
    "Softmax": translate_softmax,
    "Split": translate_split,
    "Squeeze": translate_squeeze,
    "Transpose": translate_transpose,
    "Unsqueeze": translate_unsqueeze,
}
"""Translators by ONNX's name of the operator."""

SHAPE_FOLDED: Final = frozenset(
    {"Shape", "Gather", "Slice", "Concat", "Cast", "Squeeze", "Unsqueeze", "Identity"}
)
"""Operators that are computed at once when all their operands are constants by now: arithmetic of shapes."""


def translate_graph(graph: Graph, ranges: Mapping[str, tuple[float, float]] | None) -> Translation:
    """Walk a graph from its inputs to its outputs.

    :raises ImportRefused: a node cannot be expressed, with its name and the reason.
    """
    translation = Translation(graph, ranges)
    for entry in graph.inputs:
        translation.values[entry.name] = _add_input(translation, entry)
    for node in graph.nodes:
        known = [translation.values[name] for name in node.inputs if name]
        if node.operator in SHAPE_FOLDED and all(isinstance(value, Constant) for value in known):
            operands = [
                value.array if isinstance(value := translation.values[name], Constant) else None
                for name in node.inputs
            ]
            array = evaluate_node(node, graph.opset, operands)[0]
            translation.values[node.outputs[0]] = Constant(array)
            continue
        translator = TRANSLATORS.get(node.operator)
        if translator is None:
            raise UnsupportedNode(node.name, node.operator, "no integer operator expresses it")
        try:
            translator(translation, node)
        except InvalidProgram as error:
            error.args = (f"{error}; it comes from node {node.name} ({node.operator}) of the model",)
            raise
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # Attributes of the wrong type or number: numpy and the arithmetic of shapes trip over them.
            raise UnsupportedNode(node.name, node.operator, f"its operands do not fit: {error}") from None
    return translation


def _add_input(translation: Translation, entry: GraphInput) -> Value:
    builder = translation.builder
    if entry.dtype == np.int8:
        return Raw(builder.add_input(make_input(DType.INT8, *entry.shape)), None)
    if entry.dtype == np.uint8:
        return Raw(builder.add_input(make_input(DType.UINT8, *entry.shape)), None)
    if entry.dtype.kind in "iu":
        high = find_index_bound(translation.graph, entry.name) - 1
        return Index(builder.add_input(make_input(DType.INT32, *entry.shape, low=0, high=high)))
    if entry.dtype.kind != "f":
        raise UnsupportedNode(entry.name, "input", f"numbers are read, not {entry.dtype}")
    affine = find_input_affine(translation, entry.name)
    return Real(builder.add_input(make_input(affine.dtype, *entry.shape)), affine.get_levels(), affine)


def find_input_affine(translation: Translation, name: str) -> Affine:
    """The scale of a float input: its calibrated range, or what the model says behind it.

    :raises CalibrationMissing: neither is there.
    """
    if translation.ranges is not None:
        return make_affine(*translation.ranges[name])
    for node in find_readers(translation.graph, name):
        if node.operator == "QuantizeLinear":
            scales, zero, dtype = read_scales(translation, node, np.dtype(np.uint8))
            if scales.size != 1 or dtype not in (np.dtype(np.int8), np.dtype(np.uint8)):
                translation.refuse(node, f"{scales.size} scales of type {dtype} for an input")
            return Affine(DType.INT8 if dtype == np.int8 else DType.UINT8, float(scales[0]), zero)
    raise CalibrationMissing("input", name)


def find_index_bound(graph: Graph, name: str) -> int:
    """How many things the integers of an input choose from.

    :raises UnsupportedNode: they choose from nothing.
    """
    for node in find_readers(graph, name):
        if node.operator == "Gather" and node.inputs[0] in graph.constants:
            return int(graph.constants[node.inputs[0]].shape[0])
    raise UnsupportedNode(name, "input", "its integers look nothing up")


def find_readers(graph: Graph, name: str) -> list[GraphNode]:
    """Nodes that read a tensor, or what is only moved of it."""
    names, found = {name}, []
    for node in graph.nodes:
        if names.isdisjoint(node.inputs):
            continue
        if node.operator in MOVING:
            names.update(node.outputs[:1])
        else:
            found.append(node)
    return found
