"""Oracle, plain Python, numpy and tinygrad give the same integers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tinygrad import Tensor

from aivm.backends.internals import capture, get_direct_run
from aivm.backends.numpy_backend import NumpyBackend
from aivm.backends.protocol import Backend
from aivm.backends.tinygrad_backend import TinygradBackend
from aivm.backends.trial import make_trial_batch
from aivm.batch import EvaluationBatch
from aivm.conformance.plain import compute_plain_answers, compute_plain_logits, compute_plain_result
from aivm.errors import ConformanceFailure, InvalidTensor, UnsupportedCapture
from aivm.layered import EvaluationShape, LayeredShape
from aivm.oracle.layered import compute_answers, compute_logits, compute_results
from tests.aivm.builders import batches

DIGITS = EvaluationShape(LayeredShape((64, 32, 10), (8,)), 4, 32, 20_000, 8_000)
SMALL = EvaluationShape(LayeredShape((7, 5, 4, 3), (6, 4)), 3, 4, 900, 700)


@given(batches())
def test_oracle_agrees_with_unbounded_integers(batch: EvaluationBatch) -> None:
    shape = batch.shape
    rows, labels = batch.rows.tolist(), batch.labels.tolist()
    weights, shifts = [matrix.tolist() for matrix in batch.weights], list(shape.layers.shifts)
    logits = compute_logits(shape.layers, batch.weights, batch.rows)
    plain = compute_plain_logits(rows, weights, shifts)
    assert logits.tolist() == plain
    assert compute_answers(logits).tolist() == compute_plain_answers(plain)
    results = compute_results(batch)
    for index in range(batch.count):
        signs = tuple([matrix[index].tolist() for matrix in side] for side in (batch.left, batch.right))
        margins = (shape.margin_low, shape.margin_high)
        expected = compute_plain_result(
            rows, labels, weights, shifts, shape.sigma, margins, (signs[0], signs[1])
        )
        assert results[index] == expected


@given(batches())
def test_numpy_agrees_with_the_oracle(batch: EvaluationBatch) -> None:
    backend = NumpyBackend()
    assert backend.evaluate(batch).tolist() == compute_results(batch).tolist()
    logits = backend.compute_logits(batch.shape.layers, batch.weights, batch.rows)
    assert logits.dtype == np.int32
    assert logits.tolist() == compute_logits(batch.shape.layers, batch.weights, batch.rows).tolist()


@settings(max_examples=25)
@given(data=st.data(), count=st.sampled_from((1, 2, 8, 9, 70)))
@pytest.mark.parametrize("shape", [SMALL, DIGITS], ids=["small", "digits"])
def test_tinygrad_agrees_with_the_oracle(
    tinygrad_backend: Backend, shape: EvaluationShape, data: st.DataObject, count: int
) -> None:
    batch = data.draw(batches(shape, count if shape is SMALL else min(count, 2)))
    assert tinygrad_backend.evaluate(batch).tolist() == compute_results(batch).tolist()
    logits = tinygrad_backend.compute_logits(shape.layers, batch.weights, batch.rows)
    assert logits.tolist() == compute_logits(shape.layers, batch.weights, batch.rows).tolist()


@pytest.mark.timeout(60)  # compiles a program for every example
@settings(max_examples=5)
@given(batches(count=3))
def test_tinygrad_agrees_on_random_shapes(tinygrad_backend: Backend, batch: EvaluationBatch) -> None:
    assert tinygrad_backend.evaluate(batch).tolist() == compute_results(batch).tolist()


@pytest.mark.parametrize("count", [63, 64, 65, 200])
def test_tinygrad_splits_and_pads_large_batches(tinygrad_backend: Backend, count: int) -> None:
    batch = make_trial_batch(SMALL, count)
    assert np.array_equal(tinygrad_backend.evaluate(batch), compute_results(batch))


def test_replay_without_direct_calls_gives_the_same_bits(tinygrad_backend: Backend) -> None:
    replay = TinygradBackend("CPU", is_direct_allowed=False)
    batch = make_trial_batch(SMALL, 20)
    assert np.array_equal(replay.evaluate(batch), tinygrad_backend.evaluate(batch))


def test_a_device_that_must_be_copied_to_gives_the_same_bits(tinygrad_backend: Backend) -> None:
    # A second CPU device of tinygrad's takes the paths of a GPU: copies in and out, replay, no addresses.
    other = TinygradBackend("CPU:1")
    for count in (1, 9):
        batch = make_trial_batch(SMALL, count)
        assert np.array_equal(other.evaluate(batch), compute_results(batch))
        logits = other.compute_logits(SMALL.layers, batch.weights, batch.rows)
        assert np.array_equal(
            logits, tinygrad_backend.compute_logits(SMALL.layers, batch.weights, batch.rows)
        )


def test_another_version_of_tinygrad_is_replayed_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aivm.backends.internals.version", lambda _: "0.15.0")
    program, _ = capture(lambda: Tensor.ones(3, device="CPU").contiguous() + 1)
    with pytest.raises(UnsupportedCapture):
        get_direct_run(program)
    batch = make_trial_batch(SMALL, 1)
    assert np.array_equal(TinygradBackend().evaluate(batch), compute_results(batch))


class _WrongReference(NumpyBackend):
    def evaluate(self, batch: EvaluationBatch) -> NDArray[np.int64]:
        return super().evaluate(batch) + 1


def test_a_program_that_differs_from_numpy_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aivm.backends.tinygrad_backend.NumpyBackend", _WrongReference)
    with pytest.raises(ConformanceFailure):
        TinygradBackend().evaluate(make_trial_batch(SMALL, 1))


def test_the_widest_layer_at_its_extremes_does_not_overflow(tinygrad_backend: Backend) -> None:
    shape = EvaluationShape(LayeredShape((65_536, 2), ()), 1, 1, 2**30, 2**30 - 1)
    weights = np.full((65_536, 2), 127, np.int8)
    weights[:, 1] = -127
    batch = EvaluationBatch(
        shape=shape,
        weights=(weights,),
        rows=np.full((1, 65_536), 127, np.uint8),
        labels=np.zeros(1, np.uint8),
        left=(np.ones((1, 65_536), np.int8),),
        right=(np.array([[1, -1]], np.int8),),
    )
    expected = compute_results(batch)
    logits = compute_logits(shape.layers, batch.weights, batch.rows)
    assert logits.tolist() == [[127 * 127 * 65_536, -127 * 127 * 65_536]]
    for backend in (NumpyBackend(), tinygrad_backend):
        assert np.array_equal(backend.evaluate(batch), expected)
        assert backend.compute_logits(shape.layers, batch.weights, batch.rows).tolist() == logits.tolist()


@pytest.mark.parametrize("rows", [1, 2, 33, 600])
def test_logits_of_any_number_of_rows(tinygrad_backend: Backend, rows: int) -> None:
    batch = make_trial_batch(SMALL, 1)
    many = np.tile(batch.rows, (rows, 1))[:rows]
    expected = compute_logits(SMALL.layers, batch.weights, many)
    for backend in (NumpyBackend(), tinygrad_backend):
        assert np.array_equal(backend.compute_logits(SMALL.layers, batch.weights, many), expected)
        with pytest.raises(InvalidTensor):
            backend.compute_logits(SMALL.layers, batch.weights[:1], many)
