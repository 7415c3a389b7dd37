"""Blobs: content by its id, in and out as streams that are never in memory whole.

Reading is for everybody. Whatever changes what the node keeps on its disk is for clients on its own machine:
a node behind a proxy decides there whom it lets through.
"""

from contextlib import aclosing
from typing import Annotated, Any, Final, NoReturn

import anyio
from aiohttp import ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError
from msgspec import Meta, Struct

from tangle.api.byte_ranges import ByteRange, find_range, is_known_tag
from tangle.api.cross_origin import make_origin_fields
from tangle.api.errors import BodyTimeout, InvalidCursor, MalformedBody, OperatorOnly, UnsupportedMediaType
from tangle.api.limits import is_loopback
from tangle.api.registry import JSON_BODY_MAX, OCTETS, BodyRule, Call, NoInputs, Reply, RouteTable
from tangle.api.schemas.blobs import BlobAnswer, BlobRoomAnswer, CollectBody, CollectedAnswer
from tangle.api.wire import Quantity
from tangle.core.blob_errors import MalformedBlobId, UnsupportedBlobId
from tangle.core.blob_id import BlobId, format_blob_id, parse_blob_id
from tangle.core.chunk_tree import BLOB_SIZE_MAX
from tangle.core.errors import TangleError
from tangle.node.blob_views import BlobState, BlobView

routes: Final = RouteTable("blobs")

PAGE_MAX: Final = 1_000
"""Most blobs of one page."""

CONTENT: Final = BodyRule(json=None, is_cbor=False, limit=BLOB_SIZE_MAX, is_stream=True)
"""A blob's content."""

KEEPING: Final = (403, 409, 507)
"""Refusals of what takes room on the disk: another machine asks, something is damaged or missing, no room."""

LASTING: Final = "public, max-age=31536000, immutable"
"""An id never names anything else."""


class BlobInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """One blob."""

    id: str
    """Its content id."""


class UploadInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """What to do with new content."""

    pin: bool = True
    """Keep it until it is unpinned."""


class UploadAsInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """Content whose id is known."""

    id: str
    """Its content id; other content is refused."""

    pin: bool = True
    """Keep it until it is unpinned."""


class FetchInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """What to fetch."""

    id: str
    """Its content id."""

    pin: bool = False
    """Keep it until it is unpinned."""


class ListInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """One page."""

    cursor: str | None = None
    """Where the page begins; the first one for none."""

    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 100
    """Most blobs to return."""


@routes.get("/v1/blobs", ListInputs, answer=tuple[BlobAnswer, ...])
def list_blobs(call: Call[ListInputs, None]) -> Reply:
    """Blobs of this node, whole, in part and on their way, in order of their ids."""
    inputs = call.inputs
    try:
        after = None if inputs.cursor is None else parse_blob_id(inputs.cursor)
    except (MalformedBlobId, UnsupportedBlobId):
        raise InvalidCursor from None
    views = call.context.service.blobs.list(after, inputs.limit)
    following = format_blob_id(views[-1].id) if len(views) == inputs.limit else None
    return Reply(tuple(map(make_blob_answer, views)), next_cursor=following)


@routes.get("/v1/blobs/room", NoInputs, answer=BlobRoomAnswer)
def get_blob_room(call: Call[NoInputs, None]) -> Reply:
    """How much room blobs take, and may take."""
    room = call.context.service.blobs.get_room()
    return Reply(
        BlobRoomAnswer(
            Quantity(room.quota_bytes), Quantity(room.kept_bytes), Quantity(room.pinned_bytes), room.blobs
        )
    )


@routes.post(
    "/v1/blobs", UploadInputs, CONTENT, answer=BlobAnswer, statuses=(201,), is_long=True, refusals=KEEPING
)
async def upload_blob(call: Call[UploadInputs, None]) -> Reply:
    """Keep the body's bytes; the answer has their id. It comes once they are on disk."""
    return await _receive(call, None, is_pinned=call.inputs.pin)


