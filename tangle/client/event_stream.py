"""Following a node's events, read and resumed so that none is missed and none comes twice."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Final

import aiohttp
import msgspec
from msgspec import Struct

from tangle.api.schemas.common import Problem
from tangle.api.schemas.network import AckBody, EventAnswer
from tangle.api.wire import decode_json, encode_json
from tangle.client.errors import ApiProblem, EventsLost, NodeUnreachable, UnexpectedAnswer
from tangle.client.transport import RETRIED_STATUSES, Transport
from tangle.core.errors import TangleError

PATH: Final = "/v1/events"

ERROR_EVENT: Final = "error"
"""Name of the last block of a stream that the node ends; its data is a problem document."""

LINE_SIZE_MAX: Final = 1_048_576
"""Longest line of a stream in bytes; one event is one line."""

ACKS_PATH: Final = "/v1/events/acks"

SUBSCRIPTION_EVENT: Final = "subscription"
"""Name of the block that tells how to acknowledge, on a stream with a window."""

RESUMED_CODES: Final = frozenset({"slow-consumer", "node-stopping", "ack-missing"})
"""Endings after which the stream simply goes on where it was."""


class _Subscription(Struct, frozen=True):
    """How a stream with a window is acknowledged."""

    subscription: str
    window: int


class ServerEvent(Struct, frozen=True):
    """One block of a stream."""

    id: str | None
    """New resume point, if the block names one."""

    name: str
    """Name of the event; ``message`` when the block names none."""

    data: bytes
    """Its data; empty in a block that only moves the resume point."""


class EventParser:
    """Splits a stream of bytes into blocks; lines end in LF or CR LF. Source: HTML Living Standard 9.2.6."""

    def __init__(self) -> None:
        self._rest = b""
        self._id: str | None = None
        self._name = "message"
        self._data: list[bytes] = []
        self._is_empty = True

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Take bytes in; returns the blocks that they complete.

        :raises ValueError: a line over ``LINE_SIZE_MAX``.
        """
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LINE_SIZE_MAX:
            raise ValueError("a line of the stream is too long")
        blocks = []
        for line in lines:
            block = self._take_line(line.removesuffix(b"\r"))
            if block is not None:
                blocks.append(block)
        return blocks

    def _take_line(self, line: bytes) -> ServerEvent | None:
        if not line:
            if self._is_empty:
                return None
            block = ServerEvent(self._id, self._name, b"\n".join(self._data))
            self._id, self._name, self._data, self._is_empty = None, "message", [], True
            return block
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match field:
            case b"id":
                self._id = value.decode("utf-8", "replace")
            case b"event":
                self._name = value.decode("utf-8", "replace")
            case b"data":
                self._data.append(value)
            case _:
                return None  # comments, ``retry`` and what later versions may add
        self._is_empty = False
        return None


class EventStream:
    """Follows one node's events across any number of connections."""

    def __init__(
        self,
        transport: Transport,
        query: Mapping[str, str],
        after: int | None,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """:param after: begin after this event; from now on for none."""
        self._transport = transport
        self._query = query
        self._sleep = sleep
        self._breaks = 0
        """Broken connections since the last byte of a stream came."""
        self._refusals = 0
        """Streams that the node ended since the last event came."""
        self._subscription: _Subscription | None = None
        self._unacknowledged = 0
        self.last_id = after
        """The resume point: the last event that was seen, or where the stream began."""

    async def follow(self) -> AsyncGenerator[EventAnswer, None]:
        """Yield events for ever; connects again by itself, with growing pauses while that fails.

        :raises ApiProblem: the node refuses for good, or ends the stream again and again before any event.
        :raises NodeUnreachable: the node stayed away for as many tries as a request gets.
        :raises EventsLost: the node has another log now.
        """
        config = self._transport.config
        while True:
            fault: TangleError = NodeUnreachable(self._transport.base_url, "the stream ended")
            try:
                async for event in self._follow_once():
                    yield event
            except NodeUnreachable as error:
                fault = error
            except ApiProblem as problem:
                if problem.code == "event-ahead":
                    raise EventsLost(self.last_id or 0, problem.detail) from problem
                if problem.code not in RESUMED_CODES and problem.status not in RETRIED_STATUSES:
                    raise
                fault = problem
            if isinstance(fault, ApiProblem):
                self._refusals += 1
            else:
                self._breaks += 1
            failures = max(self._breaks, self._refusals)
            if failures >= config.attempts_max:
                raise fault
            await self._sleep(min(config.backoff_s * 2 ** (failures - 1), config.backoff_max_s))

    async def _follow_once(self) -> AsyncGenerator[EventAnswer, None]:
        headers = {"Accept": "text/event-stream"}
        if self.last_id is not None:
            headers["Last-Event-ID"] = str(self.last_id)
        response = await self._transport.open_stream(PATH, self._query, headers)
        parser = EventParser()
        self._subscription, self._unacknowledged = None, 0
        try:
            async for chunk in response.content.iter_any():
                for block in parser.feed(chunk):
                    event = self._take(block)
                    if event is not None:
                        yield event
                        await self._acknowledge(event)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._transport.make_unreachable(error) from None
        except (ValueError, msgspec.MsgspecError) as error:
            raise UnexpectedAnswer(self._transport.base_url, str(error)) from None
        finally:
            response.close()

    async def _acknowledge(self, event: EventAnswer) -> None:
        """The caller came back for more, so this one is dealt with; the node hears of it in time."""
        if self._subscription is None:
            return
        self._unacknowledged += 1
        if self._unacknowledged < max(1, self._subscription.window // 2):
            return
        self._unacknowledged = 0
        body = encode_json(AckBody(self._subscription.subscription, event.id))
        try:
            await self._transport.request("POST", ACKS_PATH, body=body, media_type="application/json")
        except ApiProblem as problem:
            if problem.code != "not-found":
                raise
            # The stream has ended meanwhile, and says why as soon as it is read on.

    def _take(self, block: ServerEvent) -> EventAnswer | None:
        """Judge one block; none for what is not an event, or was seen before."""
        if block.name == ERROR_EVENT:
            raise ApiProblem(decode_json(Problem, block.data))
        self._breaks = 0
        if block.name == SUBSCRIPTION_EVENT:
            self._subscription = decode_json(_Subscription, block.data)
            return None
        if not block.data:
            if block.id is not None:
                self.last_id = int(block.id)
            return None
        event = decode_json(EventAnswer, block.data)
        if self.last_id is not None and event.id <= self.last_id:
            return None
        self.last_id = event.id
        self._refusals = 0
        return event
