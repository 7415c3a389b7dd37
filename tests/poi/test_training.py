"""Training data in one blob: read back exactly, and refused when it is not what the job speaks of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from poi.dataset import Dataset
from poi.errors import InvalidDataset, InvalidJob
from poi.tables.recipe import decode_recipe
from poi.training import (
    TRAINING_DATA_SIZE_MAX,
    TrainingData,
    TrainingParts,
    decode_training_data,
    encode_training_data,
    split_training_data,
    verify_training_data,
    verify_training_job,
)
from tangle.core.encoding import encode
from tangle.core.errors import MalformedEncoding, OversizeEncoding
from tests.poi.tables.builders import FLOWERS_BLOB, FLOWERS_JOB, FLOWERS_PREPARED

PREPARED, JOB, BLOB = FLOWERS_PREPARED, FLOWERS_JOB, FLOWERS_BLOB
PARTS = TrainingParts(PREPARED.training, PREPARED.holdout)


def test_a_blob_gives_back_both_parts_and_the_recipe() -> None:
    parts = verify_training_data(JOB, BLOB)
    for part, original in ((parts.training, PARTS.training), (parts.holdout, PARTS.holdout)):
        assert np.array_equal(part.rows, original.rows)
        assert np.array_equal(part.labels, original.labels)
    assert decode_recipe(decode_training_data(BLOB).recipe) == PREPARED.recipe


def test_other_data_than_the_job_names_are_refused() -> None:
    swapped = encode_training_data(TrainingParts(PARTS.training, PARTS.training), b"")
    with pytest.raises(InvalidDataset, match="the holdout rows have the root"):
        verify_training_data(JOB, swapped)
    labels = PARTS.training.labels.copy()
    labels[0] ^= 1
    changed = encode_training_data(TrainingParts(Dataset(PARTS.training.rows, labels), PARTS.holdout), b"")
    with pytest.raises(InvalidDataset, match="the training rows have the root"):
        verify_training_data(JOB, changed)


def test_data_that_the_model_cannot_read_are_refused() -> None:
    with pytest.raises(InvalidDataset, match="rows of 5 values"):
        verify_training_data(replace(JOB, sizes=(6, 32, 2)), BLOB)
    labels = np.full(len(PARTS.training.labels), 2, np.uint8)
    blob = encode_training_data(TrainingParts(Dataset(PARTS.training.rows, labels), PARTS.holdout), b"")
    with pytest.raises(InvalidDataset, match="labels up to 2"):
        verify_training_data(JOB, blob)


@pytest.mark.parametrize(
    "change",
    [
        {"training_rows": b"\x01"},
        {"holdout_rows": b""},
        {"width": 6},
        {"training_rows": b"\x80" * 480},
        {"holdout_labels": b"\x00" * 23},
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, object]) -> None:
    data = replace(decode_training_data(BLOB), **change)
    with pytest.raises(InvalidDataset):
        split_training_data(data)
    with pytest.raises(InvalidDataset):
        verify_training_data(JOB, encode(data))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": 0},
        {"width": 0},
        {"width": 1_025},
        {"training_labels": b""},
        {"holdout_labels": bytes(2**16 + 1)},
        {"recipe": bytes(65_537)},
    ],
)
def test_blobs_beyond_the_limits_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(MalformedEncoding):
        decode_training_data(encode(replace(decode_training_data(BLOB), **change)))


def test_a_blob_may_not_be_longer_than_a_mebibyte() -> None:
    rows = np.zeros((2**15, 32), np.uint8)
    part = Dataset(rows, np.zeros(len(rows), np.uint8))
    with pytest.raises(InvalidDataset, match=f"more than {TRAINING_DATA_SIZE_MAX}"):
        encode_training_data(TrainingParts(part, part), b"")
    with pytest.raises(OversizeEncoding):
        verify_training_data(JOB, bytes(TRAINING_DATA_SIZE_MAX + 1))


@given(st.binary(max_size=64), st.integers(0, len(BLOB) - 1))
def test_changed_blobs_are_refused(inserted: bytes, place: int) -> None:
    changed = BLOB[:place] + inserted + BLOB[place + 1 :]
    if changed == BLOB:
        return
    recipe_start = len(BLOB) - len(decode_training_data(BLOB).recipe)
    try:
        verify_training_data(JOB, changed)
    except (InvalidDataset, MalformedEncoding):
        return
    assert place >= recipe_start, "only the recipe may be another one: the roots do not bind it"


def test_records_of_other_shapes_are_no_training_data() -> None:
    for fields in ([], [1, 5], [*encode_fields(), b""]):
        with pytest.raises(MalformedEncoding):
            decode_training_data(encode(fields))


def encode_fields() -> list[object]:
    data = decode_training_data(BLOB)
    return [getattr(data, name) for name in TrainingData.__struct_fields__]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sizes": (1_000, 17, 2)}, "17034 weights"),
        ({"rows": 4_096, "sizes": (5, 512, 2)}, "multiply-accumulates of an evaluation"),
        ({"population": 4_097}, "4097 evaluations"),
        ({"generation_interval_ms": 99}, "generations of 99 ms"),
        ({"init_seed": bytes(31) + b"\x01"}, "its own must be zeros"),
    ],
)
def test_jobs_that_cost_more_than_is_paid_are_refused(change: dict[str, object], reason: str) -> None:
    verify_training_job(JOB)
    with pytest.raises(InvalidJob, match=reason):
        verify_training_job(replace(JOB, **change))


def test_a_score_that_takes_long_is_refused() -> None:
    rows = np.zeros((9_000, 5), np.uint8)
    part = Dataset(rows, np.zeros(len(rows), np.uint8))
    wide = replace(JOB, sizes=(5, 2_000, 2))
    with pytest.raises(InvalidDataset, match="a score takes 126000000"):
        verify_training_data(wide, encode_training_data(TrainingParts(PARTS.training, part), b""))
