"""Compiled where it was prepared, numpy elsewhere."""

import numpy as np
from numpy.typing import NDArray

from aivm.backends.numpy_backend import NumpyBackend
from aivm.backends.selective import SelectiveBackend
from aivm.backends.trial import make_trial_batch
from aivm.batch import EvaluationBatch, Rows, Weights
from aivm.layered import EvaluationShape, LayeredShape

KNOWN = EvaluationShape(LayeredShape((5, 4, 2), (3,)), 8, 16, 100, 100)
OTHER = EvaluationShape(LayeredShape((6, 4, 3), (3,)), 8, 16, 100, 100)


class CountingBackend(NumpyBackend):
    calls = 0

    def evaluate(self, batch: EvaluationBatch) -> NDArray[np.int64]:
        self.calls += 1
        return super().evaluate(batch)

    def compute_logits(self, layers: LayeredShape, weights: Weights, rows: Rows) -> NDArray[np.int32]:
        self.calls += 1
        return super().compute_logits(layers, weights, rows)


def test_only_prepared_shapes_are_compiled_and_all_come_out_alike() -> None:
    compiled = CountingBackend()
    backend = SelectiveBackend(compiled)
    assert (backend.name, backend.device) == (compiled.name, compiled.device)
    backend.prepare(KNOWN)
    for shape, calls in ((KNOWN, 2), (OTHER, 2)):
        batch = make_trial_batch(shape, 3)
        assert np.array_equal(backend.evaluate(batch), NumpyBackend().evaluate(batch))
        logits = backend.compute_logits(shape.layers, batch.weights, batch.rows)
        assert np.array_equal(logits, NumpyBackend().compute_logits(shape.layers, batch.weights, batch.rows))
        assert compiled.calls == calls
