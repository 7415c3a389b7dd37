"""Programs through tinygrad: compiled once per program and bucket of rows, then reused.

Weights stay on the device; a run writes inputs and reads outputs. Every compiled program runs once on fixed
inputs and is compared with the oracle on some of their rows; kernels called by address are used when they
give the same bits, else tinygrad's replay, else kernels without optimisation, and a device on which those
differ too is refused. Not thread-safe, as tinygrad is not: one thread of one worker process.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from tinygrad import Tensor as DeviceTensor

from aivm.backends.graph.build import build_tensors, compute_constants
from aivm.backends.internals import Resident, Run, capture, get_direct_run, get_renderer, read_tensor
from aivm.errors import ConformanceFailure, UnsupportedCapture
from aivm.oracle.graph.run import trace_program
from aivm.program.binding import BoundProgram, Tensor, verify_inputs
from aivm.program.planning import Plan
from aivm.program.types import DTYPES, TensorType
from tangle.core.types import Digest

ROW_BUCKETS: Final = (1, 8, 64)
"""Rows per compiled program: one inference, a small batch, a data set in pieces."""

ELEMENTS_MAX: Final = 2**27
"""Most elements of all tensors of one compiled program; wider programs get smaller buckets."""

PROGRAMS_MAX: Final = 16
"""Most compiled programs kept, the least recently used one is dropped: bounds memory against many models."""

MISTAKEN_RENDERERS: Final = ("X86Renderer",)
"""Renderers whose optimised kernels are wrong in tinygrad 0.14.0: this one loses bytes when it runs out of
registers. They get plain loops, which are right."""

TRIAL_ROWS: Final = 2
"""Rows of a trial that the oracle computes, too: it is slow, and all rows run through the same kernels."""


class _Compiled(Struct, frozen=True, eq=False):
    run: Run
    inputs: tuple[Resident, ...]
    outputs: tuple[DeviceTensor, ...]
    wanted: tuple[int, ...]
    bucket: int


class TinygradPrograms:
    """Runs programs on one device of tinygrad's."""

    def __init__(self, device: str = "CPU", *, is_direct_allowed: bool = True, beam: int = 0) -> None:
        """:param device: tinygrad's name; ``aivm.backends.discovery`` says which can be opened.

        :param is_direct_allowed: whether CPU kernels may be called by address; False is for comparison.
        :param beam: width of tinygrad's search for fast kernels, which takes minutes; 0 is none.
        """
        self._beam = beam
        self._device = device
        self._is_direct_allowed = is_direct_allowed and device == "CPU"
        self._compiled: OrderedDict[tuple[Digest, int, bool], _Compiled] = OrderedDict()

    @property
    def name(self) -> str:
        """Name of the implementation."""
        return "tinygrad"

    @property
    def device(self) -> str:
        """Name of the device, as tinygrad calls it."""
        return self._device

    def prepare(self, bound: BoundProgram, rows: int, *, is_trace: bool = False) -> None:
        """Compile whatever a run or trace over ``rows`` rows needs, so that it is quick.

        :raises ConformanceFailure: the device computes other bits.
        """
        self._get(bound, _choose_bucket(bound.plan, rows), is_trace)

    def run(self, bound: BoundProgram, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Outputs of a program: one tensor each, rows first.

        :raises InvalidInput: the inputs are not what the program declares.
        :raises ConformanceFailure: the device computes other bits than the oracle in a new program's trial.
        """
        return self._run(bound, inputs, is_trace=False)

    def trace(self, bound: BoundProgram, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Every tensor of a run by its number; initialisers without rows.

        :raises InvalidInput: the inputs are not what the program declares.
        :raises ConformanceFailure: the device computes other bits than the oracle in a new program's trial.
        """
        return (*inputs, *bound.initializers, *self._run(bound, inputs, is_trace=True))

    def _run(self, bound: BoundProgram, inputs: Sequence[Tensor], *, is_trace: bool) -> tuple[Tensor, ...]:
        rows = verify_inputs(bound.plan, inputs)
        bucket = _choose_bucket(bound.plan, rows)
        compiled = self._get(bound, bucket, is_trace)
        pieces = [
            _run_compiled(bound.plan, compiled, [tensor[start : start + bucket] for tensor in inputs])
            for start in range(0, rows, bucket)
        ]
        return tuple(np.concatenate(of_output) for of_output in zip(*pieces, strict=True))

    def _get(self, bound: BoundProgram, bucket: int, is_trace: bool) -> _Compiled:
        key = (bound.plan.program_id, bucket, is_trace)
        if key not in self._compiled:
            self._compiled[key] = self._compile(bound, bucket, is_trace)
            if len(self._compiled) > PROGRAMS_MAX:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(key)
        return self._compiled[key]

    def _compile(self, bound: BoundProgram, bucket: int, is_trace: bool) -> _Compiled:
        plan = bound.plan
        first = len(plan.program.inputs) + len(plan.program.initializers)
        wanted = tuple(range(first, len(plan.types))) if is_trace else plan.program.outputs
        trial = make_trial_inputs(plan, bucket)
        inputs = self._place(trial)
        weights = [resident.tensor for resident in self._place(bound.initializers)]
        constants = {
            node: tuple(resident.tensor for resident in self._place(arrays))
            for node, arrays in compute_constants(plan).items()
        }
        tensors = [resident.tensor for resident in inputs]
        checked = tuple(tensor[:TRIAL_ROWS] for tensor in trial)
        traced = trace_program(bound, checked)
        expected = [traced[number] for number in wanted]
        for run, outputs in self._make_runs(lambda: build_tensors(plan, tensors, weights, constants, wanted)):
            compiled = _Compiled(run, inputs, tuple(outputs), wanted, bucket)
            found = _run_compiled(plan, compiled, trial)
            pairs = zip(found, expected, strict=True)
            if all(np.array_equal(each[:TRIAL_ROWS], right) for each, right in pairs):
                return compiled
        raise ConformanceFailure(
            self.name, self._device, f"trial of program {plan.program_id.hex()}", "differs from the oracle"
        )

    def _place(self, values: Sequence[NDArray[Any]]) -> tuple[Resident, ...]:
        return tuple(Resident(value, self._device) for value in values)

    def _make_runs(self, build: Callable[[], list[DeviceTensor]]) -> Iterator[tuple[Run, list[DeviceTensor]]]:
        # The quickest first; plain kernels only where the optimised ones are known or seen to err.
        is_mistaken = get_renderer(self._device) in MISTAKEN_RENDERERS
        for is_plain in (True,) if is_mistaken else (False, True):
            replay, outputs = capture(build, beam=self._beam, is_plain=is_plain)
            if self._is_direct_allowed:
                with suppress(UnsupportedCapture):  # replay gives the same bits, a little later
                    yield get_direct_run(replay), outputs
            yield replay, outputs


def make_trial_inputs(plan: Plan, rows: int) -> tuple[Tensor, ...]:
    """Fixed inputs within a program's ranges: rows of extremes first, then uniform ones."""
    return tuple(_make_trial(tensor, rows, place) for place, tensor in enumerate(plan.input_types))


def _make_trial(tensor: TensorType, rows: int, place: int) -> Tensor:
    count = rows * tensor.elements
    data = hashlib.shake_256(b"aivm program trial" + bytes([place])).digest(4 * count)
    span = tensor.high - tensor.low + 1
    values = tensor.low + np.frombuffer(data, "<u4").astype(np.int64) % span
    trial = values.reshape(rows, *tensor.shape)
    trial[0] = np.where(trial[0] % 2 == 0, tensor.low, tensor.high)
    return trial.astype(DTYPES[tensor.dtype])


def _choose_bucket(plan: Plan, rows: int) -> int:
    elements = sum(
        tensor.elements for number, tensor in enumerate(plan.types) if not plan.is_constant(number)
    )
    largest = max(1, ELEMENTS_MAX // elements)
    allowed = [size for size in ROW_BUCKETS if size <= largest]
    return next((size for size in allowed if size >= rows), allowed[-1])


def _run_compiled(plan: Plan, compiled: _Compiled, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    rows = len(inputs[0])
    for resident, tensor in zip(compiled.inputs, inputs, strict=True):
        resident.write(_pad(tensor, compiled.bucket))
    compiled.run()
    found = []
    for number, output in zip(compiled.wanted, compiled.outputs, strict=True):
        tensor_type = plan.types[number]
        values = read_tensor(output, DTYPES[tensor_type.dtype].type)
        found.append(values.reshape(compiled.bucket, *tensor_type.shape)[:rows])
    return tuple(found)


def _pad(values: Tensor, count: int) -> Tensor:
    # With copies of the first row: they are within the declared range, which zeros need not be.
    if len(values) == count:
        return values
    return np.concatenate([values, np.repeat(values[:1], count - len(values), axis=0)])
