"""Simulated traders and juries: the market is used, and whoever gets it wrong is caught."""

from typing import Final

import pytest
from msgspec.structs import replace

from poi.market.outcomes import Movement
from simnet.options import draw_options
from simnet.run import run_simulation
from simnet.verdicts import Diverged, Invariant, Pass, Violated
from simnet.world import World
from tangle.node.node import Node
from tangle.store.store import Table, WriteBatch
from tests.simnet.builders import make_options

pytestmark = [pytest.mark.sim, pytest.mark.timeout(300)]

TRADING: Final = replace(make_options(5, time_s=5.0), traders=4)


def test_a_market_that_is_used_comes_to_its_ends_and_repeats() -> None:
    report, again = (run_simulation(TRADING) for _ in range(2))
    assert isinstance(report.verdict, Pass), report.verdict
    assert report.digest == again.digest
    assert {"JobOpened", "JobAssigned", "VoteCounted", "JobEnded", "ProgramConfirmed"} <= set(report.market)
    quiet = run_simulation(replace(TRADING, traders=0))
    assert quiet.market == {}


def test_about_half_of_the_seeds_have_traders() -> None:
    trading = [draw_options(seed).traders for seed in range(100)]
    assert 30 < sum(map(bool, trading)) < 70


def test_a_node_that_counts_no_votes_diverges() -> None:
    def deaf(*_: object) -> tuple[Movement, ...]:
        return ()

    def plant(node: Node) -> None:
        setattr(node.executor.machine._marketplace, "count_votes", deaf)  # noqa: B010  # the planted bug

    def prepare(world: World) -> None:
        world.members[1].on_opened = plant

    verdict = run_simulation(TRADING, prepare=prepare).verdict
    assert isinstance(verdict, Diverged), verdict
    assert "node1" in verdict.nodes


def test_a_disk_that_loses_an_entry_of_the_market_does_not_hold_the_escrow() -> None:
    def plant(node: Node) -> None:
        put = node.archive.market.put_closing

        def put_without_jobs(batch: WriteBatch, *closing: object) -> None:
            put(batch, *closing)  # type: ignore[arg-type]  # handed on as they come
            for key in [key for key in batch.changes.get(Table.MARKET, {}) if key[0] == 3]:
                del batch.changes[Table.MARKET][key]

        setattr(node.archive.market, "put_closing", put_without_jobs)  # noqa: B010  # the planted bug

    def prepare(world: World) -> None:
        world.members[2].on_opened = plant

    verdict = run_simulation(TRADING, prepare=prepare).verdict
    assert isinstance(verdict, Violated), verdict
    assert verdict.invariant is Invariant.SUPPLY
    assert verdict.node == "node2"
    assert "the market holds" in verdict.detail
