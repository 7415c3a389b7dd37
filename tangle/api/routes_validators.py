"""Routes about stakes and elections, and about evidence that validators signed twice."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from tangle.api.convert_validators import (
    make_candidate_answer,
    make_election_answer,
    make_evidence_answer,
    make_news_answer,
)
from tangle.api.registry import Call, NoInputs, Reply, RouteTable
from tangle.api.schemas.validators import (
    CandidateDetailAnswer,
    ElectionAnswer,
    EvidenceAnswer,
    StakeNewsAnswer,
)
from tangle.api.shard_choice import ShardChoice, check_shard
from tangle.node.views import NotFound

routes: Final = RouteTable("validators")

NEWS_PAGE_MAX: Final = 200
"""Most events of stakes in one answer."""

EVIDENCE_PAGE_MAX: Final = 16
"""Most pieces of evidence in one answer: each may have 128 kB."""


class CandidateInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """A candidate."""

    candidate: str
    """Its key or its owner: an address, or a public key in hex."""

    limit: Annotated[int, Meta(ge=0, le=NEWS_PAGE_MAX)] = 50
    """Most events to return."""


class NewsInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """How much to tell."""

    limit: Annotated[int, Meta(ge=1, le=NEWS_PAGE_MAX)] = 50
    """Most events to return."""


class EvidenceInputs(ShardChoice, frozen=True, forbid_unknown_fields=True):
    """Whose evidence, and how much."""

    limit: Annotated[int, Meta(ge=1, le=EVIDENCE_PAGE_MAX)] = EVIDENCE_PAGE_MAX
    """Most pieces to return."""


@routes.get("/v1/validators", NoInputs, answer=ElectionAnswer)
def list_validators(call: Call[NoInputs, None]) -> Reply:
    """Members and candidates with stake and work, and what an election now would give."""
    context = call.context
    return Reply(make_election_answer(context.service.validators.get_election(), context.accounts))


@routes.get("/v1/validators/news", NewsInputs, answer=tuple[StakeNewsAnswer, ...])
def list_stake_news(call: Call[NewsInputs, None]) -> Reply:
    """What happened to stakes and committees lately, newest first: elections, pay, burned stakes."""
    context = call.context
    news = context.service.validators.list_news(None, call.inputs.limit)
    return Reply(tuple(make_news_answer(each, context.accounts) for each in news))


@routes.get("/v1/validators/{candidate}", CandidateInputs, answer=CandidateDetailAnswer)
def get_validator(call: Call[CandidateInputs, None]) -> Reply:
    """One candidate, by its key or its owner, and what happened to it lately."""
    context, queries = call.context, call.context.service.validators
    key = context.accounts.decode(call.inputs.candidate)
    election = queries.get_election()
    for view in election.candidates:
        if key in (view.validator, view.owner):
            news = queries.list_news(view.validator, call.inputs.limit)
            answer = CandidateDetailAnswer(
                make_candidate_answer(view, election, context.accounts),
                tuple(make_news_answer(each, context.accounts) for each in news),
            )
            return Reply(answer)
    raise NotFound("candidate", call.inputs.candidate)


@routes.get("/v1/evidence", EvidenceInputs, answer=tuple[EvidenceAnswer, ...])
def list_evidence(call: Call[EvidenceInputs, None]) -> Reply:
    """Pairs of blocks that validators signed for one round, each a proof that can be checked offline."""
    check_shard(call)
    found = call.context.service.validators.list_evidence(call.inputs.limit)
    return Reply(tuple(map(make_evidence_answer, found)))
