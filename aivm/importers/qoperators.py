"""onnxruntime's fused integer operators, written as what they fuse: ``DequantizeLinear``, the operator,
``QuantizeLinear``.

The translation then has one form of quantised models. Sources: ONNX QLinearMatMul and QLinearConv;
onnxruntime's contrib operators of the domain ``com.microsoft`` (ContribOperators.md).
"""

from typing import Any, Final

import numpy as np

from aivm.importers.errors import UnsupportedNode
from aivm.importers.graph import Array, Graph, GraphNode

DYNAMIC: Final = frozenset(
    {"DynamicQuantizeLinear", "MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"}
)
"""Operators of dynamic quantisation: their scales follow from each input, in floats."""

UNARY: Final = {
    "QLinearSigmoid": "Sigmoid",
    "QLinearLeakyRelu": "LeakyRelu",
    "QLinearAveragePool": "AveragePool",
    "QLinearGlobalAveragePool": "GlobalAveragePool",
    "QLinearSoftmax": "Softmax",
}
"""Operators of one tensor: operands ``x, scale, zero, scale of the result, zero of the result``."""

BINARY: Final = {"QLinearAdd": "Add", "QLinearMul": "Mul", "QLinearMatMul": "MatMul"}
"""Operators of two tensors: operands ``a, scale, zero, b, scale, zero, scale, zero``."""


def unfuse(graph: Graph) -> Graph:
    """The same model without fused integer operators.

    :raises UnsupportedNode: a node quantises dynamically, or misses operands.
    """
    constants = dict(graph.constants)
    nodes: list[GraphNode] = []
    for node in graph.nodes:
        if node.operator in DYNAMIC:
            raise UnsupportedNode(
                node.name,
                node.operator,
                "dynamic quantisation computes scales in floats at run time; quantise statically",
            )
        try:
            nodes += _unfuse_node(node, constants)
        except IndexError:
            raise UnsupportedNode(node.name, node.operator, "operands are missing") from None
    return graph.replace(nodes, constants)


def _unfuse_node(node: GraphNode, constants: dict[str, Array]) -> list[GraphNode]:
    inputs, attributes = node.inputs, dict(node.attributes)
    if node.operator in BINARY:
        parts = [_open(node, "left", inputs[0:3]), _open(node, "right", inputs[3:6])]
        return _close(node, BINARY[node.operator], parts, attributes, inputs[6], node.get_input(7))
    if node.operator in UNARY:
        attributes["is_fused"] = 1
        attributes.pop("opset", None)
        if attributes.pop("channels_last", 0):
            raise UnsupportedNode(node.name, node.operator, "channels must come first")
        parts = [_open(node, "left", inputs[0:3])]
        return _close(node, UNARY[node.operator], parts, attributes, inputs[3], node.get_input(4))
    if node.operator == "QLinearConv":
        parts = [_open(node, "left", inputs[0:3]), _open(node, "right", inputs[3:6], axis=0)]
        parts += _open_bias(node, node.get_input(8), inputs[1], inputs[4], 1.0, constants)
        return _close(node, "Conv", parts, attributes, inputs[6], inputs[7])
    if node.operator == "QGemm":
        alpha = float(attributes.get("alpha", 1.0))
        axis = 0 if attributes.get("transB") else 1
        parts = [_open(node, "left", inputs[0:3]), _open(node, "right", inputs[3:6], axis=axis)]
        parts += _open_bias(node, node.get_input(6), inputs[1], inputs[4], alpha, constants)
        return _close(node, "Gemm", parts, attributes, node.get_input(7), node.get_input(8))
    if node.operator == "QLinearConcat":
        triples = zip(inputs[2::3], inputs[3::3], inputs[4::3], strict=True)
        parts = [_open(node, f"part{place}", triple) for place, triple in enumerate(triples)]
        return _close(node, "Concat", parts, attributes, inputs[0], inputs[1])
    return [node]


def _open(node: GraphNode, place: str, names: tuple[str, ...], axis: int = 1) -> GraphNode:
    opened = f"{node.outputs[0]}/{place}"
    operands = names if names[2] else names[:2]
    return GraphNode(node.name, "DequantizeLinear", operands, (opened,), {"axis": axis})


def _open_bias(
    node: GraphNode, name: str, left: str, right: str, alpha: float, constants: dict[str, Array]
) -> list[GraphNode]:
    # A bias has no scale of its own: it counts in steps of the products.
    if not name:
        return []
    if left not in constants or right not in constants:
        raise UnsupportedNode(node.name, node.operator, "its scales must be constants")
    scale = f"{node.outputs[0]}/bias-scale"
    constants[scale] = np.asarray(np.float32(alpha) * constants[left] * constants[right], np.float32).ravel()
    if constants[scale].size == 1:
        constants[scale] = constants[scale].reshape(())
    return [
        GraphNode(node.name, "DequantizeLinear", (name, scale), (f"{node.outputs[0]}/bias",), {"axis": 0})
    ]


def _close(
    node: GraphNode, operator: str, parts: list[GraphNode], attributes: dict[str, Any], scale: str, zero: str
) -> list[GraphNode]:
    if not scale:  # onnxruntime then gives floats
        inner = GraphNode(node.name, operator, _get_names(parts), node.outputs, attributes)
        return [*parts, inner]
    real = f"{node.outputs[0]}/real"
    inner = GraphNode(node.name, operator, _get_names(parts), (real,), attributes)
    operands = (real, scale, zero) if zero else (real, scale)
    return [*parts, inner, GraphNode(node.name, "QuantizeLinear", operands, node.outputs, {})]


def _get_names(parts: list[GraphNode]) -> tuple[str, ...]:
    return tuple(part.outputs[0] for part in parts)
