"""Following events through broken connections, restarts and foreign logs: no gap, no repetition."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from hypothesis import given
from hypothesis import strategies as st

from tangle.api.config import ApiConfig
from tangle.client.client import TangleClient
from tangle.client.errors import ApiProblem, EventsLost, NodeUnreachable
from tangle.client.event_stream import EventParser, EventStream
from tangle.client.transport import ClientConfig, Transport
from tangle.core.transactions import Transfer
from tangle.core.types import Grains
from tests.api.ledger_double import ALICE, BOB, LedgerDouble
from tests.api.serving import serve


class Cutter:
    """A proxy that breaks each connection after some bytes of answer."""

    def __init__(self, target: str, limits: list[int]) -> None:
        self._port = int(target.rpartition(":")[2])
        self._limits = limits
        self.connections = 0
        self.scope: anyio.CancelScope | None = None
        """Cancelling it breaks the connection that was made last."""

    async def handle(self, near: SocketStream) -> None:
        limit = self._limits[min(self.connections, len(self._limits) - 1)]
        self.connections += 1
        far = await anyio.connect_tcp("127.0.0.1", self._port)
        async with near, far, anyio.create_task_group() as tasks:
            self.scope = tasks.cancel_scope
            tasks.start_soon(self._forward, near, far, 1_000_000, tasks.cancel_scope)
            await self._forward(far, near, limit, tasks.cancel_scope)

    async def _forward(
        self, source: SocketStream, sink: SocketStream, limit: int, scope: anyio.CancelScope
    ) -> None:
        try:
            while limit > 0:
                data = await source.receive(min(limit, 65_536))
                limit -= len(data)
                await sink.send(data)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass
        scope.cancel()


@asynccontextmanager
async def cut(target: str, limits: list[int]) -> AsyncIterator[tuple[str, Cutter]]:
    cutter = Cutter(target, limits)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, cutter.handle)
        port = listener.extra(SocketAttribute.local_port)
        yield f"http://127.0.0.1:{port}", cutter
        tasks.cancel_scope.cancel()


async def no_pause(_: float) -> None:
    await anyio.lowlevel.checkpoint()


async def take(client: TangleClient, count: int, **options: Any) -> list[int]:
    ids: list[int] = []
    async with aclosing(client.events(**options)) as events:
        async for event in events:
            ids.append(int(event.id))
            if len(ids) == count:
                break
    return ids


async def test_no_gap_and_no_repetition_however_often_the_connection_breaks(ledger: LedgerDouble) -> None:
    for place in range(200):
        ledger.add_event("log", (), {"place": place})
    limits = [0, 350, 400, 777, 500, 10, 1_000, 650, 3_000, 1_000_000]
    async with serve(ledger) as addresses, cut(addresses.api, limits) as (url, cutter):
        config = ClientConfig(attempts_max=10)
        async with TangleClient(url, config=config, sleep=no_pause) as client:
            ids = await take(client, len(ledger.events), after=0)
    assert ids == list(range(1, len(ledger.events) + 1))
    assert cutter.connections == len(limits)


async def test_a_stream_from_now_resumes_where_now_was(ledger: LedgerDouble) -> None:
    begun = len(ledger.events)
    async with serve(ledger) as addresses, cut(addresses.api, [1_000_000]) as (url, cutter):

        async def pause(_: float) -> None:
            ledger.add_event("log", (), {"while": "away"})

        transport = Transport(url, ClientConfig(), pause)
        stream = EventStream(transport, {}, None, pause)

        async def break_after_opening() -> None:
            while stream.last_id is None:
                await anyio.lowlevel.checkpoint()
            assert cutter.scope is not None
            cutter.scope.cancel()

        async with anyio.create_task_group() as tasks, aclosing(stream.follow()) as events:
            tasks.start_soon(break_after_opening)
            with anyio.fail_after(5):
                assert (await anext(events)).id == begun + 1
        await transport.close()
    assert cutter.connections == 2


async def test_a_restarted_node_is_found_again(ledger: LedgerDouble) -> None:
    async with serve(ledger) as first:
        url = first.api
        async with TangleClient(url) as client:
            assert await take(client, 1, after=0) == [1]
    ledger.add_event("log", (), {})
    restarted = LedgerDouble()
    restarted.events = ledger.events
    port = int(url.rpartition(":")[2])
    async with TangleClient(url, sleep=no_pause) as client, anyio.create_task_group() as tasks:

        async def come_back() -> None:
            async with serve(restarted, ApiConfig(port=port, metrics_port=None)):
                await anyio.sleep_forever()

        tasks.start_soon(come_back)
        await anyio.wait_all_tasks_blocked()
        assert await take(client, 1, after=1) == [2]
        tasks.cancel_scope.cancel()


async def test_another_log_is_noticed(client: TangleClient, ledger: LedgerDouble) -> None:
    with pytest.raises(EventsLost):
        await take(client, 1, after=len(ledger.events) + 5)


async def test_a_node_that_stays_away_is_given_up() -> None:
    async with TangleClient("http://127.0.0.1:1", sleep=no_pause) as client:
        with pytest.raises(NodeUnreachable):
            await take(client, 1)


async def test_a_node_that_always_finds_the_client_too_slow_is_given_up(ledger: LedgerDouble) -> None:
    ledger.lag_max = 0
    for place in range(3):
        ledger.add_event("log", (), {"place": place})
    async with serve(ledger) as addresses, TangleClient(addresses.api, sleep=no_pause) as client:
        with pytest.raises(ApiProblem) as caught:
            await take(client, 1, after=0)
    assert caught.value.code == "slow-consumer"


async def test_filters(client: TangleClient, ledger: LedgerDouble) -> None:
    answer = await client.send(ALICE, Transfer(BOB.public_key, Grains(1)))
    async with aclosing(client.events(0, topics=["transaction"], accounts=[BOB.public_key])) as events:
        event = await anext(events)
    assert event.body["id"] == answer.id.hex()


@given(st.lists(st.integers(1, 30), max_size=40))
def test_blocks_do_not_depend_on_how_the_bytes_arrive(cuts: list[int]) -> None:
    stream = (
        b": ping\r\n\r\nid: 7\nevent: log\ndata: a\ndata: b\n\n"
        b"retry: 5\nid: 8\n\ndata\n\n\nid:9\ndata: c\n\nda"
    )
    whole = EventParser().feed(stream)
    parser = EventParser()
    pieces = []
    position = 0
    for size in [*cuts, len(stream)]:
        pieces += parser.feed(stream[position : position + size])
        position += size
    assert pieces == whole
    assert [(block.id, block.name, block.data) for block in whole] == [
        ("7", "log", b"a\nb"),
        ("8", "message", b""),
        (None, "message", b""),
        ("9", "message", b"c"),
    ]


def test_an_endless_line_is_refused() -> None:
    parser = EventParser()
    assert parser.feed(b"data: " + b"x" * 1_000_000) == []
    with pytest.raises(ValueError, match="too long"):
        parser.feed(b"x" * 100_000)
