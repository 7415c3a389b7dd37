"""Training data as one blob: rows and labels of both parts, and the recipe that made them.

A training job names this blob and, in its parameters, the roots of both parts. A validator that has fetched
the blob checks that the two fit each other and votes; once a quorum did, every node can have the data.
"""

from typing import Annotated, Final

import numpy as np
from msgspec import Meta, Struct

from aivm.layered import CLASSES_MAX
from poi.dataset import Dataset, compute_dataset_root
from poi.errors import InvalidDataset
from poi.evolution import verify_readable
from poi.job import StandingJob
from tangle.core.encoding import decode, encode

TRAINING_DATA_VERSION: Final = 1
"""The only version so far."""

TRAINING_DATA_SIZE_MAX: Final = 2**20
"""Longest blob in bytes. Every node keeps the data of every training job with its history, and holds those
of the open ones in memory."""

TRAINING_ROWS_MAX: Final = 2**16
"""Most rows of a part: hashing as many leaves takes about a fifth of a second."""

TRAINING_WIDTH_MAX: Final = 4_096
"""Most inputs of a row."""

RECIPE_SIZE_MAX: Final = 65_536
"""Longest recipe in bytes."""


class TrainingData(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What the blob holds, as bytes; ``split_training_data`` checks that they fit together."""

    version: Annotated[int, Meta(ge=TRAINING_DATA_VERSION, le=TRAINING_DATA_VERSION)]
    """Format version."""

    width: Annotated[int, Meta(ge=1, le=TRAINING_WIDTH_MAX)]
    """Bytes of a row."""

    training_rows: bytes
    """Rows that batches are drawn from, one after the other, values 0 ... 127."""

    training_labels: Annotated[bytes, Meta(min_length=1, max_length=TRAINING_ROWS_MAX)]
    """A byte for each of them."""

    holdout_rows: bytes
    """Rows that scores are counted on."""

    holdout_labels: Annotated[bytes, Meta(min_length=1, max_length=TRAINING_ROWS_MAX)]
    """A byte for each of them."""

    recipe: Annotated[bytes, Meta(max_length=RECIPE_SIZE_MAX)]
    """How the rows came about, for people; the network does not read it."""


class TrainingParts(Struct, frozen=True):
    """Both data sets of a blob."""

    training: Dataset
    """Rows that batches are drawn from."""

    holdout: Dataset
    """Rows that scores are counted on."""


def encode_training_data(parts: TrainingParts, recipe: bytes) -> bytes:
    """The blob of two data sets of one width.

    :raises InvalidDataset: it is longer than ``TRAINING_DATA_SIZE_MAX``, or nobody could read it back.
    """
    training, holdout = parts.training, parts.holdout
    data = encode(
        TrainingData(
            TRAINING_DATA_VERSION,
            training.rows.shape[1],
            training.rows.tobytes(),
            training.labels.tobytes(),
            holdout.rows.tobytes(),
            holdout.labels.tobytes(),
            recipe,
        )
    )
    if len(data) > TRAINING_DATA_SIZE_MAX:
        rows = len(training.rows) + len(holdout.rows)
        found = f"{rows} rows of {training.rows.shape[1]} inputs take {len(data)} bytes"
        raise InvalidDataset(f"{found}, more than {TRAINING_DATA_SIZE_MAX}")
    split_training_data(decode_training_data(data))
    return data


def decode_training_data(content: bytes) -> TrainingData:
    """Read a blob strictly.

    :raises OversizeEncoding, MalformedEncoding: it is no training data.
    """
    return decode(TrainingData, content, limit=TRAINING_DATA_SIZE_MAX)


def split_training_data(data: TrainingData) -> TrainingParts:
    """Both data sets.

    :raises InvalidDataset: rows and labels do not fit each other, or a value is over 127.
    """
    return TrainingParts(
        _make_dataset(data.width, data.training_rows, data.training_labels),
        _make_dataset(data.width, data.holdout_rows, data.holdout_labels),
    )


def verify_training_data(job: StandingJob, content: bytes) -> TrainingParts:
    """Check that a blob is what a training job's parameters speak of; a validator votes as this ends.

    :raises OversizeEncoding, MalformedEncoding: it is no training data.
    :raises InvalidDataset: its parts have other roots, or the job's model cannot read them.
    """
    parts = split_training_data(decode_training_data(content))
    for name, dataset, root in (
        ("training", parts.training, job.dataset),
        ("holdout", parts.holdout, job.holdout),
    ):
        verify_readable(job, dataset)
        computed = compute_dataset_root(dataset)
        if computed != root:
            raise InvalidDataset(f"the {name} rows have the root {computed.hex()}, not {root.hex()}")
    return parts


def _make_dataset(width: int, rows: bytes, labels: bytes) -> Dataset:
    if len(rows) != width * len(labels):
        raise InvalidDataset(f"{len(rows)} bytes of rows for {len(labels)} labels and {width} inputs")
    values = np.frombuffer(rows, np.uint8).reshape(len(labels), width)
    answers = np.frombuffer(labels, np.uint8)
    if int(answers.max()) >= CLASSES_MAX:
        raise InvalidDataset(f"a label of {answers.max()} is over {CLASSES_MAX - 1}")
    return Dataset(values, answers)
