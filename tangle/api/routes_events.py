"""The event log: as pages, and as a stream that resumes without gaps."""

from contextlib import suppress
from typing import Annotated, Any, Final

import anyio
from aiohttp import web
from aiohttp_sse import EventSourceResponse
from msgspec import Meta, Struct

from tangle.api.ack_windows import AckWindow
from tangle.api.convert_network import make_event_answer
from tangle.api.cross_origin import make_origin_fields
from tangle.api.errors import EventAhead, InvalidRequest
from tangle.api.event_frames import EventFilter, make_ending, make_opening, make_progress, make_subscription
from tangle.api.registry import EVENT_STREAM, JSON_BODY_MAX, BodyRule, Call, NoInputs, Reply, RouteTable
from tangle.api.schemas.common import ProblemItem
from tangle.api.schemas.network import AckAnswer, AckBody, EventAnswer
from tangle.api.wire import EventId, HexDigest, decode_value
from tangle.core.errors import TangleError
from tangle.core.types import INTEGER_MAX

routes: Final = RouteTable("events")

LAST_EVENT_ID: Final = "Last-Event-ID"
"""Header in which a client that connects again names the last event that it saw."""

PAGE_MAX: Final = 1_000
"""Most events of one page."""

FILTER_MAX: Final = 64
"""Most topics, accounts or transactions of one filter: what fits into a request line."""

SKIPPED_MAX: Final = 1_000
"""After this many unwanted events the client's resume point is moved on, so that resuming stays cheap."""


WINDOW_MAX: Final = 10_000
"""Largest window: half of what a reader may be behind before its stream ends."""

SCANNED_MAX: Final = 10_000
"""Most events that are looked through for one page of wanted ones."""


class FilterInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """Which events are wanted."""

    topics: str | None = None
    """Topics, separated by commas; all for none."""

    accounts: str | None = None
    """Accounts, separated by commas; all for none."""

    transactions: str | None = None
    """Ids of transactions, separated by commas: only what becomes of them; everything for none."""

    shard: Annotated[int, Meta(ge=0, le=255)] | None = None
    """A shard; all for none."""


class StreamInputs(FilterInputs, frozen=True, forbid_unknown_fields=True):
    """Where a stream begins and what it carries."""

    after: EventId | None = None
    """Begin after this event; from now on for none. ``Last-Event-ID`` goes before it."""

    window: Annotated[int, Meta(ge=1, le=WINDOW_MAX)] | None = None
    """Most events that are sent and not acknowledged; no acknowledgements are wanted for none."""


class PageInputs(FilterInputs, frozen=True, forbid_unknown_fields=True):
    """One page of the log."""

    after: EventId | None = None
    """Begin after this event; with the first for none."""

    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 100
    """Most events to return."""


@routes.get("/v1/events", StreamInputs, media_types=(EVENT_STREAM,), is_long=True, refusals=(409,))
async def stream_events(call: Call[StreamInputs, None]) -> web.StreamResponse:
    """Stored events as server-sent events; ids are gapless, and ``Last-Event-ID`` resumes after any of them.

    A client that is too slow gets a last event ``error`` with the problem ``slow-consumer`` and is cut off.
    With ``window`` the stream's first event is ``subscription``, whose name goes into acknowledgements; one
    that does not come ends the stream with the problem ``ack-missing``.
    """
    context, config = call.context, call.context.config
    wanted = _make_filter(call)
    after = _get_resume_point(call)
    response = EventSourceResponse(
        ping_interval=config.ping_interval_s, send_timeout=config.send_timeout_s, sep="\n"
    )
    response.headers.update(make_origin_fields(call.request, config.cors_origins))
    try:
        with context.streams.take(call.address):
            await response.prepare(call.request)
            async with response:
                if call.inputs.window is None:
                    await _pump(call, response, wanted, after, None)
                else:
                    with context.windows.open(call.inputs.window) as window:
                        await _pump(call, response, wanted, after, window)
    except TangleError as error:
        if not response.prepared:
            raise
        with suppress(ConnectionError):
            await _send(call, response, make_ending(error, call.request.path))
    except ConnectionError:
        pass  # the client went away, as clients do
    return response


