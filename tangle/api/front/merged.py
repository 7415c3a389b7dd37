"""Answers that all shards give together."""

from collections.abc import Sequence
from heapq import merge as merge_sorted
from typing import Any, Final, TypeVar

from aiohttp import web
from msgspec.structs import replace
from yarl import URL

from tangle.api.accepting import prefers
from tangle.api.errors import NotReady
from tangle.api.front.asking import ask_all
from tangle.api.front.errors import ShardDown
from tangle.api.front.event_stream import read_resume_point
from tangle.api.front.merging import interleave, merge_shards, merge_statuses
from tangle.api.front.positions import join_positions
from tangle.api.front.shard_door import ShardDoor, ShardReply, make_fields
from tangle.api.registry import CBOR, JSON
from tangle.api.schemas.common import AnswerMeta, Envelope, Problem, ProblemItem
from tangle.api.schemas.ledger import ShardAnswer
from tangle.api.schemas.network import (
    EventAnswer,
    HealthAnswer,
    PeerAnswer,
    ReadinessCheckAnswer,
    StatusAnswer,
)
from tangle.api.schemas.transactions import TransactionAnswer
from tangle.api.wire import EventId, HexBytes, decode_json, encode_cbor, encode_json
from tangle.core.errors import TangleError
from tangle.core.types import ChainId

Kind = TypeVar("Kind")

RECENT_LIMIT: Final = 100
"""Transactions of one look at the DAG, where the client does not say."""

LOG_LIMIT: Final = 100
"""Events of one page, where the client does not say."""


