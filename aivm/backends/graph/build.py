"""A whole program as one tinygrad expression."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, assert_never

import numpy as np
from numpy.typing import NDArray
from tinygrad import Tensor, dtypes

from aivm.backends.graph.layout import build_concat, build_gather, build_reshape, build_transpose
from aivm.backends.graph.linear import build_conv2d, build_matmul
from aivm.backends.graph.normalizing import build_layernorm, build_softmax
from aivm.backends.graph.pooling import build_averagepool, build_maxpool, compute_divisors
from aivm.backends.graph.ranking import build_argmax, build_topk
from aivm.backends.graph.scaling import build_add, build_mul, build_requantize, build_table
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
from aivm.program.planning import Plan
from aivm.program.types import DType

STORED: Final = {DType.INT8: dtypes.int8, DType.UINT8: dtypes.uint8, DType.INT32: dtypes.int32}
"""tinygrad's name of every element type."""

FUSED: Final = (Requantize, Clip)
"""Operators computed in the kernel that makes their operand, when nobody else reads it."""


def compute_constants(plan: Plan) -> dict[int, tuple[NDArray[Any], ...]]:
    """Arrays that nodes need beside their operands, by the node's number; computed once."""
    constants: dict[int, tuple[NDArray[Any], ...]] = {}
    for place, node in enumerate(plan.program.nodes):
        operator = node.operator
        if isinstance(operator, Requantize) and len(operator.multipliers) > 1:
            constants[place] = (
                np.array(operator.multipliers, np.int64),
                np.array(operator.shifts, np.int64),
            )
        if isinstance(operator, AveragePool):
            divisors = compute_divisors(operator, plan.types[node.operands[0]].shape)
            constants[place] = (divisors, np.ones((1, 1, *operator.kernel), np.int32))
    return constants


def build_tensors(
    plan: Plan,
    inputs: Sequence[Tensor],
    initializers: Sequence[Tensor],
    constants: Mapping[int, tuple[Tensor, ...]],
    wanted: Sequence[int],
) -> list[Tensor]:
    """The tensors numbered ``wanted``, each of its stored type.

    :param inputs: rows first.
    :param initializers: without rows.
    """
    rows = int(inputs[0].shape[0])
    values = [*inputs, *(tensor.reshape(1, *tensor.shape) for tensor in initializers)]
    fused = _find_fused(plan, wanted)
    for place, node in enumerate(plan.program.nodes):
        operands = tuple(values[number] for number in node.operands)
        dtype = plan.types[node.operands[0]].dtype
        given = build_node(node.operator, operands, dtype, rows, constants.get(place, ()))
        for number, tensor in zip(plan.results[place], given, strict=True):
            stored = tensor.cast(STORED[plan.types[number].dtype])
            values.append(stored if number in fused else stored.contiguous())
    return [values[number].contiguous() for number in wanted]


def build_node(  # noqa: C901  # one line per operator
    operator: Operator, operands: tuple[Tensor, ...], dtype: DType, rows: int, constants: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """What one node gives, before it is stored.

    :param dtype: element type of the first operand.
    """
    bias = operands[2] if len(operands) > 2 else None
    match operator:
        case Matmul():
            return (build_matmul(operator, operands[0], operands[1], bias),)
        case Conv2d():
            return (build_conv2d(operator, operands[0], operands[1], bias),)
        case Add():
            return (build_add(operator, *operands),)
        case Mul():
            return (build_mul(operator, *operands),)
        case Requantize():
            return (build_requantize(operator, operands[0], constants),)
        case Clip(low=low, high=high):
            return (operands[0].cast(dtypes.int32).clip(low, high),)
        case Table():
            return (build_table(dtype, *operands),)
        case MaxPool():
            return (build_maxpool(operator, *operands),)
        case AveragePool():
            return (build_averagepool(operator, operands[0], *constants),)
        case Reshape():
            return (build_reshape(operator, *operands),)
        case Transpose():
            return (build_transpose(operator, *operands),)
        case Concat():
            return (build_concat(operator, operands, rows),)
        case Gather():
            return (build_gather(operator, *operands),)
        case Softmax():
            return (build_softmax(operator, *operands),)
        case LayerNorm():
            return (build_layernorm(operator, *operands),)
        case Argmax():
            return (build_argmax(operator, *operands),)
        case TopK():
            return build_topk(operator, *operands)
        case _:
            assert_never(operator)


def _find_fused(plan: Plan, wanted: Sequence[int]) -> set[int]:
    # A tensor that is stored anyway, or read twice, is a kernel's end: nothing is computed twice.
    readers: dict[int, list[Operator]] = {}
    for node in plan.program.nodes:
        for number in node.operands:
            readers.setdefault(number, []).append(node.operator)
    return {
        number
        for number, operators in readers.items()
        if number not in wanted and len(operators) == 1 and isinstance(operators[0], FUSED)
    }
