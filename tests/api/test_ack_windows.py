"""Windows of event streams: so much is under way and no more, until it is acknowledged."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangle.api.ack_windows import AckWindow, AckWindows
from tangle.api.config import ApiConfig
from tangle.api.errors import AckAhead, AckMissing
from tangle.client.client import TangleClient
from tangle.node.views import NotFound
from tests.api.ledger_double import LedgerDouble
from tests.api.serving import Http, connect, serve
from tests.api.test_events import Listener, add, listen
from tests.node.twins import SeededRandomness

ACKS = "/v1/events/acks"


@asynccontextmanager
async def subscribe(http: Http, size: int) -> AsyncIterator[tuple[Listener, str]]:
    """A stream from the first event on, after its opening; with its name."""
    async with listen(http, f"?after=0&window={size}") as listener:
        opening, subscription = await listener.next(), await listener.next()
        assert (opening.id, opening.data) == ("0", b"")
        assert (subscription.id, subscription.name) == (None, "subscription")
        told = msgspec.json.decode(subscription.data)
        assert told["window"] == size
        yield listener, told["subscription"]


async def is_silent(listener: Listener) -> bool:
    """Whether nothing more comes for a moment."""
    with anyio.move_on_after(0.05):
        await listener.next()
        return False
    return True


async def test_no_more_is_sent_than_the_window_holds(http: Http, ledger: LedgerDouble) -> None:
    add(ledger, 20)
    async with subscribe(http, 4) as (listener, name):
        assert await listener.take(4) == ["1", "2", "3", "4"]
        assert await is_silent(listener)
        status, answer, _ = await http.ask("POST", ACKS, json={"subscription": name, "id": "3"})
        assert (status, answer["data"]) == (200, {"outstanding": 1})
        assert await listener.take(3) == ["5", "6", "7"]
        assert await is_silent(listener)


async def test_what_was_not_sent_cannot_be_acknowledged(http: Http, ledger: LedgerDouble) -> None:
    add(ledger, 20)
    async with subscribe(http, 2) as (listener, name):
        await listener.take(2)
        assert await http.refuse("POST", ACKS, json={"subscription": name, "id": "3"}) == (409, "ack-ahead")
        assert await http.refuse("POST", ACKS, json={"subscription": "no", "id": "1"}) == (404, "not-found")
        assert (await http.refuse("POST", ACKS, json={"subscription": name}))[0] == 400
    with anyio.fail_after(5):
        while (await http.refuse("POST", ACKS, json={"subscription": name, "id": "3"}))[1] != "not-found":
            await anyio.lowlevel.checkpoint()  # the server notices by itself that its reader went away


@pytest.mark.parametrize("size", ["0", "-1", "10001", "many", ""])
async def test_impossible_windows_are_refused(http: Http, size: str) -> None:
    assert await http.refuse("GET", f"/v1/events?window={size}") == (400, "request-invalid")


async def test_a_stream_whose_reader_says_nothing_is_ended_with_a_reason(ledger: LedgerDouble) -> None:
    add(ledger, 20)
    config = ApiConfig(port=0, metrics_port=None, ack_timeout_s=0.05)
    async with (
        serve(ledger, config) as addresses,
        connect(addresses.api) as http,
        subscribe(http, 3) as (listener, _),
    ):
        await listener.take(3)
        ending = await listener.next()
    assert ending.name == "error"
    problem = msgspec.json.decode(ending.data)
    assert problem["code"] == "ack-missing"
    assert "event 1 and the 2 after it" in problem["detail"]


@pytest.mark.parametrize("window", [1, 2, 7, 50])
async def test_the_client_acknowledges_by_itself(ledger: LedgerDouble, window: int) -> None:
    add(ledger, 40)
    last = len(ledger.events)
    async with serve(ledger) as addresses, TangleClient(addresses.api) as client:
        seen = []
        with anyio.fail_after(20):
            async for event in client.events(0, window=window):
                seen.append(event.id)
                if event.id == last:
                    break
    assert seen == list(range(1, last + 1))


async def test_a_client_that_was_too_slow_goes_on_where_it_was(ledger: LedgerDouble) -> None:
    add(ledger, 12)
    config = ApiConfig(port=0, metrics_port=None, ack_timeout_s=0.02)
    async with serve(ledger, config) as addresses, TangleClient(addresses.api) as client:
        seen = []
        with anyio.fail_after(20):
            async for event in client.events(0, window=4):
                seen.append(event.id)
                if event.id == 3:
                    while ledger.metrics.get_sample_value("tangle_api_streams"):
                        await anyio.lowlevel.checkpoint()  # the server gives up by its own clock
                if event.id == 12:
                    break
    assert seen == list(range(1, 13))


@given(st.integers(1, 20), st.lists(st.integers(0, 40), max_size=30))
def test_the_window_counts_what_is_not_acknowledged(size: int, acks: list[int]) -> None:
    window = AckWindow("name", size, 1.0)
    sent: list[int] = []
    acknowledged = 0
    for event_id in range(1, 31):
        if window.outstanding < size:
            window.on_sent(event_id)
            sent.append(event_id)
        if acks:
            said = acks.pop()
            if said > (sent[-1] if sent else 0):
                with pytest.raises(AckAhead):
                    window.acknowledge(said)
            else:
                acknowledged = max(acknowledged, said)
                window.acknowledge(said)
        assert window.outstanding == sum(one > acknowledged for one in sent) <= size


async def test_a_full_window_is_waited_with_and_given_up() -> None:
    window = AckWindow("name", 1, 0.01)
    await window.wait_room()
    window.on_sent(5)
    with pytest.raises(AckMissing) as caught:
        await window.wait_room()
    assert caught.value.event_id == 5


def test_a_name_ends_with_its_stream() -> None:
    windows = AckWindows(SeededRandomness("windows"), 1.0)
    with windows.open(3) as first, windows.open(3) as second:
        assert first.name != second.name
        assert windows.get(first.name) is first
    with pytest.raises(NotFound):
        windows.get(first.name)
