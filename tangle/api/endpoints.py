"""One route as requests meet it: what can be known of it before the first request is computed once."""

from collections.abc import Awaitable, Mapping
from inspect import iscoroutinefunction
from typing import Any, Final

from aiohttp import web

from tangle.api.context import ApiContext
from tangle.api.registry import CBOR, JSON, Call, RawReply, Reply, Result, Route
from tangle.api.requests import InputReader, read_body
from tangle.api.schemas.common import AnswerMeta, Envelope
from tangle.api.wire import HexBytes, encode_cbor, encode_json

SAFETY_FIELDS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Answers are of the moment, unless they say otherwise, and are what their type says."""

JSON_FIELDS: Final = {"Content-Type": JSON, **SAFETY_FIELDS}
"""Header fields of an answer in JSON."""

CBOR_FIELDS: Final = {"Content-Type": CBOR, **SAFETY_FIELDS}
"""Header fields of the same answer in CBOR."""


class Endpoint:
    """Answers the requests for one route."""

    def __init__(self, route: Route, context: ApiContext) -> None:
        self._handler = route.handler
        self._context = context
        self._inputs = InputReader(route.inputs)
        self._body = None if route.body is None or route.body.is_stream else route.body
        self._is_translated = route.is_translated
        self._is_timed = iscoroutinefunction(route.handler) and not route.is_long
        self._meta = AnswerMeta(HexBytes(context.service.chain))
        self._end = b',"meta":' + encode_json(self._meta) + b"}"

    async def answer(
        self, request: web.Request, path_fields: Mapping[str, str], fields: Mapping[str, str]
    ) -> web.StreamResponse:
        """Read the request, ask the handler, and write what it answers.

        :param fields: header fields of this answer beside those of every answer.
        """
        inputs = self._inputs.read(path_fields, request)
        body = None
        if self._body is not None:
            body = await read_body(self._body, request, self._context.config.body_timeout_s)
        call = Call(self._context, inputs, body, request)
        result = self._handler(call)
        if isinstance(result, Reply):
            return self._write(result, call, fields)
        if isinstance(result, Awaitable):
            result = await (self._wait_briefly(result) if self._is_timed else result)
        return self._make_response(result, call, fields)

    async def _wait_briefly(self, result: Awaitable[Result]) -> Result:
        with self._context.limit_answer():
            return await result
        raise AssertionError("an answer that is too late raises")

    def _make_response(
        self, result: Result, call: Call[Any, Any], fields: Mapping[str, str]
    ) -> web.StreamResponse:
        match result:
            case Reply():
                return self._write(result, call, fields)
            case RawReply(content=content, media_type=media_type, status=status, headers=own):
                headers = {"Content-Type": media_type, **SAFETY_FIELDS, **own, **fields}
                return web.Response(status=status, body=content, headers=headers)
            case _:
                add_fields(result, fields)
                return result

    def _write(self, reply: Reply, call: Call[Any, Any], fields: Mapping[str, str]) -> web.Response:
        cursor, meta = reply.next_cursor, self._meta
        if cursor is not None:
            meta = AnswerMeta(meta.chain, cursor)
        if self._is_translated and call.is_accepted(CBOR):
            content = encode_cbor(Envelope(reply.data, meta))
            return web.Response(status=reply.status, body=content, headers={**CBOR_FIELDS, **fields})
        if cursor is not None:
            content = encode_json(Envelope(reply.data, meta))
        else:
            # The envelope's end is the same for all answers, so only the data is encoded.
            content = b'{"data":' + (reply.encoded or encode_json(reply.data)) + self._end
        return web.Response(status=reply.status, body=content, headers={**JSON_FIELDS, **fields})


def add_fields(response: web.StreamResponse, fields: Mapping[str, str]) -> None:
    """Give a response the fields of every answer and its own, unless its head is on its way already."""
    if response.prepared:
        return
    for name, value in SAFETY_FIELDS.items():
        response.headers.setdefault(name, value)
    response.headers.update(fields)
