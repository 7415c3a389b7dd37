"""The AI work of a wallet's own transaction, done on the wallet's machine by numpy."""

from aivm.backends.numpy_backend import NumpyBackend
from poi.errors import InvalidJob
from poi.events import Assignment
from poi.evolution import OpenJob, compute_results, open_job
from poi.job import compute_job_id, decode_job
from poi.weights import compute_effective, decode_master
from tangle.api.schemas.transactions import PreparedAnswer
from tangle.client.client import TangleClient
from tangle.core.address import decode_address
from tangle.core.genesis import Genesis
from tangle.core.transactions import EVOLUTION_WORK, Work
from tangle.core.types import JobId, Sequence
from tangle.ledger.board import open_paid_job


def find_job(genesis: Genesis, job_id: bytes) -> OpenJob | None:
    """The standing job of that id, opened with its data; none where the genesis has no such job."""
    for entry in genesis.board:
        job = decode_job(entry.parameters)
        if compute_job_id(job) == job_id:
            return open_job(job)
    return None


async def fetch_job(client: TangleClient, genesis: Genesis, job_id: bytes) -> OpenJob:
    """A standing job with its data: one of the genesis, or a paid one from what a node says.

    Nothing is taken on trust: the id is the hash of the parameters, which bind the roots of the data.

    :raises InvalidJob: the node answers with another job.
    :raises OversizeEncoding, MalformedEncoding, InvalidDataset: with other data.
    :raises ApiProblem: ``not-found``, there is no such job.
    """
    own = find_job(genesis, job_id)
    if own is not None:
        return own
    job = decode_job(await client.get_parameters(job_id))
    if compute_job_id(job) != job_id:
        raise InvalidJob(f"the node answers with job {compute_job_id(job).hex()} for {job_id.hex()}")
    return open_paid_job(job, await client.get_training_data(job_id))


def compute_work(opened: OpenJob, prepared: PreparedAnswer, master: bytes) -> Work:
    """Evaluate what a prepared transaction was assigned; the issuer is paid.

    :param opened: the prepared job.
    :param master: master weights of the prepared generation. Wrong ones give work that the network refuses.
    :raises InvalidWeights: the node's answers do not fit the job.
    """
    weights = compute_effective(opened.job, decode_master(opened.job, master))
    issuer = decode_address(prepared.issuer, None).public_key
    assignment = Assignment(issuer, Sequence(int(prepared.sequence)), prepared.difficulty)
    (results,) = compute_results(opened, int(prepared.generation), weights, [assignment], NumpyBackend())
    return Work(EVOLUTION_WORK, JobId(bytes(prepared.job)), int(prepared.generation), issuer, results)
