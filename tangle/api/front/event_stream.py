"""The events of all shards as one stream, which resumes anywhere.

Every shard's stream is followed on its own; a shard whose process is lost is followed again from where it was
as soon as it is back, while the others go on. Ids become numbers of all shards (``positions``).
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

import aiohttp
import anyio
from aiohttp import web
from aiohttp_sse import EventSourceResponse
from anyio.abc import ObjectSendStream
from msgspec import Struct

from tangle.api.config import ApiConfig
from tangle.api.cross_origin import make_origin_fields
from tangle.api.errors import InvalidRequest
from tangle.api.event_frames import make_ending, make_opening, make_progress
from tangle.api.front.errors import ShardDown, ShardLost
from tangle.api.front.positions import join_positions, split_positions
from tangle.api.front.shard_door import ShardDoor, ShardReply, make_fields
from tangle.api.schemas.common import ProblemItem
from tangle.api.wire import EventId, decode_value
from tangle.core.errors import TangleError

LAST_EVENT_ID: Final = "Last-Event-ID"
"""Header in which a client that connects again names the last event that it saw."""

FRAMES_MAX: Final = 256
"""Frames that wait for a slow client; then the shards' streams wait, and end it when that takes too long."""

FRAME_SIZE_MAX: Final = 1_048_576
"""Longest frame of a shard's stream in bytes; more is none."""

OPENING_TIMEOUT_S: Final = 10.0
"""Within this time every shard's stream begins, or the client hears which one did not."""

RETURN_PAUSE_S: Final = 0.5
"""Pause before a lost shard's stream is tried again."""

STOPPING: Final = b"node-stopping"
"""Code of the ending of a stream whose process stops; it comes back."""

_ID: Final = re.compile(rb"^id: (\d+)$", re.MULTILINE)
_DATA: Final = re.compile(rb'^data: \{"id":"\d+"', re.MULTILINE)


class Refused(Exception):
    """A shard's door refused the stream; the client gets the refusal."""

    def __init__(self, reply: ShardReply) -> None:
        super().__init__(reply.status)
        self.reply = reply


NO_WINDOW: Final = "A node of several shards keeps no windows; read /v1/events/log page by page"
"""What a reader is told that wants to acknowledge."""


class _Frame(Struct, frozen=True):
    """A frame of one shard's stream."""

    shard: int
    position: int | None
    """The shard's own event id; none in a frame that ends the stream."""

    content: bytes
    """The frame, without the blank line after it; empty where it only moves the position."""


def read_resume_point(request: web.BaseRequest, shards: int) -> list[int] | None:
    """Where a client wants to go on, shard by shard; none for from now on.

    :raises InvalidRequest: it is no event id of this network.
    """
    stated = request.headers.get(LAST_EVENT_ID) or request.query.get("after")
    if stated is None:
        return None
    try:
        positions = split_positions(int(str(decode_value(EventId, stated))), shards)
    except ValueError as error:
        raise InvalidRequest((ProblemItem("after", str(error)),)) from None
    if positions is None:
        raise InvalidRequest((ProblemItem("after", "Expected an event id of this node"),))
    return positions


