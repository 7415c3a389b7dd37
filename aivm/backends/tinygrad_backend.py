"""The tinygrad twin: the same integers through compiled kernels, on any device that tinygrad opens.

A program is compiled once per shape and bucket (number of evaluations, padded up), then reused. Each new
program runs once on fixed test inputs and is compared with the numpy twin; kernels called by address are used
when they give the same bits, tinygrad's replay otherwise, and a device on which that differs too is refused.
Not thread-safe, as tinygrad is not: one thread of one worker process.
"""

from collections import OrderedDict
from contextlib import suppress
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from tinygrad import Tensor

from aivm.backends.internals import Resident, Run, capture, get_direct_run, read_tensor
from aivm.backends.kernels import EvaluationTensors, build_logits, build_results
from aivm.backends.numpy_backend import NumpyBackend
from aivm.backends.trial import make_trial_batch
from aivm.batch import EvaluationBatch, Rows, Weights, verify_rows, verify_weights
from aivm.errors import ConformanceFailure, UnsupportedCapture
from aivm.layered import EvaluationShape, LayeredShape

BUCKETS: Final = (8, 64)
"""Evaluations per program. Only two, because lowering each takes a second of every new process; 64, because a
larger one is hardly quicker per evaluation and makes small batches wait."""

ROW_BUCKETS: Final = (1, 32, 512)
"""Rows per unperturbed program: one inference, a small batch, a holdout."""

ACTIVATIONS_MAX: Final = 2**24
"""Most hidden activations of one program: 64 MiB of int32; wider models get smaller buckets."""

PROGRAMS_MAX: Final = 32
"""Most compiled programs kept; the least recently used one is dropped. Bounds memory against many jobs."""


class _Program(Struct, frozen=True, eq=False):
    run: Run
    rows: Resident
    labels: Resident
    weights: tuple[Resident, ...]
    left: tuple[Resident, ...]
    right: tuple[Resident, ...]
    output: Tensor
    bucket: int


class _LogitsProgram(Struct, frozen=True, eq=False):
    run: Run
    rows: Resident
    weights: tuple[Resident, ...]
    output: Tensor
    bucket: int


