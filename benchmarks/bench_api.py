"""The HTTP door: requests a second of one node beside a bare aiohttp route, in the same run.

A node with a committee of one and a bare aiohttp server, each in a process of its own on the same kind of
event loop, are asked in turns. The client writes several requests ahead on each connection and only counts
the answers, so that it takes little of the machine and the server is what is measured. Transactions are
signed and their work is done beforehand; a submission is answered once it is verified, attached and on disk.
The machine's second core is often away; figures by the server's own processor time do not mind that.

    python -m benchmarks.bench_api [--seconds 3] [--rounds 5]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Final

import aiohttp
import anyio
from aiohttp import web
from anyio.abc import SocketStream

from benchmarks.bench_blast import API_PORT, make_home, make_transactions
from tangle.core.signing import SigningKey

CONNECTIONS: Final = 4
"""Connections that read."""

AHEAD: Final = 16
"""Requests written before the first of them is answered."""

SUBMITTERS: Final = 64
"""Connections that submit, each one transaction after the other: one for each wallet of the benchmark."""

SUBMISSIONS: Final = 1_280
"""Transactions of one round of submitting."""

BARE_PORT: Final = API_PORT + 10
"""Port of the bare route."""

READY_TIMEOUT_S: Final = 60.0
"""For a server to answer."""

OK: Final = (b"HTTP/1.1 200", b"HTTP/1.1 202")


def serve_bare(port: int) -> None:
    """A server with one route, which answers what a status answer is as long as."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 1_000, content_type="application/json")

    app = web.Application()
    app.router.add_get("/", answer)
    app.router.add_post("/", answer)

    async def run() -> None:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await anyio.sleep_forever()

    anyio.run(run, backend_options={"use_uvloop": True})


async def read_ahead(stream: SocketStream, request: bytes, stop_s: float) -> int:
    """Ask until ``stop_s``; answers how many answers came."""
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


async def measure_reads(port: int, path: str, seconds: float) -> tuple[int, float]:
    """Requests for one path, and the seconds that they took."""
    request = f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
    counts: list[int] = []

    async def read() -> None:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            counts.append(await read_ahead(stream, request, begun_s + seconds))

    begun_s = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for _ in range(CONNECTIONS):
            tasks.start_soon(read)
    return sum(counts), time.perf_counter() - begun_s


async def measure_posts(port: int, path: str, items: Sequence[bytes]) -> tuple[int, float]:
    """Posts of one item each, one after the other on each connection, and the seconds that they took."""

    async def post(own: Sequence[bytes]) -> None:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            for item in own:
                head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/cbor\r\n"
                await stream.send(f"{head}Content-Length: {len(item)}\r\n\r\n".encode() + item)
                answer = await stream.receive(1 << 16)
                assert answer.startswith(OK), answer

    begun_s = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for place in range(SUBMITTERS):
            tasks.start_soon(post, items[place::SUBMITTERS])
    return len(items), time.perf_counter() - begun_s


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
                await anyio.sleep(0.1)


def get_cpu_seconds(pid: int) -> float:
    """Processor time that a process has taken, its threads included and its workers not."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Meter:
    """Requests a second by the clock, and by the processor time that the server took for them."""

    def __init__(self) -> None:
        self.rates: dict[str, list[float]] = {}
        self.cpu_rates: dict[str, list[float]] = {}

    async def measure(self, name: str, pid: int, asking: Awaitable[tuple[int, float]]) -> None:
        """Take one figure: how many requests in how many seconds."""
        before_s = get_cpu_seconds(pid)
        count, elapsed_s = await asking
        cpu_s = max(get_cpu_seconds(pid) - before_s, 0.01)
        self.rates.setdefault(name, []).append(count / elapsed_s)
        self.cpu_rates.setdefault(name, []).append(count / cpu_s)

    def print(self, name: str, beside: str) -> None:
        """One line."""
        rate, cpu_rate = statistics.median(self.rates[name]), statistics.median(self.cpu_rates[name])
        line = f"{name:<10} {rate:9,.0f} a second, {cpu_rate:9,.0f} a second of the server's processor"
        if beside != name:
            by_clock = self._compute_share(self.rates, name, beside)
            by_cpu = self._compute_share(self.cpu_rates, name, beside)
            line += f"; of {beside}: {by_clock:.2f} by the clock, {by_cpu:.2f} by the processor"
        print(line)

    def _compute_share(self, rates: dict[str, list[float]], name: str, beside: str) -> float:
        return statistics.median(own / bare for own, bare in zip(rates[name], rates[beside], strict=True))


async def run(
    options: argparse.Namespace, wallet: SigningKey, transactions: list[bytes], pids: tuple[int, int]
) -> None:
    """Ask in turns, and print the median of each and the median of the shares."""
    await wait_ready(f"http://127.0.0.1:{API_PORT}/readyz")
    await wait_ready(f"http://127.0.0.1:{BARE_PORT}/")
    paths = {"status": "/v1/status", "account": f"/v1/accounts/{wallet.public_key.hex()}"}
    meter, (node, bare) = Meter(), pids
    for place in range(options.rounds):
        items = transactions[place * SUBMISSIONS : (place + 1) * SUBMISSIONS]
        await meter.measure("bare GET", bare, measure_reads(BARE_PORT, "/", options.seconds))
        for name, path in paths.items():
            await meter.measure(name, node, measure_reads(API_PORT, path, options.seconds))
        await meter.measure("bare POST", bare, measure_posts(BARE_PORT, "/", items))
        await meter.measure("submit", node, measure_posts(API_PORT, "/v1/transactions", items))
    for name, beside in (("bare GET", "bare GET"), ("status", "bare GET"), ("account", "bare GET")):
        meter.print(name, beside)
    meter.print("bare POST", "bare POST")
    meter.print("submit", "bare POST")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bare", type=int, help="only serve the bare route on this port")
    options = parser.parse_args()
    if options.bare:
        serve_bare(options.bare)
        return
    with tempfile.TemporaryDirectory() as root:
        home, genesis, wallets = make_home(Path(root))
        transactions = make_transactions(genesis, wallets, SUBMISSIONS * options.rounds)
        python = [sys.executable, "-m"]
        servers = [
            subprocess.Popen([*python, "benchmarks.blast_node", str(home), str(API_PORT), "numpy"]),
            subprocess.Popen([*python, "benchmarks.bench_api", "--bare", str(BARE_PORT)]),
        ]
        try:
            anyio.run(run, options, wallets[0], transactions, (servers[0].pid, servers[1].pid))
        finally:
            for server in servers:
                server.terminate()
            for server in servers:
                server.wait(30)


if __name__ == "__main__":
    main()
