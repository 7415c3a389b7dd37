"""Tensors of one call to a backend, checked before any kernel sees them.

The checks make the bounds of ``aivm.layered`` true: whatever passes here cannot overflow, divide by zero or
index outside a tensor in any backend.
"""

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from aivm.errors import InvalidTensor
from aivm.layered import ACTIVATION_MAX, WEIGHT_MAX, EvaluationShape, LayeredShape

Weights = tuple[NDArray[np.int8], ...]
"""Effective weights: one int8 matrix of shape ``(d_l, d_l+1)`` per layer, values -127 ... 127."""

Rows = NDArray[np.uint8]
"""Input rows, uint8 of shape ``(rows, d_0)``, values 0 ... 127."""

Labels = NDArray[np.uint8]
"""Right answers, uint8 of shape ``(rows,)``, values 0 ... classes - 1."""

Signs = tuple[NDArray[np.int8], ...]
"""One int8 matrix per layer, a row per evaluation, values +1 and -1."""


class EvaluationBatch(Struct, frozen=True, eq=False):
    """Many evaluations of the same weights on the same rows.

    :raises InvalidTensor: a tensor of the wrong shape or type, or a value out of range.
    """

    shape: EvaluationShape
    """What is evaluated."""

    weights: Weights
    """Unperturbed effective weights."""

    rows: Rows
    """Inputs."""

    labels: Labels
    """Right answers."""

    left: Signs
    """``a_l`` of every layer: shape ``(evaluations, d_l)``."""

    right: Signs
    """``b_l`` of every layer: shape ``(evaluations, d_l+1)``."""

    def __post_init__(self) -> None:
        layers = self.shape.layers
        verify_weights(layers, self.weights)
        verify_rows(layers, self.rows)
        if len(self.rows) != self.shape.rows:
            raise InvalidTensor("rows", f"{len(self.rows)} rows, the shape has {self.shape.rows}")
        verify_labels(layers, self.labels, len(self.rows))
        count = len(self.left[0]) if self.left else 0
        _verify_signs("left", self.left, layers.sizes[:-1], count)
        _verify_signs("right", self.right, layers.sizes[1:], count)

    @property
    def count(self) -> int:
        """Number of evaluations."""
        return len(self.left[0])


def verify_weights(layers: LayeredShape, weights: Weights) -> None:
    """Check effective weights against their model.

    :raises InvalidTensor: number, shape, type or range is wrong.
    """
    if len(weights) != len(layers.matrix_shapes):
        raise InvalidTensor("weights", f"{len(weights)} matrices for {len(layers.matrix_shapes)} layers")
    for place, (matrix, shape) in enumerate(zip(weights, layers.matrix_shapes, strict=True)):
        _verify_tensor(f"weights[{place}]", matrix, np.int8, shape)
        _verify_range(f"weights[{place}]", matrix, -WEIGHT_MAX, WEIGHT_MAX)


def verify_rows(layers: LayeredShape, rows: Rows) -> None:
    """Check input rows against their model.

    :raises InvalidTensor: shape, type or range is wrong, or there is no row at all.
    """
    if rows.ndim != 2 or len(rows) == 0:
        raise InvalidTensor("rows", "not a matrix with at least one row")
    _verify_tensor("rows", rows, np.uint8, (len(rows), layers.sizes[0]))
    _verify_range("rows", rows, 0, ACTIVATION_MAX)


def verify_labels(layers: LayeredShape, labels: Labels, count: int) -> None:
    """Check right answers against their model and the number of rows.

    :raises InvalidTensor: shape, type or range is wrong.
    """
    _verify_tensor("labels", labels, np.uint8, (count,))
    _verify_range("labels", labels, 0, layers.sizes[-1] - 1)


def _verify_signs(name: str, signs: Signs, widths: tuple[int, ...], count: int) -> None:
    if len(signs) != len(widths) or count == 0:
        raise InvalidTensor(
            name, f"{len(signs)} sign matrices of {count} evaluations for {len(widths)} layers"
        )
    for place, (matrix, width) in enumerate(zip(signs, widths, strict=True)):
        _verify_tensor(f"{name}[{place}]", matrix, np.int8, (count, width))
        if not bool(np.all((matrix == 1) | (matrix == -1))):
            raise InvalidTensor(f"{name}[{place}]", "a sign is neither +1 nor -1")


def _verify_tensor(name: str, tensor: NDArray[Any], dtype: type[Any], shape: tuple[int, ...]) -> None:
    if tensor.dtype != dtype:
        raise InvalidTensor(name, f"type {tensor.dtype}, not {np.dtype(dtype)}")
    if tensor.shape != shape:
        raise InvalidTensor(name, f"shape {tensor.shape}, not {shape}")


def _verify_range(name: str, tensor: NDArray[Any], low: int, high: int) -> None:
    if int(tensor.min()) < low or int(tensor.max()) > high:
        raise InvalidTensor(name, f"values {tensor.min()} ... {tensor.max()}, not within {low} ... {high}")