class TinygradBackend:
    """Evaluates through tinygrad on one device."""

    def __init__(self, device: str = "CPU", *, is_direct_allowed: bool = True) -> None:
        """:param device: tinygrad's name; ``aivm.backends.discovery`` says which can be opened.

        :param is_direct_allowed: whether CPU kernels may be called by address; False is for comparison.
        """
        self._device = device
        self._is_direct_allowed = is_direct_allowed and device == "CPU"
        self._reference = NumpyBackend()
        self._programs: OrderedDict[tuple[EvaluationShape, int], _Program] = OrderedDict()
        self._logits_programs: OrderedDict[tuple[LayeredShape, int], _LogitsProgram] = OrderedDict()

    @property
    def name(self) -> str:
        """Name of the implementation."""
        return "tinygrad"

    @property
    def device(self) -> str:
        """Name of the device, as tinygrad calls it."""
        return self._device

    def prepare(self, shape: EvaluationShape) -> None:
        """Compile every bucket of ``shape``: some seconds the first time, then from the kernel cache.

        :raises ConformanceFailure: the device computes other bits.
        """
        for bucket in _get_buckets(shape):
            self._get_program(shape, bucket)

    def evaluate(self, batch: EvaluationBatch) -> NDArray[np.int64]:
        """Result of every evaluation: shape ``(evaluations,)``.

        :raises ConformanceFailure: the device computes other bits than the numpy twin in a new program's
            trial.
        """
        results = np.empty(batch.count, np.int64)
        buckets = _get_buckets(batch.shape)
        start = 0
        while start < batch.count:
            left = batch.count - start
            bucket = next((size for size in buckets if size >= left), buckets[-1])
            count = min(left, bucket)
            program = self._get_program(batch.shape, bucket)
            results[start : start + count] = _run_program(program, batch, start, count)
            start += count
        return results

    def compute_logits(self, layers: LayeredShape, weights: Weights, rows: Rows) -> NDArray[np.int32]:
        """Unperturbed logits: shape ``(rows, classes)``.

        :raises InvalidTensor: weights or rows do not fit the model.
        :raises ConformanceFailure: the device computes other bits than the numpy twin in a new program's
            trial.
        """
        verify_weights(layers, weights)
        verify_rows(layers, rows)
        logits = np.empty((len(rows), layers.sizes[-1]), np.int32)
        bucket = next((size for size in ROW_BUCKETS if size >= len(rows)), ROW_BUCKETS[-1])
        program = self._get_logits_program(layers, bucket)
        for start in range(0, len(rows), bucket):
            chunk = rows[start : start + bucket]
            logits[start : start + len(chunk)] = _run_logits(program, weights, chunk)[: len(chunk)]
        return logits

    def _get_program(self, shape: EvaluationShape, bucket: int) -> _Program:
        key = (shape, bucket)
        if key not in self._programs:
            self._programs[key] = self._compile(shape, bucket)
            if len(self._programs) > PROGRAMS_MAX:
                self._programs.popitem(last=False)
        self._programs.move_to_end(key)
        return self._programs[key]

    def _get_logits_program(self, layers: LayeredShape, bucket: int) -> _LogitsProgram:
        key = (layers, bucket)
        if key not in self._logits_programs:
            self._logits_programs[key] = self._compile_logits(layers, bucket)
            if len(self._logits_programs) > PROGRAMS_MAX:
                self._logits_programs.popitem(last=False)
        self._logits_programs.move_to_end(key)
        return self._logits_programs[key]

    def _compile(self, shape: EvaluationShape, bucket: int) -> _Program:
        trial = make_trial_batch(shape, bucket)
        rows, labels = self._place((trial.rows, trial.labels))
        weights, left, right = map(self._place, (trial.weights, trial.left, trial.right))
        inputs = EvaluationTensors(rows.tensor, labels.tensor, *map(_get_tensors, (weights, left, right)))
        replay, output = capture(lambda: build_results(shape, inputs))
        expected = self._reference.evaluate(trial)
        for run in self._get_runs(replay):
            program = _Program(run, rows, labels, weights, left, right, output, bucket)
            if np.array_equal(_run_program(program, trial, 0, bucket), expected):
                return program
        raise ConformanceFailure(self.name, self._device, f"trial of {shape}", "results differ from numpy's")

    def _compile_logits(self, layers: LayeredShape, bucket: int) -> _LogitsProgram:
        trial = make_trial_batch(EvaluationShape(layers, 1, bucket, 1, 1), 1)
        (rows,) = self._place((trial.rows,))
        weights = self._place(trial.weights)
        replay, output = capture(lambda: build_logits(layers, rows.tensor, _get_tensors(weights)))
        expected = self._reference.compute_logits(layers, trial.weights, trial.rows)
        for run in self._get_runs(replay):
            program = _LogitsProgram(run, rows, weights, output, bucket)
            if np.array_equal(_run_logits(program, trial.weights, trial.rows), expected):
                return program
        raise ConformanceFailure(self.name, self._device, f"trial of {layers}", "logits differ from numpy's")

    def _place(self, values: tuple[NDArray[Any], ...]) -> tuple[Resident, ...]:
        return tuple(Resident(value, self._device) for value in values)

    def _get_runs(self, replay: Run) -> list[Run]:
        runs = [replay]
        if self._is_direct_allowed:
            with suppress(UnsupportedCapture):  # replay gives the same bits, a little later
                runs.insert(0, get_direct_run(replay))
        return runs


def _get_buckets(shape: EvaluationShape) -> tuple[int, ...]:
    per_evaluation = 2 * shape.rows * max(shape.layers.sizes)
    largest = max(1, ACTIVATIONS_MAX // per_evaluation)
    return tuple(size for size in BUCKETS if size <= largest)


def _run_program(program: _Program, batch: EvaluationBatch, start: int, count: int) -> NDArray[np.int64]:
    program.rows.write(batch.rows)
    program.labels.write(batch.labels)
    for resident, matrix in zip(program.weights, batch.weights, strict=True):
        resident.write(matrix)
    for residents, signs in ((program.left, batch.left), (program.right, batch.right)):
        for resident, matrix in zip(residents, signs, strict=True):
            resident.write(_pad(matrix[start : start + count], program.bucket))
    program.run()
    results: NDArray[np.int64] = read_tensor(program.output, np.int32)[:count].astype(np.int64)
    return results


def _run_logits(program: _LogitsProgram, weights: Weights, rows: Rows) -> NDArray[np.int32]:
    program.rows.write(_pad(rows, program.bucket))
    for resident, matrix in zip(program.weights, weights, strict=True):
        resident.write(matrix)
    program.run()
    logits: NDArray[np.int32] = read_tensor(program.output, np.int32)
    return logits.reshape(program.bucket, -1)


def _get_tensors(residents: tuple[Resident, ...]) -> tuple[Tensor, ...]:
    return tuple(resident.tensor for resident in residents)


def _pad(values: NDArray[Any], count: int) -> NDArray[Any]:
    # Padding with zeros: a zero sign perturbs nothing, a zero row gives zero logits; both are cut off again.
    if len(values) == count:
        return values
    padded = np.zeros((count, *values.shape[1:]), values.dtype)
    padded[: len(values)] = values
    return padded
