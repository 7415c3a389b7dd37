"""The client of a node's operator: what the door on loopback lets one do about peers."""

from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

from tangle.api.schemas.admin import DoneAnswer, LogLevelAnswer, LogLevelBody
from tangle.api.schemas.peers import (
    AddressBody,
    BanAnswer,
    BanBody,
    DrainAnswer,
    DrainBody,
    KnownAddressAnswer,
)
from tangle.api.wire import encode_json
from tangle.client.transport import ClientConfig, Transport
from tangle.node.operator import LogLevel

Data = TypeVar("Data")

JSON = "application/json"


class OperatorClient:
    """Asks the operator's door. Close it, or use it as an asynchronous context manager."""

    def __init__(self, base_url: str, token: str, config: ClientConfig | None = None) -> None:
        """:param token: what the node keeps in ``admin.token``."""
        self._transport = Transport(base_url, config or ClientConfig(attempts_max=2), token=token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def list_addresses(self) -> tuple[KnownAddressAnswer, ...]:
        """The node's address book."""
        return await self._get(tuple[KnownAddressAnswer, ...], "/v1/admin/addresses")

    async def add_address(self, address: str) -> DoneAnswer:
        """Keep a peer connected."""
        return await self._send("POST", DoneAnswer, "/v1/admin/addresses", AddressBody(address))

    async def remove_address(self, address: str) -> DoneAnswer:
        """Forget an address."""
        return await self._send("DELETE", DoneAnswer, "/v1/admin/addresses/" + quote(address, safe=":[]"))

    async def list_bans(self) -> tuple[BanAnswer, ...]:
        """Who is kept out."""
        return await self._get(tuple[BanAnswer, ...], "/v1/admin/bans")

    async def ban(self, subject: str, reason: str = "", duration_s: int | None = None) -> BanAnswer:
        """Keep a node key, a host or a network out.

        :param duration_s: none for ever.
        """
        return await self._send("POST", BanAnswer, "/v1/admin/bans", BanBody(subject, reason, duration_s))

    async def unban(self, subject: str) -> DoneAnswer:
        """Lift a ban."""
        answer = await self._transport.request("DELETE", "/v1/admin/bans", query={"subject": subject})
        return self._transport.read(DoneAnswer, answer).data

    async def drain(self, is_draining: bool) -> DrainAnswer:
        """Let sessions only end; or begin again."""
        return await self._send("PUT", DrainAnswer, "/v1/admin/drain", DrainBody(is_draining))

    async def get_log_level(self) -> LogLevelAnswer:
        """How much the node logs."""
        return await self._get(LogLevelAnswer, "/v1/admin/log-level")

    async def set_log_level(self, level: LogLevel) -> LogLevelAnswer:
        """Log this much until the next start."""
        return await self._send("PUT", LogLevelAnswer, "/v1/admin/log-level", LogLevelBody(level))

    async def leave(self) -> DoneAnswer:
        """Have the validator sign nothing more."""
        return await self._send("POST", DoneAnswer, "/v1/admin/leave")

    async def stop(self) -> DoneAnswer:
        """Stop the node."""
        return await self._send("POST", DoneAnswer, "/v1/admin/stop")

    async def _get(self, kind: type[Data], path: str) -> Data:
        return (await self._transport.get(kind, path, {})).data

    async def _send(self, method: str, kind: type[Data], path: str, body: Any = None) -> Data:
        encoded = None if body is None else encode_json(body)
        answer = await self._transport.request(
            method, path, body=encoded, media_type=None if body is None else JSON
        )
        return self._transport.read(kind, answer).data
