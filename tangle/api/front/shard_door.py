"""The private door of one shard's node, as the front uses it: wherever it listens now."""

from collections.abc import AsyncIterable, Callable, Mapping
from io import BytesIO
from typing import Final

import aiohttp
from aiohttp import web
from msgspec import Struct
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from tangle.api.behind_front import CLIENT_FIELD
from tangle.api.front.addresses import DoorAddresses
from tangle.api.front.errors import ShardDown, ShardLost
from tangle.core.types import Shard

CONNECTIONS_MAX: Final = 256
"""Most connections to one shard's door at once; more requests wait."""

CONNECT_TIMEOUT_S: Final = 5.0
"""A door on the same machine that does not accept by then is not there."""

WHOLE_MAX: Final = 1_048_576
"""An answer of at most so many bytes is passed on in one piece."""

OWN_FIELDS: Final = frozenset(
    name.lower()
    for name in (
        *("Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade"),
        *("Proxy-Authenticate", "Proxy-Authorization", "Host", "Expect", "Content-Length", CLIENT_FIELD),
    )
)
"""Header fields of one connection only (RFC 9110 section 7.6.1), and those that the front sets itself."""

UNSTATED_FIELDS: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Header fields that a client library adds by itself; a shard's door gets those of the client only."""

REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods of requests that change nothing."""


class ShardReply(Struct, frozen=True):
    """What a shard's door answered."""

    status: int
    """HTTP status."""

    headers: CIMultiDictProxy[str]
    """Header fields."""

    content: bytes
    """The body."""

    @property
    def is_success(self) -> bool:
        """Whether it is no refusal."""
        return self.status < 400

    def make_response(self) -> web.Response:
        """The same for the front's client."""
        return web.Response(status=self.status, body=self.content, headers=select_fields(self.headers))


class ShardDoor:
    """One shard's door."""

    def __init__(self, shard: Shard, find_addresses: Callable[[], DoorAddresses | None]) -> None:
        """:param find_addresses: tells where the doors listen now."""
        self.shard = shard
        self._find_addresses = find_addresses
        self._addresses: DoorAddresses | None = None
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def get_addresses(self) -> DoorAddresses:
        """Where the doors listen.

        :raises ShardDown: they do not.
        """
        if self._addresses is None:
            self._addresses = self._find_addresses()
        if self._addresses is None:
            raise ShardDown(self.shard)
        return self._addresses

    async def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        is_admin: bool = False,
    ) -> ShardReply:
        """Ask and read the whole answer.

        :param target: path and query, as they came.
        :raises ShardDown, ShardLost: see each.
        """
        response = await self.open(method, target, headers, body, is_admin=is_admin)
        async with response:
            try:
                return ShardReply(response.status, response.headers, await response.read())
            except (aiohttp.ClientError, OSError):
                raise self._make_loss(method) from None

    async def open(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | AsyncIterable[bytes] | None = None,
        *,
        is_admin: bool = False,
    ) -> aiohttp.ClientResponse:
        """Ask and return when the answer begins; the caller closes it.

        :raises ShardDown, ShardLost: see each.
        """
        timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT_S)
        for is_last in (False, True):
            addresses = self.get_addresses()
            url = URL((addresses.admin if is_admin else addresses.api) + target, encoded=True)
            is_long = isinstance(body, bytes) and len(body) > WHOLE_MAX
            data = BytesIO(body) if is_long and isinstance(body, bytes) else body
            try:
                return await self._get_session().request(
                    method, url, headers=headers, data=data, timeout=timeout, allow_redirects=False
                )
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self._addresses = None  # a new process listens elsewhere
                is_unsent = isinstance(error, aiohttp.ClientConnectorError)
                is_repeatable = is_unsent or method in REPEATABLE
                if is_last or not is_repeatable or not (body is None or isinstance(body, bytes)):
                    raise (ShardDown(self.shard) if is_unsent else self._make_loss(method)) from None
        raise AssertionError("the last try returns or raises")

    def _make_loss(self, method: str) -> ShardDown | ShardLost:
        self._addresses = None
        return ShardDown(self.shard) if method in REPEATABLE else ShardLost(self.shard)

    def _get_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=UNSTATED_FIELDS,
                trust_env=False,
            )
        return self._session


def make_fields(request: web.BaseRequest) -> CIMultiDict[str]:
    """Header fields of a client's request, as the shard's door gets them."""
    fields = select_fields(request.headers)
    fields[CLIENT_FIELD] = request.remote or ""
    return fields


def select_fields(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Header fields without those of the connection that they came over."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in OWN_FIELDS)
