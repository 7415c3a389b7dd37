"""The event stream: gapless, resumed, filtered, kept alive, and ended with a reason."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
import msgspec

from tangle.api.config import ApiConfig
from tangle.client.event_stream import EventParser, ServerEvent
from tests.api.ledger_double import ALICE, BOB, LedgerDouble
from tests.api.serving import Http, connect, serve


class Listener:
    """Reads blocks of one stream, one after the other."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.raw = b""
        self._parser = EventParser()
        self._blocks: list[ServerEvent] = []

    async def next(self) -> ServerEvent:
        """The next block; EndOfStream at the end."""
        while not self._blocks:
            chunk = await self.response.content.readany()
            if not chunk:
                raise anyio.EndOfStream
            self.raw += chunk
            self._blocks = self._parser.feed(chunk)
        return self._blocks.pop(0)

    async def take(self, count: int) -> list[str | None]:
        """The ids of the next blocks."""
        return [(await self.next()).id for _ in range(count)]


@asynccontextmanager
async def listen(http: Http, query: str = "", **headers: str) -> AsyncIterator[Listener]:
    async with http.session.get(http.base_url + "/v1/events" + query, headers=headers) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        yield Listener(response)


def add(ledger: LedgerDouble, count: int, topic: str = "log") -> None:
    for place in range(count):
        ledger.add_event(topic, (), {"place": place})


async def test_a_stream_first_says_where_it_begins(http: Http, ledger: LedgerDouble) -> None:
    async with listen(http) as listener:
        opening = await listener.next()
        assert (opening.id, opening.data) == (str(len(ledger.events)), b"")
        add(ledger, 1)
        event = await listener.next()
    assert (event.id, event.name) == (str(len(ledger.events)), "log")
    assert msgspec.json.decode(event.data) == {
        "id": event.id,
        "topic": "log",
        "shard": 0,
        "timestamp_ms": event.id,
        "accounts": [],
        "body": {"place": 0},
    }


async def test_resuming_after_any_event_leaves_no_gap(http: Http, ledger: LedgerDouble) -> None:
    add(ledger, 20)
    last = len(ledger.events)
    for after in (0, 1, last - 1, last):
        add(ledger, 1)
        async with listen(http, **{"Last-Event-ID": str(after)}) as listener:
            expected = [str(identity) for identity in range(after, len(ledger.events) + 1)]
            assert await listener.take(len(expected)) == expected


async def test_the_header_goes_before_the_query(http: Http, ledger: LedgerDouble) -> None:
    add(ledger, 5)
    async with listen(http, "?after=1", **{"Last-Event-ID": "4"}) as listener:
        assert await listener.take(2) == ["4", "5"]
    refusal = await http.refuse("GET", "/v1/events", headers={"Last-Event-ID": "five"})
    assert refusal == (400, "request-invalid")


async def test_filters_by_topic_account_and_shard(http: Http, ledger: LedgerDouble) -> None:
    transaction = await ledger.make_transfer(ALICE, BOB.public_key, 1)
    await ledger.submit((transaction.encoded,))
    add(ledger, 3)
    for query in ("topics=transaction,peer", f"accounts={BOB.public_key.hex()}"):
        async with listen(http, f"?after=0&{query}") as listener:
            await listener.next()
            event = await listener.next()
        assert event.name == "transaction"
        assert msgspec.json.decode(event.data)["body"]["id"] == transaction.id.hex()
    async with listen(http, "?after=0&shard=1") as listener:
        add(ledger, 1_000)
        assert await listener.take(2) == ["0", "1000"]  # nothing wanted, but the resume point moves on


async def test_events_are_encoded_once_for_all_listeners(http: Http, ledger: LedgerDouble) -> None:
    async with listen(http, "?after=0") as first, listen(http, "?after=0") as second:
        add(ledger, 3)
        await first.take(4)
        await second.take(4)
        assert first.raw == second.raw


async def test_a_quiet_stream_is_kept_alive(ledger: LedgerDouble) -> None:
    config = ApiConfig(port=0, metrics_port=None, ping_interval_s=0.01)
    async with serve(ledger, config) as addresses, connect(addresses.api) as http, listen(http) as listener:
        await listener.next()
        assert b": ping" in await listener.response.content.readany()


