"""Magnitude pruning: the smallest weights of every layer become 0. Source: Han et al. 2015."""

import numpy as np

from aivm.importers.errors import InvalidCalibration
from aivm.importers.graph import Graph

WEIGHTED = ("Conv", "Gemm", "MatMul")
"""Operators whose second operand is weights."""


def prune_weights(graph: Graph, share: float) -> Graph:
    """The same model with a share of every layer's weights set to 0.

    :param share: 0 to less than 1.
    :raises InvalidCalibration: it is no share.
    """
    if not 0 <= share < 1:
        raise InvalidCalibration("pruning", f"{share} is no share from 0 to less than 1")
    constants = dict(graph.constants)
    for node in graph.nodes:
        name = node.get_input(1)
        weights = constants.get(name)
        if node.operator not in WEIGHTED or weights is None or weights.ndim < 2:
            continue
        count = int(weights.size * share)
        if count:
            places = np.argpartition(np.abs(weights).ravel(), count - 1)[:count]
            flat = weights.ravel().copy()
            flat[places] = 0
            constants[name] = flat.reshape(weights.shape)
    return graph.replace(graph.nodes, constants)


def measure_sparsity(graph: Graph) -> float:
    """Share of weights that are 0."""
    arrays = [
        graph.constants[node.get_input(1)]
        for node in graph.nodes
        if node.operator in WEIGHTED and node.get_input(1) in graph.constants
    ]
    total = sum(array.size for array in arrays)
    return sum(int((array == 0).sum()) for array in arrays) / max(1, total)
