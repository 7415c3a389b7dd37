"""Routes for the node's operator, on a port of their own, behind a token; never on the public door."""

from typing import Any, Final

from msgspec import Struct

from tangle.api.registry import JSON_BODY_MAX, BodyRule, Call, NoInputs, Reply, RouteTable
from tangle.api.schemas.admin import DoneAnswer, LogLevelAnswer, LogLevelBody
from tangle.api.wire import HexDigest
from tangle.core.types import PublicKey
from tangle.node.operator import Operator

TAG: Final = "admin"
"""Group of these routes in the document."""

routes: Final = RouteTable(TAG)


class PeerInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """A connected peer."""

    key: HexDigest
    """Its node key."""


@routes.get("/v1/admin/log-level", NoInputs, answer=LogLevelAnswer)
def get_log_level(call: Call[NoInputs, None]) -> Reply:
    """How much the node logs."""
    return Reply(LogLevelAnswer(_get_operator(call).get_log_level()))


@routes.put(
    "/v1/admin/log-level", NoInputs, BodyRule(LogLevelBody, False, JSON_BODY_MAX), answer=LogLevelAnswer
)
def set_log_level(call: Call[NoInputs, LogLevelBody]) -> Reply:
    """Log more or less from now on, until the next start."""
    operator = _get_operator(call)
    operator.set_log_level(call.body.level)
    return Reply(LogLevelAnswer(operator.get_log_level()))


@routes.delete("/v1/admin/peers/{key}", PeerInputs, answer=DoneAnswer)
def cut_peer(call: Call[PeerInputs, None]) -> Reply:
    """End the session with a peer. It may come again; a peer that breaks rules is banned by itself."""
    _get_operator(call).cut_peer(PublicKey(call.inputs.key))
    return Reply(DoneAnswer("the session is ending"))


@routes.post("/v1/admin/leave", NoInputs, None, answer=DoneAnswer, is_long=True)
async def leave_committee(call: Call[NoInputs, None]) -> Reply:
    """Have a validator sign nothing more, before it is stopped: nobody waits for a block of it that got lost.

    Answers once the others have gone on, at the latest after some seconds. It takes part again from the next
    start or the next epoch on.
    """
    has_left = await _get_operator(call).leave()
    return Reply(DoneAnswer("the validator signs nothing more" if has_left else "no validator took part"))


@routes.post("/v1/admin/stop", NoInputs, None, answer=DoneAnswer, statuses=(202,))
def stop_node(call: Call[NoInputs, None]) -> Reply:
    """Stop the node as SIGTERM does: it finishes what it has begun, and ends with status 0."""
    _get_operator(call).stop()
    return Reply(DoneAnswer("the node is stopping"), status=202)


def _get_operator(call: Call[Any, Any]) -> Operator:
    operator = call.context.operator
    assert operator is not None, "these routes are served with an operator only"
    return operator
