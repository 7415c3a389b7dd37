"""The front: takes the public's requests, and has each answered by the shard that it concerns.

What a shard's door answers is passed on as it is, refusals too. The front has no limits of its own but those
of connections and bodies: a shard's door knows from the front whom it answers.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Final, assert_never

import aiohttp
import structlog
from aiohttp import web

from tangle.api.accepting import prefers
from tangle.api.accounts import AccountCodec
from tangle.api.config import ApiConfig
from tangle.api.cross_origin import make_origin_fields
from tangle.api.errors import InternalFault, UnknownRoute
from tangle.api.front.asking import ask_all, find_first
from tangle.api.front.batches import group_by_shard, put_in_order, read_answers, read_compact
from tangle.api.front.deliveries import Deliveries
from tangle.api.front.errors import ShardNotServed
from tangle.api.front.event_stream import MergedStream
from tangle.api.front.merged import MergedAnswers, Refusal, get_target
from tangle.api.front.routing import (
    Anywhere,
    ByBody,
    Merged,
    Target,
    ToFinder,
    ToHome,
    ToShard,
    find_account,
    find_target,
    find_transaction_shard,
    split_batch,
)
from tangle.api.front.shard_door import WHOLE_MAX, ShardDoor, ShardReply, make_fields, select_fields
from tangle.api.problems import make_problem_response
from tangle.api.registry import CBOR, JSON
from tangle.api.requests import read_bytes
from tangle.api.routes_private import PRIVATE_PREFIX
from tangle.api.routes_transactions import BATCH_BODY_MAX
from tangle.api.schemas.common import AnswerMeta, Envelope
from tangle.api.wire import HexBytes, encode_json
from tangle.core.encoding import encode
from tangle.core.errors import TangleError
from tangle.core.genesis import Genesis, compute_chain_id
from tangle.core.hashing import compute_home_shard

log: Final = structlog.get_logger(__name__)

TRANSACTION_DEPTH: Final = 3
"""Slashes of the path of a transaction itself; what is told of it beside lies deeper."""

BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose requests have a body."""


