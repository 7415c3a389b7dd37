"""From an HTTP request to a handler and back: routing, limits, typed inputs, problems, metrics, one log line.

This is the only place where faults become answers. A programming error is logged with its traceback and
answered with a bare ``internal``; nothing of the inside reaches a client.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Final

import structlog
from aiohttp import web

from tangle.api.context import ApiContext
from tangle.api.cross_origin import answer_preflight, is_preflight, make_origin_fields
from tangle.api.errors import InternalFault, MethodNotAllowed, UnknownRoute, UnsupportedExpectation
from tangle.api.meters import ApiMeters
from tangle.api.problems import make_problem_response
from tangle.api.registry import CBOR, JSON, Call, RawReply, Reply, Result, Route
from tangle.api.requests import read_body, read_inputs
from tangle.api.schemas.common import AnswerMeta, Envelope
from tangle.api.tokens import check_token
from tangle.api.web_files import DOCUMENT, make_file_response
from tangle.api.wire import HexBytes, encode_cbor, encode_json
from tangle.core.errors import TangleError

log: Final = structlog.get_logger(__name__)

Endpoint = Callable[[web.Request], Awaitable[web.StreamResponse]]

SAFETY_FIELDS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Answers are of the moment, unless they say otherwise, and are what their type says."""

PATH_FIELDS: Final = web.RequestKey("path_fields", Mapping[str, str])
"""Under this name a request carries the fields of its path to the endpoint."""

UNMATCHED: Final = "unmatched"
"""Label of requests for no route: their paths are the client's invention and unbounded."""


class Dispatcher:
    """Answers every request of one server."""

    def __init__(
        self, context: ApiContext, routes: Sequence[Route], meters: ApiMeters, *, token: str | None = None
    ) -> None:
        """:param token: what every request must show on the operator's door, where no page is served."""
        self._context = context
        self._token = token
        self._meters = meters
        self._router = web.UrlDispatcher()
        for route in routes:
            endpoint = self._make_endpoint(route)
            self._router.add_route(route.method, route.path, endpoint)
            if route.method == "GET" and not route.is_long:
                self._router.add_route("HEAD", route.path, endpoint)
        for path in () if token else ("/", "/web/{name:.+}"):
            self._router.add_route("GET", path, _answer_with_file)
            self._router.add_route("HEAD", path, _answer_with_file)
        self._router.freeze()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer ``request``; never raises for anything that a client can send."""
        assert isinstance(request, web.Request)
        started_s = monotonic()
        template = UNMATCHED
        fields: dict[str, str] = {}
        try:
            fields = self._context.limiter.spend(request.remote or "", 1)
            if self._token is not None:
                check_token(request, self._token)
            if is_preflight(request):
                response: web.StreamResponse = answer_preflight(request, self._context.config.cors_origins)
            else:
                match = await self._match(request)
                template = match.route.resource.canonical if match.route.resource else UNMATCHED
                request[PATH_FIELDS] = dict(match)
                response = await match.handler(request)
        except TangleError as error:
            response = make_problem_response(error, request.path)
        except ConnectionError:
            raise  # nobody is left to answer
        except Exception:
            log.exception("api.internal", method=request.method, path=request.path)
            response = make_problem_response(InternalFault(), request.path)
        if not response.prepared:
            for name, value in SAFETY_FIELDS.items():
                response.headers.setdefault(name, value)
            response.headers.update(fields)
            response.headers.update(make_origin_fields(request, self._context.config.cors_origins))
        elapsed_s = monotonic() - started_s
        self._meters.on_answer(request.method, template, response.status, elapsed_s)
        log.debug(
            "api.answer", method=request.method, route=template, status=response.status, elapsed_s=elapsed_s
        )
        return response

    async def _match(self, request: web.Request) -> web.UrlMappingMatchInfo:
        found = await self._router.resolve(request)
        refusal = found.http_exception
        if isinstance(refusal, web.HTTPMethodNotAllowed):
            raise MethodNotAllowed(request.method, tuple(refusal.allowed_methods))
        if refusal is not None:
            raise UnknownRoute(request.path)
        if "Expect" in request.headers:
            try:
                await found.expect_handler(request)  # tells a client that asked first to go on with its body
            except web.HTTPExpectationFailed:
                raise UnsupportedExpectation(request.headers["Expect"]) from None
        return found

    def _make_endpoint(self, route: Route) -> Endpoint:
        async def answer(request: web.Request) -> web.StreamResponse:
            return await self._answer(route, request)

        return answer

    async def _answer(self, route: Route, request: web.Request) -> web.StreamResponse:
        context = self._context
        inputs = read_inputs(route.inputs, request[PATH_FIELDS], request)
        body = None
        if route.body is not None and not route.body.is_stream:
            body = await read_body(route.body, request, context.config.body_timeout_s)
        call = Call(context, inputs, body, request)
        is_cbor = route.is_translated and call.is_accepted(CBOR)
        if route.is_long:
            return self._make_response(await route.handler(call), is_cbor=is_cbor)
        with context.limit_answer():
            return self._make_response(await route.handler(call), is_cbor=is_cbor)
        raise AssertionError("an answer that is too late raises")

    def _make_response(self, result: Result, *, is_cbor: bool) -> web.StreamResponse:
        match result:
            case Reply(data=data, status=status, next_cursor=next_cursor):
                envelope = Envelope(data, AnswerMeta(HexBytes(self._context.service.chain), next_cursor))
                if is_cbor:
                    return web.Response(status=status, body=encode_cbor(envelope), content_type=CBOR)
                return web.Response(status=status, body=encode_json(envelope), content_type=JSON)
            case RawReply(content=content, media_type=media_type, status=status, headers=headers):
                return web.Response(status=status, body=content, content_type=media_type, headers=headers)
            case _:
                return result


async def _answer_with_file(request: web.Request) -> web.StreamResponse:
    return make_file_response(request, request[PATH_FIELDS].get("name", DOCUMENT))
