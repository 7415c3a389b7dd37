"""Bounded queues between the tasks of a session.

Bounded in bytes and in items: a peer that sends or reads at its own pace makes the other side wait, and never
makes it remember. An empty queue takes anything that fits into a frame, so that no message is impossible.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeVar

import anyio
import anyio.lowlevel
from msgspec import Struct

from tangle.net.errors import LaneFull
from tangle.net.messages import Lane, Prepared

Item = TypeVar("Item")


class Bounds(Struct, frozen=True):
    """The limits of one queue."""

    size_bytes: int
    """Bytes after which it takes nothing more."""

    items: int
    """Items after which it takes nothing more; bounds the overhead of many small ones."""


INBOX: Final = Bounds(2_097_152, 1_024)
"""Received and not yet looked at: two of the largest messages."""

LANES: Final = {
    Lane.CONTROL: Bounds(262_144, 1_024),
    Lane.BLOCKS: Bounds(2_097_152, 1_024),
    Lane.BULK: Bounds(2_097_152, 1_024),
}
"""Waiting to be sent, by lane: two of the largest messages; half a second of a 32 Mbit/s line."""

BATCH_BYTES: Final = 65_536
"""Bytes of small messages joined into one write; a block waits behind no more than this."""


class BoundedQueue(Generic[Item]):
    """First in, first out; putting waits for room, taking waits for an item."""

    def __init__(self, bounds: Bounds) -> None:
        """An empty queue."""
        self._bounds = bounds
        self._items: deque[tuple[Item, int]] = deque()
        self._room = anyio.Event()
        self._arrival = anyio.Event()
        self.size_bytes = 0
        """Bytes inside."""
        self.is_closed = False
        """Whether the session is over: nothing more goes in, what is inside can still be taken."""

    def __len__(self) -> int:
        return len(self._items)

    def has_room(self, size: int) -> bool:
        """Whether ``size`` more bytes may go in now."""
        return not self._items or (
            self.size_bytes + size <= self._bounds.size_bytes and len(self._items) < self._bounds.items
        )

    def put_nowait(self, item: Item, size: int) -> None:
        """Put without asking for room; ``has_room`` was asked before."""
        self._items.append((item, size))
        self.size_bytes += size
        self._arrival.set()

    async def put(self, item: Item, size: int) -> None:
        """Put when there is room; without effect once the queue is closed."""
        while not self.is_closed and not self.has_room(size):
            if self._room.is_set():
                self._room = anyio.Event()
            await self._room.wait()
        if not self.is_closed:
            self.put_nowait(item, size)

    def get_nowait(self) -> Item:
        """Take the oldest item; there must be one."""
        item, size = self._items.popleft()
        self.size_bytes -= size
        self._room.set()
        return item

    async def wait(self) -> None:
        """Return when there is an item, or the queue is closed; others get their turn in any case."""
        if self._items:
            await anyio.lowlevel.checkpoint()
        while not self._items and not self.is_closed:
            if self._arrival.is_set():
                self._arrival = anyio.Event()
            await self._arrival.wait()

    def close(self) -> None:
        """Let everybody go who waits."""
        self.is_closed = True
        self._room.set()
        self._arrival.set()


class Outbox:
    """What waits to be sent to one peer, in one bounded queue for each lane."""

    def __init__(self, bounds: Mapping[Lane, Bounds] = LANES) -> None:
        """Empty lanes."""
        self._lanes: dict[Lane, BoundedQueue[bytes]] = {lane: BoundedQueue(bounds[lane]) for lane in Lane}
        self._arrival = anyio.Event()
        self._goodbye: bytes | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes that wait in all lanes."""
        return sum(lane.size_bytes for lane in self._lanes.values())

    def __len__(self) -> int:
        return sum([len(lane) for lane in self._lanes.values()])

    def put_nowait(self, message: Prepared) -> None:
        """Add a message to its lane.

        :raises LaneFull: it has no room.
        """
        lane = self._lanes[message.lane]
        if not lane.has_room(len(message.payload)):
            raise LaneFull(message.lane.name.lower(), len(message.payload))
        lane.put_nowait(message.payload, len(message.payload))
        self._arrival.set()

    async def put(self, message: Prepared) -> None:
        """Add a message to its lane as soon as it has room."""
        await self._lanes[message.lane].put(message.payload, len(message.payload))
        self._arrival.set()

    def finish(self, goodbye: bytes) -> None:
        """Send what waits, then ``goodbye`` as the final frame; nothing more is taken."""
        self._goodbye = goodbye
        self.close()

    async def get_batch(self, get_bulk_wait_s: Callable[[], float] = lambda: 0) -> tuple[list[bytes], bool]:
        """Wait for something to send; answers payloads in order of sending, and whether the last is final.

        :param get_bulk_wait_s: how long the bulk has to wait, other lanes excepted; asked again and again.
        """
        while True:
            wait_s = get_bulk_wait_s()
            batch = self._take_batch(is_bulk_held=wait_s > 0)
            if self._goodbye is not None and not len(self):
                return [*batch, self._goodbye], True
            if batch:
                return batch, False
            if self._arrival.is_set():
                self._arrival = anyio.Event()
            if not len(self):
                await self._arrival.wait()
                continue
            with anyio.move_on_after(wait_s):
                await self._arrival.wait()

    def _take_batch(self, *, is_bulk_held: bool) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        for name, lane in self._lanes.items():
            if is_bulk_held and name is Lane.BULK:
                continue
            while lane.size_bytes and size < BATCH_BYTES:
                batch.append(lane.get_nowait())
                size += len(batch[-1])
        return batch

    def close(self) -> None:
        """Let everybody go who waits for room."""
        for lane in self._lanes.values():
            lane.close()
        self._arrival.set()
