"""What a layered model and an evaluation compute, written as their formulas.

One evaluation at a time, one layer at a time, nothing shared and nothing clever: every backend is compared
with this. Sums are 64 bits wide here, so an overflow of the 32 bits that backends use would show as a
difference.
"""

import numpy as np
from numpy.typing import NDArray

from aivm.batch import EvaluationBatch, Labels, Rows, Weights, verify_rows, verify_weights
from aivm.layered import ACTIVATION_MAX, LayeredShape


def compute_logits(layers: LayeredShape, weights: Weights, rows: Rows) -> NDArray[np.int64]:
    """Logits of every row: shape ``(rows, classes)``, each within 32 bits.

    Hidden layers are ``clip((x W) >> s, 0, 127)`` with a floor shift; the last layer is ``x W``.
    """
    verify_weights(layers, weights)
    verify_rows(layers, rows)
    sums: NDArray[np.int64] = rows.astype(np.int64) @ weights[0].astype(np.int64)
    for shift, matrix in zip(layers.shifts, weights[1:], strict=True):
        activations = np.clip(sums >> shift, 0, ACTIVATION_MAX)
        sums = activations @ matrix.astype(np.int64)
    return sums


def compute_perturbed_logits(batch: EvaluationBatch, index: int, sign: int) -> NDArray[np.int64]:
    """Logits under evaluation ``index`` with ``sign`` (+1 or -1): shape ``(rows, classes)``.

    Every layer's sum becomes ``x W + sign * sigma * (x . a) * b``. Source: EGGROLL, arXiv 2511.16652.
    """
    activations = batch.rows.astype(np.int64)
    sums = _compute_perturbed_sums(batch, activations, 0, index, sign)
    for place, shift in enumerate(batch.shape.layers.shifts, start=1):
        activations = np.clip(sums >> shift, 0, ACTIVATION_MAX)
        sums = _compute_perturbed_sums(batch, activations, place, index, sign)
    return sums


def compute_fitness(logits: NDArray[np.int64], labels: Labels, low: int, high: int) -> int:
    """Sum over rows of ``clip(logit of the label - largest other logit, -low, high)``."""
    total = 0
    for row, label in zip(logits, labels, strict=True):
        others = np.delete(row, int(label))
        total += int(np.clip(row[label] - others.max(), -low, high))
    return total


def compute_results(batch: EvaluationBatch) -> NDArray[np.int64]:
    """The result ``d = F(+1) - F(-1)`` of every evaluation: shape ``(evaluations,)``."""
    results = np.zeros(batch.count, np.int64)
    for index in range(batch.count):
        fitness = [
            compute_fitness(
                compute_perturbed_logits(batch, index, sign),
                batch.labels,
                batch.shape.margin_low,
                batch.shape.margin_high,
            )
            for sign in (1, -1)
        ]
        results[index] = fitness[0] - fitness[1]
    return results


def compute_answers(logits: NDArray[np.int64] | NDArray[np.int32]) -> NDArray[np.int64]:
    """Index of the largest logit of every row, the lowest on ties."""
    answers: NDArray[np.int64] = np.argmax(logits, axis=1).astype(
        np.int64
    )  # of equals, numpy takes the first
    return answers


def _compute_perturbed_sums(
    batch: EvaluationBatch, activations: NDArray[np.int64], place: int, index: int, sign: int
) -> NDArray[np.int64]:
    left = batch.left[place][index].astype(np.int64)
    right = batch.right[place][index].astype(np.int64)
    perturbation = np.outer(activations @ left, right) * (sign * batch.shape.sigma)
    sums: NDArray[np.int64] = activations @ batch.weights[place].astype(np.int64) + perturbation
    return sums
