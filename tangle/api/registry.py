"""Declared routes: one declaration drives the router, the reading of requests and the OpenAPI document.

A handler receives a ``Call`` with its path and query fields already typed and its body already read, and
returns a ``Reply`` or raw bytes; it never touches HTTP, except for the event stream. One that waits for
nothing is an ordinary function: it needs no task and no limit in time. Every module of routes fills a
``RouteTable`` of its own, and the server joins them.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from aiohttp import web
from msgspec import Struct

from tangle.api.accepting import prefers
from tangle.api.context import ApiContext
from tangle.api.limits import is_loopback

JSON: Final = "application/json"
CBOR: Final = "application/cbor"
OCTETS: Final = "application/octet-stream"
EVENT_STREAM: Final = "text/event-stream"

JSON_BODY_MAX: Final = 16_384
"""Longest JSON body in bytes: a transaction in hex (8,192 digits) with room to spare."""

Inputs = TypeVar("Inputs")
Body = TypeVar("Body")


class NoInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """A route without path and query fields."""


class Call(Struct, Generic[Inputs, Body], frozen=True):
    """One request, typed."""

    context: ApiContext
    """The node and the limits."""

    inputs: Inputs
    """Path and query fields."""

    body: Body
    """The decoded JSON body, or the bytes of a CBOR body; none for routes without a body."""

    request: web.Request
    """The request underneath, for the stream and for ``Accept``."""

    @property
    def address(self) -> str:
        """The client's network address."""
        return self.request.remote or ""

    @property
    def source(self) -> str:
        """Who takes turns with others: the client's host; the connection where many may share the host, as
        behind a proxy on this machine.
        """
        if not is_loopback(self.address):
            return self.address
        transport = self.request.transport
        return "" if transport is None else str(transport.get_extra_info("peername"))

    def is_accepted(self, media_type: str) -> bool:
        """Whether the client asks for ``media_type`` by name, and not for JSON rather."""
        return prefers(self.request.headers.get("Accept", ""), media_type, JSON)


class Reply(Struct, frozen=True):
    """A JSON answer, to be wrapped in the envelope."""

    data: object
    """A struct of ``schemas``, or a sequence of them."""

    status: int = 200
    """HTTP status."""

    next_cursor: str | None = None
    """Where the next page begins."""

    encoded: bytes | None = None
    """``data`` in JSON, where it was written before."""


class RawReply(Struct, frozen=True):
    """An answer in bytes."""

    content: bytes
    """The body."""

    media_type: str
    """Its type."""

    status: int = 200
    """HTTP status."""

    headers: Mapping[str, str] = {}
    """Further header fields."""


Result = Reply | RawReply | web.StreamResponse
AnyHandler = Callable[[Any], Result | Awaitable[Result]]


class BodyRule(Struct, frozen=True):
    """Which bodies a route reads."""

    json: type[Any] | None
    """Struct of a JSON body; none when JSON is not read."""

    is_cbor: bool
    """Whether CBOR bytes are read."""

    limit: int
    """Longest body in bytes."""

    is_stream: bool = False
    """Whether the handler itself reads the body, as bytes of any kind; ``body`` is none then."""

    @property
    def media_types(self) -> tuple[str, ...]:
        """What may be sent."""
        if self.is_stream:
            return (OCTETS,)
        return ((JSON,) if self.json else ()) + ((CBOR,) if self.is_cbor else ())


