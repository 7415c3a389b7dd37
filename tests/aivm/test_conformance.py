"""Every backend reproduces the vectors, and one that errs anywhere is caught."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aivm.backends.numpy_backend import NumpyBackend
from aivm.backends.protocol import Backend
from aivm.batch import EvaluationBatch, Rows, Weights
from aivm.conformance.generate import TARGET, write_vectors
from aivm.conformance.run import run_conformance
from aivm.conformance.vectors import load_vectors, make_batch
from aivm.errors import ConformanceFailure
from aivm.layered import LayeredShape
from aivm.oracle.layered import compute_results


def test_the_published_file_is_what_the_generator_writes(tmp_path: Path) -> None:
    write_vectors(tmp_path / "layered.json")
    assert (tmp_path / "layered.json").read_bytes() == TARGET.read_bytes()


def test_the_oracle_agrees_with_the_vectors() -> None:
    for vector in load_vectors():
        assert compute_results(make_batch(vector)).tolist() == list(vector.results), vector.name


@pytest.mark.timeout(60)  # compiles a dozen shapes
def test_backends_pass(tinygrad_backend: Backend) -> None:
    for backend in (NumpyBackend(), tinygrad_backend):
        report = run_conformance(backend)
        assert (report.backend, report.device) == (backend.name, "CPU")
        assert report.vectors == len(load_vectors())


class RoundingTowardsZero(NumpyBackend):
    """A result that is wrong by one where it is negative and odd."""

    def evaluate(self, batch: EvaluationBatch) -> NDArray[np.int64]:
        results = super().evaluate(batch)
        results[(results < 0) & (results % 2 == 1)] += 1
        return results


class NarrowAccumulator(NumpyBackend):
    """Sums that went through float16."""

    def compute_logits(self, layers: LayeredShape, weights: Weights, rows: Rows) -> NDArray[np.int32]:
        logits = super().compute_logits(layers, weights, rows)
        return np.clip(logits, -60_000, 60_000).astype(np.float16).astype(np.int32)


class WideLogits(NumpyBackend):
    """Right values in a type that another device does not have."""

    def compute_logits(self, layers: LayeredShape, weights: Weights, rows: Rows) -> NDArray[np.int32]:
        logits: NDArray[np.int32] = super().compute_logits(layers, weights, rows).astype(np.int64)
        return logits


@pytest.mark.parametrize(
    "backend", [RoundingTowardsZero(), NarrowAccumulator(), WideLogits()], ids=["d", "sum", "type"]
)
def test_a_backend_that_errs_is_caught(backend: NumpyBackend) -> None:
    with pytest.raises(ConformanceFailure) as caught:
        run_conformance(backend)
    assert caught.value.vector in {vector.name for vector in load_vectors()}
