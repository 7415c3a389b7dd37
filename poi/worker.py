"""What a worker process computes: plain functions from one record to another, with the backend it opened.

Requests and answers are the records of ``poi.events``: bytes, integers and tuples, so any way of sending them
to another process will do. A job's data set is loaded once per process.
"""

from aivm.backends.protocol import Backend
from poi.events import EvaluateAnswer, EvaluateRequest, FoldRequest, FoldResult
from poi.evolution import compute_results, compute_score, open_job
from poi.folding import compute_direction, compute_fold
from poi.job import StandingJob
from poi.weights import (
    compute_effective,
    compute_weights_digest,
    decode_effective,
    decode_master,
    encode_matrices,
)


def prepare(job: StandingJob, backend: Backend) -> None:
    """Load a job's data and compile its kernels, so that the first request is quick."""
    backend.prepare(open_job(job).shape)


def evaluate(request: EvaluateRequest, backend: Backend) -> EvaluateAnswer:
    """Evaluate everything that is asked for: the proof of one's own work, or what others' must equal.

    :raises InvalidWeights: the weights are not this job's.
    """
    opened = open_job(request.job)
    weights = decode_effective(opened.shape.layers, request.weights)
    return EvaluateAnswer(compute_results(opened, request.generation, weights, request.assignments, backend))


def fold(request: FoldRequest, backend: Backend) -> FoldResult:
    """Fold counted work into the next generation and score it.

    :raises InvalidWeights: the weights are not this job's.
    :raises InvalidJob: fewer evaluations than the population.
    """
    opened = open_job(request.job)
    job = opened.job
    direction = compute_direction(job, opened.id, request.works)
    evaluations = sum(len(work.results) for work in request.works)
    master = compute_fold(job, decode_master(job, request.master), direction, evaluations)
    generation = request.generation + 1
    digest = compute_weights_digest(job, opened.id, generation, master)
    score = compute_score(opened, compute_effective(job, master), backend)
    return FoldResult(generation, encode_matrices(master), digest, score)
