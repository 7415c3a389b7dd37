"""Byte streams whose bytes travel as packets.

A stream never loses or reorders bytes, as TCP does not: what goes wrong below it shows as time. Packets of
one direction arrive in the order in which they were sent; while the way is barred they are held, and go on
when it opens. A direction has a window: a writer waits while too much is unread.
"""

from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

import anyio
import anyio.lowlevel
from anyio.abc import ByteStream, SocketAttribute

WINDOW_BYTES: Final = 262_144
"""Bytes under way or unread in one direction before its writer waits: a common receive buffer."""


class Mark(Enum):
    """What travels beside bytes."""

    END = "end"
    """The writer will write no more."""

    CLOSE = "close"
    """The other end is gone, for reading too."""


Packet = bytes | Mark


class Pipe:
    """One direction of a stream, from ``source`` to ``target``."""

    def __init__(self, source: str, target: str, name: str, ship: Callable[["Pipe"], None]) -> None:
        """:param ship: takes the pipe whose ``outgoing`` got another packet, and lets it arrive some time."""
        self.source = source
        self.target = target
        self.name = name
        self.outgoing: deque[Packet] = deque()
        """Sent, not on the way yet."""

        self.flying: deque[Packet] = deque()
        """On the way, in order."""

        self.held: list[Packet] = []
        """Kept back by somebody on the path, until the next packet has gone ahead."""

        self.is_dialled = name.endswith(">")
        """Whether the one who dialled writes here."""

        self.is_void = False
        """Whether whatever is written is lost and nobody hears of it: the other end forgot the connection."""

        self.last_arrival_s = 0.0
        """When the packet that was shipped last arrives; the next is not earlier."""

        self.back: Pipe | None = None
        """The other direction."""

        self.is_broken = False
        """Whether writing fails: the reader's end is gone."""

        self.sent_bytes = 0
        """Bytes that its writer put in, without what somebody on the path adds."""

        self._ship = ship
        self._unread: deque[bytes] = deque()
        self._ends = False
        self._bytes = 0
        self._changed = anyio.Event()

    @property
    def is_over(self) -> bool:
        """Whether nothing will ever arrive again."""
        return self._ends

    async def send(self, data: bytes) -> None:
        """Write, waiting while the window is full."""
        while self._bytes >= WINDOW_BYTES and not self.is_broken:
            await self._changed.wait()
        if self.is_broken:
            raise anyio.BrokenResourceError
        self._bytes += len(data)
        self.put(data)

    def put(self, packet: Packet) -> None:
        """Hand a packet to the network."""
        self.outgoing.append(packet)
        self.sent_bytes += len(packet) if isinstance(packet, bytes) else 0
        self._ship(self)

    def count_extra(self, size: int) -> None:
        """Bytes that nobody sent travel too."""
        self._bytes += size

    async def receive(self, max_bytes: int) -> bytes:
        """What arrived, at least one byte."""
        while not self._unread:
            if self._ends:
                raise anyio.EndOfStream
            await self._changed.wait()
        data = self._unread.popleft()
        if len(data) > max_bytes:
            self._unread.appendleft(data[max_bytes:])
            data = data[:max_bytes]
        self._bytes -= len(data)
        self._change()
        return data

    def arrive(self) -> None:
        """The first packet on the way is there."""
        if not self.flying:
            return  # the connection was cut meanwhile
        packet = self.flying.popleft()
        match packet:
            case bytes():
                if not self._ends:
                    self._unread.append(packet)
                else:
                    self._bytes -= len(packet)
            case Mark.END:
                self._ends = True
            case Mark.CLOSE:
                self._ends = True
                if self.back is not None:
                    self.back.break_off()
        self._change()

    def stop_reading(self) -> None:
        """Nobody reads any more: what still arrives is thrown away, and a reader who waits is told."""
        self._ends = True
        self._bytes -= sum(map(len, self._unread))
        self._unread.clear()
        self._change()

    def break_off(self) -> None:
        """Writing fails from now on."""
        self.is_broken = True
        self._change()

    def cut(self) -> None:
        """Lose what is under way and end both reading and writing at once."""
        self.lose()
        self._ends = True
        self.break_off()

    def lose(self) -> None:
        """What is under way never arrives."""
        self.outgoing.clear()
        self.flying.clear()
        self.held.clear()

    def forget_writer(self) -> None:
        """The writer's end is gone and its reader is not told."""
        self.lose()
        self.is_void = True
        self.break_off()

    def forget_reader(self) -> None:
        """The reader's end is gone and its writer is not told: whatever it writes is lost."""
        self.lose()
        self.is_void = True
        self._ends = True
        self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class SimulatedStream(ByteStream):
    """One end of a connection."""

    def __init__(self, outgoing: Pipe, incoming: Pipe) -> None:
        self._outgoing = outgoing
        self._incoming = incoming
        self._is_closed = False

    async def send(self, item: bytes) -> None:
        """See ``ByteStream.send``."""
        # A switch of tasks is what a simulation pays for most, and only a full window makes one needful.
        await anyio.lowlevel.checkpoint_if_cancelled()
        if self._is_closed:
            raise anyio.ClosedResourceError
        await self._outgoing.send(bytes(item))

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        """See ``ByteStream.receive``."""
        await anyio.lowlevel.checkpoint_if_cancelled()
        if self._is_closed:
            raise anyio.ClosedResourceError
        return await self._incoming.receive(max_bytes)

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        """Where the other end is, as sockets tell."""
        return {SocketAttribute.remote_address: lambda: (self._outgoing.target, 0)}

    async def send_eof(self) -> None:
        """See ``ByteStream.send_eof``."""
        self._outgoing.put(Mark.END)

    async def aclose(self) -> None:
        """Go; the other end hears of it when the news arrives."""
        if not self._is_closed:
            self._is_closed = True
            self._incoming.stop_reading()
            self._outgoing.put(Mark.CLOSE)
        await anyio.lowlevel.checkpoint()


def make_pipes(near: str, far: str, name: str, ship: Callable[[Pipe], None]) -> tuple[Pipe, Pipe]:
    """Both directions of a connection that ``near`` dialled."""
    there, back = Pipe(near, far, f"{name}>", ship), Pipe(far, near, f"{name}<", ship)
    there.back, back.back = back, there
    return there, back
