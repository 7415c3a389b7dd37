"""Layered evaluations as tinygrad expressions.

Layout of hidden tensors is (evaluation, sign, row, unit), the sign +1 first. Everything is int32 from the
first product on; ``contiguous`` marks where one kernel ends, chosen so that no product is computed twice.
"""

from typing import Final

from msgspec import Struct
from tinygrad import Tensor, dtypes

from aivm.layered import ACCUMULATOR_MAX, ACTIVATION_MAX, EvaluationShape, LayeredShape

EXCLUDED: Final = -ACCUMULATOR_MAX
"""Stands for the label's own logit where the largest other one is sought; it is only compared, never added.
"""


class EvaluationTensors(Struct, frozen=True, eq=False):
    """Input tensors of one compiled evaluation."""

    rows: Tensor
    """uint8, (rows, d_0)."""

    labels: Tensor
    """uint8, (rows,)."""

    weights: tuple[Tensor, ...]
    """int8, (d_l, d_l+1) each."""

    left: tuple[Tensor, ...]
    """int8, (evaluations, d_l) each."""

    right: tuple[Tensor, ...]
    """int8, (evaluations, d_l+1) each."""


def build_results(shape: EvaluationShape, inputs: EvaluationTensors) -> Tensor:
    """Result of every evaluation: int32, (evaluations,)."""
    count, rows = inputs.left[0].shape[0], shape.rows
    signs = Tensor.arange(2, dtype=dtypes.int32) * -2 + 1
    steps = (signs * shape.sigma).reshape(1, 2, 1, 1)
    values = inputs.rows.cast(dtypes.int32)
    products = values.matmul(inputs.weights[0].cast(dtypes.int32), dtype=dtypes.int32).contiguous()
    sums = products.reshape(1, 1, rows, -1)
    projections = inputs.left[0].cast(dtypes.int32).matmul(values.transpose(0, 1), dtype=dtypes.int32)
    projections = projections.contiguous().reshape(count, 1, rows, 1)
    for place in range(len(inputs.weights)):
        width = shape.layers.sizes[place + 1]
        right = inputs.right[place].cast(dtypes.int32).reshape(count, 1, 1, width)
        sums = sums + steps * projections * right
        if place == len(inputs.weights) - 1:
            break
        activations = (sums >> shape.layers.shifts[place]).clip(0, ACTIVATION_MAX).contiguous()
        left = inputs.left[place + 1].cast(dtypes.int32).reshape(count, 1, 1, width)
        projections = (activations * left).sum(-1, keepdim=True).contiguous()
        matrix = inputs.weights[place + 1].cast(dtypes.int32)
        products = activations.reshape(-1, width).matmul(matrix, dtype=dtypes.int32).contiguous()
        sums = products.reshape(count, 2, rows, -1)
    return _build_differences(shape, sums.contiguous(), inputs.labels, signs)


def build_logits(layers: LayeredShape, rows: Tensor, weights: tuple[Tensor, ...]) -> Tensor:
    """Unperturbed logits: int32, (rows, classes)."""
    sums = rows.cast(dtypes.int32).matmul(weights[0].cast(dtypes.int32), dtype=dtypes.int32)
    for place, matrix in enumerate(weights[1:]):
        activations = (sums >> layers.shifts[place]).clip(0, ACTIVATION_MAX).contiguous()
        sums = activations.matmul(matrix.cast(dtypes.int32), dtype=dtypes.int32)
    return sums.contiguous()


def _build_differences(shape: EvaluationShape, logits: Tensor, labels: Tensor, signs: Tensor) -> Tensor:
    classes = shape.layers.sizes[-1]
    places = Tensor.arange(classes, dtype=dtypes.int32).reshape(1, 1, 1, classes)
    is_label = labels.cast(dtypes.int32).reshape(1, 1, shape.rows, 1).eq(places)
    correct = is_label.where(logits, 0).sum(-1)
    others = is_label.where(EXCLUDED, logits).max(-1)
    margins = (correct - others).clip(-shape.margin_low, shape.margin_high)
    fitness = margins.sum(-1)
    return (fitness * signs.reshape(1, 2)).sum(-1).cast(dtypes.int32).contiguous()
