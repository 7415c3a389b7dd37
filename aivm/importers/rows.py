"""Models exported for a fixed number of rows, made to take any number."""

import numpy as np

from aivm.importers.graph import Graph, GraphNode


def free_rows(graph: Graph, rows: int) -> Graph:
    """The same model with shapes that name a fixed number of rows naming none.

    :param rows: the number it was exported for. A ``Reshape`` to ``(rows, ...)`` keeps rows apart either way.
    """
    constants = dict(graph.constants)
    nodes = []
    for node in graph.nodes:
        target = constants.get(node.get_input(1)) if node.operator == "Reshape" else None
        if target is not None and target.ndim == 1 and target.size and target[0] == rows:
            name = f"{node.outputs[0]}/shape"
            first = 0 if -1 in target[1:] else -1
            constants[name] = np.concatenate([[first], target[1:]]).astype(np.int64)
            inputs = (node.inputs[0], name)
            node = GraphNode(node.name, node.operator, inputs, node.outputs, node.attributes)
        nodes.append(node)
    return graph.replace(nodes, constants)
