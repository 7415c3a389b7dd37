"""Fixed test inputs for any shape: the same on every machine, with extremes in them."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from aivm.batch import EvaluationBatch
from aivm.layered import ACTIVATION_MAX, WEIGHT_MAX, EvaluationShape


def make_trial_batch(shape: EvaluationShape, count: int) -> EvaluationBatch:
    """``count`` evaluations with weights, rows, labels and signs drawn from SHAKE-256 of a fixed text."""
    stream = _Stream(b"aivm trial")
    sizes = shape.layers.sizes
    weights = []
    for dimensions in shape.layers.matrix_shapes:
        drawn = stream.draw(*dimensions).astype(np.int16) % (2 * WEIGHT_MAX + 1) - WEIGHT_MAX
        weights.append(drawn.astype(np.int8))
    return EvaluationBatch(
        shape=shape,
        weights=tuple(weights),
        rows=stream.draw(shape.rows, sizes[0]) & np.uint8(ACTIVATION_MAX),
        labels=(stream.draw(shape.rows).astype(np.int64) % sizes[-1]).astype(np.uint8),
        left=tuple(_make_signs(stream.draw(count, size)) for size in sizes[:-1]),
        right=tuple(_make_signs(stream.draw(count, size)) for size in sizes[1:]),
    )


class _Stream:
    def __init__(self, text: bytes) -> None:
        self._text = text
        self._drawn = 0

    def draw(self, *dimensions: int) -> NDArray[np.uint8]:
        """Uniform bytes of the given shape; every call draws another stream."""
        self._drawn += 1
        size = int(np.prod(dimensions))
        data = hashlib.shake_256(self._text + self._drawn.to_bytes(4, "little")).digest(size)
        return np.frombuffer(data, np.uint8).reshape(dimensions)


def _make_signs(drawn: NDArray[np.uint8]) -> NDArray[np.int8]:
    return ((drawn & 1) * 2).astype(np.int8) - np.int8(1)
