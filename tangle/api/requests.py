"""Reading requests: typed path and query fields, bodies within their limits and times."""

from collections.abc import Mapping
from typing import Any, Final

import anyio
import msgspec
from aiohttp import ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError

from tangle.api.errors import (
    BodyTimeout,
    InvalidRequest,
    MalformedBody,
    MalformedJson,
    OversizeBody,
    UnsupportedMediaType,
)
from tangle.api.registry import JSON, BodyRule
from tangle.api.schemas.common import ProblemItem
from tangle.api.wire import convert_texts, decode_json

_PLACE: Final = " - at `"
"""What msgspec writes between a message and the path of the faulty field."""


class InputReader:
    """Reads the path and query fields of one route's requests."""

    def __init__(self, kind: type[Any]) -> None:
        """:param kind: struct of the fields."""
        self._kind = kind
        self._nothing = None if msgspec.structs.fields(kind) else kind()

    def read(self, path_fields: Mapping[str, str], request: web.Request) -> Any:
        """The fields of one request.

        :raises InvalidRequest: a field is missing, unknown, repeated or not of its form.
        """
        texts = dict(path_fields)
        if request.query_string:
            _add_query(texts, request)
        if not texts and self._nothing is not None:
            return self._nothing
        try:
            return convert_texts(self._kind, texts)
        except msgspec.ValidationError as error:
            raise make_invalid_request(error, "") from None


async def read_body(rule: BodyRule, request: web.Request, timeout_s: float) -> Any:
    """The body: a struct for JSON, bytes for CBOR.

    :raises UnsupportedMediaType: neither, or compressed.
    :raises OversizeBody, BodyTimeout, MalformedBody: too long, too slow, broken off.
    :raises MalformedJson, InvalidRequest: not JSON, or not the JSON that the route reads.
    """
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise UnsupportedMediaType(f"compressed ({encoding})", rule.media_types)
    found = request.content_type if "Content-Type" in request.headers else ""
    if found not in rule.media_types:
        raise UnsupportedMediaType(found, rule.media_types)
    data = await read_bytes(rule.limit, request, timeout_s)
    if found != JSON or rule.json is None:
        return data
    try:
        return decode_json(rule.json, data)
    except msgspec.ValidationError as error:
        raise make_invalid_request(error, "$") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedJson(str(error) or type(error).__name__) from None


def make_invalid_request(error: msgspec.ValidationError, root: str) -> InvalidRequest:
    """Name the faulty field of a refused record.

    :param root: what the record is called; empty for path and query fields.
    """
    message, _, place = str(error).rpartition(_PLACE)
    if not message:
        message, place = str(error), "$"
    place = place.rstrip("`")
    name = place if root else place.removeprefix("$").lstrip(".") or "query"
    return InvalidRequest((ProblemItem(name, message),))


def _add_query(texts: dict[str, str], request: web.Request) -> None:
    for name, text in request.query.items():
        if name in texts:
            raise InvalidRequest((ProblemItem(name, "stands twice; give it once"),))
        texts[name] = text


async def read_bytes(limit: int, request: web.Request, timeout_s: float) -> bytes:
    """The whole body.

    :raises OversizeBody, BodyTimeout, MalformedBody: too long, too slow, broken off.
    """
    if (request.content_length or 0) > limit:
        raise OversizeBody(limit)
    body = bytearray()
    with anyio.move_on_after(timeout_s) as scope:
        try:
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > limit:
                    raise OversizeBody(limit)
        except (web.RequestPayloadError, ClientPayloadError, HttpProcessingError) as error:
            raise MalformedBody(type(error).__name__) from None
    if scope.cancelled_caught:
        raise BodyTimeout(timeout_s)
    return bytes(body)
