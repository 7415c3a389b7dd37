"""Compiled kernels for the shapes that were prepared, numpy for all others.

Building the kernels of a shape takes seconds, during which a worker answers nobody. Jobs that come and go
have small models, whose evaluations numpy does in a millisecond; the bits are the same.
"""

import numpy as np
from numpy.typing import NDArray

from aivm.backends.numpy_backend import NumpyBackend
from aivm.backends.protocol import Backend
from aivm.batch import EvaluationBatch, Rows, Weights
from aivm.layered import EvaluationShape, LayeredShape


class SelectiveBackend:
    """A backend in front of another one."""

    def __init__(self, compiled: Backend) -> None:
        """:param compiled: computes what it was prepared for through this."""
        self._compiled = compiled
        self._plain = NumpyBackend()
        self._prepared: set[EvaluationShape] = set()

    @property
    def name(self) -> str:
        """Name of the one behind."""
        return self._compiled.name

    @property
    def device(self) -> str:
        """Device of the one behind."""
        return self._compiled.device

    def prepare(self, shape: EvaluationShape) -> None:
        """Build the kernels of a shape; from now on they are used."""
        self._compiled.prepare(shape)
        self._prepared.add(shape)

    def evaluate(self, batch: EvaluationBatch) -> NDArray[np.int64]:
        """Result of every evaluation: shape ``(evaluations,)``."""
        return (self._compiled if batch.shape in self._prepared else self._plain).evaluate(batch)

    def compute_logits(self, layers: LayeredShape, weights: Weights, rows: Rows) -> NDArray[np.int32]:
        """Unperturbed logits: shape ``(rows, classes)``.

        :raises InvalidTensor: weights or rows do not fit the model.
        """
        is_prepared = any(shape.layers == layers for shape in self._prepared)
        return (self._compiled if is_prepared else self._plain).compute_logits(layers, weights, rows)
