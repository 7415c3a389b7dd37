"""Addresses as people write them, and the TCP twin of the network."""

from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import ByteStream, SocketAttribute

from tangle.net.addresses import Address, check_address, parse_address
from tangle.net.errors import DialFailed, InvalidAddress, ListenFailed
from tangle.net.handshake import Role
from tangle.net.messages import Transactions
from tangle.net.network import TcpNetwork, get_remote_host
from tangle.net.session import establish
from tests.net.builders import CHAIN, make_key, make_secret


@pytest.mark.parametrize(
    "text", ["192.0.2.1:15600", "[2001:db8::1]:15600", "node-3.example:1", "localhost:65535"]
)
def test_addresses_read_back_as_written(text: str) -> None:
    assert str(parse_address(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        "host:",
        "host:0",
        "host:65536",
        "host:+1",
        ":1",
        "::1:80",
        "a b:1",
        "\u00e9:1",
        "h" * 254 + ":1",
        "host:\u0661",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_address(text)


def test_a_host_from_a_peer_is_checked() -> None:
    with pytest.raises(InvalidAddress):
        check_address(Address(b"evil\nhost", 1))


async def test_a_stream_carries_bytes_both_ways_over_tcp() -> None:
    network = TcpNetwork()
    listener = await network.listen(Address(b"127.0.0.1", 0))  # port 0: the system chooses a free one

    async def echo(stream: ByteStream) -> None:
        async with stream:
            assert get_remote_host(stream) == "127.0.0.1"
            await stream.send(await stream.receive())

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, echo)
        port = listener.extra(SocketAttribute.local_port)
        async with await network.dial(Address(b"127.0.0.1", port)) as stream:
            await stream.send(b"hello")
            assert await stream.receive() == b"hello"
        with pytest.raises(ListenFailed):
            await network.listen(Address(b"127.0.0.1", port))
        tasks.cancel_scope.cancel()


async def test_dialling_where_nobody_listens_fails_by_name() -> None:
    with pytest.raises(DialFailed):
        await TcpNetwork().dial(Address(b"127.0.0.1", 1))


async def test_sessions_run_over_tcp_and_part_in_good_order() -> None:
    network = TcpNetwork()
    listener = await network.listen(Address(b"127.0.0.1", 0))
    endings: list[str] = []
    news = Transactions((bytes(4_096),) * 240)

    async def serve(stream: ByteStream) -> None:
        session = await establish(stream, Role.RESPONDER, make_key("bob"), CHAIN, make_secret("e2"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run)
            async for message in session:
                await session.send(message)
        assert session.ending is not None
        endings.append(session.ending.code)

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        port = listener.extra(SocketAttribute.local_port)
        stream = await network.dial(Address(b"127.0.0.1", port))
        session = await establish(stream, Role.INITIATOR, make_key("alice"), CHAIN, make_secret("e1"))
        tasks.start_soon(session.run)
        for _ in range(3):
            await session.send(news)
        assert [await anext(session) for _ in range(3)] == [news] * 3
        await session.close()
        while not endings:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert endings == ["peer-goodbye"]
    assert session.ending is not None
    assert session.ending.code == "session-closed"


class HungUp(anyio.abc.ByteStream):
    """A connection that its other end reset: the system, or the event loop, has forgotten who it was."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    @property
    def extra_attributes(self) -> dict[Any, Callable[[], Any]]:
        return {SocketAttribute.remote_address: self.look}

    def look(self) -> None:
        raise self.error

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        raise anyio.EndOfStream

    async def send(self, item: bytes) -> None:
        raise anyio.BrokenResourceError

    async def send_eof(self) -> None:
        raise anyio.BrokenResourceError

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize("error", [OSError(107, "not connected"), AttributeError("getpeername")])
def test_a_stranger_that_hung_up_has_no_host(error: Exception) -> None:
    assert get_remote_host(HungUp(error)) == ""
