"""Quantiles are those of the definition, and medians do not follow one bad pass."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangle.cli.bench.records import Clock, Conditions, Pass, Plan, Stage
from tangle.cli.bench.statistics import compute_quantile, make_figure, summarize

FINITE = st.floats(0, 1e9)


def nothing(_: Plan) -> Sequence[Pass]:
    return ()


STAGE = Stage("decode", "decoding", "transactions", nothing, "cbor2", Clock.CPU, Conditions(bytes=271))


@pytest.mark.parametrize(
    ("quantile", "expected"), [(0.5, 5), (0.9, 9), (0.99, 10), (0.999, 10), (1, 10), (0.01, 1)]
)
def test_quantiles_of_ten(quantile: float, expected: float) -> None:
    assert compute_quantile(range(1, 11), quantile) == expected


@given(st.lists(FINITE, min_size=1), st.floats(0.001, 1))
def test_a_quantile_is_the_least_value_that_enough_do_not_exceed(
    values: list[float], quantile: float
) -> None:
    ordered = sorted(values)
    found = compute_quantile(ordered, quantile)
    wanted = quantile * len(ordered) - 1e-6
    assert found in ordered
    assert sum(value <= found for value in ordered) >= wanted
    assert sum(value < found for value in ordered) < wanted + 1e-5 or found == ordered[0]


def test_a_summary_does_not_mind_the_order() -> None:
    summary = summarize([3.0, 1.0, 2.0])
    assert (summary.count, summary.p50_ms, summary.p999_ms, summary.max_ms) == (3, 2.0, 3.0, 3.0)


def test_a_summary_of_nothing_has_no_figures() -> None:
    summary = summarize([])
    assert (summary.count, summary.p50_ms, summary.max_ms) == (0, None, None)


def test_a_figure_is_the_median_and_keeps_the_range() -> None:
    passes = [Pass(100, 2.0, 1.0), Pass(100, 9.0, 8.0), Pass(100, 2.5, 2.0, {"p50_ms": 7.0})]
    figure = make_figure(STAGE, passes, [100.0, 120.0])
    assert (figure.rate, figure.rate_low, figure.rate_high) == (50.0, 12.5, 100.0)
    assert figure.share == pytest.approx(50 / 110)
    assert figure.wall_us == pytest.approx(25_000)
    assert figure.cpu_us == pytest.approx(20_000)
    assert figure.details == {"p50_ms": 7.0}


def test_a_limit_has_no_share() -> None:
    assert make_figure(STAGE, [Pass(1, 1.0, 1.0)], []).share is None


def test_a_time_too_short_to_be_measured_is_no_division_by_zero() -> None:
    assert make_figure(STAGE, [Pass(1, 1.0, 0.0)], [1.0]).rate == pytest.approx(1e9)