@routes.post(
    "/v1/events/acks",
    NoInputs,
    BodyRule(AckBody, False, JSON_BODY_MAX),
    answer=AckAnswer,
    refusals=(404, 409),
)
def acknowledge_events(call: Call[NoInputs, AckBody]) -> Reply:
    """Everything up to an event of an open stream with a window is dealt with: that many more may come."""
    body = call.body
    return Reply(AckAnswer(call.context.windows.get(body.subscription).acknowledge(int(body.id))))


@routes.get("/v1/events/log", PageInputs, answer=tuple[EventAnswer, ...])
def list_events(call: Call[PageInputs, None]) -> Reply:
    """One page of the event log, oldest first: for clients that confirm what they have read.

    ``next_cursor`` is the last event looked at: what to pass as ``after`` once the page is dealt with. It is
    none when there are no events after that, yet.
    """
    context, inputs = call.context, call.inputs
    service, wanted = context.service, _make_filter(call)
    found: list[EventAnswer] = []
    after, scanned = min(int(inputs.after or 0), INTEGER_MAX), 0
    while scanned < SCANNED_MAX and len(found) < inputs.limit:
        events = service.get_events(after, min(PAGE_MAX, SCANNED_MAX - scanned))
        for event in events:
            scanned, after = scanned + 1, event.id
            if wanted.is_wanted(event):
                found.append(make_event_answer(event, context.accounts))
            if len(found) == inputs.limit:
                break
        if not events:
            break
    return Reply(tuple(found), next_cursor=str(after) if service.get_events(after, 1) else None)


async def _pump(
    call: Call[StreamInputs, None],
    response: EventSourceResponse,
    wanted: EventFilter,
    after: int,
    window: AckWindow | None,
) -> None:
    frames = call.context.frames
    skipped = 0
    async with call.context.service.subscribe_events(after) as events:
        await _send(call, response, make_opening(after))
        if window is not None:
            await _send(call, response, make_subscription(window.name, window.size))
        async for event in events:
            if wanted.is_wanted(event):
                skipped = 0
                if window is not None:
                    await window.wait_room()
                    window.on_sent(event.id)
                await _send(call, response, frames.get_frame(event))
                continue
            skipped += 1
            if skipped >= SKIPPED_MAX:
                skipped = 0
                await _send(call, response, make_progress(event.id))


async def _send(call: Call[StreamInputs, None], response: EventSourceResponse, frame: bytes) -> None:
    with anyio.move_on_after(call.context.config.send_timeout_s) as scope:
        await response.write(frame)
    if scope.cancelled_caught:
        if call.request.transport is not None:
            call.request.transport.abort()  # a polite close would wait for the client to read
        raise ConnectionAbortedError


def _get_resume_point(call: Call[StreamInputs, None]) -> int:
    latest = call.context.service.get_last_event_id()
    stated = call.request.headers.get(LAST_EVENT_ID)
    after: int | None = call.inputs.after
    if stated is not None:
        try:
            after = int(str(decode_value(EventId, stated)))
        except ValueError as error:
            raise InvalidRequest((ProblemItem(LAST_EVENT_ID, str(error)),)) from None
    if after is None:
        return latest
    if after > latest:
        raise EventAhead(after, latest)
    return after


def _make_filter(call: Call[Any, None]) -> EventFilter:
    inputs: FilterInputs = call.inputs
    topics = _split("topics", inputs.topics)
    accounts = map(call.context.accounts.decode, _split("accounts", inputs.accounts))
    transactions = map(_read_id, _split("transactions", inputs.transactions))
    return EventFilter(frozenset(topics), frozenset(accounts), inputs.shard, frozenset(transactions))


def _read_id(text: str) -> bytes:
    try:
        decode_value(HexDigest, text)
        return bytes.fromhex(text)
    except ValueError as error:
        raise InvalidRequest((ProblemItem("transactions", str(error)),)) from None


def _split(name: str, text: str | None) -> list[str]:
    items = text.split(",") if text else []
    if len(items) > FILTER_MAX:
        raise InvalidRequest((ProblemItem(name, f"{len(items)} items, the most is {FILTER_MAX}"),))
    return items
