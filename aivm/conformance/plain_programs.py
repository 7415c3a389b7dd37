"""Programs in plain Python: unbounded integers, exact fractions, one element at a time.

Makes the expected values of the vectors. It shares no line with the oracle: roundings are Python's own
(``round`` of a fraction is half to even), square roots ``math.isqrt``, and mode ORT_F32 really goes through
float32, by way of ``struct``.
"""

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product
from math import floor, isqrt

from msgspec import Struct

from aivm.program.operators import (
    Add,
    Argmax,
    AveragePool,
    Border,
    Centering,
    Clip,
    Concat,
    Conv2d,
    Gather,
    LayerNorm,
    Matmul,
    MaxPool,
    Mode,
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
from aivm.program.types import HIGHEST, LOWEST, DType

Index = tuple[int, ...]


class Plain(Struct, frozen=True):
    """One row of a tensor."""

    shape: Index
    """Lengths of the dimensions."""

    values: list[int]
    """Elements, row-major."""

    def __getitem__(self, index: Index) -> int:
        """One element."""
        place = 0
        for length, at in zip(self.shape, index, strict=True):
            place = place * length + at
        return self.values[place]

    def get_broadcast(self, index: Index) -> int:
        """The element that stands at ``index`` of a larger, broadcast shape."""
        tail = index[len(index) - len(self.shape) :]
        return self[tuple(0 if length == 1 else at for length, at in zip(self.shape, tail, strict=True))]


def make_plain(shape: Index, element: Callable[[Index], int]) -> Plain:
    """A tensor of elements computed one by one."""
    return Plain(shape, [element(index) for index in product(*map(range, shape))])


def compute_plain_program(
    plan: Plan, initializers: list[list[int]], inputs: list[list[int]]
) -> list[list[int]]:
    """Outputs of one row, each a list of elements."""
    values = [*inputs, *initializers]
    tensors = [Plain(plan.types[number].shape, each) for number, each in enumerate(values)]
    for place, node in enumerate(plan.program.nodes):
        operands = [tensors[number] for number in node.operands]
        shapes = [plan.types[number].shape for number in plan.results[place]]
        tensors += _compute(node.operator, operands, shapes, plan.types[node.operands[0]].dtype)
    return [tensors[number].values for number in plan.program.outputs]


def scale_plain(value: int, multiplier: int, shift: int, mode: Mode) -> int:
    """``value * multiplier / 2^shift`` in a mode's rounding."""
    if mode is Mode.ORT_F32:
        return round(_to_float32(_to_float32(value) * (multiplier / 2**shift)))
    exact = Fraction(value * multiplier, 2**shift)
    return round(exact) if mode is Mode.RNE64 else floor(exact + Fraction(1, 2))


def _to_float32(value: float) -> float:
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded


def _saturate(value: int, dtype: DType) -> int:
    return min(max(value, LOWEST[dtype]), HIGHEST[dtype])


def _compute(operator: Operator, operands: list[Plain], shapes: list[Index], dtype: DType) -> list[Plain]:
    if isinstance(operator, TopK):
        return [
            make_plain(shapes[0], lambda index: _get_ranked(operator, operands[0], index)[0]),
            make_plain(shapes[0], lambda index: _get_ranked(operator, operands[0], index)[1]),
        ]
    if isinstance(operator, Reshape):
        return [Plain(shapes[0], operands[0].values)]
    return [make_plain(shapes[0], lambda index: _compute_element(operator, operands, index, dtype))]


def _compute_element(  # noqa: C901  # one case per operator
    operator: Operator, operands: list[Plain], index: Index, dtype: DType
) -> int:
    first = operands[0]
    match operator:
        case Matmul():
            return _multiply(operator, operands, index)
        case Conv2d():
            return _convolve(operator, operands, index)
        case Add():
            left = (first.get_broadcast(index) - operator.left_zero) * operator.left_multiplier
            right = (operands[1].get_broadcast(index) - operator.right_zero) * operator.right_multiplier
            value = scale_plain(left + right, 1, operator.shift, operator.mode)
            return _saturate(value + operator.output_zero, operator.dtype)
        case Mul():
            left = first.get_broadcast(index) - operator.left_zero
            return left * (operands[1].get_broadcast(index) - operator.right_zero)
        case Requantize():
            place = index[operator.axis] if len(operator.shifts) > 1 else 0
            numbers = operator.multipliers[place], operator.shifts[place]
            value = scale_plain(first[index] - operator.input_zero, *numbers, operator.mode)
            return _saturate(value + operator.output_zero, operator.dtype)
        case Clip():
            return min(max(first[index], operator.low), operator.high)
        case Table():
            return operands[1].values[first[index] - LOWEST[dtype]]
        case MaxPool() | AveragePool():
            return _pool(operator, first, index)
        case Transpose():
            return first[tuple(index[operator.order.index(place)] for place in range(len(index)))]
        case Concat():
            return _get_joined(operator, operands, index)
        case Gather():
            after = operator.axis + len(operands[1].shape)
            place = operands[1][index[operator.axis : after]]
            return first[(*index[: operator.axis], place, *index[after:])]
        case Softmax():
            return _compute_share(operator, first, operands[1], index)
        case LayerNorm():
            return _normalize(operator, operands, index)
        case Argmax():
            line = _get_line(first, operator.axis, (*index[: operator.axis], 0, *index[operator.axis :]))
            return line.index(max(line))
        case _:
            raise AssertionError(operator)  # Reshape and TopK have been dealt with


def _multiply(operator: Matmul, operands: list[Plain], index: Index) -> int:
    left, right = operands[0], operands[1]
    leading = index[: len(right.shape) - 2]
    total = operands[2].values[index[-1]] if len(operands) > 2 else 0
    for k in range(left.shape[-1]):
        factor = right[(*leading, k, index[-1])] - operator.right_zero
        total += (left[(*index[:-1], k)] - operator.left_zero) * factor
    return total


def _convolve(operator: Conv2d, operands: list[Plain], index: Index) -> int:
    image, kernels = operands[0], operands[1]
    output, y, x = index
    depth = kernels.shape[1]
    start = output // (kernels.shape[0] // operator.groups) * depth
    total = operands[2].values[output] if len(operands) > 2 else 0
    for c, i, j in product(*map(range, kernels.shape[1:])):
        row = y * operator.strides[0] + i * operator.dilations[0] - operator.pads[0]
        column = x * operator.strides[1] + j * operator.dilations[1] - operator.pads[1]
        if 0 <= row < image.shape[1] and 0 <= column < image.shape[2]:
            factor = kernels[(output, c, i, j)] - operator.right_zero
            total += (image[(start + c, row, column)] - operator.left_zero) * factor
    return total


def _pool(operator: MaxPool | AveragePool, image: Plain, index: Index) -> int:
    inside = list(_get_window(operator, image, index))
    if isinstance(operator, MaxPool):
        return max(inside)
    count = operator.kernel[0] * operator.kernel[1] if operator.border is Border.COUNTED else len(inside)
    total = sum(value - operator.input_zero for value in inside)
    return round(Fraction(total, count)) + operator.input_zero


def _get_window(operator: MaxPool | AveragePool, image: Plain, index: Index) -> Iterator[int]:
    apart = operator.dilations if isinstance(operator, MaxPool) else (1, 1)
    for i, j in product(*map(range, operator.kernel)):
        row = index[1] * operator.strides[0] + i * apart[0] - operator.pads[0]
        column = index[2] * operator.strides[1] + j * apart[1] - operator.pads[1]
        if 0 <= row < image.shape[1] and 0 <= column < image.shape[2]:
            yield image[(index[0], row, column)]


def _get_joined(operator: Concat, operands: list[Plain], index: Index) -> int:
    place = index[operator.axis]
    for operand in operands:
        if place < operand.shape[operator.axis]:
            return operand[(*index[: operator.axis], place, *index[operator.axis + 1 :])]
        place -= operand.shape[operator.axis]
    raise AssertionError("the result is as long as its operands")


def _get_line(tensor: Plain, axis: int, index: Index) -> list[int]:
    return [tensor[(*index[:axis], place, *index[axis + 1 :])] for place in range(tensor.shape[axis])]


def _get_ranked(operator: TopK, tensor: Plain, index: Index) -> tuple[int, int]:
    line = _get_line(tensor, operator.axis, index)
    order = sorted(range(len(line)), key=lambda place: (-line[place], place))
    place = order[index[operator.axis]]
    return line[place], place


def _compute_share(operator: Softmax, tensor: Plain, table: Plain, index: Index) -> int:
    line = _get_line(tensor, operator.axis, index)
    exponentials = [table.values[max(line) - value] for value in line]
    share = round(Fraction(256 * exponentials[index[operator.axis]], sum(exponentials)))
    return min(255, share) + LOWEST[operator.dtype]


def _normalize(operator: LayerNorm, operands: list[Plain], index: Index) -> int:
    line = [value - operator.input_zero for value in _get_line(operands[0], len(index) - 1, index)]
    mean = Fraction(sum(line), len(line)) if operator.centering is Centering.MEAN else Fraction(0)
    variance = sum((value - mean) ** 2 for value in line) / len(line)
    root = isqrt(int(variance * len(line) ** 2) * 2**16 + operator.epsilon)
    normalized = round(Fraction((line[index[-1]] - mean) * len(line) * 2**24) / root)
    gain, offset = operands[1].values[index[-1]], operands[2].values[index[-1]]
    value = round(Fraction(normalized * gain + offset * 2**16, 2**operator.shift))
    return _saturate(value + operator.output_zero, operator.dtype)
