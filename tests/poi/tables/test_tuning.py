"""Parameters chosen for a table: always possible, and good enough to learn by."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poi.dataset import Dataset, compute_dataset_root
from poi.tables.errors import BudgetTooSmall
from poi.tables.preparing import prepare_table
from poi.tables.reading import read_table
from poi.tables.tuning import (
    GENERATIONS_DEFAULT,
    MACS_MAX,
    choose_generations,
    choose_job,
    count_holdout_rows,
)
from poi.training import SCORE_MACS_MAX, TRAINING_WIDTH_MAX, verify_training_job
from tests.poi.tables.builders import FLOWERS, prepare, train


def test_a_table_made_on_the_spot_is_learnt() -> None:
    prepared = prepare(FLOWERS)
    job = choose_job(prepared.training, prepared.holdout, 2)
    assert job.dataset == compute_dataset_root(prepared.training)
    assert job.holdout == compute_dataset_root(prepared.holdout)
    assert train(job, prepared, 30) >= 0.9  # guessing gives 0.5


@given(
    width=st.integers(1, TRAINING_WIDTH_MAX),
    classes=st.integers(2, 64),
    largest=st.integers(0, 127),
    count=st.integers(1, 5),
)
def test_every_table_gets_a_possible_job(width: int, classes: int, largest: int, count: int) -> None:
    rows = np.full((count, width), largest, np.uint8)
    dataset = Dataset(rows, np.zeros(count, np.uint8))
    job = choose_job(dataset, dataset, classes)
    assert job.sizes[0] == width
    assert job.sizes[-1] == classes
    assert job.rows == 32 or job.make_shape().multiply_accumulates <= MACS_MAX
    verify_training_job(job)
    assert count_holdout_rows(width, classes) * job.make_shape().layers.weight_count <= SCORE_MACS_MAX


def test_a_budget_buys_as_many_generations_as_it_pays_for() -> None:
    assert choose_generations(1_000, 10) == 100
    assert choose_generations(10**9, 10) == GENERATIONS_DEFAULT
    assert choose_generations(10**9, 10, wanted=1_000) == 1_000
    for budget, wanted in ((9, None), (99, 10)):
        with pytest.raises(BudgetTooSmall, match="pays for no"):
            choose_generations(budget, 10, wanted)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "floor"), [("wine", 0.85), ("iris", 0.8), ("breast_cancer", 0.9), ("digits", 0.85)]
)
def test_known_tables_are_learnt_well_over_the_majority(name: str, floor: float) -> None:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    lines = [",".join([*map(str, bunch.feature_names), "label"])]
    lines += [
        ",".join([*map(str, row), str(bunch.target_names[answer])])
        for row, answer in zip(bunch.data.tolist(), bunch.target.tolist(), strict=True)
    ]
    prepared = prepare_table(read_table("\n".join(lines).encode(), "label"))
    majority = np.bincount(prepared.holdout.labels).max() / len(prepared.holdout.labels)
    job = choose_job(prepared.training, prepared.holdout, len(prepared.recipe.labels))
    for seed, late in ((0, 0), (1, 1)):
        share = train(job, prepared, GENERATIONS_DEFAULT, late=late, seed=seed)
        assert share >= floor > majority + 0.2
