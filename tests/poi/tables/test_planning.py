"""A file's whole way to a job that validators accept."""

import pytest
from msgspec.structs import replace

from poi.errors import InvalidDataset
from poi.job import decode_job
from poi.tables.errors import InvalidTable
from poi.tables.planning import plan_training
from poi.tables.recipe import decode_recipe
from poi.training import (
    SCORE_MACS_MAX,
    TRAINING_DATA_SIZE_MAX,
    decode_training_data,
    verify_training_data,
    verify_training_job,
)
from tangle.core.encoding import encode
from tangle.core.types import Digest
from tests.poi.tables.builders import FLOWERS


def test_what_is_planned_is_what_validators_accept() -> None:
    plan = plan_training(FLOWERS.encode(), "kind", ["colour"])
    verify_training_job(plan.job)
    parts = verify_training_data(plan.job, plan.content)
    assert decode_job(encode(plan.job)) == plan.job
    assert [column.name for column in plan.prepared.recipe.columns] == [b"width", b"height"]
    assert decode_recipe(decode_training_data(plan.content).recipe) == plan.prepared.recipe
    assert len(parts.training.labels) + len(parts.holdout.labels) == 120
    seeded = replace(plan.job, init_seed=Digest(b"n" * 32))
    assert verify_training_data(seeded, plan.content).holdout.rows.shape == parts.holdout.rows.shape


def test_a_long_table_of_many_classes_has_as_many_held_out_rows_as_may_be_scored() -> None:
    rows = "".join(f"{place * 7_919 % 30_011},kind {place % 64}\n" for place in range(25_600))
    plan = plan_training(("a,kind\n" + rows).encode(), "kind")
    kept = len(verify_training_data(plan.job, plan.content).holdout.labels)
    weights = plan.job.make_shape().layers.weight_count
    assert kept == SCORE_MACS_MAX // weights < len(plan.prepared.holdout.labels) == 25_600 // 5


def test_a_table_that_makes_too_many_bytes_is_refused() -> None:
    header = ",".join(f"c{place}" for place in range(40)) + ",kind\n"
    row = ",".join("1234567890"[place % 10] for place in range(40))
    other = ",".join("0987654321"[place % 10] for place in range(40))
    text = header + f"{row},x\n{other},y\n" * 15_000
    with pytest.raises(InvalidDataset, match=f"more than {TRAINING_DATA_SIZE_MAX}"):
        plan_training(text.encode(), "kind")


def test_a_wrong_label_is_told_first() -> None:
    with pytest.raises(InvalidTable, match="no column 'species'"):
        plan_training(FLOWERS.encode(), "species")