async def test_a_slow_consumer_is_told_so_and_cut_off(http: Http, ledger: LedgerDouble) -> None:
    ledger.lag_max = 5
    add(ledger, 10)
    async with listen(http, "?after=0") as listener:
        await listener.next()
        ending = await listener.next()
        assert ending.name == "error"
        assert msgspec.json.decode(ending.data)["code"] == "slow-consumer"
        assert await listener.response.content.read() == b""


async def test_a_client_that_reads_nothing_is_cut_off(ledger: LedgerDouble) -> None:
    config = ApiConfig(port=0, metrics_port=None, send_timeout_s=0.05)
    async with serve(ledger, config) as addresses:
        port = int(addresses.api.rpartition(":")[2])
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(b"GET /v1/events?after=0 HTTP/1.1\r\nHost: x\r\n\r\n")
            await stream.receive(100)
            for _ in range(64):
                ledger.add_event("log", (), {"text": "x" * 500_000})
            with anyio.fail_after(5):
                while ledger.metrics.get_sample_value("tangle_api_streams"):
                    await anyio.lowlevel.checkpoint()  # the server gives up by its own clock
            received = 0
            try:
                while True:
                    received += len(await stream.receive(1_000_000))
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                pass
    assert received < 32_000_000


async def test_a_stopping_node_ends_streams_with_a_reason(ledger: LedgerDouble) -> None:
    async with anyio.create_task_group() as tasks, aiohttp.ClientSession() as session:
        stop = anyio.Event()
        started: list[str] = []

        async def run() -> None:
            async with serve(ledger) as addresses:
                started.append(addresses.api)
                ready.set()
                await stop.wait()

        ready = anyio.Event()
        tasks.start_soon(run)
        await ready.wait()
        async with listen(Http(session, started[0])) as listener:
            await listener.next()
            stop.set()
            ending = await listener.next()
    assert msgspec.json.decode(ending.data)["code"] == "node-stopping"


async def test_streams_are_limited_for_each_address(ledger: LedgerDouble) -> None:
    config = ApiConfig(port=0, metrics_port=None, streams_per_address_max=1)
    async with serve(ledger, config) as addresses, connect(addresses.api) as http, listen(http) as listener:
        await listener.next()
        assert await http.refuse("GET", "/v1/events") == (429, "waits-exhausted")


async def test_pages_of_wanted_events_say_where_to_go_on(http: Http, ledger: LedgerDouble) -> None:
    for place in range(30):
        add(ledger, 1, "model" if place % 3 else "log")
    wanted = [str(event.id) for event in ledger.events if event.topic == "log"]
    seen: list[str] = []
    after: str | None = "0"
    while after is not None:
        query = {"topics": "log", "limit": "4", "after": after}
        _, answer, _ = await http.ask("GET", "/v1/events/log", params=query)
        seen += [event["id"] for event in answer["data"]]
        after = answer["meta"]["next_cursor"]
    assert seen == wanted
    page = await http.get("/v1/events/log", params={"after": str(len(ledger.events) + 5)})
    assert page == []


async def test_pages_of_the_log(http: Http, ledger: LedgerDouble) -> None:
    add(ledger, 5)
    page: list[dict[str, Any]] = await http.get("/v1/events/log?after=2&limit=2")
    assert [event["id"] for event in page] == ["3", "4"]


async def test_one_transaction_can_be_followed(http: Http, ledger: LedgerDouble) -> None:
    own, other = "ab" * 32, "cd" * 32
    after = len(ledger.events)
    for identity in (other, own, other, own):
        ledger.add_event("transaction", (), {"id": identity, "status": "applied"})
        add(ledger, 1)
    page = await http.get(f"/v1/events/log?after={after}&transactions={own}")
    assert [event["body"]["id"] for event in page] == [own, own]
    async with listen(http, f"?after={after}&transactions={own.upper()},{'00' * 32}") as listener:
        assert await listener.take(2) == [str(after), str(after + 3)]
    for wrong in ("ab", "x" * 64, ",".join([own] * 65)):
        assert await http.refuse("GET", f"/v1/events/log?transactions={wrong}") == (400, "request-invalid")
