"""Each stage runs between two looks at its limit, and results come back from their file as they were."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tangle.cli.bench.records import (
    InvalidResults,
    Pass,
    Plan,
    Stage,
    load_results,
    write_results,
)
from tangle.cli.bench.running import UnknownStage, choose_stages, run_stages, time_passes
from tests.cli.bench.builders import make_figure, make_results


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(is_quick=False, passes=3, device="numpy", scratch=tmp_path)


class Stages:
    """A limit and two stages that note when they are measured."""

    def __init__(self) -> None:
        self.measured: list[str] = []
        self.all = (
            Stage("limit", "a limit", "items", lambda _: self.measure("limit", 0.5)),
            Stage("one", "a stage", "items", lambda _: self.measure("one", 1.0), "limit"),
            Stage("two", "another", "items", lambda _: self.measure("two", 2.0), "limit"),
            Stage("other-limit", "another limit", "items", lambda _: self.measure("other-limit", 1.0)),
        )

    def measure(self, name: str, cpu_s: float) -> Sequence[Pass]:
        self.measured.append(name)
        return [Pass(10, cpu_s, cpu_s)]


def test_a_limit_is_taken_before_and_after_each_stage(plan: Plan) -> None:
    stages, told = Stages(), list[str]()
    results = run_stages(choose_stages(stages.all, ["two"]), plan, told.append)
    assert stages.measured == ["limit", "limit", "two", "limit"]
    assert told == ["limit", "two"]
    assert [(figure.stage, figure.share) for figure in results.figures] == [("limit", None), ("two", 0.25)]


def test_no_name_means_every_stage() -> None:
    stages = Stages()
    assert choose_stages(stages.all, []) == stages.all


def test_an_unknown_stage_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UnknownStage, match=r"no stage 'three'; there are limit, one, two"):
        choose_stages(Stages().all, ["one", "three"])


def test_the_warm_up_is_not_among_the_passes(plan: Plan) -> None:
    calls = []
    passes = time_passes(plan, 7, lambda: lambda: calls.append(1))
    assert len(calls) == plan.passes + 1
    assert [timing.count for timing in passes] == [7] * plan.passes


def test_results_come_back_as_they_were_written(tmp_path: Path) -> None:
    results = make_results(make_figure("limit", None), make_figure("decode", 0.5))
    write_results(tmp_path / "results.json", results)
    assert load_results(tmp_path / "results.json") == results


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "truncated"),
        (b'{"version": 1}', "missing required field"),
        (b"[]", "Expected `object`"),
        (b" " * (4 * 1024 * 1024 + 1), "longer than"),
    ],
)
def test_a_file_that_holds_no_results_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(content)
    with pytest.raises(InvalidResults, match=reason):
        load_results(path)


def test_results_of_another_version_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_results(path, make_results())
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(InvalidResults, match="of version 2"):
        load_results(path)
