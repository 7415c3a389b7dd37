"""Computes nodes in floats, as ONNX defines them: for constants, tables and calibration.

The definition is the ``onnx`` package's own reference. Only the windows of pooling are computed here,
because the reference takes seconds for what numpy does in milliseconds. Nothing of this decides what nodes
must agree on: it only makes programs.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from aivm.importers.errors import ImportRefused, MalformedModel, OversizeModel, UnsupportedNode
from aivm.importers.graph import Array, Graph, GraphNode
from aivm.importers.reading import load_library
from aivm.program.limits import ELEMENTS_MAX

EVALUATED_ELEMENTS_MAX: Final = 4 * ELEMENTS_MAX
"""Most elements of one tensor while a model is calibrated, rows included: 1 GiB of float32."""

FUNCTIONS: Final = frozenset(
    {
        *("Abs", "Add", "Ceil", "Celu", "Clip", "Cos", "Div", "Elu", "Erf", "Exp", "Floor", "Gelu"),
        *("HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Max", "Min", "Mish", "Mul", "Neg", "PRelu"),
        *("Pow", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign"),
        *("Sqrt", "Sub", "Tanh", "ThresholdedRelu"),
    }
)
"""Operators that work on each number by itself."""

RANDOM: Final = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
"""Operators whose results nobody can repeat."""

GROWING: Final = frozenset(
    {"Expand", "ConstantOfShape", "Tile", "Range", "Pad", "OneHot", "Resize", "Upsample"}
)
"""Operators whose result can be much larger than what they read."""


def evaluate_node(node: GraphNode, opset: int, operands: list[Array | None]) -> tuple[Array, ...]:
    """What a node gives for these operands (None for one that is left out).

    :raises UnsupportedNode: the reference does not know the operator, or refuses the operands.
    :raises OversizeModel: the result would be too large.
    """
    if node.operator in RANDOM:
        raise UnsupportedNode(node.name, node.operator, "its results are random")
    _verify_growth(node, operands)
    try:
        given = _compute(node, opset, operands)
    except ImportRefused:
        raise
    except Exception as error:  # numpy's and the package's errors for operands that do not fit
        reason = f"{type(error).__name__}: {str(error)[:120]}"
        raise UnsupportedNode(node.name, node.operator, reason) from None
    arrays = tuple(np.asarray(array) for array in given)
    for array in arrays:
        if array.size > EVALUATED_ELEMENTS_MAX:
            raise OversizeModel(f"the result of node {node.name}", array.size, EVALUATED_ELEMENTS_MAX)
    return arrays


def _compute(node: GraphNode, opset: int, operands: list[Array | None]) -> Sequence[Array]:
    if node.operator == "MatMul":
        return (_multiply(node, operands),)
    if node.attributes.get("is_single"):
        return (_normalize(node, operands),)
    first = operands[0] if operands else None
    if node.operator == "GlobalMaxPool" and first is not None:  # the reference drops dimensions
        return (first.max(axis=tuple(range(2, first.ndim)), keepdims=True),)
    quick = _POOLS.get(node.operator)
    if quick is not None and first is not None and first.ndim == 4:
        result = quick(node, first)
        if result is not None:
            return (result,)
    onnx = load_library()
    names = tuple(f"operand{place}" if operand is not None else "" for place, operand in enumerate(operands))
    feeds = {name: operand for name, operand in zip(names, operands, strict=True) if name}
    given: Sequence[Array] = _make_evaluator(onnx, node, opset, names).run(None, feeds)
    return given


def fold_constants(graph: Graph) -> Graph:
    """The same graph with nodes that read constants alone computed.

    Constants that stand behind ``DequantizeLinear`` stay as they are: their integers are wanted.
    """
    constants = dict(graph.constants)
    nodes = []
    for node in graph.nodes:
        named = [name for name in node.inputs if name]
        if (
            all(name in constants for name in named)
            and node.operator not in RANDOM
            and (node.operator != "DequantizeLinear")
        ):
            operands = [constants[name] if name else None for name in node.inputs]
            results = evaluate_node(node, graph.opset, operands)
            constants.update(zip(node.outputs, results, strict=False))
        else:
            nodes.append(node)
    if not nodes:
        raise MalformedModel("ONNX", "its outputs do not depend on its inputs")
    return graph.replace(nodes, constants)


def evaluate_graph(
    graph: Graph, feeds: Mapping[str, Array], on_tensor: Callable[[str, Array], None] | None = None
) -> dict[str, Array]:
    """Outputs of a float model by name.

    :param feeds: inputs by name, rows first.
    :param on_tensor: told every tensor that a node gives.
    :raises ImportRefused: a node cannot be computed.
    """
    values: dict[str, Array] = {**graph.constants, **feeds}
    last = {name: place for place, node in enumerate(graph.nodes) for name in node.inputs}
    for place, node in enumerate(graph.nodes):
        operands = [values[name] if name else None for name in node.inputs]
        for name, array in zip(node.outputs, evaluate_node(node, graph.opset, operands), strict=False):
            values[name] = array
            if on_tensor is not None:
                on_tensor(name, array)
        for name in node.inputs:  # what nobody reads any more is let go: tensors are large
            if last.get(name) == place and name not in graph.outputs and name not in graph.constants:
                values.pop(name, None)
    return {name: values[name] for name in graph.outputs}


@lru_cache(maxsize=4096)
def _make_evaluator(onnx: Any, node: GraphNode, opset: int, names: tuple[str, ...]) -> Any:
    attributes = {
        name: onnx.numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in node.attributes.items()
    }
    outputs = [f"result{place}" if name else "" for place, name in enumerate(node.outputs)]
    domain = "ai.onnx.ml" if node.operator == "ArrayFeatureExtractor" else ""
    proto = onnx.helper.make_node(node.operator, names, outputs, domain=domain, **attributes)
    empty = onnx.helper.make_empty_tensor_value_info
    graph = onnx.helper.make_graph(
        [proto], "node", [empty(name) for name in names if name], [empty(name) for name in outputs if name]
    )
    imports = [onnx.helper.make_opsetid("", opset), onnx.helper.make_opsetid("ai.onnx.ml", 3)]
    return onnx.reference.ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=imports))


def _verify_growth(node: GraphNode, operands: list[Array | None]) -> None:
    if node.operator not in GROWING or not operands or operands[0] is None:
        return
    first = operands[0]
    rest = [np.asarray(operand, np.float64).ravel() for operand in operands[1:] if operand is not None]
    try:
        size = _estimate(node.operator, first, rest)
    except (IndexError, ValueError, ZeroDivisionError):
        raise UnsupportedNode(node.name, node.operator, "its operands do not fit together") from None
    if not 0 <= size <= EVALUATED_ELEMENTS_MAX:
        raise OversizeModel(f"the result of node {node.name}", int(min(size, 1e18)), EVALUATED_ELEMENTS_MAX)


def _estimate(operator: str, first: Array, rest: list[Array]) -> float:
    # Elements of the result.
    match operator:
        case "Range":
            return abs(float(rest[0][0]) - float(first.ravel()[0])) / abs(float(rest[1][0]))
        case "ConstantOfShape":
            return float(np.prod(np.abs(first.astype(np.float64))))
        case "Expand":
            rank = max(first.ndim, len(rest[0]))
            lengths = np.ones((2, rank))
            lengths[0, rank - first.ndim :] = first.shape
            lengths[1, rank - len(rest[0]) :] = rest[0]
            return float(np.prod(lengths.max(axis=0)))
        case "OneHot":
            return first.size * float(np.abs(rest[0]).max())
        case "Pad":
            pads = np.abs(rest[0][: 2 * first.ndim]).reshape(2, -1).sum(axis=0) if rest else np.zeros(1)
            return float(np.prod(np.resize(pads, first.ndim) + np.array(first.shape)))
        case _:
            return first.size * float(np.prod(np.maximum(1, np.abs(rest[-1])))) if rest else first.size


def _multiply(node: GraphNode, operands: list[Array | None]) -> Array:
    # Folding gives a product a third operand, which ONNX's has not.
    left, right = operands[0], operands[1]
    if left is None or right is None or left.shape[-1:] != right.shape[-2:][:1]:
        raise UnsupportedNode(node.name, node.operator, "its operands are no matrices that fit")
    product: Array = left @ right
    return product if len(operands) < 3 or operands[2] is None else product + operands[2]


def _normalize(node: GraphNode, operands: list[Array | None]) -> Array:
    # A normalisation along one dimension, which recognition makes and ONNX has only for the last ones.
    values, gain, offset = operands
    assert values is not None, "recognition gives all three operands"
    assert gain is not None, "recognition gives all three operands"
    assert offset is not None, "recognition gives all three operands"
    axis = int(node.attributes["axis"])
    lengths = [-1 if place == axis else 1 for place in range(values.ndim)]
    centered = values - values.mean(axis=axis, keepdims=True)
    deviation = np.sqrt(values.var(axis=axis, keepdims=True) + np.float32(node.attributes["epsilon"]))
    result: Array = centered / deviation * gain.reshape(lengths) + offset.reshape(lengths)
    return result


def _pool(node: GraphNode, image: Array, *, is_mean: bool) -> Array | None:
    attributes = node.attributes
    if (
        attributes.get("auto_pad", "NOTSET") != "NOTSET"
        or attributes.get("ceil_mode")
        or len(node.outputs) > 1
    ):
        return None  # rare; the reference does it
    kernel = tuple(attributes["kernel_shape"])
    strides = tuple(attributes.get("strides", (1, 1)))
    pads = tuple(attributes.get("pads", (0, 0, 0, 0)))
    if any(length != 1 for length in attributes.get("dilations", (1, 1))) or (is_mean and any(pads)):
        return None
    border = ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3]))
    padded = np.pad(image, border, constant_values=-np.inf) if any(pads) else image
    windows = sliding_window_view(padded, kernel, axis=(2, 3))[:, :, :: strides[0], :: strides[1]]
    if is_mean:
        return np.asarray(windows.sum(axis=(4, 5), dtype=np.float32) / np.float32(prod(kernel)))
    return np.asarray(windows.max(axis=(4, 5)))


_POOLS: Final[dict[str, Callable[[GraphNode, Array], Array | None]]] = {
    "MaxPool": lambda node, image: _pool(node, image, is_mean=False),
    "AveragePool": lambda node, image: _pool(node, image, is_mean=True),
}
