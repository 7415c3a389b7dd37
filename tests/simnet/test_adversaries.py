"""Adversaries within the tolerance: whatever they do, honest nodes agree and go on."""

import pytest
from msgspec.structs import replace

from simnet.adversaries import RESTORE_AT_S, Adversary, Strategy
from simnet.errors import ImpossiblePlan
from simnet.faults import Crash
from simnet.options import check_options, draw_options
from simnet.run import run_simulation
from simnet.verdicts import Pass
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
