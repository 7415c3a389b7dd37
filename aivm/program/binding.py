"""Joins a planned program with the bytes of its initialisers, and inputs with a program.

What passes here is what planning assumed: the right bytes under the right id, and every value within its
declared range.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aivm.program.errors import InitializerMismatch, InvalidInput
from aivm.program.operators import Softmax
from aivm.program.planning import Plan
from aivm.program.record import External, compute_tensor_id
from aivm.program.types import DTYPES, TensorType
from tangle.core.types import Digest

Tensor = NDArray[Any]
"""Elements of one tensor: int8, uint8 or int32; the first dimension counts rows, initialisers have none."""

ROWS_MAX = 65_536
"""Most rows of one run."""


class BoundProgram(Struct, frozen=True, eq=False):
    """A program with its weights, ready to run. ``bind_program`` makes it."""

    plan: Plan
    """The checked program."""

    initializers: tuple[Tensor, ...]
    """Values of the initialisers, read-only."""


def bind_program(plan: Plan, contents: Mapping[Digest, bytes]) -> BoundProgram:
    """Join a program with its weights.

    :param contents: bytes of every external initialiser by its id; others may be in there too.
    :raises InitializerMismatch: one is missing, or has another length, id or range than the program states.
    """
    values = []
    for place, initializer in enumerate(plan.program.initializers):
        content = initializer.content
        if isinstance(content, External):
            data = contents.get(content.tensor_id)
            if data is None:
                raise InitializerMismatch(place, f"the bytes of {content.tensor_id.hex()} are missing")
            if len(data) != initializer.type.size:
                raise InitializerMismatch(place, f"{len(data)} bytes, not {initializer.type.size}")
            if compute_tensor_id(initializer.type, data) != content.tensor_id:
                raise InitializerMismatch(place, f"the bytes are not those of {content.tensor_id.hex()}")
        else:
            data = content.data
        tensor = np.frombuffer(data, DTYPES[initializer.type.dtype]).reshape(initializer.type.shape)
        low, high = int(tensor.min()), int(tensor.max())
        if low < initializer.type.low or high > initializer.type.high:
            raise InitializerMismatch(place, f"values {low} to {high} leave the declared range")
        values.append(tensor)
    _verify_exponentials(plan, values)
    return BoundProgram(plan, tuple(values))


def verify_inputs(plan: Plan, inputs: Sequence[Tensor]) -> int:
    """Check inputs against a program, before any kernel sees them.

    :return: the number of rows.
    :raises InvalidInput: number, shape, type or range is wrong, or the inputs differ in their rows.
    """
    if len(inputs) != len(plan.input_types):
        raise InvalidInput("inputs", f"{len(inputs)} tensors, not {len(plan.input_types)}")
    rows = len(inputs[0]) if inputs[0].ndim else 0
    if not 1 <= rows <= ROWS_MAX:
        raise InvalidInput("inputs", f"{rows} rows, not 1 to {ROWS_MAX}")
    for place, (tensor, declared) in enumerate(zip(inputs, plan.input_types, strict=True)):
        _verify_input(f"inputs[{place}]", tensor, declared, rows)
    return rows


def _verify_input(name: str, tensor: Tensor, declared: TensorType, rows: int) -> None:
    if tensor.dtype != DTYPES[declared.dtype]:
        raise InvalidInput(name, f"type {tensor.dtype}, not {DTYPES[declared.dtype]}")
    if tensor.shape != (rows, *declared.shape):
        raise InvalidInput(name, f"shape {tensor.shape}, not {(rows, *declared.shape)}")
    low, high = int(tensor.min()), int(tensor.max())
    if low < declared.low or high > declared.high:
        raise InvalidInput(name, f"values {low} to {high}, not within {declared.low} to {declared.high}")


def _verify_exponentials(plan: Plan, values: list[Tensor]) -> None:
    # The largest element of a softmax has distance 0, so a first entry of 1 or more is never divided by 0.
    first = len(plan.program.inputs)
    for node in plan.program.nodes:
        if isinstance(node.operator, Softmax) and values[node.operands[1] - first][0] < 1:
            raise InitializerMismatch(node.operands[1] - first, "a table of exponentials begins with 0")
