"""Whole nodes: the HTTP door, one node and four from the first byte to the last certificate, finality, sync.

The client runs on the same machine and takes its part of it. Transactions are signed, and their work is done,
before the time runs.
"""

from collections.abc import Callable, Coroutine, Sequence
from itertools import cycle
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter
from typing import Any, Final

import anyio

from benchmarks.bench_blast import make_transactions
from benchmarks.cluster import (
    Member,
    Network,
    get_family_cpu_seconds,
    list_family,
    make_lanes,
    make_network,
    open_clients,
    post_lanes,
    start_nodes,
    wait_final,
)
from benchmarks.http_load import count_posts, count_reads
from tangle.cli.bench.load import LoadRun
from tangle.cli.bench.load_source import TransactionSource
from tangle.cli.bench.records import Clock, Conditions, Pass, Plan, Stage
from tangle.cli.bench.schedule import make_schedule
from tangle.cli.bench.statistics import compute_quantile
from tangle.client.client import TangleClient

BATCH: Final = 500
"""Transactions in one request: what the batch route takes at most by default."""

LANES: Final = 4
"""Connections that post batches."""

LOADS: Final = (0.1, 0.25, 0.5, 0.65, 0.8, 0.9, 1.0)
"""Parts of the saturation rate at which finality is measured."""

TICK_S: Final = 0.02
"""Time whose transactions the open loop sends together."""

READ_INTERVAL_S: Final = 0.05
"""Between two reads of somebody who is not part of the load."""

Measure = Callable[[Plan], Sequence[Pass]]


class Running:
    """A network whose validators run and are ready."""

    def __init__(
        self, plan: Plan, network: Network, clients: Sequence[TangleClient], pids: Sequence[int]
    ) -> None:
        self.plan = plan
        self.network = network
        self.clients = clients
        self.pids = pids
        self.sent = 0
        self._ready: list[bytes] = []

    @property
    def first(self) -> Member:
        """The first node."""
        return self.network.members[0]

    def sign(self, count: int) -> None:
        """Sign the next ``count`` transactions of the network; call it once, before the time runs."""
        self._ready = make_transactions(self.network.genesis, list(self.network.wallets), count)

    def take(self, count: int) -> list[bytes]:
        """The next signed transactions."""
        taken = self._ready[self.sent : self.sent + count]
        assert len(taken) == count, "they were signed before"
        self.sent += count
        return taken

    async def blast(self, count: int, *, is_until_final: bool) -> Pass:
        """Post transactions as fast as they are taken; the time ends with the last answer or certificate."""
        lanes = make_lanes(self.take(count), max(LANES, len(self.clients)), BATCH)
        urls = [client.base_url for client in self.clients]
        reads_ms: list[float] = []
        begun_s, begun_cpu_s = perf_counter(), get_family_cpu_seconds(self.pids)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read_on, reads_ms)
            await post_lanes(urls, lanes)
            accepted_s = perf_counter() - begun_s
            tasks.cancel_scope.cancel()
        elapsed_s, details = accepted_s, {}
        status = await wait_final(self.clients[0], self.sent)
        if is_until_final:
            elapsed_s = perf_counter() - begun_s
            summary = status.finality
            details = {"accepted_per_s": count / accepted_s, "resident_mib": status.resident_bytes / 2**20}
            details |= {"read_p95_ms": compute_quantile(sorted(reads_ms), 0.95)} if reads_ms else {}
            for name in ("p50_ms", "p95_ms", "p99_ms"):
                value = getattr(summary, name)
                details |= {} if value is None else {name: value}
        return Pass(count, elapsed_s, get_family_cpu_seconds(self.pids) - begun_cpu_s, details)

    async def _read_on(self, reads_ms: list[float]) -> None:
        """Read an account now and then, as somebody does who is not part of the load."""
        for wallet in cycle(self.network.wallets):
            begun_s = perf_counter()
            await self.clients[0].get_account(wallet.public_key)
            reads_ms.append((perf_counter() - begun_s) * 1_000)
            await anyio.sleep(READ_INTERVAL_S)


def on_network(
    validators: int, use: Callable[[Running], Coroutine[Any, Any, Sequence[Pass]]], observers: int = 0
) -> Measure:
    """A stage on a network of its own."""

    def measure(plan: Plan) -> Sequence[Pass]:
        network = make_network(Path(mkdtemp(dir=plan.scratch)), validators, observers)
        members = network.members[:validators]
        with start_nodes(network, members, plan.device) as pids:

            async def run() -> Sequence[Pass]:
                async with open_clients(members, plan.device) as clients:
                    return await use(Running(plan, network, clients, pids))

            return anyio.run(run)

    return measure


async def read_status(running: Running) -> Sequence[Pass]:
    """Status answers."""
    return await _read(running, "/v1/status")


async def read_account(running: Running) -> Sequence[Pass]:
    """One account over and over."""
    return await _read(running, f"/v1/accounts/{running.network.wallets[0].public_key.hex()}")


async def _read(running: Running, path: str) -> Sequence[Pass]:
    seconds, port = (0.3 if running.plan.is_quick else 2.0), running.first.api_port
    await count_reads(port, path, seconds / 4, running.pids)
    return [await count_reads(port, path, seconds, running.pids) for _ in range(running.plan.passes)]