class MergedStream:
    """One client's stream of all shards."""

    def __init__(self, doors: Sequence[ShardDoor], shards: int, config: ApiConfig) -> None:
        """:param shards: how many the chain has."""
        self._doors = doors
        self._positions: list[int] = [0] * shards
        self._config = config
        self._unopened = {door.shard for door in doors}
        self._opened = anyio.Event()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for events until its client goes.

        :raises TangleError: the stream cannot begin.
        """
        if "window" in request.query:
            # An acknowledgement would have to be split among the shards, as their events come in any order.
            raise InvalidRequest((ProblemItem("window", NO_WINDOW),))
        after = read_resume_point(request, len(self._positions))
        if after is not None:
            self._positions = after
        config = self._config
        response = EventSourceResponse(
            ping_interval=config.ping_interval_s, send_timeout=config.send_timeout_s, sep="\n"
        )
        response.headers.update(make_origin_fields(request, config.cors_origins))
        send, receive = anyio.create_memory_object_stream[_Frame](FRAMES_MAX)
        refusal: ShardReply | None = None
        fault: TangleError | None = None
        try:
            async with send, receive, anyio.create_task_group() as tasks:
                for door in self._doors:
                    tasks.start_soon(self._follow, door, request, send, after is not None)
                await self._wait_opened()
                await response.prepare(request)
                async with response:
                    await _write(request, response, make_opening(join_positions(self._positions)), config)
                    async for frame in receive:
                        is_last = frame.position is None
                        await _write(request, response, self._renumber(frame), config)
                        if is_last:
                            break
                tasks.cancel_scope.cancel()
        except* Refused as group:
            refusal = next(error.reply for error in _flatten(group) if isinstance(error, Refused))
        except* TangleError as group:
            fault = next(error for error in _flatten(group) if isinstance(error, TangleError))
        except* ConnectionError:
            pass  # the client went away, as clients do
        if refusal is not None and not response.prepared:
            return refusal.make_response()
        if fault is not None:
            if not response.prepared:
                raise fault
            with suppress(ConnectionError):
                await _write(request, response, make_ending(fault, request.path), config)
        return response

    async def _wait_opened(self) -> None:
        with anyio.move_on_after(OPENING_TIMEOUT_S):
            await self._opened.wait()
            return
        raise ShardDown(min(self._unopened))

    def _renumber(self, frame: _Frame) -> bytes:
        if frame.position is None:
            return frame.content + b"\n\n"
        self._positions[frame.shard] = frame.position
        joined = join_positions(self._positions)
        if not frame.content:
            return make_progress(joined)
        content = _ID.sub(b"id: %d" % joined, frame.content, count=1)
        return _DATA.sub(b'data: {"id":"%d"' % joined, content, count=1) + b"\n\n"

    async def _follow(
        self, door: ShardDoor, request: web.Request, send: ObjectSendStream[_Frame], is_resumed: bool
    ) -> None:
        query = {name: text for name, text in request.query.items() if name != "after"}
        position = self._positions[door.shard] if is_resumed else None
        while True:
            with suppress(ShardDown, ShardLost, aiohttp.ClientError, OSError):
                position = await self._follow_once(door, request, query, position, send)
            if door.shard in self._unopened and position is not None:
                self._open(door, position)
            await anyio.sleep(RETURN_PAUSE_S)

    async def _follow_once(
        self,
        door: ShardDoor,
        request: web.Request,
        query: Mapping[str, str],
        position: int | None,
        send: ObjectSendStream[_Frame],
    ) -> int | None:
        """Follow a shard's stream until it breaks; returns how far it came."""
        fields = make_fields(request)
        fields.popall(LAST_EVENT_ID, None)
        if position is not None:
            fields[LAST_EVENT_ID] = str(position)
        target = str(request.rel_url.with_query(query))
        response = await door.open("GET", target, fields)
        async with response:
            if response.status != 200:
                raise Refused(ShardReply(response.status, response.headers, await response.read()))
            rest = b""
            try:
                async for chunk in response.content.iter_any():
                    *frames, rest = (rest + chunk).split(b"\n\n")
                    if len(rest) > FRAME_SIZE_MAX:
                        return position
                    for content in frames:
                        frame = _read_frame(door.shard, content)
                        if frame is None:
                            continue
                        if frame.position is None and STOPPING in frame.content:
                            return position
                        position = position if frame.position is None else frame.position
                        if door.shard in self._unopened and position is not None:
                            self._open(door, position)
                            continue
                        await send.send(frame)
            except (aiohttp.ClientError, OSError):
                return position
        return position

    def _open(self, door: ShardDoor, position: int) -> None:
        self._positions[door.shard] = position
        self._unopened.discard(door.shard)
        if not self._unopened:
            self._opened.set()


def _read_frame(shard: int, content: bytes) -> _Frame | None:
    """A frame of a shard's stream; none for comments."""
    if b"event: error" in content and _ID.search(content) is None:
        return _Frame(shard, None, content)
    found = _ID.search(content)
    if found is None:
        return None
    return _Frame(shard, int(found[1]), content if b"\ndata: " in content else b"")


async def _write(
    request: web.Request, response: EventSourceResponse, frame: bytes, config: ApiConfig
) -> None:
    with anyio.move_on_after(config.send_timeout_s) as scope:
        await response.write(frame)
    if scope.cancelled_caught:
        if request.transport is not None:
            request.transport.abort()  # a polite close would wait for the client to read
        raise ConnectionAbortedError


def _flatten(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found.extend(_flatten(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found
