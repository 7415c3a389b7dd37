"""A hundred listeners, ten thousand events, two broken connections each: no gap, no duplicate, and nobody
waits for the one who reads nothing.
"""

import re
from collections.abc import Callable
from typing import Final

import anyio
import pytest
from anyio.abc import SocketStream

from tangle.api.config import ApiConfig
from tests.api.ledger_double import LedgerDouble
from tests.api.serving import serve

LISTENERS: Final = 100
EVENTS: Final = 10_000
BREAKS: Final = (0, 5_000)
"""Each listener's connection breaks twice in the middle of something: somewhere after each of these."""

STRIDE: Final = 49
"""Events between the breaks of one listener and those of the next."""

BURST: Final = 50
"""Events that come at once."""

WHOLE_EVENT: Final = re.compile(rb"id: (\d+)\nevent: log\ndata: [^\n]*\n\n")
"""A frame that came in full; what is cut off in the middle is not seen."""

CONFIG: Final = ApiConfig(port=0, metrics_port=None, streams_per_address_max=LISTENERS + 1)


class Listener:
    """Follows the log over connections that break."""

    def __init__(self, port: int, place: int) -> None:
        self.seen: list[int] = []
        self.connections = 0
        self._port = port
        self._breaks = [start + 1 + place * STRIDE for start in BREAKS]

    async def run(self) -> None:
        """Read everything, and connect again after each break."""
        for until in (*self._breaks, EVENTS):
            async with await anyio.connect_tcp("127.0.0.1", self._port) as stream:
                self.connections += 1
                await self._read(stream, until)

    async def _read(self, stream: SocketStream, until: int) -> None:
        last = self.seen[-1] if self.seen else 0
        await stream.send(b"GET /v1/events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: %d\r\n\r\n" % last)
        buffer = b""
        while last < until:
            buffer += await stream.receive(1 << 18)
            end = 0
            for match in WHOLE_EVENT.finditer(buffer):
                self.seen.append(int(match[1]))
                end = match.end()
                if self.seen[-1] >= until and until != EVENTS:
                    return  # in the middle of whatever else has come
            buffer = buffer[end:]
            last = self.seen[-1] if self.seen else 0


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_broken_connections_leave_no_gap_and_no_duplicate(
    record_property: Callable[[str, object], None],
) -> None:
    ledger = LedgerDouble()
    ledger.events.clear()
    begun_s = anyio.current_time()
    async with serve(ledger, CONFIG) as addresses:
        port = int(addresses.api.rpartition(":")[2])
        listeners = [Listener(port, place) for place in range(LISTENERS)]
        async with await anyio.connect_tcp("127.0.0.1", port) as idle, anyio.create_task_group() as tasks:
            await idle.send(b"GET /v1/events?after=0 HTTP/1.1\r\nHost: x\r\n\r\n")  # and never reads
            for listener in listeners:
                tasks.start_soon(listener.run)
            while len(ledger.events) < EVENTS:
                for _ in range(BURST):
                    ledger.add_event("log", (), {"place": len(ledger.events)})
                await anyio.lowlevel.checkpoint()
    elapsed_s = anyio.current_time() - begun_s
    record_property("events delivered", f"{LISTENERS * EVENTS} in {elapsed_s:.0f} s")
    assert [listener.connections for listener in listeners] == [len(BREAKS) + 1] * LISTENERS
    expected = list(range(1, EVENTS + 1))
    assert all(listener.seen == expected for listener in listeners)
