"""The numpy twin: exact integers computed by floating-point matrix products.

numpy multiplies integer matrices with a plain loop but hands floating-point ones to BLAS. A float32 holds
every integer up to 2**24 exactly and a float64 up to 2**53, so while no partial sum exceeds that, the product
is exact in any order. The bound from ``aivm.layered`` decides which type is used. Evaluations share the first
layer's product, because their inputs are the same; the perturbations add one outer product each.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aivm.batch import EvaluationBatch, Rows, Weights, verify_rows, verify_weights
from aivm.layered import ACTIVATION_MAX, EvaluationShape, LayeredShape, compute_preactivation_bound

FLOAT32_EXACT_MAX: Final = 2**24
"""Largest magnitude up to which float32 represents every integer."""

CHUNK_ELEMENTS_MAX: Final = 2**17
"""Most activations per chunk: half a megabyte of float32 stays in a core's second-level cache."""

Floats = NDArray[Any]
"""A float32 or float64 tensor that holds integers exactly."""

Exact = type[np.float32] | type[np.float64]
"""The narrower of the two that holds every sum of a model."""


class NumpyBackend:
    """Evaluates in chunks that fit in the cache; needs nothing but numpy."""

    @property
    def name(self) -> str:
        """Name of the implementation."""
        return "numpy"

    @property
    def device(self) -> str:
        """It runs on the processor alone."""
        return "CPU"

    def prepare(self, shape: EvaluationShape) -> None:
        """There is nothing to build."""

    def evaluate(self, batch: EvaluationBatch) -> NDArray[np.int64]:
        """Result of every evaluation: shape ``(evaluations,)``."""
        shape = batch.shape
        exact = _get_exact_type(shape.layers, shape.sigma)
        weights: list[Floats] = [matrix.astype(exact) for matrix in batch.weights]
        rows: Floats = batch.rows.astype(exact)
        base = rows @ weights[0]
        widest = max(shape.layers.sizes[1:])
        step = max(1, CHUNK_ELEMENTS_MAX // (2 * shape.rows * widest))
        results = np.empty(batch.count, np.int64)
        for start in range(0, batch.count, step):
            chunk = slice(start, min(start + step, batch.count))
            logits = _compute_perturbed_logits(batch, chunk, rows, base, weights, exact)
            results[chunk] = _compute_results(batch, logits)
        return results

    def compute_logits(self, layers: LayeredShape, weights: Weights, rows: Rows) -> NDArray[np.int32]:
        """Unperturbed logits: shape ``(rows, classes)``.

        :raises InvalidTensor: weights or rows do not fit the model.
        """
        verify_weights(layers, weights)
        verify_rows(layers, rows)
        exact = _get_exact_type(layers, 0)
        factors: list[Floats] = [matrix.astype(exact) for matrix in weights]
        sums = rows.astype(exact) @ factors[0]
        for shift, matrix in zip(layers.shifts, factors[1:], strict=True):
            sums = _activate(sums, shift) @ matrix
        logits: NDArray[np.int32] = sums.astype(np.int32)
        return logits


def _get_exact_type(layers: LayeredShape, sigma: int) -> Exact:
    bound = compute_preactivation_bound(layers, sigma)
    return np.float32 if bound <= FLOAT32_EXACT_MAX else np.float64


def _activate(sums: Floats, shift: int) -> Floats:
    # Dividing by a power of two is exact; floor then does what an arithmetic shift does to negative integers.
    activations: Floats = np.floor(sums * sums.dtype.type(1 / (1 << shift)))
    np.clip(activations, 0, ACTIVATION_MAX, out=activations)
    return activations


def _compute_perturbed_logits(
    batch: EvaluationBatch,
    chunk: slice,
    rows: Floats,
    base: Floats,
    weights: list[Floats],
    exact: Exact,
) -> Floats:
    # Layout (evaluation, sign, row, unit); the sign +1 comes first.
    shape = batch.shape
    steps = np.array([shape.sigma, -shape.sigma], exact).reshape(1, 2, 1)
    left: Floats = batch.left[0][chunk].astype(exact)
    right: Floats = batch.right[0][chunk].astype(exact)
    projections = (left @ rows.T)[:, None, :] * steps
    sums: Floats = base + projections[..., None] * right[:, None, None, :]
    for place, matrix in enumerate(weights[1:], start=1):
        activations = _activate(sums, shape.layers.shifts[place - 1])
        count = len(activations)
        left = batch.left[place][chunk].astype(exact)
        right = batch.right[place][chunk].astype(exact)
        projections = (activations.reshape(count, -1, left.shape[1]) @ left[:, :, None]).reshape(count, 2, -1)
        products = activations.reshape(-1, matrix.shape[0]) @ matrix
        sums = products.reshape(count, 2, shape.rows, -1)
        sums += (projections * steps)[..., None] * right[:, None, None, :]
    return sums


def _compute_results(batch: EvaluationBatch, logits: Floats) -> NDArray[np.int64]:
    labels = batch.labels.astype(np.int64).reshape(1, 1, -1, 1)
    correct = np.take_along_axis(logits, np.broadcast_to(labels, (*logits.shape[:3], 1)), axis=3)[..., 0]
    others = logits.copy()
    np.put_along_axis(others, np.broadcast_to(labels, (*logits.shape[:3], 1)), -np.inf, axis=3)
    margins = np.clip(correct - others.max(axis=3), -batch.shape.margin_low, batch.shape.margin_high)
    fitness = margins.astype(np.int64).sum(axis=2)
    results: NDArray[np.int64] = fitness[:, 0] - fitness[:, 1]
    return results
