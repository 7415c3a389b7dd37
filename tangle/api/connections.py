"""Connections under limits: how many, how long idle, and problems even for what is not HTTP."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from tangle.api.config import ApiConfig
from tangle.api.errors import InternalFault, MalformedHttp
from tangle.api.problems import make_problem_response

HEAD_LIMITS: Final[dict[str, Any]] = {
    "max_line_size": 8_190,
    "max_field_size": 4_096,
    "max_headers": 64,
}
"""Longest request line and header field in bytes, most fields; a filter of 64 accounts still fits."""

LINGERING_S: Final = 1.0
"""How long the rest of a refused body is read, so that the client gets to see the refusal."""

OPTIONS: Final[dict[str, Any]] = {
    **HEAD_LIMITS,
    "access_log": None,  # requests are logged by the dispatcher, with their route
    "lingering_time": LINGERING_S,
    "auto_decompress": False,  # a small compressed body must not become a large one
}
"""What every connection has in common."""


class _Connection(web.RequestHandler):
    """aiohttp's connection, with problem documents instead of its plain-text errors."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what the parser refused; the connection closes."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun; it cannot become a refusal")
        response = make_problem_response(MalformedHttp() if status < 500 else InternalFault(), "/")
        response.force_close()
        return response


class ConnectionServer(web.Server):
    """aiohttp's server, which refuses connections over the limits as they are made."""

    def __init__(
        self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], config: ApiConfig
    ) -> None:
        # A client that leaves ends what it waits for: handlers are cancelled with their connection.
        super().__init__(handler, request_factory=_make_request, handler_cancellation=True)
        self._config = config
        self._address_by_connection: dict[web.RequestHandler, str] = {}
        self._open: Counter[str] = Counter()

    def __call__(self) -> web.RequestHandler:
        """A new connection. Its idle time counts from the last answer to the next complete request head."""
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=self._config.idle_timeout_s,
            **OPTIONS,
        )

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Count the connection, or cut it off."""
        super().connection_made(handler, transport)
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        self._address_by_connection[handler] = address
        self._open[address] += 1
        is_over = len(self._address_by_connection) > self._config.connections_max
        if is_over or self._open[address] > self._config.connections_per_address_max:
            transport.abort()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Forget the connection."""
        super().connection_lost(handler, exc)
        address = self._address_by_connection.pop(handler, None)
        if address is not None:
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]


def _make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.Request:
    # The types of these five are aiohttp's own business; a plain server would make a BaseRequest of them.
    return web.Request(message, payload, protocol, writer, task, asyncio.get_running_loop())
