"""From the node's views of jobs to the API's answers."""

from typing import assert_never

from msgspec import Struct

from aivm.verification.trace import Commitment
from poi.job import compute_job_id
from poi.market.problems import count_parts, decode_problem
from poi.market.records import (
    Assigned,
    Best,
    Claimed,
    Collecting,
    Disputed,
    Gathering,
    Inference,
    Job,
    Learning,
    Optimisation,
    Phase,
    Training,
    Transformation,
    Waiting,
    get_kind,
)
from poi.market.votes import Verdict
from tangle.api.accounts import AccountCodec
from tangle.api.convert_market import get_job_kind
from tangle.api.convert_transactions import make_quantity
from tangle.api.describe_events import describe_job_event, get_event_name
from tangle.api.schemas.jobs import (
    BestAnswer,
    ClaimAnswer,
    JobAnswer,
    JobEventAnswer,
    ProblemTaskAnswer,
    ProgramTaskAnswer,
    TaskAnswer,
    TensorSourceAnswer,
    TrainingTaskAnswer,
)
from tangle.api.wire import HexBytes, HexDigest, Quantity
from tangle.core.blob_id import BlobId, format_blob_id
from tangle.core.encoding import encode
from tangle.core.types import Digest, PublicKey
from tangle.ledger.board import make_standing_job
from tangle.node.market_views import JobEventView, JobView


class PhaseFacts(Struct, frozen=True):
    """What a phase remembers, whichever it is."""

    failed: tuple[PublicKey, ...] = ()
    """Who had the job before."""

    worker: PublicKey | None = None
    """Who has it, or whose result stands."""

    due_ms: int | None = None
    """When its result is due."""

    claim: Claimed | None = None
    """The result."""

    challenger: PublicKey | None = None
    """Who disputes it."""

    sealed: int = 0
    """Sealed answers."""

    best: Best | None = None
    """The best one shown."""

    closed: int = 0
    """Generations paid."""


def read_phase(phase: Phase) -> PhaseFacts:
    """What a phase remembers."""
    match phase:
        case Waiting(failed=failed):
            return PhaseFacts(failed)
        case Assigned(failed=failed, worker=worker, due_ms=due_ms):
            return PhaseFacts(failed, worker, due_ms)
        case Claimed(failed=failed, worker=worker):
            return PhaseFacts(failed, worker, claim=phase)
        case Disputed(claim=claim, challenger=challenger):
            return PhaseFacts(claim.failed, claim.worker, claim=claim, challenger=challenger)
        case Collecting(sealed=sealed, best=best):
            return PhaseFacts(sealed=sealed, best=best[0] if best else None)
        case Learning(closed=closed):
            return PhaseFacts(closed=closed)
        case Gathering():
            return PhaseFacts()
        case _:
            assert_never(phase)


def make_job_answer(view: JobView, accounts: AccountCodec) -> JobAnswer:
    """The answer's form of a job."""
    job, facts = view.job, read_phase(view.job.phase)
    best = facts.best
    return JobAnswer(
        id=HexDigest(job.id),
        kind=get_job_kind(get_kind(job.task)),
        phase=view.phase,
        is_live=view.ending is None,
        customer=accounts.encode(job.customer),
        order=Quantity(job.order),
        task=make_task_answer(job),
        units=Quantity(job.units),
        unit_price=Quantity(job.unit_price),
        price=Quantity(job.price),
        escrow=Quantity(job.escrow),
        refunded=make_quantity(view.refunded),
        deadline_ms=Quantity(job.deadline_ms),
        result_ms=Quantity(job.result_ms),
        worker=None if facts.worker is None else accounts.encode(facts.worker),
        failed_workers=tuple(map(accounts.encode, facts.failed)),
        due_ms=make_quantity(facts.due_ms),
        claim=None if facts.claim is None else _make_claim(facts.claim),
        challenger=None if facts.challenger is None else accounts.encode(facts.challenger),
        sealed_answers=facts.sealed,
        best=None
        if best is None
        else BestAnswer(accounts.encode(best.worker), Quantity(best.value), HexBytes(best.answer)),
        closed_generations=Quantity(facts.closed),
    )


def make_task_answer(job: Job) -> TaskAnswer:
    """The answer's form of a job's task."""
    task = job.task
    match task:
        case Inference() | Transformation():
            return ProgramTaskAnswer(
                program=HexDigest(task.program),
                rows=task.rows,
                level=task.level,
                inputs=_make_sources(task.inputs, task.sources),
            )
        case Optimisation(problem=data):
            problem = decode_problem(data)
            name = type(problem).__name__.lower()
            return ProblemTaskAnswer(HexBytes(data), name, count_parts(problem))
        case Training(parameters=parameters, generations=generations, data=data):
            standing = HexDigest(compute_job_id(make_standing_job(job)))
            return TrainingTaskAnswer(
                standing, HexBytes(parameters), generations, format_blob_id(BlobId(data))
            )
        case _:
            assert_never(task)


def make_job_event_answer(view: JobEventView, accounts: AccountCodec) -> JobEventAnswer:
    """The answer's form of an event."""
    return JobEventAnswer(
        number=view.number,
        name=get_event_name(view.event),
        text=describe_job_event(view.event, accounts.encode),
        checkpoint=Quantity(view.checkpoint),
        timestamp_ms=Quantity(view.timestamp_ms),
        transaction=None if view.transaction is None else HexDigest(view.transaction),
    )


def _make_claim(claim: Claimed) -> ClaimAnswer:
    commitment: Commitment = claim.commitment
    return ClaimAnswer(
        commitment=HexBytes(encode(commitment)),
        root=HexDigest(commitment.root),
        outputs=_make_sources(commitment.outputs, claim.sources),
        served=format_blob_id(BlobId(claim.served)) if claim.served else None,
        end_ms=Quantity(claim.end_ms),
        approved_by=_list_voters(claim, Verdict.RIGHT),
        rejected_by=_list_voters(claim, Verdict.WRONG),
    )


def _list_voters(claim: Claimed, verdict: Verdict) -> tuple[int, ...]:
    return tuple(ballot.validator for ballot in claim.votes if ballot.verdict == verdict)


def _make_sources(tensors: tuple[Digest, ...], roots: tuple[Digest, ...]) -> tuple[TensorSourceAnswer, ...]:
    return tuple(
        TensorSourceAnswer(HexDigest(tensor), HexDigest(root))
        for tensor, root in zip(tensors, roots, strict=True)
    )
