"""The live source against a real API server over a real port; the node behind it is in memory."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from poi.market.records import Optimisation
from tests.api.ledger_double import ALICE, BOB, LedgerDouble, make_genesis
from tests.api.serving import QUIET, serve
from tests.api.test_market import PROBLEM, call, make_opening
from tests.api.validators_double import STAKED
from tui.app import Dashboard
from tui.live import LiveSource
from tui.snapshot import Outage, Snapshot, Tick, VertexState

PATIENCE_S = 15.0


class Watcher:
    """Collects ticks and waits for those that a test needs."""

    def __init__(self) -> None:
        self._changed = anyio.Event()
        self.latest: Tick | None = None

    def publish(self, tick: Tick) -> None:
        self.latest = tick
        self._changed.set()
        self._changed = anyio.Event()

    async def wait_snapshot(self, is_wanted: Callable[[Snapshot], bool] = lambda _: True) -> Snapshot:
        with anyio.fail_after(PATIENCE_S):
            while not (isinstance(self.latest, Snapshot) and is_wanted(self.latest)):
                await self._changed.wait()
            return self.latest

    async def wait_tick(self) -> None:
        with anyio.fail_after(PATIENCE_S):
            await self._changed.wait()

    async def wait_outage(self) -> Outage:
        with anyio.fail_after(PATIENCE_S):
            while not isinstance(self.latest, Outage):
                await self._changed.wait()
            return self.latest


@asynccontextmanager
async def watch(url: str) -> AsyncIterator[Watcher]:
    """A source that looks as often as it can."""
    watcher = Watcher()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(LiveSource(url, interval_s=0.01).run, watcher.publish)
        yield watcher
        tasks.cancel_scope.cancel()


async def test_a_snapshot_holds_what_the_node_tells() -> None:
    node = LedgerDouble()
    first = await node.faucet(BOB.public_key)
    second = await node.faucet(BOB.public_key)
    async with serve(node) as addresses, watch(addresses.api) as watcher:
        snapshot = await watcher.wait_snapshot()
    assert snapshot.node.name == "double"
    assert snapshot.node.is_ready
    assert [vertex.id for vertex in snapshot.dag.vertices] == [first.hex(), second.hex()]
    assert {vertex.state for vertex in snapshot.dag.vertices} == {VertexState.CHECKPOINTED}
    assert snapshot.dag.vertices[1].layer == snapshot.dag.vertices[0].layer + 1
    assert snapshot.model is not None
    assert [(point.generation, point.score) for point in snapshot.model.curve] == [(0, 40)]
    assert snapshot.model.pulses == (-7, -7)
    assert len(snapshot.model.portraits) == 16
    assert snapshot.committee is not None
    assert snapshot.committee.validators[0].is_self
    assert snapshot.committee.validators[0].stake == STAKED
    assert (snapshot.committee.epoch_left_ms, snapshot.committee.waiting) == (2_000, 1)
    assert [peer.key for peer in snapshot.peers] == [BOB.public_key.hex()]


async def test_the_market_and_its_latest_jobs_are_shown() -> None:
    node = LedgerDouble()
    await call(node, ALICE, make_opening(node, Optimisation(PROBLEM)))
    async with serve(node) as addresses, watch(addresses.api) as watcher:
        market = (await watcher.wait_snapshot()).market
    assert market is not None
    assert (market.live_jobs, market.opened_jobs, market.held) == (1, 1, 10**8)
    assert dict(market.unit_prices)["optimisation"] == 1_000
    (job,) = market.jobs
    assert (job.kind, job.phase, job.is_live, job.price, job.worker) == (
        "optimisation",
        "collecting",
        True,
        10**8,
        "",
    )
    assert job.next_ms is not None
    assert job.next_ms > market.now_ms


async def test_events_and_changes_reach_the_log() -> None:
    node = LedgerDouble()
    async with serve(node) as addresses, watch(addresses.api) as watcher:
        with anyio.fail_after(PATIENCE_S):
            while not (await watcher.wait_snapshot()).log:  # events count from when the stream is open
                node.make_checkpoint()
                await watcher.wait_tick()
        node.is_synced = False
        snapshot = await watcher.wait_snapshot(lambda shot: not shot.node.is_ready)
    assert snapshot.log[0].topic == "checkpoint"
    assert [check.name for check in snapshot.node.checks] == ["synced"]
    assert snapshot.log[-1].text == "the node is not ready: synced"
    assert [entry.id for entry in snapshot.log] == list(range(1, len(snapshot.log) + 1))


async def test_a_conflict_is_told_with_its_reason() -> None:
    node = LedgerDouble()
    async with serve(node) as addresses, watch(addresses.api) as watcher:
        await watcher.wait_snapshot()
        await node.faucet(BOB.public_key)
        twice = await node.make_transfer(BOB, BOB.public_key, 10**14)
        await node.submit((twice.encoded,))
        snapshot = await watcher.wait_snapshot(
            lambda shot: any(vertex.state is VertexState.CONFLICTING for vertex in shot.dag.vertices)
        )
    texts = [entry.text for entry in snapshot.log if entry.topic == "transaction"]
    assert texts == [f"{twice.id.hex()[:8]} conflicts: the funds does not fit"]


async def test_a_node_that_goes_and_comes_back() -> None:
    node = LedgerDouble()
    async with anyio.create_task_group() as tasks:
        watcher = Watcher()
        async with serve(node) as addresses:
            tasks.start_soon(LiveSource(addresses.api, interval_s=0.01).run, watcher.publish)
            await watcher.wait_snapshot()
        await watcher.wait_outage()
        node.metrics = CollectorRegistry()  # a new process has new meters
        async with serve(node, replace(QUIET, port=int(addresses.api.rpartition(":")[2]))):
            snapshot = await watcher.wait_snapshot()
        tasks.cancel_scope.cancel()
    texts = [entry.text for entry in snapshot.log if entry.topic == "log"]
    assert texts[0].startswith("no answer: ")
    assert texts[1].startswith("the node answers again, after ")


async def test_another_chain_at_the_same_place_begins_afresh() -> None:
    node = LedgerDouble()
    await node.faucet(BOB.public_key)
    async with anyio.create_task_group() as tasks:
        watcher = Watcher()
        async with serve(node) as addresses:
            tasks.start_soon(LiveSource(addresses.api, interval_s=0.01).run, watcher.publish)
            await watcher.wait_snapshot(lambda shot: len(shot.dag.vertices) == 1)
        await watcher.wait_outage()
        port = int(addresses.api.rpartition(":")[2])
        async with serve(LedgerDouble(make_genesis(salt=1)), replace(QUIET, port=port)):
            snapshot = await watcher.wait_snapshot()
        tasks.cancel_scope.cancel()
    assert snapshot.dag.vertices == ()
    assert len(snapshot.dag.history_in) == 1


async def test_the_dashboard_shows_a_served_node() -> None:
    node = LedgerDouble()
    await node.faucet(BOB.public_key)
    async with serve(node) as addresses:
        app = Dashboard(LiveSource(addresses.api, interval_s=0.01))
        async with app.run_test(size=(120, 40)) as pilot:
            with anyio.fail_after(PATIENCE_S):
                while app.snapshot is None:
                    await pilot.pause()
            await pilot.pause()
            text = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
    assert "double" in text
    assert "Proof of Intelligence" in text
    assert "live" in text


async def test_nobody_there_is_an_outage() -> None:
    async with watch("http://127.0.0.1:1") as watcher:
        outage = await watcher.wait_outage()
    assert outage.attempt == 1
    assert outage.reason
