"""From an HTTP request to a handler and back: routing, limits, typed inputs, problems, metrics, one log line.

This is the only place where faults become answers. A programming error is logged with its traceback and
answered with a bare ``internal``; nothing of the inside reaches a client.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Final

import structlog
from aiohttp import web

from tangle.api.answer_log import AnswerLog
from tangle.api.context import ApiContext
from tangle.api.cross_origin import answer_preflight, is_preflight, make_origin_fields
from tangle.api.endpoints import Endpoint, add_fields
from tangle.api.errors import InternalFault, MethodNotAllowed, UnknownRoute, UnsupportedExpectation
from tangle.api.meters import ApiMeters
from tangle.api.problems import make_problem_response
from tangle.api.registry import Route
from tangle.api.tokens import check_token
from tangle.api.web_files import DOCUMENT, make_file_response
from tangle.core.errors import TangleError

log: Final = structlog.get_logger(__name__)

Fields = Mapping[str, str]
"""Names and values."""

Answer = Callable[[web.Request, Fields, Fields], Awaitable[web.StreamResponse]]
"""Answers a request, given the fields of its path and further header fields of the answer."""

UNMATCHED: Final = "unmatched"
"""Label of requests for no route: their paths are the client's invention and unbounded."""


class Dispatcher:
    """Answers every request of one server."""

    def __init__(
        self, context: ApiContext, routes: Sequence[Route], meters: ApiMeters, *, token: str | None = None
    ) -> None:
        """:param token: what every request must show on the operator's door, where no page is served."""
        self._context = context
        self._origins = context.config.cors_origins
        self._token = token
        self._meters = meters
        self._answer_log = AnswerLog()
        self._router = web.UrlDispatcher()
        self._answers: dict[web.AbstractRoute, tuple[str, Answer]] = {}
        for route in routes:
            answer = Endpoint(route, context).answer
            self._add(route.method, route.path, answer)
            if route.method == "GET" and not route.is_long:
                self._add("HEAD", route.path, answer)
        for path in () if token else ("/", "/web/{name:.+}"):
            self._add("GET", path, _answer_with_file)
            self._add("HEAD", path, _answer_with_file)
        self._router.freeze()

    def _add(self, method: str, path: str, answer: Answer) -> None:
        route = self._router.add_route(method, path, _answer_nothing)
        assert route.resource is not None, "a route that was added has a resource"
        self._answers[route] = route.resource.canonical, answer

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer ``request``; never raises for anything that a client can send."""
        assert isinstance(request, web.Request)
        started_s = monotonic()
        template = UNMATCHED
        fields: Fields = {}
        try:
            fields = self._context.limiter.spend(request.remote or "", 1)
            if self._origins:
                fields = {**fields, **make_origin_fields(request, self._origins)}
            if self._token is not None:
                check_token(request, self._token)
            if request.method == "OPTIONS" and is_preflight(request):
                response: web.StreamResponse = answer_preflight(request, self._origins)
                add_fields(response, fields)
            else:
                match = await self._match(request)
                template, answer = self._answers[match.route]
                response = await answer(request, match, fields)
        except TangleError as error:
            response = self._refuse(error, request, fields)
        except ConnectionError:
            raise  # nobody is left to answer
        except Exception:
            log.exception("api.internal", method=request.method, path=request.path)
            response = self._refuse(InternalFault(), request, fields)
        elapsed_s = monotonic() - started_s
        self._meters.on_answer(request.method, template, response.status, elapsed_s)
        self._answer_log.write(request.method, template, response.status, elapsed_s)
        return response

    def _refuse(self, error: TangleError, request: web.Request, fields: Fields) -> web.Response:
        response = make_problem_response(error, request.path)
        if not fields:  # refused before there were any
            fields = make_origin_fields(request, self._origins)
        add_fields(response, fields)
        return response

    async def _match(self, request: web.Request) -> web.UrlMappingMatchInfo:
        found = await self._router.resolve(request)
        refusal = found.http_exception
        if refusal is not None:
            if isinstance(refusal, web.HTTPMethodNotAllowed):
                raise MethodNotAllowed(request.method, tuple(refusal.allowed_methods))
            raise UnknownRoute(request.path)
        if "Expect" in request.headers:
            try:
                await found.expect_handler(request)  # tells a client that asked first to go on with its body
            except web.HTTPExpectationFailed:
                raise UnsupportedExpectation(request.headers["Expect"]) from None
        return found


async def _answer_with_file(request: web.Request, path_fields: Fields, fields: Fields) -> web.StreamResponse:
    response = make_file_response(request, path_fields.get("name", DOCUMENT))
    add_fields(response, fields)
    return response


async def _answer_nothing(request: web.Request) -> web.StreamResponse:
    # The router wants a handler; what answers a route is in the dispatcher's table.
    raise AssertionError(f"the router was asked for {request.path}, and not the dispatcher")
