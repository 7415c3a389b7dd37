"""Sweeps, what is said of the claims, and what is kept."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from simnet.scale.chart import Chart, Line, draw_chart
from simnet.scale.claims import find_growing, fit_exponent, fit_plane, judge_claims
from simnet.scale.keeping import write_sweep
from simnet.scale.model import run_point
from simnet.scale.plan import ScalePlan
from simnet.scale.sweep import count_points, make_grid, run_sweep
from tests.simnet.scale.builders import COSTS

SMALL = ScalePlan(nodes=8, committee=4, rounds=24)


def test_exponents_of_powers_are_found() -> None:
    assert fit_exponent([(x, 3 * x**0.5) for x in (1.0, 10.0, 100.0)]) == pytest.approx(0.5)
    assert fit_exponent([(10.0, 4.0)]) == 0
    rows = [(x, y, 5 * x * y**-0.25) for x in (1.0, 3.0) for y in (2.0, 7.0)]
    assert list(fit_plane(rows)) == pytest.approx([1.0, -0.25])


def test_a_sweep_is_told_point_by_point_and_kept_whole(tmp_path: Path) -> None:
    plans = make_grid(SMALL, (4, 8, 16), (1, 2))
    told: list[float] = []
    sweep = run_sweep(plans, COSTS, on_point=lambda point: told.append(point.throughput))
    assert len(told) == count_points(plans) == len(sweep.grid) + len(sweep.curve)
    assert [point.is_saturated for point in sweep.curve] == [False] * 7 + [True]
    written = write_sweep(tmp_path / "out", sweep)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in written)
    kept = json.loads((tmp_path / "out" / "scale.json").read_text())
    assert [point["throughput"] for point in kept["grid"]] == told[: len(sweep.grid)]
    for path in written[1:]:
        drawn = ET.fromstring(path.read_text())  # noqa: S314  # our own file
        assert len(drawn.findall("{*}polyline")) == 2


def test_claims_are_judged_by_figures() -> None:
    plans = make_grid(SMALL, (4, 8, 16), (1, 2, 4))
    grid = run_sweep(plans, COSTS).grid
    throughput, inference, linear, power = judge_claims(grid, COSTS)
    best = max(point.capacity for point in grid if point.plan.validators == 4)
    assert throughput.is_met is (best > 10_000)
    assert f"{best:,.0f} tx/s" in throughput.model
    assert inference.is_met is None
    assert linear.is_met is False
    assert power.is_met is False
    assert [(point.plan.nodes, point.plan.shards) for point in find_growing(grid)] == [(4, 1)]


def test_a_given_load_is_that_of_every_point() -> None:
    sweep = run_sweep(make_grid(SMALL, (4, 8), (1,)), COSTS, load=50.0)
    assert [point.plan.load for point in sweep.grid] == [50.0, 50.0]
    assert sweep.grid[0] == run_point(sweep.grid[0].plan, COSTS)


def test_charts_without_anything_and_of_one_point_are_charts_too() -> None:
    assert "nothing to draw" in draw_chart(Chart("a < b", "x", ()))
    text = draw_chart(Chart("a < b", "x", (Line("one", ((100.0, 2.5),)),)))
    assert ET.fromstring(text).findtext("{*}title") == "a < b"  # noqa: S314  # our own text
    assert "nan" not in text
