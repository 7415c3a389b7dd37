"""Byte streams in memory, for sessions without sockets: bounded, so that a reader's absence is felt."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import ByteStream, SocketAttribute

from tangle.net.handshake import Role
from tangle.net.line import UNCAPPED, Line
from tangle.net.session import Session, establish
from tangle.net.session_timing import DEFAULT_TIMING, SessionTiming
from tests.net.builders import CHAIN, make_key, make_secret


class Pipe:
    """One direction: a few writes wait unread, then the writer waits."""

    def __init__(self, pieces_max: float) -> None:
        self.pieces: deque[bytes] = deque()
        self.pieces_max = pieces_max
        self.is_closed = False
        self._changed = anyio.Event()

    def change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def wait(self) -> None:
        await self._changed.wait()


class MemoryStream(ByteStream):
    """One end. ``sent`` keeps every piece that went out, for tests that replay them."""

    def __init__(self, outgoing: Pipe, incoming: Pipe) -> None:
        self.outgoing = outgoing
        self.incoming = incoming
        self.sent: list[bytes] = []
        self.remote_host = ""
        self._rest = b""

    async def send(self, item: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        while not self.outgoing.is_closed and len(self.outgoing.pieces) >= self.outgoing.pieces_max:
            await self.outgoing.wait()
        if self.outgoing.is_closed:
            raise anyio.BrokenResourceError
        self.sent.append(item)
        self.outgoing.pieces.append(item)
        self.outgoing.change()

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        await anyio.lowlevel.checkpoint()
        while not self._rest and not self.incoming.pieces:
            if self.incoming.is_closed:
                raise anyio.EndOfStream
            await self.incoming.wait()
        data = self._rest or self.incoming.pieces.popleft()
        self.incoming.change()
        self._rest = data[max_bytes:]
        return data[:max_bytes]

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        host = self.remote_host
        return {SocketAttribute.remote_address: lambda: (host, 0)} if host else {}

    async def send_eof(self) -> None:
        self.outgoing.is_closed = True
        self.outgoing.change()

    async def aclose(self) -> None:
        for pipe in (self.outgoing, self.incoming):
            pipe.is_closed = True
            pipe.change()


def make_stream_pair(pieces_max: float = math.inf) -> tuple[MemoryStream, MemoryStream]:
    """Two connected ends; each direction holds ``pieces_max`` unread writes, then the writer waits."""
    there, back = Pipe(pieces_max), Pipe(pieces_max)
    return MemoryStream(there, back), MemoryStream(back, there)


async def make_sessions(
    *,
    timing: SessionTiming = DEFAULT_TIMING,
    their_timing: SessionTiming = DEFAULT_TIMING,
    pieces_max: float = math.inf,
    streams: tuple[ByteStream, ByteStream] | None = None,
    line: Line = UNCAPPED,
) -> tuple[Session, Session]:
    """Alice's session with Bob and Bob's with Alice, established and not yet running.

    :param line: caps of Alice.
    """
    ours, theirs = streams or make_stream_pair(pieces_max)
    found: dict[Role, Session] = {}

    async def open_end(stream: ByteStream, role: Role, name: str, timing: SessionTiming) -> None:
        secret = make_secret(f"e-{name}")
        own = line if name == "alice" else UNCAPPED
        found[role] = await establish(stream, role, make_key(name), CHAIN, secret, timing=timing, line=own)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(open_end, ours, Role.INITIATOR, "alice", timing)
        tasks.start_soon(open_end, theirs, Role.RESPONDER, "bob", their_timing)
    return found[Role.INITIATOR], found[Role.RESPONDER]
