"""Routes about the node: status, committee, peers and health."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from tangle.api.convert_network import (
    make_check_answer,
    make_committee_answer,
    make_peer_answer,
)
from tangle.api.errors import NotReady
from tangle.api.registry import Call, NoInputs, Reply, RouteTable
from tangle.api.schemas.common import ProblemItem
from tangle.api.schemas.network import CommitteeAnswer, HealthAnswer, PeerAnswer, StatusAnswer
from tangle.api.shard_choice import ShardChoice, check_shard

routes: Final = RouteTable("network")


class CommitteeInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose committee."""

    shard: Annotated[int, Meta(ge=0, le=255)] = 0
    """The shard."""


class ReadyInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """How much to tell."""

    verbose: str | None = None
    """Present, with any value: list the single conditions."""


@routes.get("/v1/status", ShardChoice, answer=StatusAnswer)
def get_node_status(call: Call[ShardChoice, None]) -> Reply:
    """One screen about the node."""
    check_shard(call)
    page = call.context.get_status()
    return Reply(page.answer, encoded=page.encoded)


@routes.get("/v1/committee", CommitteeInputs, answer=CommitteeAnswer)
def get_committee(call: Call[CommitteeInputs, None]) -> Reply:
    """Rounds and votes of a shard's committee."""
    return Reply(make_committee_answer(call.context.service.get_committee(call.inputs.shard)))


@routes.get("/v1/peers", ShardChoice, answer=tuple[PeerAnswer, ...])
def list_peers(call: Call[ShardChoice, None]) -> Reply:
    """Connected peers."""
    check_shard(call)
    return Reply(tuple(map(make_peer_answer, call.context.service.get_peers())))


@routes.get("/livez", NoInputs, answer=HealthAnswer)
def is_live(call: Call[NoInputs, None]) -> Reply:
    """Whether the process serves requests; it looks at nothing else."""
    return Reply(HealthAnswer(is_ok=True))


@routes.get("/readyz", ReadyInputs, answer=HealthAnswer)
def is_ready(call: Call[ReadyInputs, None]) -> Reply:
    """Whether every readiness condition is met; if not, the answer is 503 and names what is missing."""
    checks = call.context.service.get_readiness()
    missing = [ProblemItem(check.name, check.detail) for check in checks if not check.is_met]
    if missing:
        raise NotReady(missing)
    is_verbose = call.inputs.verbose is not None
    return Reply(HealthAnswer(is_ok=True, checks=tuple(map(make_check_answer, checks)) if is_verbose else ()))
