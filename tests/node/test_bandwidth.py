"""Sessions under caps of bandwidth: the bulk keeps to them, the committee's blocks do not wait."""

from typing import Final

import anyio

from tangle.net.line import CAP_MIN, Line, LineCaps
from tangle.net.messages import Blocks, Transactions
from tangle.net.session import Session
from tests.net.streams import make_sessions

BULK: Final = Transactions((b"x" * 1_000,) * 60)
BLOCK: Final = Blocks((b"block",))
MESSAGES: Final = 20
LEAST_S: Final = MESSAGES * 60_000 / CAP_MIN - 1.5
"""A cap's rest may be used at once, and the last batch (two of these messages) is in debt."""


def get_now_ms() -> int:
    return int(anyio.current_time() * 1_000)


def make_line(*, upload: int = 0, download: int = 0) -> Line:
    return LineCaps(upload=upload, download=download, now_ms=get_now_ms()).make_line(get_now_ms())


async def read(session: Session, bulk: int) -> tuple[list[float], list[float]]:
    """When each bulk message and each block came, in seconds from now."""
    began_s = anyio.current_time()
    times: tuple[list[float], list[float]] = ([], [])
    async for message in session:
        times[isinstance(message, Blocks)].append(anyio.current_time() - began_s)
        if len(times[0]) == bulk:
            break
    return times


async def test_an_upload_cap_holds_up_the_bulk_and_never_the_blocks() -> None:
    alice, bob = await make_sessions(line=make_line(upload=CAP_MIN))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(alice.run)
        tasks.start_soon(bob.run)
        for _ in range(MESSAGES):
            alice.send_nowait(BULK)

        async def send_blocks() -> None:
            for _ in range(40):
                await anyio.sleep(0.2)
                alice.send_nowait(BLOCK)

        tasks.start_soon(send_blocks)
        bulk, blocks = await read(bob, MESSAGES)
        assert bulk[0] == 0
        assert LEAST_S < bulk[-1] < LEAST_S + 2
        assert len(blocks) >= 35
        assert all(abs(time_s - 0.2 * (index + 1)) < 0.01 for index, time_s in enumerate(blocks))
        tasks.cancel_scope.cancel()


async def test_what_waits_behind_a_cap_leaves_before_the_goodbye() -> None:
    alice, bob = await make_sessions(line=make_line(upload=CAP_MIN))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(alice.run)
        tasks.start_soon(bob.run)
        for _ in range(4):
            alice.send_nowait(BULK)
        tasks.start_soon(alice.close, b"enough")
        assert len([message async for message in bob]) == 4
        assert str(bob.ending).endswith("enough")


async def test_a_download_cap_reads_more_slowly_and_nobody_is_left_for_it() -> None:
    alice, bob = await make_sessions(line=make_line(download=CAP_MIN), pieces_max=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(alice.run)
        tasks.start_soon(bob.run)

        async def send() -> None:
            for _ in range(10 * MESSAGES):
                await bob.send(BULK)

        tasks.start_soon(send)
        bulk, _ = await read(alice, 10 * MESSAGES)
        assert bulk[-1] > 10 * MESSAGES * 60_000 / CAP_MIN - 1.5
        assert alice.ending is None
        assert bob.ending is None
        tasks.cancel_scope.cancel()


async def test_blocks_alone_are_read_at_once_whatever_the_cap() -> None:
    alice, bob = await make_sessions(line=make_line(download=CAP_MIN), pieces_max=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(alice.run)
        tasks.start_soon(bob.run)
        heavy = Blocks((b"x" * 1_000,) * 60)

        async def send() -> None:
            for _ in range(MESSAGES):
                await bob.send(heavy)

        tasks.start_soon(send)
        count = 0
        began_s = anyio.current_time()
        async for _ in alice:
            count += 1
            if count == MESSAGES:
                break
        assert anyio.current_time() - began_s < 0.1
        tasks.cancel_scope.cancel()
