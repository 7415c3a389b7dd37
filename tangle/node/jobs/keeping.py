"""Which blobs a node must not lose, as the ledger says: a pure function of the market.

Validators keep the packages of registered programs, since they said that they have them. A worker keeps what
its claim names until the job is settled: whoever checks it may have to fetch it. Everybody keeps the data of
models that are being trained.
"""

from collections.abc import Callable, Iterator

from aivm.program.binding import BoundProgram
from aivm.verification.errors import InvalidRequest
from aivm.verification.graph import GraphProgram
from poi.market.records import (
    Assigned,
    Claimed,
    Disputed,
    Gathering,
    Job,
    Learning,
    MarketState,
    Training,
)
from tangle.core.blob_id import BlobId
from tangle.core.types import Digest, PublicKey
from tangle.node.jobs.names import RunTask, WrongSources, list_inputs, list_outputs

FindBound = Callable[[Digest], BoundProgram | None]
"""A program that is in memory."""


def list_own_jobs(state: MarketState, account: PublicKey) -> Iterator[Job]:
    """Jobs in which an account is worker or challenger now."""
    for job in state.jobs:
        match job.phase:
            case Assigned(worker=worker) | Claimed(worker=worker) if worker == account:
                yield job
            case Disputed(claim=claim, challenger=challenger) if account in (claim.worker, challenger):
                yield job
            case _:
                pass


def list_needed_blobs(
    state: MarketState, account: PublicKey, *, is_validator: bool, find_bound: FindBound
) -> set[BlobId]:
    """Blobs that the node of an account keeps."""
    needed: set[BlobId] = set()
    own = tuple(list_own_jobs(state, account))
    used = {job.task.program for job in own if isinstance(job.task, RunTask)}
    needed.update(BlobId(entry.package) for entry in state.programs if is_validator or entry.program in used)
    for job in state.jobs:
        if isinstance(job.task, Training) and isinstance(job.phase, Gathering | Learning):
            needed.add(BlobId(job.task.data))
    for job in own:
        needed.update(_list_run_blobs(job, find_bound))
    return needed


def _list_run_blobs(job: Job, find_bound: FindBound) -> Iterator[BlobId]:
    task = job.task
    if not isinstance(task, RunTask):
        return
    bound = find_bound(task.program)
    if bound is None:
        return  # its tensors' sizes are not known before it is loaded
    try:
        program = GraphProgram(bound, task.rows)
        yield from (source.blob for source in list_inputs(program, task))
        claim = job.phase.claim if isinstance(job.phase, Disputed) else job.phase
        if isinstance(claim, Claimed):
            yield from (source.blob for source in list_outputs(program, claim.commitment, claim.sources))
            if claim.served:
                yield BlobId(claim.served)
    except (InvalidRequest, WrongSources):
        return  # a task that names no tensors of the program names no blobs either
