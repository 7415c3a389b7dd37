"""Routes about the market: prices, programs and workers."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from tangle.api.convert_jobs import make_job_event_answer
from tangle.api.convert_market import (
    make_market_answer,
    make_program_answer,
    make_quote_answer,
    make_task,
    make_worker_answer,
)
from tangle.api.errors import InvalidCursor
from tangle.api.registry import JSON_BODY_MAX, BodyRule, Call, NoInputs, Reply, RouteTable
from tangle.api.schemas.jobs import JobEventAnswer
from tangle.api.schemas.market import MarketAnswer, ProgramAnswer, QuoteAnswer, QuoteRequest, WorkerAnswer
from tangle.api.wire import HexDigest
from tangle.core.hashing import HASH_SIZE
from tangle.core.types import Digest

routes: Final = RouteTable("market")

PAGE_MAX: Final = 200
"""Most programs of one page: about 200 kB of JSON."""

EVENTS_MAX: Final = 500
"""Most events of a program: two for each validator, and a few."""


class ProgramInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """A program."""

    program: HexDigest
    """Its id."""


class ProgramListInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """One page of the programs."""

    cursor: str | None = None
    """``next_cursor`` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 100
    """Most programs to return."""


@routes.get("/v1/market", NoInputs, answer=MarketAnswer)
def get_market(call: Call[NoInputs, None]) -> Reply:
    """What each kind of job costs now, how much there is of everything, and the market's rules."""
    market = call.context.service.market
    return Reply(make_market_answer(market.get_market(), market.rules))


@routes.get("/v1/programs", ProgramListInputs, answer=tuple[ProgramAnswer, ...])
def list_programs(call: Call[ProgramListInputs, None]) -> Reply:
    """Registered programs with their cost and what that is in grains now, in order of their ids."""
    context, inputs = call.context, call.inputs
    market = context.service.market
    page = market.list_programs(_read_cursor(inputs.cursor), inputs.limit)
    now = market.get_market()
    answers = tuple(make_program_answer(view, now, context.accounts) for view in page.items)
    return Reply(answers, next_cursor=None if page.next_after is None else page.next_after.hex())


@routes.get("/v1/programs/{program}", ProgramInputs, answer=ProgramAnswer)
def get_program(call: Call[ProgramInputs, None]) -> Reply:
    """One registered program with its cost and what that is in grains now."""
    market = call.context.service.market
    view = market.get_program(Digest(bytes(call.inputs.program)))
    return Reply(make_program_answer(view, market.get_market(), call.context.accounts))


@routes.get("/v1/programs/{program}/events", ProgramInputs, answer=tuple[JobEventAnswer, ...])
def get_program_events(call: Call[ProgramInputs, None]) -> Reply:
    """What happened to a program and what validators said of it, oldest first; also where it was removed."""
    context = call.context
    page = context.service.market.get_program_events(Digest(bytes(call.inputs.program)), 0, EVENTS_MAX)
    return Reply(tuple(make_job_event_answer(view, context.accounts) for view in page.items))


@routes.get("/v1/workers", NoInputs, answer=tuple[WorkerAnswer, ...])
def list_workers(call: Call[NoInputs, None]) -> Reply:
    """Announced workers, in order of their keys."""
    context = call.context
    workers = context.service.market.list_workers()
    return Reply(tuple(make_worker_answer(capacity, context.accounts) for capacity in workers))


@routes.post("/v1/quote", NoInputs, BodyRule(QuoteRequest, False, JSON_BODY_MAX), answer=QuoteAnswer)
def get_quote(call: Call[NoInputs, QuoteRequest]) -> Reply:
    """What a job would cost now. Nothing is ordered and nothing is promised."""
    return Reply(make_quote_answer(call.context.service.market.quote(make_task(call.body))))


def _read_cursor(text: str | None) -> Digest | None:
    # Programs are in the order of their ids, so the last id of a page is where the next one begins.
    if text is None:
        return None
    try:
        after = bytes.fromhex(text)
    except ValueError:
        raise InvalidCursor from None
    if len(after) != HASH_SIZE:
        raise InvalidCursor
    return Digest(after)
