"""The packet network: bytes arrive whole and in order, late by what the links do to them, or not at all."""

import math
from collections.abc import Awaitable, Callable

import anyio
import pytest
from anyio.abc import ByteStream, TaskGroup

from simnet.chance import make_chance
from simnet.event_log import EventLog
from simnet.network import RESEND_S, PacketNetwork, SimulatedHost, Weather
from simnet.scheduling import run_in_virtual_time
from simnet.streams import WINDOW_BYTES
from simnet.timeline import Timeline
from tangle.net.addresses import Address
from tangle.net.errors import DialFailed, ListenFailed
from tangle.net.network import DIAL_TIMEOUT_S

BERLIN = Address(b"berlin", 1)


class Bench:
    """Two hosts, one of which listens; connections gather in ``taken``."""

    def __init__(self, tasks: TaskGroup) -> None:
        self.timeline = Timeline(make_chance(1, "timeline"))
        self.network = PacketNetwork(self.timeline, make_chance(1, "network"), EventLog())
        self.boston: SimulatedHost = self.network.add_host("boston", "virginia")
        self.berlin: SimulatedHost = self.network.add_host("berlin", "frankfurt")
        self.taken: list[ByteStream] = []
        self.tasks = tasks

    def set_weather(self, weather: Weather) -> None:
        self.network.weather["boston", "berlin"] = weather
        self.network.let_go()

    async def connect(self) -> tuple[ByteStream, ByteStream]:
        near = await self.boston.dial(BERLIN)
        while not self.taken:
            await anyio.lowlevel.checkpoint()
        return near, self.taken.pop()

    async def take(self, stream: ByteStream) -> None:
        self.taken.append(stream)


def run_bench(play: Callable[[Bench], Awaitable[None]], *, is_listening: bool = True) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            bench = Bench(tasks)
            tasks.start_soon(bench.timeline.run)
            if is_listening:
                listener = await bench.berlin.listen(BERLIN)
                tasks.start_soon(listener.serve, bench.take, tasks)
            with anyio.fail_after(3_600):
                await play(bench)
            tasks.cancel_scope.cancel()

    run_in_virtual_time(main, 1)


async def receive_all(stream: ByteStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await stream.receive(1_000)
    return data


def test_a_packet_takes_the_regions_latency() -> None:
    async def play(bench: Bench) -> None:
        near, far = await bench.connect()
        begun_s = anyio.current_time()
        await near.send(b"hello")
        assert await far.receive() == b"hello"
        assert anyio.current_time() - begun_s == pytest.approx(0.045, abs=0.001)

    run_bench(play)


@pytest.mark.parametrize("weather", [Weather(loss=0.5), Weather(jitter_ms=500), Weather(bytes_per_s=10_000)])
def test_bad_links_lose_no_byte_and_keep_the_order(weather: Weather) -> None:
    pieces = [bytes([number]) * 100 for number in range(200)]

    async def play(bench: Bench) -> None:
        near, far = await bench.connect()
        bench.set_weather(weather)
        begun_s = anyio.current_time()
        for piece in pieces:
            await near.send(piece)
        assert await receive_all(far, 20_000) == b"".join(pieces)
        assert anyio.current_time() - begun_s > RESEND_S

    run_bench(play)


def test_a_barred_link_holds_one_direction_until_it_opens() -> None:
    async def play(bench: Bench) -> None:
        near, far = await bench.connect()
        bench.set_weather(Weather(is_barred=True))
        await near.send(b"there")
        await far.send(b"back")
        assert await near.receive() == b"back"
        with anyio.move_on_after(100) as scope:
            await far.receive()
        assert scope.cancelled_caught
        bench.set_weather(Weather())
        assert await far.receive() == b"there"

    run_bench(play)


def test_nobody_can_be_dialled_over_a_barred_link() -> None:
    async def play(bench: Bench) -> None:
        bench.set_weather(Weather(is_barred=True))
        with pytest.raises(DialFailed):
            await bench.boston.dial(BERLIN)
        assert anyio.current_time() == pytest.approx(DIAL_TIMEOUT_S)

    run_bench(play)


def test_nobody_answers_where_nobody_listens() -> None:
    async def play(bench: Bench) -> None:
        with pytest.raises(DialFailed):
            await bench.boston.dial(BERLIN)
        with pytest.raises(DialFailed):
            await bench.boston.dial(Address(b"atlantis", 1))

    run_bench(play, is_listening=False)


def test_an_address_is_taken_once() -> None:
    async def play(bench: Bench) -> None:
        with pytest.raises(ListenFailed):
            await bench.berlin.listen(BERLIN)

    run_bench(play)


def test_a_closed_end_is_noticed_after_what_it_sent() -> None:
    async def play(bench: Bench) -> None:
        near, far = await bench.connect()
        await near.send(b"last words")
        await near.aclose()
        assert await far.receive() == b"last words"
        with pytest.raises(anyio.EndOfStream):
            await far.receive()
        with pytest.raises(anyio.BrokenResourceError):
            await far.send(b"too late")
        with pytest.raises(anyio.ClosedResourceError):
            await near.receive()

    run_bench(play)


def test_an_end_of_writing_leaves_reading_open() -> None:
    async def play(bench: Bench) -> None:
        near, far = await bench.connect()
        await near.send_eof()
        with pytest.raises(anyio.EndOfStream):
            await far.receive()
        await far.send(b"still here")
        assert await near.receive() == b"still here"

    run_bench(play)


def test_a_cut_connection_breaks_both_ends_and_loses_what_was_under_way() -> None:
    async def play(bench: Bench) -> None:
        near, far = await bench.connect()
        await near.send(b"lost")
        bench.network.cut("berlin", "boston")
        for end in (near, far):
            with pytest.raises(anyio.EndOfStream):
                await end.receive()
            with pytest.raises(anyio.BrokenResourceError):
                await end.send(b"more")
        again, _ = await bench.connect()
        await again.send(b"new line")

    run_bench(play)


def test_a_writer_waits_while_nobody_reads() -> None:
    async def play(bench: Bench) -> None:
        near, far = await bench.connect()
        written = 0

        async def write() -> None:
            nonlocal written
            while written < 3 * WINDOW_BYTES:
                await near.send(bytes(32_768))
                written += 32_768

        bench.tasks.start_soon(write)
        await anyio.sleep(10)
        assert written == WINDOW_BYTES
        await receive_all(far, 3 * WINDOW_BYTES)

    run_bench(play)


def test_the_timeline_does_things_at_their_time() -> None:
    async def main() -> list[tuple[float, int]]:
        timeline = Timeline(make_chance(1))
        done: list[tuple[float, int]] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(timeline.run)
            for number, delay_s in enumerate([3.0, 1.0, 2.0, 0.0]):
                timeline.add(delay_s, lambda n=number: done.append((anyio.current_time(), n)))  # type: ignore[misc]  # a default argument binds the loop's value
            await timeline.wait(5.0)
            assert len(timeline) == 0
            tasks.cancel_scope.cancel()
        return done

    done = run_in_virtual_time(main, 1)
    assert [number for _, number in done] == [3, 1, 2, 0]
    assert all(
        math.isclose(at_s, due_s, abs_tol=0.001) for (at_s, _), due_s in zip(done, (0, 1, 2, 3), strict=True)
    )
