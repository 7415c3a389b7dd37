"""The packet network: hosts in regions, links between them, and what can go wrong with each.

Every ordered pair of hosts has a link with the latency of their regions, jitter, loss, a speed, and a bar. A
lost packet comes late, after the time that a sender needs to notice and send again; a barred link holds its
packets. So partitions may be symmetric or not, and what was under way arrives when they end.
"""

import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import anyio
import anyio.lowlevel
from anyio.abc import ByteStream, Listener, SocketAttribute, TaskGroup
from msgspec import Struct

from simnet.chance import Chance
from simnet.event_log import EventLog
from simnet.streams import Packet, Pipe, SimulatedStream, make_pipes
from simnet.tampering import OLD_HANDSHAKE, WELCOME_BYTES, Breach, Tamperer, Tampering
from simnet.timeline import Timeline
from tangle.net.addresses import Address
from tangle.net.errors import DialFailed, ListenFailed
from tangle.net.network import DIAL_TIMEOUT_S

REGIONS: Final = ("virginia", "ireland", "frankfurt", "singapore", "sydney")
"""Where hosts may stand."""

LATENCY_MS: Final[Mapping[frozenset[str], float]] = {
    frozenset(("virginia", "ireland")): 34,
    frozenset(("virginia", "frankfurt")): 45,
    frozenset(("virginia", "singapore")): 108,
    frozenset(("virginia", "sydney")): 99,
    frozenset(("ireland", "frankfurt")): 12,
    frozenset(("ireland", "singapore")): 87,
    frozenset(("ireland", "sydney")): 128,
    frozenset(("frankfurt", "singapore")): 79,
    frozenset(("frankfurt", "sydney")): 125,
    frozenset(("singapore", "sydney")): 46,
}
"""One way between regions: half of round trips that cloud providers publish, rounded."""

LATENCY_WITHIN_MS: Final = 0.5
"""One way inside a region."""

RESEND_S: Final = 0.2
"""How late a lost packet comes: the least retransmission timeout of Linux; each further loss doubles it."""

RESENDS_MAX: Final = 6
"""Losses of one packet in a row; the next attempt succeeds, so that a lossy link still is one."""

BYTES_PER_S: Final = 125_000_000.0
"""Speed of a link that nothing is wrong with: a gigabit."""


PATIENCE_S: Final = 6.0
"""How long whoever plays an old handshake waits for a welcome: beyond the timeout of handshakes."""


class Weather(Struct):
    """What is wrong with one link, on top of its distance; a fault changes it, and mending resets it."""

    jitter_ms: float = 0.0
    """Longest extra time of a packet."""

    loss: float = 0.0
    """Chance that a packet must be sent again."""

    extra_ms: float = 0.0
    """Added to every packet: a slow peer."""

    bytes_per_s: float = BYTES_PER_S
    """Speed."""

    is_barred: bool = False
    """Whether nothing comes through."""

    tampering: Tampering | None = None
    """What somebody on the path does to packets."""

    tampered: float = 0.0
    """Share of the packets that it is done to."""


class SimulatedListener(Listener[ByteStream]):
    """Hands dialled streams to the handler that serves them."""

    def __init__(self, on_close: Callable[[], None]) -> None:
        self._on_close = on_close
        self._arrived = anyio.Event()
        self._streams: list[ByteStream] = []

    def deliver(self, stream: ByteStream) -> None:
        """A connection arrived."""
        self._streams.append(stream)
        self._arrived.set()

    async def serve(self, handler: Callable[[ByteStream], Any], task_group: TaskGroup | None = None) -> None:
        """See ``Listener.serve``; needs a task group."""
        assert task_group is not None, "a node brings its own"
        while True:
            await self._arrived.wait()
            self._arrived = anyio.Event()
            streams, self._streams = self._streams, []
            for stream in streams:
                task_group.start_soon(handler, stream)

    async def aclose(self) -> None:
        """Free the address."""
        self._on_close()
        await anyio.lowlevel.checkpoint()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        """A port, as sockets have one."""
        return {SocketAttribute.local_port: lambda: 0}


