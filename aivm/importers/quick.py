"""Runs a program on the processor with numpy's fast products: to measure accuracy, not to be paid for.

Sums of products are below 2^31, so float64 products are exact, and every output is that of the definition;
only these two operators are computed otherwise than there.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from aivm.importers.graph import Array
from aivm.oracle.graph.rounding import Wide
from aivm.oracle.graph.run import compute_node
from aivm.program.binding import BoundProgram, Tensor, verify_inputs
from aivm.program.operators import Conv2d, Matmul
from aivm.program.types import DTYPES

UNFOLDED_MAX: Final = 2**24
"""Most elements of an unfolded image at a time: 128 MiB of float64."""


def run_quickly(bound: BoundProgram, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Outputs of a program.

    :raises InvalidInput: the inputs are not what the program declares.
    """
    plan = bound.plan
    rows = verify_inputs(plan, inputs)
    values: dict[int, Wide] = {}
    for number, tensor in enumerate((*inputs, *bound.initializers)):
        values[number] = tensor.astype(np.int64) if number < len(inputs) else tensor.astype(np.int64)[None]
    last = {number: place for place, node in enumerate(plan.program.nodes) for number in node.operands}
    for place, node in enumerate(plan.program.nodes):
        operands = tuple(values[number] for number in node.operands)
        match node.operator:
            case Matmul() as operator if plan.is_constant(node.operands[1]) and operands[1].ndim == 3:
                given: tuple[Wide, ...] = (_multiply(operator, operands),)
            case Conv2d() as operator:
                given = (_convolve(operator, operands),)
            case operator:
                given = compute_node(operator, operands, plan.types[node.operands[0]].dtype, rows)
        values.update(zip(plan.results[place], given, strict=True))
        for number in node.operands:
            if last[number] == place and number not in plan.program.outputs:
                values.pop(number, None)
    return tuple(values[number].astype(DTYPES[plan.types[number].dtype]) for number in plan.program.outputs)


def _multiply(operator: Matmul, operands: tuple[Wide, ...]) -> Wide:
    left = (operands[0] - operator.left_zero).astype(np.float64)
    right = (operands[1][0] - operator.right_zero).astype(np.float64)
    sums: Wide = (left @ right).astype(np.int64)
    return sums if len(operands) < 3 else sums + operands[2][0]


def _convolve(operator: Conv2d, operands: tuple[Wide, ...]) -> Wide:
    top, left, bottom, right = operator.pads
    image = np.pad(operands[0] - operator.left_zero, ((0, 0), (0, 0), (top, bottom), (left, right)))
    kernels = (operands[1][0] - operator.right_zero).astype(np.float64)
    count, depth, height, width = kernels.shape
    (step_y, step_x), (apart_y, apart_x) = operator.strides, operator.dilations
    reach = (height - 1) * apart_y + 1, (width - 1) * apart_x + 1
    windows = sliding_window_view(image.astype(np.float64), reach, axis=(2, 3))
    windows = windows[:, :, ::step_y, ::step_x, ::apart_y, ::apart_x]
    per_group = count // operator.groups
    together = max(1, UNFOLDED_MAX // max(1, windows[0].size // operator.groups))
    rows: list[Array] = []
    for start in range(0, len(windows), together):
        parts: list[Array] = []
        for group in range(operator.groups):
            chosen = windows[start : start + together, group * depth : (group + 1) * depth]
            own = kernels[group * per_group : (group + 1) * per_group]
            parts.append(np.tensordot(chosen, own, axes=((1, 4, 5), (1, 2, 3))))
        rows.append(np.moveaxis(np.concatenate(parts, axis=3), 3, 1))
    sums = np.concatenate(rows).astype(np.int64)
    return sums if len(operands) < 3 else sums + operands[2][0].reshape(1, -1, 1, 1)
