"""The seam: who runs a bound program for somebody, and what every twin checks before and after.

``InlineRunner`` computes on the spot, for the simulator and for tests; ``pool.ProgramPool`` in worker
processes. For a task that keeps to its limits both give the same outcome.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from aivm.backends.program_protocol import ProgramBackend
from aivm.program.binding import BoundProgram, Tensor, verify_inputs
from aivm.program.types import DTYPES, TensorType
from tangle.core.errors import TangleError
from tangle.node.sandbox.limits import INPUT_BYTES_MAX, TaskLimits
from tangle.node.sandbox.outcomes import AnswerInvalid, Completed, Outcome, OutputExhausted, Refused
from tangle.node.sandbox.wire import Kind


class SandboxBusy(TangleError):
    """More tasks wait for a worker than may; ask again later."""

    code = "sandbox-busy"

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        super().__init__(f"{waiting} tasks are waiting for a worker; try again in a few seconds")


class InputTooLarge(TangleError):
    """Inputs that are longer than a task's may be."""

    code = "task-input-too-large"

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        super().__init__(f"the inputs have {size} bytes, over the limit of {limit}; send fewer rows")


class ProgramRunner(Protocol):
    """Runs programs of strangers."""

    async def run(
        self,
        bound: BoundProgram,
        inputs: Sequence[Tensor],
        *,
        kind: Kind = Kind.OUTPUTS,
        limits: TaskLimits | None = None,
    ) -> Outcome:
        """Run one program over some rows.

        :param inputs: one tensor for each input, rows first, as the program declares them.
        :param kind: outputs, or the trace: every tensor by its number, initialisers without rows.
        :param limits: what it may take; the usual when left out.
        :return: tensors of the program's types, or why there are none. No program makes it raise.
        :raises SandboxBusy: too many tasks are waiting.
        """


class InlineRunner:
    """The twin that computes on the spot, unprotected: only limits on sizes hold."""

    def __init__(self, backend: ProgramBackend) -> None:
        self._backend = backend

    async def run(
        self,
        bound: BoundProgram,
        inputs: Sequence[Tensor],
        *,
        kind: Kind = Kind.OUTPUTS,
        limits: TaskLimits | None = None,
    ) -> Outcome:
        """Run one program over some rows."""
        refusal = examine_task(bound, inputs, kind, limits or TaskLimits())
        if refusal is not None:
            return refusal
        try:
            if kind is Kind.OUTPUTS:
                return Completed(tuple(self._backend.run(bound, inputs)), 0.0, 0.0)
            return Completed(tuple(self._backend.trace(bound, inputs)), 0.0, 0.0)
        except TangleError as error:
            return Refused(error.code, str(error))


def get_answer_types(bound: BoundProgram, kind: Kind) -> tuple[TensorType, ...]:
    """Types of the tensors that a worker answers with: the outputs, or what the nodes give."""
    plan = bound.plan
    if kind is Kind.OUTPUTS:
        return plan.output_types
    return plan.types[len(plan.program.inputs) + len(plan.program.initializers) :]


def examine_task(
    bound: BoundProgram, inputs: Sequence[Tensor], kind: Kind, limits: TaskLimits
) -> Refused | OutputExhausted | None:
    """What can be said before anything runs; nothing where the task may run."""
    try:
        rows = verify_inputs(bound.plan, inputs)
        size = sum(tensor.nbytes for tensor in inputs)
        if size > INPUT_BYTES_MAX:
            raise InputTooLarge(size, INPUT_BYTES_MAX)
    except TangleError as error:
        return Refused(error.code, str(error))
    if rows * sum(each.size for each in get_answer_types(bound, kind)) > limits.output_bytes:
        return OutputExhausted(limits.output_bytes)
    return None


def examine_answer(
    types: Sequence[TensorType], rows: int, answer: Sequence[bytes]
) -> tuple[Tensor, ...] | AnswerInvalid:
    """Tensors of an answer, if they are what the program gives: number, length, range of values."""
    if len(answer) != len(types):
        return AnswerInvalid(f"{len(answer)} tensors, not {len(types)}")
    tensors = []
    for place, (data, declared) in enumerate(zip(answer, types, strict=True)):
        if len(data) != rows * declared.size:
            return AnswerInvalid(f"tensor {place} has {len(data)} bytes, not {rows * declared.size}")
        tensor = np.frombuffer(data, DTYPES[declared.dtype]).reshape(rows, *declared.shape)
        low, high = int(tensor.min()), int(tensor.max())
        if low < declared.low or high > declared.high:
            return AnswerInvalid(
                f"tensor {place} has values {low} to {high}, not {declared.low} to {declared.high}"
            )
        tensors.append(tensor)
    return tuple(tensors)
