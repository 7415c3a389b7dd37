"""Starts a real server on a real port over any ``NodeService``, and speaks HTTP to it.

To run the API's tests against another node, hand another service to ``serve``.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
import msgspec

from tangle.api.config import ApiConfig
from tangle.api.server import ApiAddresses, ApiServer, OperatorDoor
from tangle.node.views import NodeService

QUIET = ApiConfig(port=0, metrics_port=None, stop_timeout_s=1.0)
"""Any free port, no metrics page."""


@asynccontextmanager
async def serve(
    service: NodeService, config: ApiConfig = QUIET, *, door: OperatorDoor | None = None
) -> AsyncIterator[ApiAddresses]:
    """Serve until the block ends."""
    async with anyio.create_task_group() as tasks:
        server = ApiServer(service, config, version="0.0.0", door=door)
        addresses = await tasks.start(server.serve)
        try:
            yield addresses
        finally:
            tasks.cancel_scope.cancel()


class Http:
    """A plain HTTP client that hides nothing."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self.session = session
        self.base_url = base_url

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any, aiohttp.ClientResponse]:
        """Status, decoded JSON (or bytes) and the response."""
        async with self.session.request(method, self.base_url + path, **options) as response:
            content = await response.read()
        is_json = content and response.content_type.endswith("json")
        return response.status, msgspec.json.decode(content) if is_json else content, response

    async def get(self, path: str, **options: Any) -> Any:
        """The ``data`` of a successful answer."""
        status, answer, _ = await self.ask("GET", path, **options)
        assert status == 200, answer
        return answer["data"]

    async def read(self, path: str, media_type: str) -> bytes:
        """The bytes of an answer of this type."""
        url = self.base_url + path
        async with self.session.get(url, headers={"Accept": media_type}) as response:
            assert (response.status, response.content_type) == (200, media_type)
            return await response.read()

    async def refuse(self, method: str, path: str, **options: Any) -> tuple[int, str]:
        """Status and code of a refusal, after checking that it is a proper problem document."""
        status, answer, response = await self.ask(method, path, **options)
        assert response.content_type == "application/problem+json", answer
        assert answer["status"] == status
        assert answer["type"] == f"urn:tangle:problem:{answer['code']}"
        assert "Traceback" not in answer["detail"]
        return status, answer["code"]


@asynccontextmanager
async def connect(base_url: str) -> AsyncIterator[Http]:
    """An ``Http`` for a server."""
    async with aiohttp.ClientSession() as session:
        yield Http(session, base_url)