class Route(Struct, frozen=True):
    """One declared route."""

    method: str
    """``GET``, ``HEAD``, ``POST``, ``PUT`` or ``DELETE``."""

    path: str
    """Template; names in braces are fields of ``inputs``."""

    handler: AnyHandler
    """What answers."""

    tag: str
    """Group in the document."""

    inputs: type[Any]
    """Struct of the path and query fields."""

    body: BodyRule | None
    """Bodies that are read."""

    answer: Any
    """Type of ``data`` in the JSON answer; none when there is no JSON answer."""

    media_types: tuple[str, ...]
    """Types of the other answers."""

    statuses: tuple[int, ...]
    """HTTP statuses of success."""

    is_long: bool
    """Whether it may stay open: it waits or streams, and has limits of its own."""

    refusals: tuple[int, ...] = ()
    """HTTP statuses of refusals beyond those that its path, query and body let one expect."""

    @property
    def is_translated(self) -> bool:
        """Whether its JSON answer is told in CBOR to those who ask: routes with a CBOR form of their own
        are not.
        """
        return self.answer is not None and CBOR not in self.media_types

    @property
    def summary(self) -> str:
        """What it does: the handler's docstring."""
        return (self.handler.__doc__ or "").strip()

    @property
    def operation_id(self) -> str:
        """Name of the operation: the handler's."""
        return str(getattr(self.handler, "__name__", self.path))


Handler = Callable[[Call[Inputs, Body]], Result | Awaitable[Result]]


class RouteTable:
    """The routes of one module, in the order of declaration."""

    def __init__(self, tag: str) -> None:
        """:param tag: their group in the OpenAPI document."""
        self.routes: list[Route] = []
        self._tag = tag

    def get(
        self,
        path: str,
        inputs: type[Inputs],
        *,
        answer: Any = None,
        media_types: tuple[str, ...] = (),
        statuses: tuple[int, ...] = (200,),
        is_long: bool = False,
        refusals: tuple[int, ...] = (),
    ) -> Callable[[Handler[Inputs, None]], Handler[Inputs, None]]:
        """Declare a reading route; ``inputs`` holds the fields of path and query."""
        return self._declare("GET", path, inputs, None, answer, media_types, statuses, is_long, refusals)

    def head(
        self, path: str, inputs: type[Inputs]
    ) -> Callable[[Handler[Inputs, None]], Handler[Inputs, None]]:
        """Declare the head of a route that is long; others have theirs already."""
        return self._declare("HEAD", path, inputs, None, None, (), (200,), False, ())

    def post(
        self,
        path: str,
        inputs: type[Inputs],
        body: BodyRule | None,
        *,
        answer: Any,
        media_types: tuple[str, ...] = (),
        statuses: tuple[int, ...] = (200,),
        is_long: bool = False,
        refusals: tuple[int, ...] = (),
    ) -> Callable[[Handler[Inputs, Any]], Handler[Inputs, Any]]:
        """Declare a route that does something, mostly with a body."""
        return self._declare("POST", path, inputs, body, answer, media_types, statuses, is_long, refusals)

    def put(
        self,
        path: str,
        inputs: type[Inputs],
        body: BodyRule | None,
        *,
        answer: Any,
        statuses: tuple[int, ...] = (200,),
        is_long: bool = False,
        refusals: tuple[int, ...] = (),
    ) -> Callable[[Handler[Inputs, Any]], Handler[Inputs, Any]]:
        """Declare a route that makes something so, however often it is asked."""
        return self._declare("PUT", path, inputs, body, answer, (), statuses, is_long, refusals)

    def delete(
        self, path: str, inputs: type[Inputs], *, answer: Any, refusals: tuple[int, ...] = ()
    ) -> Callable[[Handler[Inputs, None]], Handler[Inputs, None]]:
        """Declare a route that takes something away."""
        return self._declare("DELETE", path, inputs, None, answer, (), (200,), False, refusals)

    def _declare(
        self,
        method: str,
        path: str,
        inputs: type[Inputs],
        body: BodyRule | None,
        answer: Any,
        media_types: tuple[str, ...],
        statuses: tuple[int, ...],
        is_long: bool,
        refusals: tuple[int, ...],
    ) -> Callable[[Handler[Inputs, Any]], Handler[Inputs, Any]]:
        def declare(handler: Handler[Inputs, Any]) -> Handler[Inputs, Any]:
            self.routes.append(
                Route(
                    method=method,
                    path=path,
                    handler=handler,
                    tag=self._tag,
                    inputs=inputs,
                    body=body,
                    answer=answer,
                    media_types=media_types,
                    statuses=statuses,
                    is_long=is_long,
                    refusals=refusals,
                )
            )
            return handler

        return declare
