"""Routes for the operator about peers: addresses, bans and draining; never on the public door."""

from typing import Any, Final

from msgspec import Struct

from tangle.api.registry import JSON_BODY_MAX, BodyRule, Call, NoInputs, Reply, RouteTable
from tangle.api.schemas.admin import DoneAnswer
from tangle.api.schemas.peers import (
    AddressBody,
    AddressText,
    BanAnswer,
    BanBody,
    DrainAnswer,
    DrainBody,
    KnownAddressAnswer,
    SubjectText,
)
from tangle.api.wire import HexDigest, Quantity
from tangle.net.bans import Ban
from tangle.node.peer_desk import KnownAddress, PeerDesk

routes: Final = RouteTable("admin")


class AddressInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """An address of the book."""

    address: AddressText
    """``host:port``."""


class BanInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """A ban."""

    subject: SubjectText
    """Whom it is of, as ``GET`` tells it."""


@routes.get("/v1/admin/addresses", NoInputs, answer=tuple[KnownAddressAnswer, ...])
async def list_addresses(call: Call[NoInputs, None]) -> Reply:
    """The node's address book: peers kept connected first, then those reached before, then those heard of."""
    return Reply(tuple(map(make_address_answer, _get_desk(call).list_addresses())))


@routes.post("/v1/admin/addresses", NoInputs, BodyRule(AddressBody, False, JSON_BODY_MAX), answer=DoneAnswer)
async def add_address(call: Call[NoInputs, AddressBody]) -> Reply:
    """Keep a peer connected from now on, over restarts too."""
    address = await _get_desk(call).add(call.body.address)
    return Reply(DoneAnswer(f"{address} is kept connected"))


@routes.delete("/v1/admin/addresses/{address}", AddressInputs, answer=DoneAnswer)
async def remove_address(call: Call[AddressInputs, None]) -> Reply:
    """Forget an address, and end the session that this node began with it."""
    address = await _get_desk(call).remove(call.inputs.address)
    return Reply(DoneAnswer(f"{address} is forgotten"))


@routes.get("/v1/admin/bans", NoInputs, answer=tuple[BanAnswer, ...])
async def list_bans(call: Call[NoInputs, None]) -> Reply:
    """Who is kept out, the operator's bans and the node's own."""
    return Reply(tuple(map(make_ban_answer, _get_desk(call).list_bans())))


@routes.post("/v1/admin/bans", NoInputs, BodyRule(BanBody, False, JSON_BODY_MAX), answer=BanAnswer)
async def ban_peer(call: Call[NoInputs, BanBody]) -> Reply:
    """Keep a node key, a host or a network out, over restarts too, and end the sessions with it."""
    body = call.body
    return Reply(make_ban_answer(await _get_desk(call).ban(body.subject, body.reason, body.duration_s)))


@routes.delete("/v1/admin/bans", BanInputs, answer=DoneAnswer, refusals=(404,))
async def unban_peer(call: Call[BanInputs, None]) -> Reply:
    """Lift a ban, whoever made it."""
    await _get_desk(call).unban(call.inputs.subject)
    return Reply(DoneAnswer(f"{call.inputs.subject} may come again"))


@routes.put("/v1/admin/drain", NoInputs, BodyRule(DrainBody, False, JSON_BODY_MAX), answer=DrainAnswer)
async def drain_node(call: Call[NoInputs, DrainBody]) -> Reply:
    """Let sessions with peers only end, before maintenance; or let them begin again. Undone by a restart."""
    sessions = _get_desk(call).drain(call.body.is_draining)
    return Reply(DrainAnswer(call.body.is_draining, sessions))


def make_address_answer(known: KnownAddress) -> KnownAddressAnswer:
    """The answer's form of an address."""
    return KnownAddressAnswer(
        address=known.address,
        is_settled=known.is_settled,
        is_added=known.is_added,
        is_tried=known.is_tried,
        failures=known.failures,
        public_key=None if known.public_key is None else HexDigest(known.public_key),
        is_connected=known.is_connected,
    )


def make_ban_answer(ban: Ban) -> BanAnswer:
    """The answer's form of a ban."""
    until_ms = Quantity(ban.until_ms) if ban.until_ms else None
    return BanAnswer(ban.subject, ban.reason, Quantity(ban.since_ms), until_ms, ban.is_manual)


def _get_desk(call: Call[Any, Any]) -> PeerDesk:
    operator = call.context.operator
    assert operator is not None, "these routes are served with an operator only"
    return operator.peers
