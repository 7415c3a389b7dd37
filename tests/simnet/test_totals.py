"""Totals add up what runs report, and name what never happened."""

from typing import get_args

import pytest
from msgspec.structs import replace

from simnet.adversaries import Adversary, Strategy
from simnet.fail_points import FailPoint
from simnet.faults import POINTS, Crash, CrashAt, Fault
from simnet.run import run_simulation
from simnet.store import Torn
from simnet.tampering import TRICKS
from simnet.totals import (
    MARKET_EVENTS,
    STAKE_EVENTS,
    PointTotal,
    compute_totals,
    find_unmet,
    find_unmet_crashes,
)
from simnet.verdicts import NoProgress
from tests.simnet.builders import make_options

pytestmark = [pytest.mark.sim, pytest.mark.timeout(120)]


def test_totals_are_sums() -> None:
    faults = (
        Crash(1.0, 1.5, (0,)),
        CrashAt(2.0, 3.0, FailPoint.GUARD_AFTER, (1,)),
    )
    first = run_simulation(
        replace(make_options(time_s=4.0, faults=faults), adversaries=(Adversary(2, Strategy.SILENT),))
    )
    second = replace(first, verdict=NoProgress(60.0, "nothing came"))
    totals = compute_totals([first, second])
    assert totals.runs == 2
    assert totals.verdicts == {"Pass": 1, "NoProgress": 1, "Diverged": 0, "Violated": 0}
    assert totals.ordered == 2 * first.ordered
    assert (totals.faults["Crash"], totals.faults["CrashAt"], totals.faults["Cut"]) == (2, 2, 0)
    reached = first.fail_points["guard-after-save"]
    assert reached > 10
    assert totals.fail_points["guard-after-save"] == PointTotal(reached=2 * reached, killed=2)
    assert totals.fail_points["folded-torn"].killed == 0
    assert totals.strategies["silent"].runs == 2
    assert totals.strategies["silent"].actions == 2 * first.adversaries["silent"]
    assert "fault Crash" not in find_unmet(totals)
    assert "adversary silent" not in find_unmet(totals)
    assert "kill at guard-after-save" not in find_unmet_crashes(totals)
    assert set(totals.strategies) == {each.value for each in Strategy}
    assert set(totals.fail_points) == {each.value for each in FailPoint}


def test_no_runs_have_totals_too_and_met_nothing() -> None:
    totals = compute_totals([])
    assert totals.runs == 0
    assert set(totals.verdicts.values()) == {0}
    unmet = find_unmet(totals)
    kinds = (get_args(Fault), TRICKS, MARKET_EVENTS, STAKE_EVENTS, Strategy, FailPoint)
    assert len(unmet) == 1 + sum(len(kind) for kind in kinds)
    assert {
        "several shards",
        "fault Tamper",
        "tampering reordered",
        "adversary eclipse",
        "fail point founding-torn",
    } < {*unmet}
    assert len(find_unmet_crashes(totals)) == len(POINTS) + len(Torn)
