"""Windows of event streams: no more events are under way than the reader has said it may have unread.

A reader that stores what it reads acknowledges it then; what it has not acknowledged it reads again after a
fault. The window is counted in events that were sent, and an acknowledgement covers everything up to its id.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import anyio

from tangle.api.errors import AckAhead, AckMissing
from tangle.node.randomness import Randomness
from tangle.node.views import NotFound

NAME_SIZE: Final = 16
"""Random bytes of a subscription's name: nobody guesses another reader's."""


class AckWindow:
    """The window of one stream."""

    def __init__(self, name: str, size: int, timeout_s: float) -> None:
        """:param size: most events that are sent and not acknowledged.
        :param timeout_s: how long a full window is waited with.
        """
        self.name = name
        self.size = size
        self._timeout_s = timeout_s
        self._sent: deque[int] = deque()
        self._latest = 0
        self._has_room = anyio.Event()

    @property
    def outstanding(self) -> int:
        """Events that were sent and are not acknowledged."""
        return len(self._sent)

    async def wait_room(self) -> None:
        """Come back when one more event may be sent.

        :raises AckMissing: the window stayed full for too long.
        """
        while len(self._sent) >= self.size:
            self._has_room = anyio.Event()
            with anyio.move_on_after(self._timeout_s) as scope:
                await self._has_room.wait()
            if scope.cancelled_caught:
                raise AckMissing(self._sent[0], self.size, self._timeout_s)

    def on_sent(self, event_id: int) -> None:
        """An event goes out."""
        self._sent.append(event_id)
        self._latest = event_id

    def acknowledge(self, event_id: int) -> int:
        """The reader has everything up to ``event_id``; answers how many events it has not.

        :raises AckAhead: nothing with so high an id was sent.
        """
        if event_id > self._latest:
            raise AckAhead(event_id, self._latest)
        while self._sent and self._sent[0] <= event_id:
            self._sent.popleft()
        if len(self._sent) < self.size:
            self._has_room.set()
        return len(self._sent)


class AckWindows:
    """The windows of all open streams, by name; the limit on streams bounds them."""

    def __init__(self, randomness: Randomness, timeout_s: float) -> None:
        self._randomness = randomness
        self._timeout_s = timeout_s
        self._windows: dict[str, AckWindow] = {}

    @contextmanager
    def open(self, size: int) -> Iterator[AckWindow]:
        """A window that lives as long as its stream."""
        name = self._randomness.get_bytes(NAME_SIZE).hex()
        self._windows[name] = AckWindow(name, size, self._timeout_s)
        try:
            yield self._windows[name]
        finally:
            del self._windows[name]

    def get(self, name: str) -> AckWindow:
        """The window of an open stream.

        :raises NotFound: there is no such stream, or no more.
        """
        window = self._windows.get(name)
        if window is None:
            raise NotFound("subscription", name)
        return window
