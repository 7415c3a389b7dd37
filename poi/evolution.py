"""Evaluating a standing job: proving one's own work, recomputing others', and scoring a generation.

Proving and verifying are the same computation, batched per (job, generation): the batch and the base product
are shared, the perturbations add rank-one terms.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from msgspec import Struct

from aivm.backends.protocol import Backend
from aivm.batch import EvaluationBatch, Labels, Rows, Weights
from aivm.layered import EvaluationShape
from aivm.oracle.layered import compute_answers
from poi.dataset import Dataset, load_dataset
from poi.errors import ForgedWork, InvalidDataset, StaleWork, WrongDifficulty, WrongGeneration, WrongJob
from poi.events import Assignment, CountedWork
from poi.job import StandingJob, compute_job_id
from poi.seeds import compute_batch_places, compute_signs
from tangle.core.types import JobId

JOBS_OPEN_MAX: Final = 16
"""Most jobs kept ready per process; a job costs its data set's arrays and two hashes to open again."""

Results = tuple[tuple[int, ...], ...]
"""Per assignment, one ``d`` per evaluation."""


class OpenJob(Struct, frozen=True, eq=False):
    """A job with everything that its parameters lead to."""

    job: StandingJob
    """The parameters."""

    id: JobId
    """Their hash."""

    shape: EvaluationShape
    """What an evaluation computes."""

    training: Dataset
    """Rows that batches are drawn from."""

    holdout: Dataset
    """Rows that scores are counted on."""


@lru_cache(maxsize=JOBS_OPEN_MAX)
def open_job(job: StandingJob) -> OpenJob:
    """Open a job whose data ship with this version.

    :raises UnknownDataset, InvalidDataset: the data are not here, are damaged, or do not fit the model.
    """
    return make_open_job(job, load_dataset(job.dataset), load_dataset(job.holdout))


def make_open_job(job: StandingJob, training: Dataset, holdout: Dataset) -> OpenJob:
    """Put a job and its data together.

    :param training: rows whose root is ``job.dataset``; whoever loaded them has compared the roots.
    :param holdout: rows whose root is ``job.holdout``.
    :raises InvalidDataset: its model cannot read them.
    """
    for dataset in (training, holdout):
        verify_readable(job, dataset)
    return OpenJob(job, compute_job_id(job), job.make_shape(), training, holdout)


def verify_readable(job: StandingJob, dataset: Dataset) -> None:
    """Check that a job's model reads these rows and can answer with these labels.

    :raises InvalidDataset: it does not.
    """
    if dataset.rows.shape[1] != job.sizes[0] or int(dataset.labels.max()) >= job.sizes[-1]:
        found = f"rows of {dataset.rows.shape[1]} values, labels up to {dataset.labels.max()}"
        raise InvalidDataset(f"{found}; the job's layers are {job.sizes}")


def get_batch(opened: OpenJob, generation: int) -> tuple[Rows, Labels]:
    """Rows and labels that every evaluation of ``generation`` is judged on."""
    places = compute_batch_places(opened.id, generation, opened.job.rows, len(opened.training.rows))
    return opened.training.rows[places], opened.training.labels[places]


def compute_results(
    opened: OpenJob, generation: int, weights: Weights, assignments: Sequence[Assignment], backend: Backend
) -> Results:
    """Evaluate every assignment in one call to ``backend``.

    :param weights: effective weights of ``generation``.
    """
    if not assignments:
        return ()
    rows, labels = get_batch(opened, generation)
    left, right = compute_signs(opened.shape, opened.id, generation, assignments)
    computed = backend.evaluate(EvaluationBatch(opened.shape, weights, rows, labels, left, right)).tolist()
    results, start = [], 0
    for assignment in assignments:
        results.append(tuple(computed[start : start + assignment.evaluations]))
        start += assignment.evaluations
    return tuple(results)


def verify_work(
    opened: OpenJob, generation: int, weights: Weights, works: Sequence[CountedWork], backend: Backend
) -> None:
    """Recompute works of one generation and compare.

    :raises WrongGeneration: a work is of another generation.
    :raises ForgedWork: a result differs; the first of them is named.
    """
    for work in works:
        if work.generation != generation:
            raise WrongGeneration(work.generation, generation)
    assignments = [Assignment(work.issuer, work.sequence, len(work.results)) for work in works]
    for work, recomputed in zip(
        works, compute_results(opened, generation, weights, assignments, backend), strict=True
    ):
        verify_results(work, recomputed)


def verify_results(work: CountedWork, recomputed: tuple[int, ...]) -> None:
    """Compare one transaction's results with what recomputing them gave.

    :raises ForgedWork: the first result that differs.
    :raises WrongDifficulty: there are more or fewer of them.
    """
    if len(work.results) != len(recomputed):
        raise WrongDifficulty(len(work.results), len(recomputed))
    for index, (claimed, found) in enumerate(zip(work.results, recomputed, strict=True)):
        if claimed != found:
            raise ForgedWork(work.issuer, work.sequence, index, claimed, found)


def verify_drawn(found: JobId, expected: JobId, evaluations: int, difficulty: int) -> None:
    """Check that work is of the job drawn for its transaction and as much as was asked for.

    :raises WrongJob, WrongDifficulty: it is not.
    """
    if found != expected:
        raise WrongJob(found, expected)
    if evaluations != difficulty:
        raise WrongDifficulty(evaluations, difficulty)


def verify_generation(job: StandingJob, found: int, current: int) -> None:
    """Check that work can be verified and may be admitted while ``current`` is the job's generation.

    :raises WrongGeneration: it is of a later generation.
    :raises StaleWork: it is of one more than ``work_window`` back.
    """
    if found > current:
        raise WrongGeneration(found, current)
    if current - found > job.work_window:
        raise StaleWork(found, current, job.work_window)


def compute_score(opened: OpenJob, weights: Weights, backend: Backend) -> int:
    """Right answers on the holdout; the largest logit answers, the lowest index on ties."""
    logits = backend.compute_logits(opened.shape.layers, weights, opened.holdout.rows)
    return int(np.count_nonzero(compute_answers(logits) == opened.holdout.labels))
