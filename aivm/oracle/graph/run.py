"""Runs a bound program node by node: the definition of what it gives."""

from collections.abc import Sequence
from typing import assert_never

import numpy as np

from aivm.oracle.graph.layout import compute_concat, compute_gather, compute_reshape, compute_transpose
from aivm.oracle.graph.linear import compute_conv2d, compute_matmul
from aivm.oracle.graph.normalizing import compute_layernorm, compute_softmax
from aivm.oracle.graph.pooling import compute_averagepool, compute_maxpool
from aivm.oracle.graph.ranking import compute_argmax, compute_topk
from aivm.oracle.graph.rounding import Wide
from aivm.oracle.graph.scaling import (
    compute_add,
    compute_clip,
    compute_mul,
    compute_requantize,
    compute_table,
)
from aivm.program.binding import BoundProgram, Tensor, verify_inputs
from aivm.program.operators import (
    Add,
    Argmax,
    AveragePool,
    Clip,
    Concat,
    Conv2d,
    Gather,
    LayerNorm,
    Matmul,
    MaxPool,
    Mul,
    Operator,
    Requantize,
    Reshape,
    Softmax,
    Table,
    TopK,
    Transpose,
)
from aivm.program.types import DTYPES, DType


def run_program(bound: BoundProgram, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Outputs of a program: one tensor each, its first dimension counting rows.

    :raises InvalidInput: the inputs are not what the program declares.
    """
    tensors = trace_program(bound, inputs)
    return tuple(tensors[number] for number in bound.plan.program.outputs)


def trace_program(bound: BoundProgram, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Every tensor of a run by its number; initialisers, too, without rows.

    :raises InvalidInput: the inputs are not what the program declares.
    """
    plan = bound.plan
    rows = verify_inputs(plan, inputs)
    values: list[Wide] = [tensor.astype(np.int64) for tensor in inputs]
    values += [tensor.astype(np.int64)[None] for tensor in bound.initializers]
    for node in plan.program.nodes:
        operands = tuple(values[number] for number in node.operands)
        values += compute_node(node.operator, operands, plan.types[node.operands[0]].dtype, rows)
    traced: list[Tensor] = [*inputs, *bound.initializers]
    traced += [
        value.astype(DTYPES[plan.types[number].dtype])
        for number, value in enumerate(values)
        if number >= len(traced)
    ]
    return tuple(traced)


def compute_node(  # noqa: C901  # one line per operator
    operator: Operator, operands: tuple[Wide, ...], dtype: DType, rows: int
) -> tuple[Wide, ...]:
    """What one node gives.

    :param operands: int64, rows first; one row for an initialiser.
    :param dtype: element type of the first operand.
    """
    bias = operands[2] if len(operands) > 2 else None
    match operator:
        case Matmul():
            return (compute_matmul(operator, operands[0], operands[1], bias),)
        case Conv2d():
            return (compute_conv2d(operator, operands[0], operands[1], bias),)
        case Add():
            return (compute_add(operator, *operands),)
        case Mul():
            return (compute_mul(operator, *operands),)
        case Requantize():
            return (compute_requantize(operator, *operands),)
        case Clip():
            return (compute_clip(operator, *operands),)
        case Table():
            return (compute_table(dtype, *operands),)
        case MaxPool():
            return (compute_maxpool(operator, *operands),)
        case AveragePool():
            return (compute_averagepool(operator, *operands),)
        case Reshape():
            return (compute_reshape(operator, *operands),)
        case Transpose():
            return (compute_transpose(operator, *operands),)
        case Concat():
            return (compute_concat(operator, operands, rows),)
        case Gather():
            return (compute_gather(operator, operands[0], operands[1], rows),)
        case Softmax():
            return (compute_softmax(operator, *operands),)
        case LayerNorm():
            return (compute_layernorm(operator, *operands),)
        case Argmax():
            return (compute_argmax(operator, *operands),)
        case TopK():
            return compute_topk(operator, *operands)
        case _:
            assert_never(operator)
