"""The operators that move elements: ``Reshape``, ``Transpose``, ``Concat`` and ``Gather``."""

import numpy as np

from aivm.oracle.graph.rounding import Wide
from aivm.program.operators import Concat, Gather, Reshape, Transpose


def compute_reshape(operator: Reshape, values: Wide) -> Wide:
    """Elements in the same row-major order."""
    return values.reshape(len(values), *operator.shape)


def compute_transpose(operator: Transpose, values: Wide) -> Wide:
    """``y[i_order[0], i_order[1], ...] = x[i_0, i_1, ...]``, rows staying first."""
    return values.transpose(0, *(place + 1 for place in operator.order))


def compute_concat(operator: Concat, operands: tuple[Wide, ...], rows: int) -> Wide:
    """Operands one after the other; an initialiser is repeated for every row."""
    repeated = [np.broadcast_to(values, (rows, *values.shape[1:])) for values in operands]
    return np.concatenate(repeated, axis=operator.axis + 1)


def compute_gather(operator: Gather, data: Wide, indices: Wide, rows: int) -> Wide:
    """``y[.., i.., ..] = data[.., indices[i..], ..]``, row by row. Source: ONNX Gather."""
    taken = [
        np.take(data[min(row, len(data) - 1)], indices[min(row, len(indices) - 1)], axis=operator.axis)
        for row in range(rows)
    ]
    return np.stack(taken)
