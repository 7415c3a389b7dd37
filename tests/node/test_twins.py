"""The twins keep what they promise, or no other test here means anything."""

from contextlib import suppress

import anyio
import pytest

from tangle.net.addresses import Address
from tangle.net.errors import DialFailed, ListenFailed
from tests.node.twins import START_MS, LoopClock, MemoryNetwork, SeededRandomness

THERE = Address(b"b", 1)


async def test_an_hour_takes_no_time() -> None:
    clock = LoopClock(anyio.current_time())
    await anyio.sleep(3_600)
    assert clock.now_ms() == pytest.approx(START_MS + 3_600_000, abs=2)


async def test_streams_carry_bytes_until_they_are_cut() -> None:
    network = MemoryNetwork()
    received: list[bytes] = []

    async def echo(stream: anyio.abc.ByteStream) -> None:
        with suppress(anyio.EndOfStream):
            while True:
                received.append(await stream.receive())

    listener = await network.at("b").listen(THERE)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, echo, tasks)
        stream = await network.at("a").dial(THERE)
        await stream.send(b"one")
        await anyio.sleep(1)
        await network.isolate("a")
        with pytest.raises(anyio.BrokenResourceError):
            await stream.send(b"two")
        with pytest.raises(DialFailed):
            await network.at("a").dial(THERE)
        await network.isolate()
        await (await network.at("a").dial(THERE)).send(b"three")
        await anyio.sleep(1)
        with pytest.raises(ListenFailed):
            await network.at("b").listen(THERE)
        await listener.aclose()
        with pytest.raises(DialFailed):
            await network.at("a").dial(THERE)
        tasks.cancel_scope.cancel()
    assert received == [b"one", b"three"]


def test_randomness_repeats_with_its_seed_only() -> None:
    first, again, other = (SeededRandomness(seed) for seed in ("a", "a", "b"))
    drawn = [first.get_bytes(32), first.get_bytes(32)]
    assert drawn == [again.get_bytes(32), again.get_bytes(32)]
    assert len({*drawn, other.get_bytes(32)}) == 3
