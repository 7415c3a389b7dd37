"""Requests over one pool of connections, with time limits and with retries where a retry is harmless."""

import os
from collections.abc import AsyncIterable, Awaitable, Callable, Container, Mapping
from typing import Final, TypeVar

import aiohttp
import anyio
import msgspec
from msgspec import Struct

from tangle.api.schemas.common import Envelope, Problem
from tangle.api.wire import decode_json
from tangle.client.errors import ApiProblem, NodeUnreachable, UnexpectedAnswer
from tangle.core.errors import TangleError

Data = TypeVar("Data")
Texts = Mapping[str, str]

PROBLEM_TYPE: Final = "application/problem+json"

ANSWER_SIZE_MAX: Final = 64 * 1024 * 1024
"""Longest answer in bytes that the client reads: a page or a model's weights, with a wide margin."""

RETRIED_STATUSES: Final = frozenset({429, 503})
"""The node says that the same request may succeed later."""

HEAD_LIMIT: Final = 16_384
"""Longest header field of an answer in bytes."""


class ClientConfig(Struct, frozen=True):
    """How patient a client is."""

    connect_timeout_s: float = 5.0
    """Longest time to connect."""

    answer_timeout_s: float = 35.0
    """Longest time for an answer, beyond what the request itself waits; above the node's own limit."""

    silence_timeout_s: float = 45.0
    """A stream without any byte for this long is dead: three of the node's pings are missing."""

    attempts_max: int = 5
    """Most tries of a request that may be repeated."""

    backoff_s: float = 0.2
    """First pause before a repetition; it doubles each time."""

    backoff_max_s: float = 5.0
    """Longest pause before a repetition, unless the node asks for more."""

    retry_after_max_s: float = 30.0
    """Longest pause that a node may ask for; beyond it the refusal is passed on."""

    connections_max: int = 64
    """Most connections to the node at once."""


class Answer(Struct, frozen=True):
    """An answer as it came."""

    status: int
    """HTTP status."""

    content: bytes
    """The body."""


