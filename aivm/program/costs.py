"""What a program costs, counted from its graph: known before anything runs, the base of its price.

``macs`` are the multiply-accumulates of ``Matmul`` and ``Conv2d``, borders included; ``steps`` the elementary
steps of all other operators, one for every element that is read, compared or written in the definition; bytes
are counted where tensors enter and leave operators.
"""

from math import prod

from msgspec import Struct

from aivm.program.operators import (
    AveragePool,
    Conv2d,
    Gather,
    LayerNorm,
    Matmul,
    MaxPool,
    Operator,
    Softmax,
    TopK,
)
from aivm.program.types import TensorType

SOFTMAX_STEPS = 4
"""Steps per element: the maximum, the look-up, the sum, the division."""

LAYERNORM_STEPS = 6
"""Steps per element: two sums, centring, division, gain, rounding."""

ISQRT_STEPS = 31
"""Steps of one integer square root: one per bit."""


class Cost(Struct, frozen=True, array_like=True):
    """Work for one row."""

    macs: int
    """Multiply-accumulates."""

    steps: int
    """Elementary steps of all other operators."""

    bytes_moved: int
    """Bytes that operators read and write, initialisers included."""

    def __add__(self, other: "Cost") -> "Cost":
        """Both together."""
        return Cost(self.macs + other.macs, self.steps + other.steps, self.bytes_moved + other.bytes_moved)


def compute_cost(
    operators: tuple[Operator, ...], operands: tuple[TensorType, ...], results: tuple[TensorType, ...]
) -> Cost:
    """Cost of the node ``operators[0]`` with these operands and results; nothing for no operator."""
    if not operators:
        return Cost(0, 0, 0)
    moved = sum(tensor.size for tensor in (*operands, *results))
    elements = results[0].elements
    match operators[0]:
        case Matmul():
            return Cost(elements * operands[0].shape[-1], 0, moved)
        case Conv2d():
            return Cost(elements * prod(operands[1].shape[1:]), 0, moved)
        case MaxPool(kernel=kernel) | AveragePool(kernel=kernel):
            return Cost(0, elements * prod(kernel), moved)
        case Softmax():
            return Cost(0, elements * SOFTMAX_STEPS, moved)
        case LayerNorm():
            rows = elements // operands[0].shape[-1]
            return Cost(0, elements * LAYERNORM_STEPS + rows * ISQRT_STEPS, moved)
        case TopK(axis=axis):
            return Cost(0, operands[0].elements * operands[0].shape[axis], moved)
        case Gather():
            return Cost(0, elements, operands[1].size + 2 * results[0].size)
        case _:  # one step for every element read
            return Cost(0, sum(tensor.elements for tensor in operands), moved)
