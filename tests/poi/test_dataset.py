"""The shipped digits are what their roots say, and a root binds type, shape, rows and labels."""

import numpy as np
import pytest

from poi.dataset import DIGITS_HOLDOUT_ROOT, DIGITS_TRAINING_ROOT, Dataset, compute_dataset_root, load_dataset
from poi.errors import InvalidDataset, UnknownDataset
from tangle.core.types import Digest


def test_the_shipped_digits() -> None:
    training, holdout = load_dataset(DIGITS_TRAINING_ROOT), load_dataset(DIGITS_HOLDOUT_ROOT)
    assert (training.rows.shape, holdout.rows.shape) == ((1437, 64), (360, 64))
    for part in (training, holdout):
        assert set(np.unique(part.labels).tolist()) == set(range(10))
        assert set(np.unique(part.rows).tolist()) == {value * 127 // 16 for value in range(17)}
    joined = {row.tobytes() for row in training.rows}
    assert not any(row.tobytes() in joined for row in holdout.rows)


def _make(rows: list[list[int]], labels: list[int]) -> Dataset:
    return Dataset(np.array(rows, np.uint8), np.array(labels, np.uint8))


def test_a_root_binds_rows_labels_order_and_shape() -> None:
    datasets = [
        _make([[1, 2], [3, 4]], [0, 1]),
        _make([[3, 4], [1, 2]], [1, 0]),
        _make([[1, 2], [3, 4]], [1, 0]),
        _make([[1, 2], [3, 5]], [0, 1]),
        _make([[1, 2, 0], [3, 4, 0]], [0, 1]),
        _make([[1], [3]], [2, 4]),
        _make([[1, 2]], [0]),
    ]
    assert len({compute_dataset_root(dataset) for dataset in datasets}) == len(datasets)


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        (np.zeros((0, 4), np.uint8), np.zeros(0, np.uint8)),
        (np.zeros((2, 4), np.int8), np.zeros(2, np.uint8)),
        (np.zeros(4, np.uint8), np.zeros(4, np.uint8)),
        (np.full((2, 4), 128, np.uint8), np.zeros(2, np.uint8)),
        (np.zeros((2, 4), np.uint8), np.zeros(3, np.uint8)),
        (np.zeros((2, 4), np.uint8), np.zeros(2, np.int64)),
    ],
    ids=["empty", "signed", "flat", "eight bits", "labels missing", "wide labels"],
)
def test_malformed_data_are_refused(
    rows: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]", labels: object
) -> None:
    with pytest.raises(InvalidDataset):
        Dataset(rows, labels)  # type: ignore[arg-type] # the wrong types are the point


def test_an_unknown_root_is_refused() -> None:
    with pytest.raises(UnknownDataset):
        load_dataset(Digest(b"\x07" * 32))