class Transport:
    """Speaks HTTP with one node."""

    def __init__(
        self,
        base_url: str,
        config: ClientConfig,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        *,
        token: str = "",
    ) -> None:
        """:param sleep: how to pause; handed in so that tests need not wait.
        :param token: shown with each request, where there is one.
        """
        self.base_url = base_url.rstrip("/")
        self.config = config
        self._sleep = sleep
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections; a later request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(self, kind: type[Data], path: str, query: Texts, wait_s: float = 0.0) -> Envelope[Data]:
        """Read a JSON answer whose ``data`` is a ``kind``.

        :param wait_s: how long the node was asked to wait.
        :raises ApiProblem, NodeUnreachable, UnexpectedAnswer: see each.
        """
        answer = await self.request("GET", path, query=query, wait_s=wait_s)
        return self.read(kind, answer)

    async def post(
        self, kind: type[Data], path: str, body: bytes, media_type: str, *, is_repeatable: bool = True
    ) -> Envelope[Data]:
        """Send ``body`` and read a JSON answer; parameters and errors as for ``request`` and ``get``."""
        answer = await self.request(
            "POST", path, body=body, media_type=media_type, is_repeatable=is_repeatable
        )
        return self.read(kind, answer)

    def read(self, kind: type[Data], answer: Answer) -> Envelope[Data]:
        """Read an answer's envelope.

        :raises UnexpectedAnswer: it is none.
        """
        envelope: type[Envelope[Data]] = Envelope[kind]  # type: ignore[valid-type] # known at run time only
        try:
            return decode_json(envelope, answer.content)
        except msgspec.MsgspecError as error:
            raise UnexpectedAnswer(self.base_url, str(error)) from None

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Texts | None = None,
        body: bytes | None = None,
        media_type: str | None = None,
        accept: str = "application/json",
        wait_s: float = 0.0,
        is_repeatable: bool = True,
    ) -> Answer:
        """One request, repeated after pauses while that is harmless and may help.

        :param is_repeatable: false where a second arrival would do something twice.
        :raises ApiProblem, NodeUnreachable, UnexpectedAnswer: see each.
        """
        headers = {"Accept": f"{accept}, {PROBLEM_TYPE}"}
        if media_type is not None:
            headers["Content-Type"] = media_type
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        attempt = 0
        while True:
            attempt += 1
            pause_s = min(self.config.backoff_s * 2 ** (attempt - 1), self.config.backoff_max_s)
            is_last = attempt >= self.config.attempts_max
            try:
                return await self._try(method, path, query or {}, body, headers, wait_s)
            except NodeUnreachable:
                if is_last or not is_repeatable:
                    raise
            except ApiProblem as problem:
                pause_s = max(pause_s, problem.retry_after_s or 0.0)
                is_refused = problem.status not in RETRIED_STATUSES or problem.code == "not-ready"
                # A refusal for overload did nothing yet, so even what must not happen twice may be repeated.
                if is_last or is_refused or pause_s > self.config.retry_after_max_s:
                    raise
            await self._sleep(pause_s)

    async def upload(
        self, method: str, path: str, query: Texts, content: AsyncIterable[bytes], size: int | None
    ) -> Answer:
        """Send a body that is not in memory whole; never repeated, because it is gone then.

        :param size: its bytes, where known: the node refuses what it has no room for before it comes.
        :raises ApiProblem, NodeUnreachable, UnexpectedAnswer: see each.
        """
        headers = {"Content-Type": "application/octet-stream", "Accept": f"application/json, {PROBLEM_TYPE}"}
        if size is not None:
            headers["Content-Length"] = str(size)
        timeout = aiohttp.ClientTimeout(
            sock_connect=self.config.connect_timeout_s, sock_read=self.config.silence_timeout_s
        )
        url = self.base_url + path
        try:
            async with self._get_session().request(
                method, url, params=query, data=content, headers=headers, timeout=timeout
            ) as response:
                answer = await self._read_content(response)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self.make_unreachable(error) from None
        if response.status >= 400:
            raise self._make_problem(response, answer)
        return Answer(response.status, answer)

    async def open_stream(
        self, path: str, query: Texts, headers: Texts, *, statuses: Container[int] = (200,)
    ) -> aiohttp.ClientResponse:
        """Open an event stream, or a content of any length; the caller closes the response.

        :param statuses: those that begin one.
        :raises ApiProblem, NodeUnreachable, UnexpectedAnswer: see each.
        """
        timeout = aiohttp.ClientTimeout(
            sock_connect=self.config.connect_timeout_s, sock_read=self.config.silence_timeout_s
        )
        try:
            response = await self._get_session().get(
                self.base_url + path, params=query, headers=headers, timeout=timeout
            )
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self.make_unreachable(error) from None
        if response.status not in statuses:
            try:
                with anyio.fail_after(self.config.answer_timeout_s):
                    content = await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise self.make_unreachable(error) from None
            finally:
                response.close()
            raise self._make_problem(response, content)
        return response

    def make_unreachable(self, error: BaseException) -> NodeUnreachable:
        """Say in one line what broke."""
        if isinstance(error, aiohttp.ClientConnectorError):
            # Its own text repeats the address, and speaks of TLS where there is none.
            number = error.os_error.errno or 0
            reason = os.strerror(number) if number > 0 else error.strerror or str(error)
            return NodeUnreachable(self.base_url, reason.lower())
        return NodeUnreachable(self.base_url, str(error) or type(error).__name__)

    async def _try(
        self, method: str, path: str, query: Texts, body: bytes | None, headers: Texts, wait_s: float
    ) -> Answer:
        timeout = aiohttp.ClientTimeout(
            total=wait_s + self.config.answer_timeout_s, sock_connect=self.config.connect_timeout_s
        )
        try:
            async with self._get_session().request(
                method, self.base_url + path, params=query, data=body, headers=headers, timeout=timeout
            ) as response:
                content = await self._read_content(response)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self.make_unreachable(error) from None
        except ValueError as error:  # aiohttp refuses URLs that are none
            raise UnexpectedAnswer(self.base_url, str(error)) from None
        if response.status >= 400:
            raise self._make_problem(response, content)
        return Answer(response.status, content)

    async def _read_content(self, response: aiohttp.ClientResponse) -> bytes:
        content = bytearray()
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > ANSWER_SIZE_MAX:
                raise UnexpectedAnswer(self.base_url, f"more than {ANSWER_SIZE_MAX} bytes")
        return bytes(content)

    def _make_problem(self, response: aiohttp.ClientResponse, content: bytes) -> TangleError:
        if response.content_type == PROBLEM_TYPE:
            try:
                return ApiProblem(decode_json(Problem, content))
            except msgspec.MsgspecError as error:
                return UnexpectedAnswer(self.base_url, str(error))
        return UnexpectedAnswer(self.base_url, f"status {response.status}, {response.content_type}")

    def _get_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Made at the first request, because it binds itself to the running event loop.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self.config.connections_max),
                raise_for_status=False,
                trust_env=False,
                max_line_size=HEAD_LIMIT,
                max_field_size=HEAD_LIMIT,
            )
        return self._session
