"""A layered model written as a program gives the logits and answers of the layered form."""

import numpy as np
import pytest
from hypothesis import given, settings

from aivm.backends.trial import make_trial_batch
from aivm.batch import EvaluationBatch
from aivm.errors import InvalidTensor
from aivm.layered import EvaluationShape, LayeredShape
from aivm.oracle.graph.run import run_program
from aivm.oracle.layered import compute_answers, compute_logits
from aivm.program.layered import make_layered_program
from tests.aivm.builders import batches


@settings(max_examples=60)
@given(batches(count=1))
def test_layered_models_are_programs(batch: EvaluationBatch) -> None:
    layers = batch.shape.layers
    logits, answers = run_program(make_layered_program(layers, batch.weights), (batch.rows,))
    expected = compute_logits(layers, batch.weights, batch.rows)
    assert logits.tolist() == expected.tolist()
    assert answers.tolist() == compute_answers(expected).tolist()


@pytest.mark.parametrize("shift", [0, 1, 8, 30, 31])
def test_every_shift_floors(shift: int) -> None:
    layers = LayeredShape((300, 40, 3), (shift,))
    batch = make_trial_batch(EvaluationShape(layers, 1, 16, 1, 1), 1)
    bound = make_layered_program(layers, batch.weights)
    assert bound.plan.cost.macs == layers.weight_count
    logits, _ = run_program(bound, (batch.rows,))
    assert np.array_equal(logits, compute_logits(layers, batch.weights, batch.rows))


def test_weights_of_another_model_are_refused() -> None:
    layers = LayeredShape((6, 4, 3), (5,))
    with pytest.raises(InvalidTensor):
        make_layered_program(layers, (np.zeros((6, 4), np.int8),))