@routes.put(
    "/v1/blobs/{id}",
    UploadAsInputs,
    CONTENT,
    answer=BlobAnswer,
    statuses=(201,),
    is_long=True,
    refusals=KEEPING,
)
async def upload_blob_as(call: Call[UploadAsInputs, None]) -> Reply:
    """Keep the body's bytes if they are what the id names."""
    return await _receive(call, parse_blob_id(call.inputs.id), is_pinned=call.inputs.pin)


@routes.get(
    "/v1/blobs/{id}",
    BlobInputs,
    media_types=(OCTETS,),
    statuses=(200, 206, 304),
    is_long=True,
    refusals=(409, 416),
)
async def get_blob(call: Call[BlobInputs, None]) -> web.StreamResponse:
    """The content of a blob that is here, checked as it is read.

    One ``Range`` in bytes is answered with 206; the id is the ``ETag``.
    """
    blob, size = _find_whole(call)
    headers = _make_headers(blob, size)
    if is_known_tag(call.request.headers.get("If-None-Match"), headers["ETag"]):
        return web.Response(status=304, headers={"ETag": headers["ETag"], "Cache-Control": LASTING})
    wanted = find_range(call.request.headers, headers["ETag"], size)
    with call.context.transfers.take(call.address):
        return await _send(call, blob, headers, wanted)


@routes.head("/v1/blobs/{id}", BlobInputs)
async def head_blob(call: Call[BlobInputs, None]) -> web.StreamResponse:
    """Whether a blob is here, and its size."""
    blob, size = _find_whole(call)
    response = web.StreamResponse(headers=_make_headers(blob, size))
    response.content_length = size
    await response.prepare(call.request)
    await response.write_eof()
    return response


@routes.get("/v1/blobs/{id}/status", BlobInputs, answer=BlobAnswer)
def get_blob_status(call: Call[BlobInputs, None]) -> Reply:
    """How far a blob is: whole, being fetched, or why not."""
    return Reply(make_blob_answer(call.context.service.blobs.get(parse_blob_id(call.inputs.id))))


@routes.post(
    "/v1/blobs/{id}/fetch", FetchInputs, None, answer=BlobAnswer, statuses=(200, 202), refusals=KEEPING
)
async def fetch_blob(call: Call[FetchInputs, None]) -> Reply:
    """Begin to fetch a blob from peers: 200 when it is here already, else 202; its status tells the rest."""
    _check_operator(call)
    blob = parse_blob_id(call.inputs.id)
    view = await call.context.service.blobs.fetch(blob, is_pinned=call.inputs.pin)
    return Reply(make_blob_answer(view), status=200 if view.state is BlobState.WHOLE else 202)


@routes.put("/v1/blobs/{id}/pin", BlobInputs, None, answer=BlobAnswer, refusals=KEEPING)
async def pin_blob(call: Call[BlobInputs, None]) -> Reply:
    """Keep a blob until it is unpinned."""
    _check_operator(call)
    view = await call.context.service.blobs.set_pin(parse_blob_id(call.inputs.id), is_pinned=True)
    return Reply(make_blob_answer(view))


@routes.delete("/v1/blobs/{id}", BlobInputs, answer=BlobAnswer, refusals=(403,))
async def release_blob(call: Call[BlobInputs, None]) -> Reply:
    """Keep a blob no longer: it is unpinned, not fetched any further, and goes when its room is needed."""
    _check_operator(call)
    blob, blobs = parse_blob_id(call.inputs.id), call.context.service.blobs
    await blobs.stop_fetch(blob)
    return Reply(make_blob_answer(await blobs.release(blob)))


@routes.post(
    "/v1/blobs/collect",
    NoInputs,
    BodyRule(CollectBody, False, JSON_BODY_MAX),
    answer=CollectedAnswer,
    refusals=(403,),
)
async def collect_blobs(call: Call[NoInputs, CollectBody]) -> Reply:
    """Remove unpinned blobs now, the one used longest ago first."""
    _check_operator(call)
    collected = await call.context.service.blobs.collect(call.body.keep_bytes or 0)
    return Reply(CollectedAnswer(collected.blobs, Quantity(collected.size_bytes)))


