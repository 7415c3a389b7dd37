"""Costs are exact functions of the graph."""

import numpy as np

from aivm.program.building import ProgramBuilder, make_input
from aivm.program.costs import Cost
from aivm.program.operators import (
    AveragePool,
    Border,
    Centering,
    Clip,
    Conv2d,
    Gather,
    LayerNorm,
    Matmul,
    MaxPool,
    Mode,
    Operator,
    Requantize,
    Softmax,
    TopK,
)
from aivm.program.types import DType, TensorType

ONE = (1, 1)
NONE = (0, 0, 0, 0)


def _cost(
    operator: Operator, operand: TensorType, *constants: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
) -> Cost:
    builder = ProgramBuilder()
    handles = [builder.add_input(operand), *map(builder.add_initializer, constants)]
    return builder.build(builder.add_many(operator, *handles)[0]).cost


def test_products_are_counted_with_their_bytes() -> None:
    weights, bias = np.ones((7, 5), np.int8), np.zeros(5, np.int32)
    operand = make_input(DType.INT8, 3, 7)
    assert _cost(Matmul(0, 0), operand, weights) == Cost(3 * 7 * 5, 0, 21 + 35 + 4 * 15)
    assert _cost(Matmul(0, 0), operand, weights, bias) == Cost(3 * 7 * 5, 0, 21 + 35 + 20 + 4 * 15)
    kernels = np.ones((6, 2, 3, 2), np.int8)
    convolution = Conv2d((1, 2), (1, 1, 1, 1), ONE, 2, 0, 0)
    outputs = 6 * 8 * 5
    image = make_input(DType.INT8, 4, 8, 8)
    assert _cost(convolution, image, kernels) == Cost(outputs * 2 * 3 * 2, 0, 256 + 72 + 4 * outputs)


def test_other_operators_are_counted_in_steps() -> None:
    image = make_input(DType.INT8, 2, 6, 6)
    assert _cost(Clip(0, 1), image) == Cost(0, 72, 144)
    assert _cost(MaxPool((3, 2), ONE, NONE, ONE), image) == Cost(0, 2 * 4 * 5 * 6, 72 + 40)
    assert _cost(AveragePool((6, 6), ONE, NONE, Border.IGNORED, 0), image) == Cost(0, 2 * 36, 72 + 2)
    row = make_input(DType.INT8, 3, 4)
    assert _cost(Softmax(1, DType.INT8), row, np.full(256, 9, np.int32)) == Cost(0, 48, 12 + 1024 + 12)
    assert _cost(TopK(1, 2), row) == Cost(0, 12 * 4, 12 + 6 + 4 * 6)
    scale = np.ones(4, np.int32)
    normalization = LayerNorm(Centering.MEAN, 0, 1, 16, DType.INT8, 0)
    assert _cost(normalization, row, scale, scale) == Cost(0, 12 * 6 + 3 * 31, 12 + 16 + 16 + 12)
    words = make_input(DType.INT8, 100, 8)
    assert _cost(Gather(0), words, np.zeros(3, np.int32)) == Cost(0, 24, 12 + 2 * 24)


def test_the_cost_of_a_network_is_the_sum_of_its_nodes() -> None:
    builder = ProgramBuilder()
    hidden = builder.add_input(make_input(DType.INT8, 64))
    for width in (32, 10):
        weights = builder.add_initializer(np.ones((hidden.type.shape[0], width), np.int8))
        sums = builder.add(Matmul(0, 0), hidden, weights)
        hidden = builder.add(Requantize(Mode.RNE64, DType.INT8, 0, (2**30,), (36,), 0, 0), sums)
    cost = builder.build(hidden).cost
    assert cost.macs == 64 * 32 + 32 * 10
    assert cost.steps == 32 + 10
    assert cost.bytes_moved == (64 + 64 * 32 + 128 + 128 + 32) + (32 + 320 + 40 + 40 + 10)
