"""What a worker process computes: plain functions from one record to another, with the backend it opened.

Requests and answers are the records of ``poi.events``: bytes, integers and tuples, so any way of sending them
to another process will do. A job's data are loaded, or handed in, once per process and stay on its shelf.
"""

from aivm.backends.protocol import Backend
from poi.events import EvaluateAnswer, EvaluateRequest
from poi.evolution import compute_results, open_job
from poi.job import StandingJob
from poi.shelf import JobShelf
from poi.weights import decode_effective


def prepare(job: StandingJob, backend: Backend) -> None:
    """Load a job's data and compile its kernels, so that the first request is quick."""
    backend.prepare(open_job(job).shape)


def evaluate(request: EvaluateRequest, backend: Backend, shelf: JobShelf) -> EvaluateAnswer:
    """Evaluate everything that is asked for: the proof of one's own work, or what others' must equal.

    :param shelf: this process's.
    :raises InvalidWeights: the weights are not this job's.
    :raises UnknownDataset: the data are neither here nor in the request.
    """
    opened = shelf.open(request.job, request.data)
    weights = decode_effective(opened.shape.layers, request.weights)
    return EvaluateAnswer(compute_results(opened, request.generation, weights, request.assignments, backend))
