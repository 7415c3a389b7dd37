"""The graph and the picture that a run leaves behind."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from simnet.artefacts import DAG, PICTURE, write_course
from simnet.fail_points import FailPoint
from simnet.faults import (
    BadWeather,
    Clog,
    Crash,
    CrashAt,
    Cut,
    Direction,
    HalfOpen,
    OldHandshake,
    Partition,
    SlowLinks,
    Tamper,
)
from simnet.picture import COLOURS, FAULTS_MAX, LEFT, RIGHT, WIDTH, Course, draw_picture
from simnet.run import Report, Simulation, run_simulation
from simnet.tampering import Tampering
from tests.simnet.builders import make_options

pytestmark = [pytest.mark.sim, pytest.mark.timeout(120)]

FAULTS: Final = (
    Partition(1.0, 1.5, (0,), Direction.INTO),
    SlowLinks(1.5, 2.0, 1, 20.0, 200_000.0),
    BadWeather(2.0, 2.5, 0.05, 20.0),
    Crash(2.5, 3.0, (1,)),
    Cut(3.0, 3.0, 0, 1),
    CrashAt(3.2, 3.6, FailPoint.BLOCKS_AFTER, (0,)),
    Clog(3.3, 3.5, 0, 1),
    Tamper(3.4, 3.5, 1, 0, Tampering.DUPLICATED, 0.5),
    HalfOpen(3.6, 3.6, 0, 1),
    OldHandshake(3.7, 3.7, 1, 0),
)
"""One of each kind."""

SVG: Final = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def ended() -> tuple[Simulation, Report]:
    kept: list[tuple[Simulation, Report]] = []
    options = make_options(nodes=2, time_s=4.0, faults=FAULTS)
    run_simulation(options, on_end=lambda simulation, report: kept.append((simulation, report)))
    return kept[0]


def read_dag(directory: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in (directory / DAG).read_bytes().splitlines()]


def read_picture(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314  # we wrote it ourselves a moment ago


def test_the_graph_is_whole(ended: tuple[Simulation, Report], tmp_path: Path) -> None:
    simulation, report = ended
    write_course(tmp_path, simulation, report)
    rows = read_dag(tmp_path)
    blocks = {row["id"]: row for row in rows if row["kind"] == "block"}
    transactions = {row["id"]: row for row in rows if row["kind"] == "transaction"}
    assert len(blocks) + len(transactions) == len(rows)
    # The newest block may be accepted and not on its way to the disk yet.
    assert max(block["round"] for block in blocks.values()) >= simulation.shards[0].rounds[-1][1] - 1
    for block in blocks.values():
        parents = [blocks[parent] for parent in block["parents"] if parent in blocks]
        assert all(parent["round"] < block["round"] for parent in parents)
        assert parents or block["round"] == 1
    ordered = sorted(row["ordered"] for row in transactions.values() if row["ordered"] is not None)
    assert ordered == list(range(report.ordered))
    known = {parent for row in transactions.values() for parent in row["parents"]} & set(transactions)
    assert known, "transactions stand on each other"


def test_the_picture_shows_every_fault_at_its_time(ended: tuple[Simulation, Report], tmp_path: Path) -> None:
    simulation, report = ended
    write_course(tmp_path, simulation, report)
    picture = read_picture((tmp_path / PICTURE).read_text())
    for kind, colour in COLOURS.items():
        (bar,) = [each for each in picture.iter(f"{SVG}rect") if each.get("fill") == colour]
        (fault,) = [each for each in FAULTS if type(each).__name__ == kind]
        expected = LEFT + (WIDTH - LEFT - RIGHT) * fault.at_s / report.virtual_s
        assert float(bar.get("x", "0")) == pytest.approx(expected, abs=0.1)
    (line,) = picture.iter(f"{SVG}polyline")
    assert len(line.get("points", "").split()) == len(simulation.shards[0].rounds)
    words = "".join(picture.itertext())
    assert f"time to finality of {len(simulation.shards[0].stopwatch.final_ms)} transactions" in words
    assert "CrashAt blocks-after-write" in words
    assert "Tamper 1 to 0, duplicated" in words


def test_a_run_in_which_nothing_came_about_has_a_picture(ended: tuple[Simulation, Report]) -> None:
    words = "".join(read_picture(draw_picture(ended[1], [Course([], [])])).itertext())
    assert "none became final" in words
    assert "no node came up" in words


def test_a_long_plan_is_cut_and_says_so(ended: tuple[Simulation, Report]) -> None:
    options = msgspec.structs.replace(ended[1].options, faults=FAULTS[3:4] * (FAULTS_MAX + 7))
    report = msgspec.structs.replace(ended[1], options=options)
    picture = draw_picture(report, [Course([0.5], [(0.0, 0)])])
    assert "200 faults, and 7 more" in picture
    assert picture.count(COLOURS["Crash"]) == FAULTS_MAX
