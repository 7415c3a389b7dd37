"""The pictures show what a run measured, and add up."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from benchmarks.pictures import BETWEEN, compute_parts, draw_costs, write_pictures
from tests.cli.bench.builders import make_figure, make_results

STEPS = [replace(make_figure("decode", 0.5), cpu_us=20.0), replace(make_figure("verify", 0.5), cpu_us=60.0)]
WHOLE = replace(make_figure("one-node", 0.5), cpu_us=200.0, is_pipeline=False)
FINALITY = replace(
    make_figure("finality", 0.5),
    is_pipeline=False,
    details={
        "saturation_per_s": 5_000.0,
        "at_10_percent_rate_per_s": 500.0,
        "at_10_percent_p50_ms": 240.0,
        "at_50_percent_rate_per_s": 2_500.0,
        "at_50_percent_p50_ms": 260.0,
        "at_50_percent_p99_ms": 400.0,
    },
)


def test_the_parts_add_up_to_the_whole() -> None:
    assert compute_parts(STEPS, WHOLE) == [("decode", 20.0), ("verify", 60.0), (BETWEEN, 120.0)]


def test_steps_that_cost_more_than_the_whole_leave_nothing_between() -> None:
    cheap = replace(WHOLE, cpu_us=10.0)
    assert compute_parts(STEPS, cheap) == compute_parts(STEPS, None) == [("decode", 20.0), ("verify", 60.0)]


def test_the_bar_is_as_wide_as_its_parts() -> None:
    root = ET.fromstring(draw_costs(STEPS, WHOLE))  # noqa: S314 -- written by this project
    bars = [
        float(each.attrib["width"])
        for each in root.iter()
        if each.tag.endswith("rect") and each.attrib["height"] == "34"
    ]
    assert [bar / sum(bars) for bar in bars] == pytest.approx([0.1, 0.3, 0.6], abs=1e-3)


def test_both_pictures_are_written(tmp_path: Path) -> None:
    paths = write_pictures(make_results(*STEPS, WHOLE, FINALITY), tmp_path)
    assert [path.name for path in paths] == ["transaction-cost.svg", "finality-load.svg"]
    for path in paths:
        ET.parse(path)  # noqa: S314 -- written by this project
    text = paths[1].read_text()
    assert "saturation at 5,000 a second" in text
    assert text.count("<polyline") == 2


def test_a_run_without_them_draws_nothing(tmp_path: Path) -> None:
    assert write_pictures(make_results(make_figure("limit", None)), tmp_path) == []
