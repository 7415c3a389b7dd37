"""What cannot be constructed: shapes whose sums could leave 32 bits, and tensors outside their ranges."""

import numpy as np
import pytest

from aivm.backends.trial import make_trial_batch
from aivm.batch import EvaluationBatch
from aivm.errors import AccumulatorOverflow, InvalidModel, InvalidTensor
from aivm.layered import EvaluationShape, LayeredShape

SHAPE = EvaluationShape(LayeredShape((6, 4, 3), (5,)), 2, 3, 100, 100)


@pytest.mark.parametrize(
    ("sizes", "shifts"),
    [
        ((), ()),
        ((5,), ()),
        ((5, 0, 2), (1,)),
        ((5, -1), ()),
        ((5, 1), ()),
        ((5, 257), ()),
        ((65_537, 2), ()),
        ((3,) * 10, (1,) * 8),
        ((5, 3), (1,)),
        ((5, 4, 3), ()),
        ((5, 4, 3), (-1,)),
        ((5, 4, 3), (32,)),
        ((65_536, 65, 2), (8,)),
    ],
)
def test_impossible_models_are_refused(sizes: tuple[int, ...], shifts: tuple[int, ...]) -> None:
    with pytest.raises(InvalidModel):
        LayeredShape(sizes, shifts)


@pytest.mark.parametrize(
    ("sigma", "rows", "low", "high"),
    [(0, 1, 1, 1), (128, 1, 1, 1), (1, 0, 1, 1), (1, 4097, 1, 1), (1, 1, 0, 0), (1, 1, -1, 5), (1, 1, 5, -1)],
)
def test_impossible_evaluations_are_refused(sigma: int, rows: int, low: int, high: int) -> None:
    with pytest.raises(InvalidModel):
        EvaluationShape(SHAPE.layers, sigma, rows, low, high)


def test_the_widest_layer_fits_in_32_bits_and_a_larger_perturbation_does_not() -> None:
    widest = LayeredShape((65_536, 2), ())
    assert EvaluationShape(widest, 1, 1, 1, 1).layers is widest
    with pytest.raises(AccumulatorOverflow) as caught:
        EvaluationShape(widest, 4, 1, 1, 1)
    assert caught.value.largest == 2 * 127 * 65_536 * 131
    with pytest.raises(InvalidModel):
        LayeredShape((65_537, 2), ())


def test_a_result_that_could_leave_32_bits_is_refused() -> None:
    assert EvaluationShape(SHAPE.layers, 1, 2, 2**30 - 1, 0).rows == 2
    with pytest.raises(AccumulatorOverflow):
        EvaluationShape(SHAPE.layers, 1, 2, 2**29, 2**29)


def test_costs_of_the_devnet_shape() -> None:
    shape = EvaluationShape(LayeredShape((64, 32, 10), (8,)), 4, 32, 20_000, 8_000)
    assert shape.layers.weight_count == 64 * 32 + 32 * 10
    assert shape.sign_bits == 64 + 32 + 32 + 10
    assert shape.multiply_accumulates == 2 * 32 * (2368 + 138)


def _replace(batch: EvaluationBatch, field: str, value: object) -> EvaluationBatch:
    fields = {name: getattr(batch, name) for name in batch.__struct_fields__}
    return EvaluationBatch(**{**fields, field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weights", ()),
        ("weights", (np.zeros((6, 4), np.int8), np.zeros((3, 4), np.int8))),
        ("weights", (np.full((6, 4), -128, np.int8), np.zeros((4, 3), np.int8))),
        ("weights", (np.zeros((6, 4), np.int32), np.zeros((4, 3), np.int8))),
        ("rows", np.zeros((0, 6), np.uint8)),
        ("rows", np.zeros((2, 6), np.uint8)),
        ("rows", np.zeros(18, np.uint8)),
        ("rows", np.full((3, 6), 128, np.uint8)),
        ("rows", np.zeros((3, 6), np.int8)),
        ("labels", np.full(3, 3, np.uint8)),
        ("labels", np.zeros(4, np.uint8)),
        ("left", ()),
        ("left", (np.ones((0, 6), np.int8), np.ones((0, 4), np.int8))),
        ("left", (np.ones((2, 6), np.int8), np.ones((3, 4), np.int8))),
        ("right", (np.zeros((2, 4), np.int8), np.ones((2, 3), np.int8))),
        ("right", (np.ones((2, 4), np.float32), np.ones((2, 3), np.int8))),
    ],
)
def test_tensors_outside_the_definition_never_reach_a_kernel(field: str, value: object) -> None:
    batch = make_trial_batch(SHAPE, 2)
    with pytest.raises(InvalidTensor):
        _replace(batch, field, value)
