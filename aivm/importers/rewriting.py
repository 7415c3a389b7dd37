"""Rewrites a graph into one that is easier to translate and means the same: biases, batch normalisation,
one-hot products.
"""

from typing import Any

import numpy as np

from aivm.importers.evaluating import FUNCTIONS, evaluate_node
from aivm.importers.graph import Array, Graph, GraphNode, count_readers, get_makers

SKIPPED = frozenset({"Identity", "Dropout", "Cast", "Reshape", "Unsqueeze", "Expand", "Squeeze"})
"""Operators between an index and its comparison with all places."""


def simplify(graph: Graph) -> Graph:
    """All rewritings, one after the other."""
    for rewrite in (replace_one_hot, fold_look_ups, skip_softmax, fold_normalization, fold_bias):
        graph = rewrite(graph)
    return graph


def skip_softmax(graph: Graph) -> Graph:
    """``ArgMax`` of a softmax is that of its operand."""
    makers = get_makers(graph)
    nodes = []
    for node in graph.nodes:
        if node.operator == "ArgMax":
            name = node.inputs[0]
            while name in makers and makers[name].operator in ("Softmax", "LogSoftmax", "Identity"):
                name = makers[name].inputs[0]
            node = GraphNode(node.name, node.operator, (name,), node.outputs, node.attributes)
        nodes.append(node)
    return graph.replace(nodes, graph.constants)


def fold_bias(graph: Graph) -> Graph:
    """``MatMul`` or ``Conv`` followed by ``Add`` of a constant per channel becomes one node with a bias."""
    makers, readers = get_makers(graph), count_readers(graph)
    constants = dict(graph.constants)
    folded: dict[str, GraphNode] = {}
    for node in graph.nodes:
        if node.operator != "Add" or len(node.inputs) != 2:
            continue
        for place in (0, 1):
            source, other = makers.get(node.inputs[place]), constants.get(node.inputs[1 - place])
            if source is None or other is None or readers[node.inputs[place]] != 1:
                continue
            bias = _get_bias(source, other, constants)
            if bias is None:
                continue
            name = f"{node.outputs[0]}/bias"
            constants[name] = bias
            operands = (*source.inputs[:2], name)
            folded[node.outputs[0]] = GraphNode(
                source.name, source.operator, operands, node.outputs, source.attributes
            )
            break
    nodes = [folded.get(node.outputs[0], node) for node in graph.nodes]
    return graph.replace(nodes, constants)


def _get_bias(source: GraphNode, other: Array, constants: dict[str, Array]) -> Array | None:
    weights = constants.get(source.get_input(1))
    if source.operator not in ("MatMul", "Conv") or source.get_input(2) or weights is None:
        return None
    if source.operator == "MatMul":
        fits = weights.ndim == 2 and other.ndim >= 1 and other.size in (1, weights.shape[1])
        if not fits or other.shape[-1] != other.size:
            return None
        return np.broadcast_to(other.ravel(), (weights.shape[1],)).astype(np.float32)
    lengths = (1, weights.shape[0], *(1 for _ in weights.shape[2:]))
    if other.shape not in (lengths, lengths[1:]):
        return None
    return other.ravel().astype(np.float32)


def fold_normalization(graph: Graph) -> Graph:
    """``BatchNormalization`` disappears into the convolution before it, or becomes a factor and an addend.

    Source: ONNX BatchNormalization at inference: ``(x - mean) / sqrt(variance + epsilon) * gain + offset``.
    """
    makers, readers = get_makers(graph), count_readers(graph)
    constants = dict(graph.constants)
    nodes: list[GraphNode] = []
    dropped: set[str] = set()
    for node in graph.nodes:
        known = [constants.get(name) for name in node.inputs[1:5]]
        if node.operator != "BatchNormalization" or len(known) < 4 or any(item is None for item in known):
            nodes.append(node)
            continue
        gain, offset, mean, variance = (np.asarray(item, np.float64) for item in known)
        factor = gain / np.sqrt(variance + float(node.attributes.get("epsilon", 1e-5)))
        addend = offset - mean * factor
        source = makers.get(node.inputs[0])
        weights = constants.get(source.get_input(1)) if source is not None else None
        if (
            source is not None
            and weights is not None
            and source.operator == "Conv"
            and readers[node.inputs[0]] == 1
        ):
            old = constants.get(source.get_input(2)) if source.get_input(2) else np.zeros(len(weights))
            if old is not None:
                names = f"{node.outputs[0]}/kernels", f"{node.outputs[0]}/bias"
                scaled = weights * factor.reshape(-1, *(1 for _ in weights.shape[1:]))
                constants[names[0]] = scaled.astype(np.float32)
                constants[names[1]] = (old * factor + addend).astype(np.float32)
                operands = (source.inputs[0], *names)
                nodes.append(GraphNode(source.name, "Conv", operands, node.outputs[:1], source.attributes))
                dropped.add(source.outputs[0])
                continue
        nodes += _write_affine(node, factor, addend, constants)
    return graph.replace((node for node in nodes if node.outputs[0] not in dropped), constants)


