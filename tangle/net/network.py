"""The seam to the wire: dial an address, listen on one; byte streams come out of both.

``TcpNetwork`` is the real twin, on anyio and so on every backend. The simulator has another, with a packet
simulator behind it. Streams and listeners are anyio's own abstract classes: nothing above needs more.
"""

from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Final, Protocol

import anyio
from anyio.abc import ByteStream, Listener, SocketAttribute

from tangle.net.addresses import Address
from tangle.net.errors import DialFailed, ListenFailed

DIAL_TIMEOUT_S: Final = 5.0
"""How long to wait for a connection; far beyond any round trip."""

BACKLOG: Final = 128
"""Connections that wait to be taken; beyond it the kernel refuses."""


class Network(Protocol):
    """What a node needs of a network."""

    async def dial(self, address: Address) -> ByteStream:
        """Connect to ``address``.

        :raises DialFailed: nobody answers there.
        """
        ...

    async def listen(self, address: Address) -> Listener[ByteStream]:
        """Take connections on ``address``: ``await listener.serve(handler, task_group)``.

        :raises ListenFailed: the address is taken, or not this machine's.
        """
        ...


class TcpNetwork:
    """The real network."""

    async def dial(self, address: Address) -> ByteStream:
        """Connect over TCP.

        :raises DialFailed: nobody answers there in ``DIAL_TIMEOUT_S``.
        """
        try:
            with anyio.fail_after(DIAL_TIMEOUT_S):
                stream = await anyio.connect_tcp(address.host.decode("ascii"), address.port)
        except TimeoutError:
            raise DialFailed(str(address), f"no answer in {DIAL_TIMEOUT_S:g} s") from None
        except (OSError, UnicodeError) as error:
            raise DialFailed(str(address), str(error.__cause__ or error)) from None
        raw = stream.extra(SocketAttribute.raw_socket)
        raw.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        return stream

    async def listen(self, address: Address) -> Listener[ByteStream]:
        """Listen over TCP.

        :raises ListenFailed: the address is taken, or not this machine's.
        """
        host = address.host.decode("ascii")
        try:
            return await anyio.create_tcp_listener(local_host=host, local_port=address.port, backlog=BACKLOG)
        except (OSError, UnicodeError) as error:
            raise ListenFailed(str(address), str(error)) from None


def get_remote_host(stream: ByteStream) -> str:
    """The host at the other end, empty when the stream is no socket or has ended. Names a stranger until it
    has an identity.
    """
    try:
        remote = stream.extra(SocketAttribute.remote_address, None)
    except (OSError, AttributeError):  # hung up already: the system or the closed stream knows no address
        return ""
    return str(remote[0]) if isinstance(remote, tuple) else ""
