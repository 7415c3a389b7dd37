"""Comparing goes by shares of raw limits, and tells apart what cannot be compared."""

import pytest

from tangle.cli.bench.comparing import Verdict, compare
from tests.cli.bench.builders import make_figure, make_results


@pytest.mark.parametrize(
    ("share", "verdict"),
    [
        (0.50, Verdict.SAME),
        (0.54, Verdict.SAME),
        (0.56, Verdict.FASTER),
        (0.46, Verdict.SAME),
        (0.45, Verdict.SLOWER),
    ],
)
def test_only_more_than_a_tenth_is_a_change(share: float, verdict: Verdict) -> None:
    (change,) = compare(make_results(make_figure("decode", 0.5)), make_results(make_figure("decode", share)))
    assert change.verdict is verdict
    assert change.ratio == pytest.approx(share / 0.5)


def test_the_threshold_can_be_moved() -> None:
    old, new = make_results(make_figure("decode", 0.5)), make_results(make_figure("decode", 0.45))
    assert compare(old, new, 0.2)[0].verdict is Verdict.SAME


def test_limits_themselves_are_not_compared() -> None:
    old = make_results(make_figure("verify-raw", None), make_figure("decode", 0.5))
    assert [change.stage for change in compare(old, old)] == ["decode"]


def test_stages_that_only_one_run_has_are_told() -> None:
    old, new = make_results(make_figure("old", 0.5)), make_results(make_figure("new", 0.5))
    assert {change.stage: change.verdict for change in compare(old, new)} == {
        "new": Verdict.ADDED,
        "old": Verdict.REMOVED,
    }


def test_other_conditions_are_not_compared() -> None:
    old = make_results(make_figure("decode", 0.5))
    assert compare(old, make_results(make_figure("decode", 0.1, size=400)))[0].verdict is Verdict.OTHER
    quick = make_results(make_figure("decode", 0.1), is_quick=True)
    assert compare(old, quick)[0].verdict is Verdict.OTHER
    nothing = make_results(make_figure("decode", 0.0))
    assert compare(nothing, old)[0].verdict is Verdict.OTHER