class Front:
    """Answers every request of a node with several shards."""

    def __init__(self, genesis: Genesis, doors: Sequence[ShardDoor], config: ApiConfig) -> None:
        """:param doors: of the shards that this node serves, in order; at least one."""
        self._bits = genesis.parameters.shard_bits
        self._chain = compute_chain_id(genesis)
        self._config = config
        self._accounts = AccountCodec(genesis)
        self._doors = tuple(doors)
        self._by_shard = {int(door.shard): door for door in doors}
        self._deliveries = Deliveries(self._by_shard.get)
        merged = MergedAnswers(self._doors, self._chain, 1 << self._bits)
        self._merged: Mapping[Merged, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
            Merged.TRANSACTIONS: merged.answer_transactions,
            Merged.SHARDS: merged.answer_shards,
            Merged.STATUS: merged.answer_status,
            Merged.PEERS: merged.answer_peers,
            Merged.READINESS: merged.answer_readiness,
            Merged.EVENTS: self._stream_events,
            Merged.EVENT_LOG: merged.answer_event_log,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer ``request``; never raises for anything that a client can send."""
        assert isinstance(request, web.Request)
        try:
            if request.path.startswith(PRIVATE_PREFIX):
                raise UnknownRoute(request.path)
            await _allow_body(request)
            return await self._answer(request, find_target(request.method, request.path, request.query))
        except Refusal as refusal:
            return refusal.reply.make_response()
        except TangleError as error:
            response: web.StreamResponse = make_problem_response(error, request.path)
        except ConnectionError:
            raise  # nobody is left to answer
        except Exception:
            log.exception("front.internal", method=request.method, path=request.path)
            response = make_problem_response(InternalFault(), request.path)
        response.headers.update(make_origin_fields(request, self._config.cors_origins))
        return response

    async def _answer(self, request: web.Request, target: Target) -> web.StreamResponse:
        match target:
            case ToShard(shard):
                return await self._forward(request, self._get_door(shard))
            case ToHome(account):
                return await self._forward(request, self._get_home(account))
            case ToFinder():
                return await self._find(request)
            case Anywhere():
                return await self._forward(request, self._doors[0])
            case Merged():
                if request.method not in ("GET", "HEAD"):
                    return await self._forward(request, self._doors[0])
                return await self._merged[target](request)
            case ByBody():
                return await self._answer_by_body(request, target)
            case _:
                assert_never(target)

    def _get_door(self, shard: int) -> ShardDoor:
        """:raises ShardNotServed: it is not one of this node's."""
        door = self._by_shard.get(shard)
        if door is None:
            raise ShardNotServed(shard)
        return door

    def _get_home(self, account: str) -> ShardDoor:
        """The door of an account's home shard.

        :raises TangleError: it is no account of this network.
        """
        return self._get_door(compute_home_shard(self._accounts.decode(account), self._bits))

    async def _stream_events(self, request: web.Request) -> web.StreamResponse:
        return await MergedStream(self._doors, 1 << self._bits, self._config).serve(request)

    async def _find(self, request: web.Request) -> web.StreamResponse:
        """Ask all shards for a transaction; the one that has it answers."""
        target, fields = get_target(request), make_fields(request)
        begun_s = monotonic()
        reply = await find_first(self._doors, lambda door: door.ask(request.method, target, fields))
        if request.method == "GET" and request.path.count("/") == TRANSACTION_DEPTH:
            return await self._deliveries.complete(request, reply, begun_s)
        return reply.make_response()

    # ── by what the body says ───────────────────────────────────────────────────────────────────────────────

    async def _answer_by_body(self, request: web.Request, kind: ByBody) -> web.StreamResponse:
        if request.method != "POST":
            return await self._forward(request, self._doors[0])
        body = await read_bytes(BATCH_BODY_MAX, request, self._config.body_timeout_s)
        door = self._doors[0]
        if kind is ByBody.BATCH:
            items = split_batch(body) if request.content_type == CBOR else None
            if items is not None:
                return await self._answer_batch(request, body, items)
        elif kind is ByBody.TRANSACTION:
            shard = find_transaction_shard(body, is_json=request.content_type == JSON)
            door = self._doors[0] if shard is None else self._get_door(shard)
        else:
            account = find_account(kind, body)
            door = self._doors[0] if account is None else self._get_home(account)
        begun_s = monotonic()
        reply = await door.ask(request.method, get_target(request), make_fields(request), body)
        if kind is ByBody.TRANSACTION:
            return await self._deliveries.complete(request, reply, begun_s)
        return reply.make_response()

    async def _answer_batch(
        self, request: web.Request, body: bytes, items: Sequence[bytes]
    ) -> web.StreamResponse:
        served = tuple(self._by_shard)
        places = group_by_shard(items, served)
        target, fields = get_target(request), make_fields(request)
        if len(places) == 1:
            (shard,) = places
            return (await self._by_shard[shard].ask("POST", target, fields, body)).make_response()
        bodies = {shard: encode([items[place] for place in of]) for shard, of in places.items()}

        async def ask(door: ShardDoor) -> ShardReply:
            return await door.ask("POST", target, fields, bodies[int(door.shard)])

        replies = await ask_all([self._by_shard[shard] for shard in places], ask)
        is_compact = prefers(request.headers.get("Accept", ""), CBOR, JSON)
        read = read_compact if is_compact else read_answers
        parts = {shard: read(shard, reply, len(places[shard])) for shard, reply in replies.items()}
        answers = put_in_order(places, parts, len(items))
        if is_compact:
            return web.Response(body=encode(answers), content_type=CBOR)
        envelope = Envelope(answers, AnswerMeta(HexBytes(self._chain)))
        return web.Response(body=encode_json(envelope), content_type=JSON)

    # ── passing on ──────────────────────────────────────────────────────────────────────────────────────────

    async def _forward(self, request: web.Request, door: ShardDoor) -> web.StreamResponse:
        """Pass a request on to a shard's door, and its answer back, however long both are."""
        body: bytes | AsyncIterator[bytes] | None = None
        fields = make_fields(request)
        if request.method in BODY_METHODS and request.body_exists:
            length = request.content_length
            is_whole = length is not None and length <= WHOLE_MAX
            if length is not None:
                fields["Content-Length"] = str(length)
            timeout_s = self._config.body_timeout_s
            body = await read_bytes(WHOLE_MAX, request, timeout_s) if is_whole else request.content.iter_any()
        answer = await door.open(request.method, get_target(request), fields, body)
        async with answer:
            return await _pass_on(request, answer)


async def _pass_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    headers, length = select_fields(answer.headers), answer.content_length
    if request.method == "HEAD" or answer.status in (204, 304):
        response: web.StreamResponse = web.Response(status=answer.status, headers=headers)
        if length is not None:
            response.headers["Content-Length"] = str(length)
        return response
    if length is not None and length <= WHOLE_MAX:
        return web.Response(status=answer.status, body=await answer.read(), headers=headers)
    response = web.StreamResponse(status=answer.status, headers=headers)
    if length is not None:
        response.content_length = length
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response


async def _allow_body(request: web.Request) -> None:
    """Tell a client that asked first to go on with its body."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        assert request.transport is not None, "it has just asked"
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
