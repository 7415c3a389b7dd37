"""The server under clients that are slow, many, rude or not HTTP at all; and its way to stop."""

import anyio
import msgspec
from anyio.abc import SocketStream

from tangle.api.config import ApiConfig
from tests.api.ledger_double import ALICE, BOB, LedgerDouble
from tests.api.serving import connect, serve


async def dial(url: str) -> SocketStream:
    return await anyio.connect_tcp("127.0.0.1", int(url.rpartition(":")[2]))


async def read_all(stream: SocketStream) -> bytes:
    content = b""
    try:
        while True:
            content += await stream.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return content


async def test_a_head_that_never_ends_is_cut_off(ledger: LedgerDouble) -> None:
    config = ApiConfig(port=0, metrics_port=None, idle_timeout_s=0.05)
    async with serve(ledger, config) as addresses, await dial(addresses.api) as stream:
        await stream.send(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        with anyio.fail_after(5):
            assert await read_all(stream) == b""


async def test_a_body_that_never_ends_is_refused(ledger: LedgerDouble) -> None:
    config = ApiConfig(port=0, metrics_port=None, body_timeout_s=0.05)
    async with serve(ledger, config) as addresses, await dial(addresses.api) as stream:
        head = b"POST /v1/prepare HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        await stream.send(head + b"Content-Length: 100\r\n\r\n{")
        with anyio.fail_after(5):
            answer = await read_all(stream)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])["code"] == "body-timeout"


async def test_what_is_not_http_gets_a_problem_all_the_same(ledger: LedgerDouble) -> None:
    async with serve(ledger) as addresses:
        for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 9_000):
            async with await dial(addresses.api) as stream:
                await stream.send(garbage + b"\r\n\r\n")
                with anyio.fail_after(5):
                    answer = await read_all(stream)
            assert answer.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
            assert msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])["code"] == "http-malformed"


async def test_heads_over_their_limits(ledger: LedgerDouble) -> None:
    async with serve(ledger) as addresses:
        for head in (b"X: " + b"y" * 9_000 + b"\r\n", b"X: y\r\n" * 100):
            async with await dial(addresses.api) as stream:
                await stream.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
                with anyio.fail_after(5):
                    answer = await read_all(stream)
            assert b" 400 " in answer.partition(b"\r\n")[0]


async def test_connections_of_one_address_are_limited(ledger: LedgerDouble) -> None:
    config = ApiConfig(port=0, metrics_port=None, connections_per_address_max=2)
    async with serve(ledger, config) as addresses:
        async with await dial(addresses.api) as first, await dial(addresses.api):
            async with await dial(addresses.api) as third:
                with anyio.fail_after(5):
                    assert await read_all(third) == b""
            await first.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await first.receive()).startswith(b"HTTP/1.1 200 ")
        await anyio.wait_all_tasks_blocked()
        async with await dial(addresses.api) as fourth:
            await fourth.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await fourth.receive()).startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_asks_before_it_sends_its_body(ledger: LedgerDouble) -> None:
    transaction = await ledger.make_transfer(ALICE, BOB.public_key, 1)
    async with serve(ledger) as addresses, await dial(addresses.api) as stream:
        head = b"POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/cbor\r\n"
        length = len(transaction.encoded)
        await stream.send(head + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % length)
        assert (await stream.receive()).startswith(b"HTTP/1.1 100 ")
        await stream.send(transaction.encoded)
        assert (await stream.receive()).startswith(b"HTTP/1.1 202 ")


async def test_a_wait_ends_when_the_node_stops() -> None:
    ledger = LedgerDouble(is_automatic=False)
    transaction = await ledger.make_transfer(ALICE, BOB.public_key, 1)
    await ledger.submit((transaction.encoded,))
    path = f"/v1/transactions/{transaction.id.hex()}?wait=checkpointed&timeout_s=60"
    refusals = []
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            async def wait(url: str) -> None:
                async with connect(url) as http:
                    refusals.append(await http.refuse("GET", path))

            async with serve(ledger) as addresses:
                tasks.start_soon(wait, addresses.api)
                while ledger.metrics.get_sample_value("tangle_api_waits") != 1:
                    await anyio.lowlevel.checkpoint()
    assert refusals == [(503, "node-stopping")]


async def test_a_taken_port_is_an_error_at_once(ledger: LedgerDouble) -> None:
    async with serve(ledger) as addresses:
        port = int(addresses.api.rpartition(":")[2])
        caught = None
        try:
            async with serve(LedgerDouble(), ApiConfig(port=port, metrics_port=None)):
                pass
        except* OSError as group:
            caught = group
    assert caught is not None
