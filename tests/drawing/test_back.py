"""Drawing back: what a simulation leaves is drawn, read again, and decides what the simulation decided."""

import json
from functools import cache

import pytest
from msgspec.structs import replace

from shards.commit_rule import FIRST_SLOT, Commit
from shards.commits import decode_commit
from simnet.adversaries import Adversary, Strategy
from simnet.dag import iterate_dag
from simnet.founding import PARAMETERS
from simnet.run import run_simulation
from simnet.verdicts import Pass
from simnet.world import World
from tangle.store.store import Table
from tests.drawing.back import draw_back
from tests.drawing.blocks import SHARD
from tests.drawing.committee import CommitteeDrawing, make_committer, name_of
from tests.drawing.language import parse, write
from tests.simnet.builders import make_options

pytestmark = [pytest.mark.sim, pytest.mark.timeout(120)]

ROUNDS = 12
"""Drawn rounds: some commits, and text that a person can read."""


@cache
def simulate() -> tuple[list[bytes], list[tuple[int, int]]]:
    """The graph of a run with an equivocator, and its committed leaders in order."""
    worlds: list[World] = []
    options = replace(make_options(time_s=4.0), adversaries=(Adversary(3, Strategy.EQUIVOCATING_TWO),))
    report = run_simulation(options, prepare=worlds.append)
    assert isinstance(report.verdict, Pass), report.verdict
    commits = worlds[0].members[0].disk[Table.COMMITS].values
    leaders = [decode_commit(commits[key]).leader for key in sorted(commits)]
    return list(iterate_dag(worlds[0])), [(leader.round, leader.author) for leader in leaders]


def test_a_simulated_graph_is_drawn_and_read_again() -> None:
    lines, _ = simulate()
    statements = draw_back(lines)
    assert parse(write(statements)) == statements
    assert draw_back(lines[::-1]) == statements
    drawing = CommitteeDrawing(statements, parameters=PARAMETERS)
    records = [json.loads(line) for line in lines]
    blocks = [each for each in records if each["kind"] == "block"]
    assert len(drawing.blocks) == len(blocks)
    assert len(drawing.ledger.transactions) == len(records) - len(blocks)
    assert sum(len(block.body.ancestors) for block in drawing.blocks.values()) == sum(
        len(each["parents"]) for each in blocks
    )
    assert any(name.endswith("'") for name in drawing.blocks), "an equivocator leaves twins"
    assert any(block.body.tips for block in drawing.blocks.values())


def test_shards_are_drawn_apart() -> None:
    worlds: list[World] = []
    options = replace(make_options(time_s=3.0, rate=20.0), shards=2)
    report = run_simulation(options, prepare=worlds.append)
    assert isinstance(report.verdict, Pass), report.verdict
    lines = list(iterate_dag(worlds[0]))
    for shard in range(2):
        own = [each for each in map(json.loads, lines) if each["shard"] == shard]
        drawing = CommitteeDrawing(draw_back(lines, shard), parameters=PARAMETERS)
        assert len(drawing.blocks) == sum(each["kind"] == "block" for each in own) > 10
        assert len(drawing.ledger.transactions) == sum(each["kind"] == "transaction" for each in own) > 0
        assert not any(name.endswith("'") for name in drawing.blocks), "nobody has a twin"


def test_a_drawn_graph_decides_what_the_simulation_decided() -> None:
    lines, leaders = simulate()
    first = [line for line in lines if json.loads(line).get("round", 0) <= ROUNDS]
    drawing = CommitteeDrawing(write(draw_back(first)), parameters=PARAMETERS)

    def get_leaders(round_number: int) -> tuple[int, ...]:
        return drawing.committee.get_leaders(SHARD, round_number, PARAMETERS.leaders_per_round)

    committer = make_committer(drawing.view(), get_leaders, leaders=PARAMETERS.leaders_per_round)
    decided = committer.decide(FIRST_SLOT)
    committed = [(each.slot.round, each.slot.author) for each in decided if isinstance(each, Commit)]
    assert len(committed) > ROUNDS // 2
    assert committed == leaders[: len(committed)], [name_of(author) for _, author in committed]
