"""What a backend can do. Every implementation gives the bits of ``aivm.oracle``."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aivm.batch import EvaluationBatch, Rows, Weights
from aivm.layered import EvaluationShape, LayeredShape


class Backend(Protocol):
    """Computes evaluations and logits on one device. Not thread-safe: one thread of one process."""

    @property
    def name(self) -> str:
        """Name of the implementation, such as ``numpy`` or ``tinygrad``."""

    @property
    def device(self) -> str:
        """Device that it computes on, such as ``CPU`` or ``CUDA``."""

    def prepare(self, shape: EvaluationShape) -> None:
        """Build whatever the first call with this shape would build, so that later calls are quick."""

    def evaluate(self, batch: EvaluationBatch) -> NDArray[np.int64]:
        """Result ``d = F(+1) - F(-1)`` of every evaluation: shape ``(evaluations,)``."""

    def compute_logits(self, layers: LayeredShape, weights: Weights, rows: Rows) -> NDArray[np.int32]:
        """Unperturbed logits: shape ``(rows, classes)``.

        :raises InvalidTensor: weights or rows do not fit the model.
        """
