"""Training data as one blob: rows and labels of both parts, and the recipe that made them.

A training job names this blob and, in its parameters, the roots of both parts. A validator that has fetched
the blob checks that the two fit each other and votes; once a quorum did, every node can have the data.
"""

from typing import Annotated, Final

import numpy as np
from msgspec import Meta, Struct

from aivm.layered import CLASSES_MAX
from poi.dataset import Dataset, compute_dataset_root
from poi.errors import InvalidDataset, InvalidJob
from poi.evolution import verify_readable
from poi.job import StandingJob
from tangle.core.encoding import decode, encode
from tangle.core.types import Digest, Milliseconds

TRAINING_DATA_VERSION: Final = 1
"""The only version so far."""

TRAINING_DATA_SIZE_MAX: Final = 2**20
"""Longest blob in bytes. Every node keeps the data of every training job with its history, and holds those
of the open ones in memory."""

TRAINING_ROWS_MAX: Final = 2**16
"""Most rows of a part: hashing as many leaves takes about a fifth of a second."""

TRAINING_WIDTH_MAX: Final = 1_024
"""Most inputs of a row: with 16 hidden units and a few classes they make as many weights as there may be."""

TRAINING_WEIGHTS_MAX: Final = 2**14
"""Most weights of a paid model. Each of its generations is kept, and its state goes into every write: 128 KiB
for each of the paid jobs on the board."""

TRAINING_MACS_MAX: Final = 2**24
"""Most multiply-accumulates of an evaluation: a few milliseconds, as long as other transactions wait."""

SCORE_MACS_MAX: Final = 2**24
"""Most multiply-accumulates of a score, for which the whole node waits at every generation."""

TRAINING_POPULATION_MAX: Final = 4_096
"""Most evaluations that a generation of a paid job waits for."""

TRAINING_INTERVAL_MIN: Final = Milliseconds(100)
"""Shortest generation of a paid job: each adds a row to history, however little was evaluated."""

NO_SEED: Final = Digest(bytes(32))
"""A customer's parameters have no seed: the ledger puts the name of the paid job there."""

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


def verify_training_job(job: StandingJob) -> None:
    """Check that parameters are such as a customer may have trained.

    :raises InvalidJob: they would cost every node more than is paid for, or bring a seed of their own.
    """
    shape = job.make_shape()
    limits = {
        "weights": (shape.layers.weight_count, TRAINING_WEIGHTS_MAX),
        "multiply-accumulates of an evaluation": (shape.multiply_accumulates, TRAINING_MACS_MAX),
        "evaluations in a generation": (job.population, TRAINING_POPULATION_MAX),
    }
    for name, (value, most) in limits.items():
        if value > most:
            raise InvalidJob(f"{value} {name}, more than {most} of a paid job")
    if job.generation_interval_ms < TRAINING_INTERVAL_MIN:
        raise InvalidJob(f"generations of {job.generation_interval_ms} ms, less than {TRAINING_INTERVAL_MIN}")
    if job.init_seed != NO_SEED:
        raise InvalidJob("its seed is the name of the paid job, so its own must be zeros")


def verify_training_data(job: StandingJob, content: bytes) -> TrainingParts:
    """Check that a blob is what a training job's parameters speak of; a validator votes as this ends.

    :raises OversizeEncoding, MalformedEncoding: it is no training data.
    :raises InvalidDataset: other roots, rows that the model cannot read, or more than may be scored.
    """
    parts = split_training_data(decode_training_data(content))
    score_macs = len(parts.holdout.labels) * job.make_shape().layers.weight_count
    if score_macs > SCORE_MACS_MAX:
        raise InvalidDataset(f"a score takes {score_macs} multiply-accumulates, more than {SCORE_MACS_MAX}")
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
