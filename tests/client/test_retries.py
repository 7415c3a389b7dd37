"""When the client asks again, when it does not, and how long it pauses. Pauses are recorded, not slept."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tangle.api.schemas.common import Problem
from tangle.api.wire import encode_json
from tangle.client.client import TangleClient
from tangle.client.errors import ApiProblem, NodeUnreachable, UnexpectedAnswer
from tangle.client.transport import ClientConfig

FOUND = '{"data": {"is_ok": true, "checks": []}, "meta": {"chain": "00"}}'

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def refuse(status: int, code: str, retry_after_s: float | None = None) -> web.Response:
    problem = Problem(f"urn:tangle:problem:{code}", "", status, "no", "/", code, (), retry_after_s)
    return web.Response(status=status, body=encode_json(problem), content_type="application/problem+json")


def answer(text: str = FOUND) -> web.Response:
    return web.Response(text=text, content_type="application/json")


class Script:
    """A server that gives fixed answers, one after the other; none breaks the connection."""

    def __init__(self, *answers: Callable[[], web.Response] | None) -> None:
        self.left = list(answers)
        self.asked = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked += 1
        make = self.left.pop(0)
        if make is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return make()


@asynccontextmanager
async def play(script: Script, pauses: list[float]) -> AsyncIterator[TangleClient]:
    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    runner = web.ServerRunner(web.Server(script.handle))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        config = ClientConfig(attempts_max=4, backoff_s=0.5, backoff_max_s=1.5)
        async with TangleClient(url, config=config, sleep=pause) as client:
            yield client
    finally:
        await runner.cleanup()


async def test_overload_is_waited_out_as_long_as_the_node_says() -> None:
    pauses: list[float] = []
    script = Script(lambda: refuse(429, "overloaded", 2.0), lambda: refuse(503, "node-stopping"), answer)
    async with play(script, pauses) as client:
        assert await client.is_live()
    assert pauses == [2.0, 1.0]


async def test_pauses_grow_up_to_their_limit_and_then_it_gives_up() -> None:
    pauses: list[float] = []
    script = Script(*[lambda: refuse(503, "node-stopping")] * 4)
    async with play(script, pauses) as client:
        with pytest.raises(ApiProblem):
            await client.is_live()
    assert pauses == [0.5, 1.0, 1.5]


async def test_a_node_that_asks_for_too_much_patience_is_not_waited_for() -> None:
    pauses: list[float] = []
    async with play(Script(lambda: refuse(429, "rate-limited", 1e6)), pauses) as client:
        with pytest.raises(ApiProblem, match="no"):
            await client.is_live()
    assert pauses == []


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500])
async def test_what_will_not_change_is_not_repeated(status: int) -> None:
    pauses: list[float] = []
    async with play(Script(lambda: refuse(status, "some")), pauses) as client:
        with pytest.raises(ApiProblem) as caught:
            await client.is_live()
    assert (caught.value.code, caught.value.status, pauses) == ("some", status, [])


async def test_a_broken_connection_is_repeated_where_that_is_harmless() -> None:
    pauses: list[float] = []
    script = Script(None, None, None, None, answer)  # aiohttp itself repeats a GET once
    async with play(script, pauses) as client:
        assert await client.is_live()
    assert 1 <= len(pauses) <= 3


async def test_the_faucet_is_never_asked_twice_after_a_broken_connection() -> None:
    pauses: list[float] = []
    script = Script(None, answer, answer)
    async with play(script, pauses) as client:
        with pytest.raises(NodeUnreachable):
            await client.request_faucet("x")
    assert (script.asked, pauses) == (1, [])


async def test_nobody_there() -> None:
    async def pause(_: float) -> None:
        return

    async with TangleClient("http://127.0.0.1:1", sleep=pause) as client:
        with pytest.raises(NodeUnreachable, match="is the node up"):
            await client.is_live()


@pytest.mark.parametrize(
    "make",
    [
        lambda: answer("{}"),
        lambda: answer("<html>"),
        lambda: web.Response(status=502, text="bad gateway"),
        lambda: web.Response(status=400, text="{}", content_type="application/problem+json"),
    ],
    ids=["empty", "html", "proxy", "problem"],
)
async def test_another_program_on_the_port(make: Callable[[], web.Response]) -> None:
    async with play(Script(make), []) as client:
        with pytest.raises(UnexpectedAnswer):
            await client.is_live()