def _write_affine(
    node: GraphNode, factor: Array, addend: Array, constants: dict[str, Array]
) -> list[GraphNode]:
    # Channels are the second dimension; how many follow is known only at run time, so both are written for
    # rows of vectors unless the model says otherwise.
    name = node.outputs[0]
    lengths: tuple[Any, ...] = (1, -1, *node.attributes.get("trailing", ()))
    constants[f"{name}/factor"] = factor.astype(np.float32).reshape(lengths)
    constants[f"{name}/addend"] = addend.astype(np.float32).reshape(lengths)
    middle = f"{name}/scaled"
    return [
        GraphNode(node.name, "Mul", (node.inputs[0], f"{name}/factor"), (middle,), {}),
        GraphNode(node.name, "Add", (middle, f"{name}/addend"), node.outputs[:1], {}),
    ]


def replace_one_hot(graph: Graph) -> Graph:
    """``(index == 0, 1, 2, ...) @ weights`` is a look-up: ``Gather(weights, index)``."""
    makers = get_makers(graph)
    nodes = []
    for node in graph.nodes:
        index = _find_index(graph, makers, node) if node.operator == "MatMul" else None
        if index is not None:
            node = GraphNode(node.name, "Gather", (node.inputs[1], index), node.outputs, {"axis": 0})
        nodes.append(node)
    return graph.replace(nodes, graph.constants)


def _find_index(graph: Graph, makers: dict[str, GraphNode], node: GraphNode) -> str | None:
    weights = graph.constants.get(node.inputs[1])
    source = makers.get(node.inputs[0])
    while source is not None and source.operator in ("Cast", "Identity"):
        source = makers.get(source.inputs[0])
    if weights is None or weights.ndim != 2 or source is None or source.operator != "Equal":
        return None
    for place in (0, 1):
        places = graph.constants.get(source.inputs[1 - place])
        if places is None or places.shape[-1:] != (len(weights),) or places.size != len(weights):
            continue
        if not np.array_equal(places.ravel(), np.arange(len(weights))):
            continue
        name = source.inputs[place]
        while name in makers and makers[name].operator in SKIPPED:
            name = makers[name].inputs[0]
        kinds = {entry.name: entry.dtype.kind for entry in graph.inputs}
        if kinds.get(name) in ("i", "u"):
            return name
    return None


def fold_look_ups(graph: Graph) -> Graph:
    """A function of looked up numbers is the function of the table, looked up."""
    constants = dict(graph.constants)
    looked_up: dict[str, tuple[str, str]] = {}  # tensor -> table and index
    nodes = []
    for node in graph.nodes:
        if node.operator == "Gather" and node.inputs[0] in constants and node.attributes.get("axis", 0) == 0:
            if constants[node.inputs[0]].ndim == 2 and node.inputs[1] not in constants:
                looked_up[node.outputs[0]] = (node.inputs[0], node.inputs[1])
        elif node.operator in FUNCTIONS:
            table = _compute_table(graph, node, constants, looked_up)
            if table is not None:
                index = next(looked_up[name][1] for name in node.inputs if name in looked_up)
                name = f"{node.outputs[0]}/table"
                constants[name] = table
                looked_up[node.outputs[0]] = (name, index)
                node = GraphNode(node.name, "Gather", (name, index), node.outputs, {"axis": 0})
        nodes.append(node)
    return graph.replace(nodes, constants)


def _compute_table(
    graph: Graph, node: GraphNode, constants: dict[str, Array], looked_up: dict[str, tuple[str, str]]
) -> Array | None:
    # One index for all, and constants that are the same for every place of the index.
    operands: list[Array | None] = []
    indices = set()
    for name in node.inputs:
        if name in looked_up:
            indices.add(looked_up[name][1])
            operands.append(constants[looked_up[name][0]])
        elif name in constants:
            array = constants[name]
            if array.size > 1 and array.shape[-1] != array.size:
                return None
            operands.append(array.reshape(array.shape[-1:] if array.size > 1 else ()))
        elif name:
            return None
        else:
            operands.append(None)
    if len(indices) != 1:
        return None
    return evaluate_node(node, graph.opset, operands)[0]
