"""Adversaries within the tolerance: whatever they do, honest nodes agree and go on."""

import pytest
from msgspec.structs import replace

from simnet.adversaries import RESTORE_AT_S, Adversary, Strategy
from simnet.errors import ImpossiblePlan
from simnet.faults import Crash
from simnet.options import check_options, draw_options
from simnet.run import Report, run_simulation
from simnet.verdicts import Diverged, NoProgress, Pass
from simnet.world import PEERS_MAX, World
from tests.simnet.builders import make_options

pytestmark = [pytest.mark.sim, pytest.mark.timeout(120)]

CAUGHT = (Strategy.EQUIVOCATING_TWO, Strategy.EQUIVOCATING_ALL, Strategy.WHISPERING)
"""Those that leave evidence every time; an old backup may."""

FAST = (Strategy.EQUIVOCATING_ALL, Strategy.WHISPERING, Strategy.FORGED_WORK)
"""Those tried in every run of the tests."""


@pytest.mark.parametrize(
    "strategy",
    [pytest.param(each, marks=() if each in FAST else pytest.mark.slow, id=each.value) for each in Strategy],
)
def test_one_of_four_changes_nothing(strategy: Strategy) -> None:
    faults = (Crash(2.0, 2.5, (0,)),)
    options = replace(make_options(time_s=4.5, faults=faults), adversaries=(Adversary(2, strategy),))
    report = run_simulation(options)
    assert isinstance(report.verdict, Pass), report.verdict
    assert report.ordered > 10
    assert report.adversaries[strategy.value] > 0
    assert report.caught == (strategy in CAUGHT) or strategy is Strategy.OLD_BACKUP


@pytest.mark.slow
@pytest.mark.parametrize("second", list(Strategy))
@pytest.mark.parametrize("first", list(Strategy))
def test_two_of_seven_change_nothing(first: Strategy, second: Strategy) -> None:
    adversaries = (Adversary(1, first), Adversary(5, second))
    report = run_simulation(replace(make_options(nodes=7, time_s=5.0), adversaries=adversaries))
    assert isinstance(report.verdict, Pass), report.verdict


def test_strategies_are_drawn_within_the_tolerance() -> None:
    drawn = [draw_options(seed) for seed in range(300)]
    assert {each.strategy for options in drawn for each in options.adversaries} == set(Strategy)
    assert {len(options.adversaries) for options in drawn} == {0, 1, 2}


@pytest.mark.parametrize(
    ("adversaries", "reason"),
    [
        ((Adversary(0, Strategy.LATE), Adversary(1, Strategy.LATE)), "tolerates 1"),
        ((Adversary(0, Strategy.LATE), Adversary(0, Strategy.SILENT)), "two strategies"),
        ((Adversary(4, Strategy.LATE),), "beyond 3"),
    ],
)
def test_more_than_tolerated_is_refused(adversaries: tuple[Adversary, ...], reason: str) -> None:
    with pytest.raises(ImpossiblePlan, match=reason):
        check_options(replace(make_options(), adversaries=adversaries))


def test_a_backup_that_is_put_back_while_the_node_is_down() -> None:
    faults = (Crash(2.5, RESTORE_AT_S, (2,)), Crash(2.8, RESTORE_AT_S, (2,)))
    options = replace(
        make_options(time_s=4.0, faults=faults), adversaries=(Adversary(2, Strategy.OLD_BACKUP),)
    )
    report = run_simulation(options)
    assert isinstance(report.verdict, Pass), report.verdict
    assert report.adversaries == {"old-backup": 1}


def forge(count: int) -> Report:
    """So many of four attest the same false chain of states."""
    liars = tuple(Adversary(node, Strategy.WRONG_STATE_ROOT) for node in range(4 - count, 4))
    return run_simulation(replace(make_options(), adversaries=liars, is_byzantine_allowed=True))


def test_a_false_state_of_too_many_stops_finality_and_forks_nobody() -> None:
    verdict = forge(2).verdict
    assert isinstance(verdict, NoProgress), verdict
    assert "final checkpoints [0, 0, 0, 0]" in verdict.detail


def test_a_false_state_of_a_quorum_is_seen_by_who_is_honest() -> None:
    verdict = forge(3).verdict
    assert isinstance(verdict, Diverged), verdict
    assert (verdict.index, verdict.nodes) == (1, ("node0",))
    assert "is certified as" in verdict.detail


def test_a_node_whose_places_are_all_taken_keeps_the_peers_that_it_was_told_of() -> None:
    crowds: list[int] = []
    companions: list[int] = []

    def look(world: World) -> None:
        (sybils,) = [member.bender for member in world.members if member.bender is not None]
        victim = next(each for each in world.members if each.host == sybils.victim.host.decode())
        check = world.check_queues

        def count_peers() -> None:
            check()
            if victim.node is not None:
                peers = victim.node.peering.get_peers()
                crowds.append(len(peers))
                companions.append(sum(peer.host.startswith("10.0.0.") for peer in peers))

        world.check_queues = count_peers  # type: ignore[method-assign]  # an observer

    everybody = Crash(2.0, 3.0, (0, 1, 2, 3))
    options = replace(
        make_options(time_s=6.0, faults=(everybody,)), adversaries=(Adversary(2, Strategy.ECLIPSE),)
    )
    report = run_simulation(options, prepare=look)
    assert isinstance(report.verdict, Pass), report.verdict
    assert max(crowds) >= PEERS_MAX - 1, "no place is free but the one kept for somebody whom it dials itself"
    assert companions[-1] == 3
