"""The rule of every operator."""

from typing import assert_never

from aivm.program.inference.layout import infer_concat, infer_gather, infer_reshape, infer_transpose
from aivm.program.inference.linear import infer_conv2d, infer_matmul
from aivm.program.inference.normalizing import infer_layernorm, infer_softmax
from aivm.program.inference.pooling import infer_averagepool, infer_maxpool
from aivm.program.inference.ranking import infer_argmax, infer_topk
from aivm.program.inference.scaling import infer_add, infer_clip, infer_mul, infer_requantize, infer_table
from aivm.program.inference.site import Site
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
from aivm.program.types import TensorType


def infer(operator: Operator, site: Site) -> tuple[TensorType, ...]:  # noqa: C901  # one line per operator
    """Types of what a node gives.

    :raises InvalidProgram: operands or attributes do not fit the operator.
    """
    match operator:
        case Matmul():
            return infer_matmul(operator, site)
        case Conv2d():
            return infer_conv2d(operator, site)
        case Add():
            return infer_add(operator, site)
        case Mul():
            return infer_mul(operator, site)
        case Requantize():
            return infer_requantize(operator, site)
        case Clip():
            return infer_clip(operator, site)
        case Table():
            return infer_table(site)
        case MaxPool():
            return infer_maxpool(operator, site)
        case AveragePool():
            return infer_averagepool(operator, site)
        case Reshape():
            return infer_reshape(operator, site)
        case Transpose():
            return infer_transpose(operator, site)
        case Concat():
            return infer_concat(operator, site)
        case Gather():
            return infer_gather(operator, site)
        case Softmax():
            return infer_softmax(operator, site)
        case LayerNorm():
            return infer_layernorm(operator, site)
        case Argmax():
            return infer_argmax(operator, site)
        case TopK():
            return infer_topk(operator, site)
        case _:
            assert_never(operator)