def make_blob_answer(view: BlobView) -> BlobAnswer:
    """A blob as the API tells it."""
    return BlobAnswer(
        id=format_blob_id(view.id),
        state=view.state,
        size=None if view.size is None else Quantity(view.size),
        held_bytes=Quantity(view.held_bytes),
        is_pinned=view.is_pinned,
        used_ms=Quantity(view.used_ms),
        sources=view.sources,
        reason=view.reason,
        reason_code=view.reason_code,
    )


def _check_operator(call: Call[Any, Any]) -> None:
    if not is_loopback(call.address):
        raise OperatorOnly


def _find_whole(call: Call[BlobInputs, None]) -> tuple[BlobId, int]:
    entry = call.context.service.blobs.store.get(parse_blob_id(call.inputs.id))
    return entry.id, entry.size


def _make_headers(blob: BlobId, size: int) -> dict[str, str]:
    return {
        "Content-Type": OCTETS,
        "Content-Length": str(size),
        "Accept-Ranges": "bytes",
        "ETag": f'"{format_blob_id(blob)}"',
        "Cache-Control": LASTING,
        "X-Content-Type-Options": "nosniff",
    }


async def _receive(call: Call[Any, None], expected: BlobId | None, *, is_pinned: bool) -> Reply:
    _check_operator(call)
    request, timeout_s = call.request, call.context.config.body_timeout_s
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType("compressed", CONTENT.media_types)
    if "Content-Type" in request.headers and request.content_type != OCTETS:
        raise UnsupportedMediaType(request.content_type, CONTENT.media_types)
    blobs = call.context.service.blobs
    with call.context.transfers.take(call.address):
        async with blobs.start_upload(expected=expected, size=request.content_length or 0) as upload:
            while chunk := await _read_some(request, timeout_s):
                await upload.write(chunk)
            blob = await upload.finish(is_pinned=is_pinned)
        return Reply(make_blob_answer(blobs.get(blob)), status=201)
    raise AssertionError("a place that is taken away raises")


async def _read_some(request: web.Request, timeout_s: float) -> bytes:
    with anyio.move_on_after(timeout_s):
        try:
            return await request.content.readany()
        except (web.RequestPayloadError, ClientPayloadError, HttpProcessingError) as error:
            raise MalformedBody(type(error).__name__) from None
    raise BodyTimeout(timeout_s)


async def _send(
    call: Call[BlobInputs, None], blob: BlobId, headers: dict[str, str], wanted: ByteRange
) -> web.StreamResponse:
    status = 200
    if wanted.is_partial:
        status = 206
        headers["Content-Range"] = f"bytes {wanted.first}-{wanted.last}/{headers['Content-Length']}"
        headers["Content-Length"] = str(wanted.size)
    response = web.StreamResponse(status=status, headers=headers)
    response.headers.update(make_origin_fields(call.request, call.context.config.cors_origins))
    async with aclosing(call.context.service.blobs.read(blob, wanted.first, wanted.size)) as parts:
        try:
            async for part in parts:  # the first is read before the head is sent: it may be damaged
                if not response.prepared:
                    await response.prepare(call.request)
                await _write(call, response, part)
        except TangleError:
            if not response.prepared:
                raise
            _abort(call)  # the client sees that bytes are missing
    if not response.prepared:
        await response.prepare(call.request)
    await response.write_eof()
    return response


async def _write(call: Call[BlobInputs, None], response: web.StreamResponse, part: bytes) -> None:
    with anyio.move_on_after(call.context.config.send_timeout_s) as scope:
        await response.write(part)
    if scope.cancelled_caught:
        _abort(call)


def _abort(call: Call[BlobInputs, None]) -> NoReturn:
    if call.request.transport is not None:
        call.request.transport.abort()
    raise ConnectionAbortedError