class Refusal(Exception):
    """A shard refused its part; the client gets that refusal."""

    def __init__(self, reply: ShardReply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class MergedAnswers:
    """Asks all shards, and makes one answer."""

    def __init__(self, doors: Sequence[ShardDoor], chain: ChainId, shards: int) -> None:
        """:param doors: of the shards that this node serves, in order; at least one.
        :param shards: how many the chain has.
        """
        self._doors = doors
        self._chain = chain
        self._shards = shards

    async def answer_transactions(self, request: web.Request) -> web.StreamResponse:
        """The transactions attached last in any shard."""
        pages = await self._ask(request, tuple[TransactionAnswer, ...])
        limit = request.query.get("limit")
        merged = interleave(list(pages.values()), int(limit) if limit else RECENT_LIMIT)
        return self._reply(request, merged)

    async def answer_shards(self, request: web.Request) -> web.StreamResponse:
        """All shards of the chain; those whose process is away have no figures now."""
        pages = await self._ask(request, tuple[ShardAnswer, ...], is_partial=True)
        return self._reply(request, merge_shards(pages))

    async def answer_status(self, request: web.Request) -> web.StreamResponse:
        """One screen about the node."""
        answers = await self._ask(request, StatusAnswer, is_partial=True)
        doors = [door for door in self._doors if door.shard in answers]
        processes = {int(door.shard): door.get_addresses().process for door in doors}
        return self._reply(request, merge_statuses(answers, processes))

    async def answer_peers(self, request: web.Request) -> web.StreamResponse:
        """The peers of all shards, shard by shard: one node is a peer in each shard that it serves."""
        pages = await self._ask(request, tuple[PeerAnswer, ...])
        return self._reply(request, tuple(peer for page in pages.values() for peer in page))

    async def answer_readiness(self, request: web.Request) -> web.StreamResponse:
        """Ready when every shard is.

        :raises NotReady: a shard is not; the items name it.
        """
        replies = await self._ask_raw(request)
        missing: list[ProblemItem] = []
        checks: list[ReadinessCheckAnswer] = []
        for shard, reply in replies.items():
            if isinstance(reply, TangleError):
                missing.append(ProblemItem(f"shard {shard}: process", str(reply)))
            elif reply.is_success:
                health = decode_json(Envelope[HealthAnswer], reply.content).data
                checks += [
                    ReadinessCheckAnswer(f"shard {shard}: {check.name}", check.is_met, check.detail)
                    for check in health.checks
                ]
            elif reply.status == 503:
                items = decode_json(Problem, reply.content).errors
                missing += [ProblemItem(f"shard {shard}: {item.path}", item.message) for item in items]
            else:
                raise Refusal(reply)
        if missing:
            raise NotReady(missing)
        return self._reply(request, HealthAnswer(is_ok=True, checks=tuple(checks)))

    async def answer_event_log(self, request: web.Request) -> web.StreamResponse:
        """One page of the logs of all shards, by time.

        :raises InvalidRequest: ``after`` is no event id of this node.
        """
        after = read_resume_point(request, self._shards) or [0] * self._shards
        limit = request.query.get("limit")
        pages: dict[int, Envelope[tuple[EventAnswer, ...]]] = {}
        for door in self._doors:
            query = {**request.query, "after": str(after[door.shard])}
            target = str(request.rel_url.with_query(query))
            reply = await door.ask("GET", target, _ask_json(request))
            pages[door.shard] = self._read(reply, tuple[EventAnswer, ...])
        events = list(merge_sorted(*(page.data for page in pages.values()), key=_get_time))
        taken = events[: int(limit) if limit else LOG_LIMIT]
        answers = []
        for event in taken:
            after[event.shard] = int(event.id)
            answers.append(_renumber(event, join_positions(after)))
        is_more = len(taken) < len(events) or any(page.meta.next_cursor for page in pages.values())
        if len(taken) == len(events):
            for shard, page in pages.items():
                after[shard] = max(after[shard], int(page.meta.next_cursor or 0))
        cursor = str(join_positions(after)) if is_more else None
        return self._reply(request, tuple(answers), cursor)

    # ── asking and answering ────────────────────────────────────────────────────────────────────────────────

    async def _ask_raw(self, request: web.Request) -> dict[int, ShardReply | TangleError]:
        target, fields = get_target(request), _ask_json(request)
        return await ask_all(self._doors, lambda door: door.ask("GET", target, fields))

    async def _ask(
        self, request: web.Request, kind: type[Kind], *, is_partial: bool = False
    ) -> dict[int, Kind]:
        """The ``data`` of all shards' answers.

        :param is_partial: leave out shards that are away, while one is there.
        """
        found: dict[int, Kind] = {}
        faults: list[TangleError] = []
        for shard, reply in (await self._ask_raw(request)).items():
            if isinstance(reply, TangleError):
                faults.append(reply)
            else:
                found[shard] = self._read(reply, kind).data
        if faults and not (is_partial and found and isinstance(faults[0], ShardDown)):
            raise faults[0]
        return found

    def _read(self, reply: ShardReply, kind: type[Kind]) -> Envelope[Kind]:
        if not reply.is_success:
            raise Refusal(reply)
        envelope: Any = Envelope[kind]  # type: ignore[valid-type] # known at run time only
        read: Envelope[Kind] = decode_json(envelope, reply.content)
        return read

    def _reply(self, request: web.Request, data: object, cursor: str | None = None) -> web.Response:
        envelope = Envelope(data, AnswerMeta(HexBytes(self._chain), cursor))
        if prefers(request.headers.get("Accept", ""), CBOR, JSON):
            return web.Response(body=encode_cbor(envelope), content_type=CBOR)
        return web.Response(body=encode_json(envelope), content_type=JSON)


def get_target(request: web.Request) -> str:
    """Path and query as they came."""
    return request.raw_path if request.raw_path.startswith("/") else URL(request.raw_path).raw_path_qs


def _ask_json(request: web.Request) -> Any:
    fields = make_fields(request)
    fields["Accept"] = JSON
    return fields


def _get_time(event: EventAnswer) -> tuple[int, int, int]:
    return int(event.timestamp_ms), event.shard, int(event.id)


def _renumber(event: EventAnswer, joined: int) -> EventAnswer:
    return replace(event, id=EventId(joined))