class PacketNetwork:
    """All hosts and links of one simulation."""

    def __init__(self, timeline: Timeline, chance: Chance, log: EventLog) -> None:
        self.weather: dict[tuple[str, str], Weather] = {}
        self.packets = 0
        self.bytes = 0
        self.tamperer = Tamperer(chance)
        """Who may stand on any path."""

        self._timeline = timeline
        self._chance = chance
        self._log = log
        self._regions: dict[str, str] = {}
        self._listeners: dict[str, SimulatedListener] = {}
        self._pipes: dict[str, Pipe] = {}
        self._connections = 0
        self._busy_until_s: dict[tuple[str, str], float] = {}
        self._latencies_s: dict[tuple[str, str], float] = {}

    def add_host(self, host: str, region: str) -> "SimulatedHost":
        """A host, and its view of the network."""
        self._regions[host] = region
        for other in self._regions:
            self.weather[host, other] = Weather()
            self.weather[other, host] = Weather()
        return SimulatedHost(self, host)

    def compute_latency_s(self, source: str, target: str) -> float:
        """Time of a packet on a link in good order."""
        link = (source, target)
        if link not in self._latencies_s:
            ends = frozenset((self._regions[source], self._regions[target]))
            self._latencies_s[link] = (LATENCY_WITHIN_MS if len(ends) == 1 else LATENCY_MS[ends]) / 1_000
        return self._latencies_s[link]

    def let_go(self) -> None:
        """Send what was held on links that are open."""
        for pipe in list(self._pipes.values()):
            self._ship(pipe)

    def cut(self, first: str, second: str) -> None:
        """Break every connection between two hosts; new ones may be made."""
        for pipe in list(self._pipes.values()):
            if {pipe.source, pipe.target} == {first, second}:
                pipe.cut()
                self._forget(pipe)

    def forget_halves(self, first: str, second: str) -> None:
        """``first`` loses every connection with ``second``, which is not told: it has half of each."""
        for pipe in list(self._pipes.values()):
            if (pipe.source, pipe.target) == (first, second):
                pipe.forget_writer()
            elif (pipe.source, pipe.target) == (second, first):
                pipe.forget_reader()

    async def replay_beginning(self, source: str, target: str) -> Breach | None:
        """Play again what ``source`` said first when it dialled ``target`` last, as somebody who does not
        have its key; answers where that was welcome.
        """
        beginning, listener = self.tamperer.get_beginning(source, target), self._listeners.get(target)
        if not beginning or listener is None:
            return None
        self.tamperer.counts[OLD_HANDSHAKE] += 1
        there, back = self._connect(source, target)
        listener.deliver(SimulatedStream(back, there))
        for packet in beginning:
            there.put(packet)
        given_up_s = anyio.current_time() + PATIENCE_S
        while back.sent_bytes <= WELCOME_BYTES and anyio.current_time() < given_up_s:
            await self._timeline.wait(PATIENCE_S / 12)
        there.cut()
        back.cut()
        self._forget(there)
        if back.sent_bytes <= WELCOME_BYTES:
            return None
        detail = f"a handshake that was played again was answered with {back.sent_bytes} bytes"
        return Breach(source, target, detail)

    async def dial(self, source: str, address: Address) -> ByteStream:
        """See ``Network.dial``."""
        target = address.host.decode("ascii")
        await self._travel(source, target, address)
        listener = self._listeners.get(target)
        await self._travel(target, source, address)
        if listener is None or listener is not self._listeners.get(target):
            raise DialFailed(str(address), "nobody answers")
        there, back = self._connect(source, target)
        listener.deliver(SimulatedStream(back, there))
        return SimulatedStream(there, back)

    def _connect(self, source: str, target: str) -> tuple[Pipe, Pipe]:
        self._connections += 1
        name = f"{source}>{target}#{self._connections}"
        there, back = make_pipes(source, target, name, self._ship)
        self._pipes[there.name], self._pipes[back.name] = there, back
        self._log.write(source, "connect", to=target, connection=self._connections)
        return there, back

    def listen(self, host: str, address: Address) -> Listener[ByteStream]:
        """See ``Network.listen``."""
        if host in self._listeners:
            raise ListenFailed(str(address), "it is taken")
        self._listeners[host] = SimulatedListener(lambda: self._listeners.__delitem__(host))
        return self._listeners[host]

    async def _travel(self, source: str, target: str, address: Address) -> None:
        if target not in self._regions:
            raise DialFailed(str(address), "no such host")
        if self.weather[source, target].is_barred:
            await anyio.sleep(DIAL_TIMEOUT_S)
            raise DialFailed(str(address), "no answer")
        await self._timeline.wait(self._draw_delay_s(source, target))

    def _ship(self, pipe: Pipe) -> None:
        weather = self.weather[pipe.source, pipe.target]
        if pipe.is_void:
            pipe.lose()
            self._forget_if_over(pipe)
        while pipe.outgoing and not weather.is_barred:
            packet = pipe.outgoing.popleft()
            held, pipe.held = pipe.held, []
            for each in (*self._pass_by(pipe, packet, weather), *held):
                self._launch(pipe, each, weather)

    def _pass_by(self, pipe: Pipe, packet: Packet, weather: Weather) -> tuple[Packet, ...]:
        """What somebody on the path makes of a packet."""
        if not isinstance(packet, bytes):
            return (packet,)
        self.tamperer.watch(pipe, packet)
        if weather.tampering is None or self._chance.random() >= weather.tampered:
            return (packet,)
        self._log.write(pipe.source, "tamper", via=pipe.name, how=weather.tampering.value)
        return self.tamperer.tamper(pipe, packet, weather.tampering)

    def _launch(self, pipe: Pipe, packet: Packet, weather: Weather) -> None:
        pipe.flying.append(packet)
        size = len(packet) if isinstance(packet, bytes) else 0
        now_s = anyio.current_time()
        link = (pipe.source, pipe.target)
        # One packet after the other leaves, whichever connection it belongs to.
        left_s = max(now_s, self._busy_until_s.get(link, 0.0)) + size / weather.bytes_per_s
        self._busy_until_s[link] = left_s
        arrival_s = left_s + self._draw_delay_s(*link)
        pipe.last_arrival_s = max(arrival_s, pipe.last_arrival_s)
        self._timeline.add(pipe.last_arrival_s - now_s, lambda: self._arrive(pipe))
        self.packets += 1
        self.bytes += size

    def _arrive(self, pipe: Pipe) -> None:
        if pipe.flying:
            packet = pipe.flying[0]
            shown = f"{len(packet)}:{zlib.crc32(packet):08x}" if isinstance(packet, bytes) else packet.value
            self._log.write(pipe.target, "packet", via=pipe.name, is_what=shown)
        pipe.arrive()
        self._forget_if_over(pipe)

    def _forget_if_over(self, pipe: Pipe) -> None:
        if pipe.is_over and pipe.back is not None and pipe.back.is_over and not pipe.back.flying:
            self._forget(pipe)

    def _forget(self, pipe: Pipe) -> None:
        for end in (pipe, pipe.back):
            if end is not None:
                self._pipes.pop(end.name, None)

    def _draw_delay_s(self, source: str, target: str) -> float:
        weather = self.weather[source, target]
        delay_s = self.compute_latency_s(source, target) + weather.extra_ms / 1_000
        delay_s += self._chance.random() * weather.jitter_ms / 1_000
        for attempt in range(RESENDS_MAX):
            if self._chance.random() >= weather.loss:
                break
            delay_s += RESEND_S * 2**attempt
        return delay_s


class SimulatedHost:
    """The network seam's twin: the network as one host sees it."""

    def __init__(self, network: PacketNetwork, host: str) -> None:
        self._network = network
        self._host = host

    async def dial(self, address: Address) -> ByteStream:
        """See ``Network.dial``."""
        return await self._network.dial(self._host, address)

    async def listen(self, address: Address) -> Listener[ByteStream]:
        """See ``Network.listen``."""
        await anyio.lowlevel.checkpoint()
        return self._network.listen(self._host, address)