async def post_single(running: Running) -> Sequence[Pass]:
    """One transaction in each request, 64 connections."""
    count, passes = running.plan.scale(1_280, 128), running.plan.passes
    running.sign(count * (passes + 1))
    family = list_family(running.pids)
    return [
        await count_posts(running.first.api_port, "/v1/transactions", running.take(count), family)
        for _ in range(passes + 1)
    ][1:]


async def post_batches(running: Running) -> Sequence[Pass]:
    """Batches until the last answer: verified, attached, on disk."""
    return await _blast(running, running.plan.scale(10_000, 1_000), is_until_final=False)


async def blast_one(running: Running) -> Sequence[Pass]:
    """Batches until the last transaction is final, one node."""
    return await _blast(running, running.plan.scale(20_000, 1_000), is_until_final=True)


async def blast_four(running: Running) -> Sequence[Pass]:
    """The same, on four validators that each take a quarter in."""
    return await _blast(running, running.plan.scale(6_000, 600), is_until_final=True)


async def _blast(running: Running, count: int, *, is_until_final: bool) -> Sequence[Pass]:
    warm_up = running.plan.scale(2_000, 200)
    running.sign(warm_up + count * running.plan.passes)
    await running.blast(warm_up, is_until_final=is_until_final)
    return [await running.blast(count, is_until_final=is_until_final) for _ in range(running.plan.passes)]


async def measure_finality(running: Running) -> Sequence[Pass]:
    """Saturation first, then finality under parts of it, in an open loop."""
    plan = running.plan
    count = plan.scale(10_000, 1_000)
    running.sign(2 * count)
    await running.blast(count, is_until_final=True)
    timing = await running.blast(count, is_until_final=True)
    saturation = timing.count / timing.wall_s
    source = TransactionSource(running.clients[0], running.network.wallets)
    await source.open()
    details, middle_ms = {"saturation_per_s": saturation}, 0.0
    for part in (0.1, 0.5) if plan.is_quick else LOADS:
        await source.refresh()
        schedule = make_schedule(part * saturation, 1.5 if plan.is_quick else 10.0, TICK_S)
        run = LoadRun([running.first.url], source, schedule, 30.0)
        report = await run.run(running.clients[0], is_signed_before=True)
        name = f"at_{part * 100:.0f}_percent"
        details |= {f"{name}_rate_per_s": schedule.rate, f"{name}_final_per_s": report.final_per_s}
        for quantile in ("p50_ms", "p90_ms", "p99_ms"):
            value = getattr(report.finality, quantile)
            details |= {} if value is None else {f"{name}_{quantile}": value}
        if part == 0.5:
            middle_ms = report.finality.p50_ms or 0.0
    # One at a time at half load, this is how many a second became final: the higher, the quicker.
    return [Pass(1, middle_ms / 1_000, middle_ms / 1_000, details)]


async def catch_up(running: Running) -> Sequence[Pass]:
    """A new node takes over the history of another and becomes level with it."""
    count = running.plan.scale(20_000, 1_000)
    running.sign(count)
    await running.blast(count, is_until_final=True)
    newcomer = running.network.members[-1]
    begun_s = perf_counter()
    with start_nodes(running.network, [newcomer], running.plan.device) as pids:
        async with open_clients([newcomer], "numpy") as clients:
            await wait_final(clients[0], count)
            return [Pass(count, perf_counter() - begun_s, get_family_cpu_seconds(pids))]


def make_conditions(nodes: int, *, is_executed: bool = True) -> Conditions:
    """Everything is on."""
    return Conditions(
        bytes=273,
        is_signed=True,
        is_verified=True,
        is_worked=True,
        is_executed=is_executed,
        is_synced=True,
        nodes=nodes,
    )


def _make_stage(name: str, about: str, unit: str, measure: Measure, limit: str, of: Conditions) -> Stage:
    return Stage(name, about, unit, measure, limit, Clock.WALL, of)


READING: Final = Conditions(nodes=1)

NODES: Final = (
    _make_stage("api-status", "GET /v1/status", "requests", on_network(1, read_status), "http-raw", READING),
    _make_stage(
        "api-account", "GET of one account", "requests", on_network(1, read_account), "http-raw", READING
    ),
    _make_stage(
        "api-single",
        "POST of single transactions until each is attached and on disk",
        "transactions",
        on_network(1, post_single),
        "http-raw",
        make_conditions(1, is_executed=False),
    ),
    _make_stage(
        "api-batch",
        "POST of 500 at a time until the last is attached and on disk",
        "transactions",
        on_network(1, post_batches),
        "verify-raw-2",
        make_conditions(1, is_executed=False),
    ),
    _make_stage(
        "one-node",
        "from the first byte to the last certificate, a committee of one",
        "transactions",
        on_network(1, blast_one),
        "verify-raw-2",
        make_conditions(1),
    ),
    _make_stage(
        "four-nodes",
        "the same on a committee of four",
        "transactions",
        on_network(4, blast_four),
        "verify-raw-2",
        make_conditions(4),
    ),
    _make_stage(
        "finality",
        "from due to certified at half of saturation, one after the other; other loads in the details",
        "finalities",
        on_network(1, measure_finality),
        "commits-raw",
        make_conditions(1),
    ),
    _make_stage(
        "sync",
        "a new node from its start until it is level with another's history",
        "transactions",
        on_network(1, catch_up, observers=1),
        "verify-raw-2",
        make_conditions(2),
    ),
)
"""From the door to the network."""
