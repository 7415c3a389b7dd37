"""Asking an HTTP server as fast as it answers, with little work for the one who asks."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aiohttp
import anyio
from anyio.abc import SocketStream

from tangle.cli.bench.records import Pass

CONNECTIONS: Final = 4
"""Connections that read."""

AHEAD: Final = 16
"""Requests written before the first of them is answered."""

SUBMITTERS: Final = 64
"""Connections that submit, each one transaction after the other: one for each wallet of the benchmark."""

READY_TIMEOUT_S: Final = 90.0
"""For a server to answer."""

OK: Final = (b"HTTP/1.1 200", b"HTTP/1.1 202")


async def wait_ready(url: str) -> None:
    """Until a server answers 200."""
    with anyio.fail_after(READY_TIMEOUT_S):
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(url) as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await anyio.sleep(0.05)


def get_cpu_seconds(pids: Sequence[int]) -> float:
    """Processor time that processes have taken, with their threads and without their children."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def count_reads(port: int, path: str, seconds: float, pids: Sequence[int]) -> Pass:
    """Requests for one path that were answered in so many seconds.

    :param pids: processes of the server, whose processor time counts.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
    counts: list[int] = []

    async def read() -> None:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            counts.append(await _read_ahead(stream, request, begun_s + seconds))

    before_s, begun_s = get_cpu_seconds(pids), time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for _ in range(CONNECTIONS):
            tasks.start_soon(read)
    elapsed_s = time.perf_counter() - begun_s
    return Pass(sum(counts), elapsed_s, max(get_cpu_seconds(pids) - before_s, 0.01))


async def _read_ahead(stream: SocketStream, request: bytes, stop_s: float) -> int:
    sent = received = 0
    buffer = b""
    while received < sent or time.perf_counter() < stop_s:
        if time.perf_counter() < stop_s and sent - received <= AHEAD // 2:
            await stream.send(request * AHEAD)
            sent += AHEAD
        buffer += await stream.receive(1 << 18)
        found = sum(buffer.count(line) for line in OK)
        assert buffer.count(b"HTTP/1.1 ") == found, buffer[:300]
        received += found
        buffer = buffer[-len(OK[0]) + 1 :]  # a line that is cut in two
    return received


async def count_posts(port: int, path: str, items: Sequence[bytes], pids: Sequence[int]) -> Pass:
    """Posts of one item each, one after the other on each connection.

    :param items: dealt out to the connections in turns.
    :param pids: processes of the server, whose processor time counts.
    """

    async def post(own: Sequence[bytes]) -> None:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            for item in own:
                head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/cbor\r\n"
                await stream.send(f"{head}Content-Length: {len(item)}\r\n\r\n".encode() + item)
                answer = await stream.receive(1 << 16)
                assert answer.startswith(OK), answer

    before_s, begun_s = get_cpu_seconds(pids), time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for place in range(SUBMITTERS):
            tasks.start_soon(post, items[place::SUBMITTERS])
    elapsed_s = time.perf_counter() - begun_s
    return Pass(len(items), elapsed_s, max(get_cpu_seconds(pids) - before_s, 0.01))
