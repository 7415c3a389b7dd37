"""A model as importers see it: nodes in an order in which they can be computed, constants as arrays."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Array = NDArray[Any]
"""Elements of any type."""

FILE_SIZE_MAX: Final = 2**30
"""Longest model file in bytes: half of what protobuf can hold; the largest program is smaller."""

GRAPH_NODES_MAX: Final = 16_384
"""Most nodes of a graph that is read: four times a program's, as exporters write much that folds away."""


class GraphNode(Struct, frozen=True, eq=False):
    """One node."""

    name: str
    """Its name, or its place where it has none: for messages."""

    operator: str
    """ONNX's name of the operator; those of com.microsoft keep theirs."""

    inputs: tuple[str, ...]
    """Names of the tensors read; empty for one that is left out."""

    outputs: tuple[str, ...]
    """Names of the tensors given."""

    attributes: dict[str, Any]
    """Attributes by name: integers, floats, text and sequences of these."""

    def get_input(self, place: int) -> str:
        """Name of an input, empty when there is none."""
        return self.inputs[place] if place < len(self.inputs) else ""


class GraphInput(Struct, frozen=True):
    """What a model is fed."""

    name: str
    """Its name."""

    dtype: np.dtype[Any]
    """Element type."""

    shape: tuple[int, ...]
    """Lengths of one row's dimensions; the first dimension of every input counts rows and is left out."""


class Graph(Struct, frozen=True, eq=False):
    """A whole model."""

    opset: int
    """Version of ONNX's operators."""

    nodes: tuple[GraphNode, ...]
    """Nodes in order."""

    constants: dict[str, Array]
    """Weights and other constants by name."""

    inputs: tuple[GraphInput, ...]
    """Inputs in order."""

    outputs: tuple[str, ...]
    """Names of the outputs in order."""

    def replace(self, nodes: Iterable[GraphNode], constants: dict[str, Array]) -> "Graph":
        """The same inputs and outputs with other insides, without what no output depends on."""
        kept, needed = [], set(self.outputs)
        for node in reversed(tuple(nodes)):
            if not needed.isdisjoint(node.outputs):
                kept.append(node)
                needed.update(node.inputs)
        alive = {name: array for name, array in constants.items() if name in needed}
        return Graph(self.opset, tuple(reversed(kept)), alive, self.inputs, self.outputs)


def count_readers(graph: Graph) -> dict[str, int]:
    """How often every tensor is read, an output counting as a reader."""
    counts: dict[str, int] = dict.fromkeys(graph.outputs, 1)
    for node in graph.nodes:
        for name in node.inputs:
            counts[name] = counts.get(name, 0) + 1
    return counts


def get_makers(graph: Graph) -> dict[str, GraphNode]:
    """The node that gives each tensor."""
    return {name: node for node in graph.nodes for name in node.outputs}
