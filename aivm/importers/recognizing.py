"""Finds normalisations and softmaxes that an exporter wrote as many small nodes.

Such a piece is recognised by a few of its nodes and then proved on calibration data: only where the short
form gives the same numbers is it put in place of the long one.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from aivm.importers.evaluating import evaluate_graph
from aivm.importers.graph import Array, Graph, GraphNode, get_makers

TOLERANCE: Final = 1e-3
"""Largest difference between short and long form, as a share of the largest number: float32 noise of sums."""

PROVED_SHARE: Final = 0.99
"""Share of the numbers that must agree: a variance written as a difference of squares is noise where all
numbers are alike, and there the long form is the wrong one."""

PROVED_ROWS: Final = 8
"""Rows on which a piece is proved."""

DEPTH: Final = 16
"""Most nodes looked back over from the end of a piece."""


def recognize(graph: Graph, feeds: Mapping[str, Array]) -> Graph:
    """The same model with whatever was recognised written as one node each."""
    candidates = [
        found
        for node in graph.nodes
        for found in (_find_softmax(graph, node), _find_normalization(graph, node))
        if found is not None
    ]
    if not candidates:
        return graph
    tensors = dict(feeds)
    rows = {name: array[:PROVED_ROWS] for name, array in feeds.items()}
    tensors.update(rows)
    wanted = {name for operator, source, result, _ in candidates for name in (source, result)}

    def note(name: str, array: Array) -> None:
        if name in wanted:
            tensors[name] = array

    evaluate_graph(graph, rows, note)
    constants = dict(graph.constants)
    found_nodes: dict[str, GraphNode] = {}
    for operator, source, result, epsilon in candidates:
        given, wanted_array = tensors.get(source), tensors.get(result)
        if given is None or wanted_array is None or given.shape != wanted_array.shape or given.ndim < 2:
            continue
        name = f"{operator} of {source}"
        if operator == "Softmax":
            if _is_close(_compute_softmax(given), wanted_array):
                found_nodes[result] = GraphNode(name, operator, (source,), (result,), {"axis": -1})
            continue
        solved = _solve_normalization(given, wanted_array, epsilon)
        if solved is not None:
            axis, gain, offset = solved
            names = f"{result}/gain", f"{result}/offset"
            constants[names[0]], constants[names[1]] = gain, offset
            attributes = {"axis": axis, "epsilon": epsilon, "is_single": 1}
            found_nodes[result] = GraphNode(
                name, "LayerNormalization", (source, *names), (result,), attributes
            )
    nodes = [
        node if not set(node.outputs) & set(found_nodes) else found_nodes[node.outputs[0]]
        for node in graph.nodes
    ]
    return graph.replace(nodes, constants)


Candidate = tuple[str, str, str, float]
"""Operator, tensor read, tensor given, epsilon."""


def _find_softmax(graph: Graph, node: GraphNode) -> Candidate | None:
    # exp(x - maximum) / sum: the division's dividend is an exponential.
    makers = get_makers(graph)
    top = makers.get(node.inputs[0]) if node.operator == "Div" else None
    if top is None or top.operator != "Exp":
        return None
    shifted = makers.get(top.inputs[0])
    source = shifted.inputs[0] if shifted is not None and shifted.operator == "Sub" else top.inputs[0]
    return "Softmax", source, node.outputs[0], 0.0


def _find_normalization(graph: Graph, node: GraphNode) -> Candidate | None:
    # (x - mean) times or over a root, then perhaps a gain and an offset: the last node of all is wanted.
    makers = get_makers(graph)
    if node.operator not in ("Mul", "Div"):
        return None
    for place in (0, 1):
        centered = makers.get(node.inputs[place])
        if centered is None or centered.operator != "Sub":
            continue
        epsilon = _find_epsilon(graph, makers, node.inputs[1 - place])
        if epsilon is not None:
            return "LayerNormalization", centered.inputs[0], _follow(graph, node), epsilon
    return None


def _find_epsilon(graph: Graph, makers: dict[str, GraphNode], name: str) -> float | None:
    # The number added under the root.
    names, is_rooted = [name], False
    for _ in range(DEPTH):
        if not names:
            return None
        node = makers.get(names.pop())
        if node is None:
            continue
        if node.operator == "Sqrt" or (node.operator == "Pow" and not is_rooted):
            is_rooted = True
        elif node.operator == "Add" and is_rooted:
            for operand in node.inputs:
                value = graph.constants.get(operand)
                if value is not None and value.size == 1:
                    return float(value.ravel()[0])
        names += [operand for operand in node.inputs if operand in makers]
    return None


def _follow(graph: Graph, node: GraphNode) -> str:
    # Factors and addends that are constants belong to the normalisation.
    name = node.outputs[0]
    for _ in range(2):
        readers = [reader for reader in graph.nodes if name in reader.inputs]
        if len(readers) != 1 or readers[0].operator not in ("Mul", "Add"):
            break
        if not any(operand in graph.constants for operand in readers[0].inputs):
            break
        name = readers[0].outputs[0]
    return name


def _solve_normalization(given: Array, wanted: Array, epsilon: float) -> tuple[int, Array, Array] | None:
    # Along which dimension, and with which gain and offset: least squares for every place along it.
    for axis in range(given.ndim - 1, 0, -1):
        length = given.shape[axis]
        if length < 2:
            continue
        real = given.astype(np.float64)
        centered = real - real.mean(axis=axis, keepdims=True)
        normalized = centered / np.sqrt(real.var(axis=axis, keepdims=True) + epsilon)
        first = np.moveaxis(normalized, axis, -1).reshape(-1, length)
        second = np.moveaxis(wanted.astype(np.float64), axis, -1).reshape(-1, length)
        if len(first) < 2:
            continue
        spread = ((first - first.mean(axis=0)) ** 2).sum(axis=0)
        gain = ((first - first.mean(axis=0)) * second).sum(axis=0) / np.maximum(spread, 1e-12)
        offset = second.mean(axis=0) - gain * first.mean(axis=0)
        if _is_close(first * gain + offset, second):
            return axis, gain.astype(np.float32), offset.astype(np.float32)
    return None


def _compute_softmax(values: Array) -> Array:
    shifted = np.exp(values - values.max(axis=-1, keepdims=True))
    shares: Array = shifted / shifted.sum(axis=-1, keepdims=True)
    return shares


def _is_close(first: Array, second: Array) -> bool:
    limit = TOLERANCE * max(float(np.abs(second).max()), 1e-9)
    return bool(np.quantile(np.abs(first - second), PROVED_SHARE) <= limit)
