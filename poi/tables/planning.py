"""Everything that opening a training job takes, from the bytes of a file."""

from collections.abc import Sequence

from msgspec import Struct

from poi.dataset import Dataset
from poi.job import StandingJob
from poi.tables.preparing import PreparedTable, prepare_table
from poi.tables.reading import read_table
from poi.tables.recipe import encode_recipe
from poi.tables.tuning import choose_job, count_holdout_rows
from poi.training import TrainingParts, encode_training_data


class TrainingPlan(Struct, frozen=True):
    """A job that can be opened."""

    prepared: PreparedTable
    """The table as rows."""

    job: StandingJob
    """The parameters."""

    content: bytes
    """The blob of its data."""


def plan_training(data: bytes, label: str, ignored: Sequence[str] = ()) -> TrainingPlan:
    """Plan the training of a model that tells ``label`` from the other columns.

    :raises InvalidTable: the file is no table that a model can learn.
    :raises InvalidDataset: its rows are too many.
    """
    prepared = prepare_table(read_table(data, label, ignored))
    classes = len(prepared.recipe.labels)
    rows = count_holdout_rows(prepared.training.rows.shape[1], classes)
    holdout = Dataset(prepared.holdout.rows[:rows], prepared.holdout.labels[:rows])
    job = choose_job(prepared.training, holdout, classes)
    content = encode_training_data(TrainingParts(prepared.training, holdout), encode_recipe(prepared.recipe))
    return TrainingPlan(prepared, job, content)
