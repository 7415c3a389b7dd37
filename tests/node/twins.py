"""Twins of a node's seams that live in memory and in virtual time: network, clock, randomness, event loops.

Time on both backends jumps to the next deadline as soon as nothing else can happen, so a test of a minute
takes a second and no test depends on the machine's speed. No twin starts a thread.
"""

import asyncio
import selectors
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

import anyio
import trio.testing
from anyio.abc import ByteStream, Listener, SocketAttribute, TaskGroup

from simnet.scheduling import fix_schedule
from tangle.core.signing import SigningKey
from tangle.net.addresses import Address
from tangle.net.errors import DialFailed, ListenFailed
from tests.net.streams import MemoryStream, make_stream_pair

START_MS: Final = 1_700_000_000_000
"""Wall time at which every network of the tests begins."""

PIECES_MAX: Final = 64
"""Writes that a link holds unread."""


def make_secret(name: str) -> bytes:
    """32 bytes that depend on the name only."""
    return blake2b(name.encode(), digest_size=32).digest()


def make_key(name: str) -> SigningKey:
    return SigningKey(make_secret(name))


class LoopClock:
    """Wall time that follows the event loop's."""

    def __init__(self, origin_s: float) -> None:
        """:param origin_s: the loop's time that is ``START_MS``."""
        self._origin_s = origin_s

    def now_ms(self) -> int:
        return START_MS + int((anyio.current_time() - self._origin_s) * 1000)

    def monotonic_s(self) -> float:
        return anyio.current_time()


class SeededRandomness:
    """Bytes that depend on the seed and on how often it was asked."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._count = 0

    def get_bytes(self, count: int) -> bytes:
        self._count += 1
        block = blake2b(self._seed + self._count.to_bytes(8, "big"), digest_size=64).digest()
        assert count <= len(block)
        return block[:count]


class MemoryListener(Listener[ByteStream]):
    """Hands streams that were dialled to the handler that serves them."""

    def __init__(self, on_close: Callable[[], None], port: int) -> None:
        self._port = port
        self._on_close = on_close
        self._arrived = anyio.Event()
        self._streams: list[ByteStream] = []

    def deliver(self, stream: ByteStream) -> None:
        self._streams.append(stream)
        self._arrived.set()

    async def serve(self, handler: Callable[[ByteStream], Any], task_group: TaskGroup | None = None) -> None:
        assert task_group is not None
        while True:
            await self._arrived.wait()
            self._arrived = anyio.Event()
            streams, self._streams = self._streams, []
            for stream in streams:
                task_group.start_soon(handler, stream)

    async def aclose(self) -> None:
        self._on_close()

    @property
    def extra_attributes(self) -> dict[Any, Callable[[], Any]]:
        return {SocketAttribute.local_port: lambda: self._port}


class MemoryNetwork:
    """All hosts of one test, and the links between them."""

    def __init__(self) -> None:
        self.listeners: dict[bytes, MemoryListener] = {}
        self._links: list[tuple[frozenset[bytes], MemoryStream]] = []
        self._is_cut: Callable[[frozenset[bytes]], bool] = lambda _: False

    def at(self, host: str) -> "MemoryHost":
        """The network as ``host`` sees it."""
        return MemoryHost(self, host.encode())

    async def isolate(self, *hosts: str) -> None:
        """Cut every link between these hosts and all others, and let no new one through; none: mend all."""
        cut = {host.encode() for host in hosts}
        self._is_cut = lambda ends: len(ends & cut) == 1
        for ends, stream in self._links:
            if self._is_cut(ends):
                await stream.aclose()
        self._links = [(ends, stream) for ends, stream in self._links if not self._is_cut(ends)]

    async def dial(self, source: bytes, address: Address) -> ByteStream:
        await anyio.lowlevel.checkpoint()
        ends = frozenset({source, address.host})
        listener = self.listeners.get(address.host)
        if listener is None or self._is_cut(ends):
            raise DialFailed(str(address), "nobody answers")
        near, far = make_stream_pair(PIECES_MAX)
        near.remote_host, far.remote_host = address.host.decode(), source.decode()
        self._links.append((ends, near))
        listener.deliver(far)
        return near


class MemoryHost:
    """See ``Network``."""

    def __init__(self, network: MemoryNetwork, host: bytes) -> None:
        self._network = network
        self._host = host

    async def dial(self, address: Address) -> ByteStream:
        return await self._network.dial(self._host, address)

    async def listen(self, address: Address) -> Listener[ByteStream]:
        listeners = self._network.listeners
        if address.host in listeners:
            raise ListenFailed(str(address), "it is taken")
        listeners[address.host] = MemoryListener(lambda: listeners.__delitem__(address.host), address.port)
        return listeners[address.host]


class JumpSelector(selectors.DefaultSelector):
    """Never waits: where the loop would, its time jumps."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "every task waits and nothing will ever wake one"
            self.now_s += max(0.0, timeout)
        return ready


class JumpLoop(asyncio.SelectorEventLoop):
    """An asyncio loop in virtual time."""

    def __init__(self) -> None:
        self._jumping = JumpSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


def make_backend(name: str, seed: int = 0) -> tuple[str, dict[str, object]]:
    """What anyio's pytest plugin or ``anyio.run`` needs to run in virtual time.

    :param seed: of trio's order of tasks.
    """
    if name == "asyncio":
        return name, {"loop_factory": JumpLoop}
    fix_schedule(seed)
    return name, {"clock": trio.testing.MockClock(autojump_threshold=0)}
