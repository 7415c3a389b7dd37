"""The AI work of a wallet's own transaction, done on the wallet's machine by numpy."""

from aivm.backends.numpy_backend import NumpyBackend
from poi.errors import InvalidJob
from poi.events import Assignment
from poi.evolution import OpenJob, compute_results, open_job
from poi.job import compute_job_id, decode_job
from poi.weights import compute_effective, decode_master
from tangle.api.schemas.transactions import PreparedAnswer
from tangle.core.address import decode_address
from tangle.core.genesis import Genesis
from tangle.core.transactions import EVOLUTION_WORK, Work
from tangle.core.types import JobId, Sequence


def find_job(genesis: Genesis, job_id: bytes) -> OpenJob:
    """The standing job of that id, opened with its data.

    :raises InvalidJob: the genesis has no such job.
    """
    for entry in genesis.board:
        job = decode_job(entry.parameters)
        if compute_job_id(job) == job_id:
            return open_job(job)
    raise InvalidJob(f"the genesis has no job {job_id.hex()}; tangle model list shows those it has")


def compute_work(genesis: Genesis, prepared: PreparedAnswer, master: bytes) -> Work:
    """Evaluate what a prepared transaction was assigned; the issuer is paid.

    :param master: master weights of the prepared generation. Wrong ones give work that the network refuses.
    :raises InvalidJob, InvalidWeights: the node's answers do not fit the genesis.
    """
    opened = find_job(genesis, prepared.job)
    weights = compute_effective(opened.job, decode_master(opened.job, master))
    issuer = decode_address(prepared.issuer, None).public_key
    assignment = Assignment(issuer, Sequence(int(prepared.sequence)), prepared.difficulty)
    (results,) = compute_results(opened, int(prepared.generation), weights, [assignment], NumpyBackend())
    return Work(EVOLUTION_WORK, JobId(bytes(prepared.job)), int(prepared.generation), issuer, results)
