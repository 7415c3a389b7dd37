"""Doors behind the front of a node with several shards: who asks is what the front says.

Such a door listens on loopback only, where whoever could pretend to be the front has the machine's operator's
rights anyway.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

CLIENT_FIELD: Final = "X-Tangle-Client"
"""Header field in which the front names the client's network address."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def trust_front(handle: Handler) -> Handler:
    """The handler, which sees the address that the front names as the client's."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        client = request.headers.get(CLIENT_FIELD)
        return await handle(request if client is None else request.clone(remote=client))

    return answer
