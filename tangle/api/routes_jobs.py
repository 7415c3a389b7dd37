"""Routes about jobs: which there are, what happened to each, and why."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from tangle.api.convert_jobs import make_job_answer, make_job_event_answer
from tangle.api.cursors import JOB_EVENTS, JOBS, decode_cursor, encode_cursor
from tangle.api.explaining import explain_job
from tangle.api.registry import Call, Reply, RouteTable
from tangle.api.schemas.jobs import ExplanationAnswer, JobAnswer, JobEventAnswer
from tangle.api.schemas.market import JobKind
from tangle.api.wire import HexDigest
from tangle.core.types import Digest
from tangle.node.market_views import JobFilter, JobPhase

routes: Final = RouteTable("jobs")

PAGE_MAX: Final = 200
"""Most jobs of one page: a job with its longest problem and answer takes some 15 kB of JSON."""

EVENTS_MAX: Final = 500
"""Most events of one page, and of one explanation."""


class JobListInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """Which jobs."""

    customer: str | None = None
    """Whose: an address, or a public key in hex."""

    worker: str | None = None
    """Who works or worked on them."""

    phase: JobPhase | None = None
    """Where they stand."""

    kind: JobKind | None = None
    """What they are."""

    live: bool | None = None
    """Whether they have not ended."""

    cursor: str | None = None
    """``next_cursor`` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 50
    """Most jobs to return. A page may hold fewer and still have a next one."""


class JobInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """A job."""

    job: HexDigest
    """Its name."""


class JobEventInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """One page of a job's events."""

    job: HexDigest
    """Its name."""

    cursor: str | None = None
    """``next_cursor`` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=EVENTS_MAX)] = 100
    """Most events to return."""


@routes.get("/v1/jobs", JobListInputs, answer=tuple[JobAnswer, ...])
def list_jobs(call: Call[JobListInputs, None]) -> Reply:
    """Jobs, newest first, ended ones included."""
    context, inputs = call.context, call.inputs
    wanted = JobFilter(
        customer=None if inputs.customer is None else context.accounts.decode(inputs.customer),
        worker=None if inputs.worker is None else context.accounts.decode(inputs.worker),
        phase=inputs.phase,
        kind=None if inputs.kind is None else inputs.kind.kind,
        is_live=inputs.live,
    )
    page = context.service.market.list_jobs(wanted, decode_cursor(JOBS, inputs.cursor), inputs.limit)
    answers = tuple(make_job_answer(view, context.accounts) for view in page.items)
    return Reply(answers, next_cursor=encode_cursor(JOBS, page.next_before))


@routes.get("/v1/jobs/{job}", JobInputs, answer=JobAnswer)
def get_job(call: Call[JobInputs, None]) -> Reply:
    """One job, live or ended."""
    context = call.context
    return Reply(make_job_answer(context.service.market.get_job(_read(call.inputs.job)), context.accounts))


@routes.get("/v1/jobs/{job}/events", JobEventInputs, answer=tuple[JobEventAnswer, ...])
def get_job_events(call: Call[JobEventInputs, None]) -> Reply:
    """What happened to a job, oldest first."""
    context, inputs = call.context, call.inputs
    first = decode_cursor(JOB_EVENTS, inputs.cursor) or 0
    page = context.service.market.get_job_events(_read(inputs.job), first, inputs.limit)
    answers = tuple(make_job_event_answer(view, context.accounts) for view in page.items)
    return Reply(answers, next_cursor=encode_cursor(JOB_EVENTS, page.next_first))


@routes.get("/v1/jobs/{job}/explain", JobInputs, answer=ExplanationAnswer)
def get_job_explanation(call: Call[JobInputs, None]) -> Reply:
    """What happened to a job and why, where the money is, and what comes next."""
    context = call.context
    market, job = context.service.market, _read(call.inputs.job)
    view = market.get_job(job)
    events = market.get_job_events(job, 0, EVENTS_MAX).items
    now_ms = market.get_market().now_ms
    return Reply(explain_job(view, events, market.rules, now_ms, context.accounts))


def _read(job: HexDigest) -> Digest:
    return Digest(bytes(job))
