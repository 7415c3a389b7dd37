"""The drawings alone: figures, bars, curve, picture of the DAG, portraits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.tui.scripted import record_devnet
from tui.drawing.bars import draw_progress, draw_pulses, draw_sparkline, draw_votes, join_columns
from tui.drawing.braille import BrailleCanvas
from tui.drawing.curve import compute_samples, compute_scale, draw_curve
from tui.drawing.dag import draw_dag, place_vertices
from tui.drawing.figures import FIGURE_LINES, FIGURES, draw_figures
from tui.drawing.palette import Palette, blend
from tui.drawing.panels import draw_committee_panel, draw_dag_panel, draw_model_panel
from tui.drawing.portraits import compute_gallery, draw_gallery
from tui.drawing.units import (
    compute_percent,
    format_bytes,
    format_clock,
    format_count,
    format_duration,
    format_milliseconds,
    format_rate,
)
from tui.snapshot import CommitteeFacts, CurvePoint, Vertex, VertexState
from tui.trace import DagTrace, Sighting

PALETTE = Palette(
    *(
        "#d8e0ea",
        "#8492a6",
        "#333e4d",
        "#4fd6be",
        "#a78bfa",
        "#6cb6ff",
        "#7ee787",
        "#f2c063",
        "#ff7b90",
        "#0c1016",
    )
)
SIZES = st.tuples(st.integers(0, 120), st.integers(0, 50))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (format_count(9_999_999), "9,999,999"),
        (format_count(12_345_678), "12.3M"),
        (format_rate(0.44), "0.4"),
        (format_rate(1_204.4), "1,204"),
        (format_milliseconds(None), "-"),
        (format_milliseconds(1.64), "1.6 ms"),
        (format_milliseconds(412.2), "412 ms"),
        (format_milliseconds(1_240), "1.24 s"),
        (format_duration(59.9), "59s"),
        (format_duration(185), "3m 05s"),
        (format_duration(3 * 3600 + 12 * 60), "3h 12m"),
        (format_duration(2 * 86_400 + 7 * 3600), "2d 07h"),
        (format_bytes(812), "812 B"),
        (format_bytes(14_200), "14.2 KB"),
        (format_bytes(183_000_000), "183 MB"),
        (format_bytes(3 * 10**15), "3000.0 TB"),
        (format_clock(1_764_000_000_000), "16:00:00"),
        (f"{compute_percent(1, 0):.0f}", "0"),
        (blend("#000000", "#ffffff", 2.0), "#FFFFFF"),
    ],
)
def test_figures_as_people_read_them(shown: str, expected: str) -> None:
    assert shown == expected


def test_a_dot_lies_where_unicode_says() -> None:
    canvas = BrailleCanvas(2, 1)
    canvas.set_dot(0, 0)
    canvas.set_dot(3, 3)
    canvas.set_dot(4, 0)
    canvas.set_dot(0, -1)
    assert canvas.get_glyph(0, 0) + canvas.get_glyph(1, 0) == "⠁⢀"
    assert BrailleCanvas(1, 1).get_glyph(0, 0) == " "


def test_a_line_touches_both_its_ends() -> None:
    canvas = BrailleCanvas(4, 2)
    assert canvas.draw_line(0, 0, 7, 7)[0] == (0, 0)
    assert canvas.draw_line(7, 7, 0, 0)[-1] == (0, 0)
    assert canvas.get_glyph(3, 1) != " "


def test_sparkline_rises_from_zero_to_its_peak() -> None:
    assert draw_sparkline([0, 5, 10], 5, "#000000", "#ffffff").plain == "  ▁▅█"
    assert draw_sparkline([10, 10], 1, "#000000", "#ffffff", peak=20).plain == "▅"
    assert draw_sparkline([], 3, "#000000", "#ffffff").plain == "   "


def test_votes_show_the_latest_rounds() -> None:
    assert draw_votes([False, True, True, False], 3, PALETTE).plain == "▮▮▯"
    assert draw_votes([True], 3, PALETTE).plain == "  ▮"


def test_progress_is_exact_to_an_eighth() -> None:
    assert draw_progress(0, 64, 4, "#ffffff", "#000000").plain == "    "
    assert draw_progress(2, 64, 4, "#ffffff", "#000000").plain == "▏   "
    assert draw_progress(64, 64, 4, "#ffffff", "#000000").plain == "████"
    assert draw_progress(99, 64, 4, "#ffffff", "#000000").plain == "████"
    assert draw_progress(1, 0, 4, "#ffffff", "#000000").plain == "    "


def test_pulses_show_the_sign() -> None:
    assert draw_pulses([5, -3, 0], 4, PALETTE).plain == " ▴▾·"


def test_large_figures_stand_in_line() -> None:
    assert all(len(figure) == FIGURE_LINES for figure in FIGURES.values())
    assert all(len({len(line) for line in figure}) == 1 for figure in FIGURES.values())
    assert len({len(line) for line in draw_figures("98.6%")}) == 1


def test_columns_give_way_at_the_left() -> None:
    left, right = PALETTE.text, PALETTE.muted
    from rich.text import Text

    line = join_columns(Text("a long label", left), Text("12", right), 8)
    assert line.plain == "a lo… 12"


def test_the_curve_is_straight_between_points() -> None:
    points = [CurvePoint(0, 0), CurvePoint(10, 50), CurvePoint(20, 100)]
    assert compute_samples(points, 100, 5) == [0, 25, 50, 75, 100]
    assert compute_samples(points[:1], 100, 3) == [0, 0, 0]
    assert compute_samples([], 100, 3) == []


@given(st.lists(st.floats(0, 100), max_size=20))
def test_the_scale_holds_every_sample(percents: list[float]) -> None:
    bottom, top = compute_scale(percents)
    assert 0 <= bottom < top <= 100
    assert all(bottom <= percent <= top for percent in percents)


def test_a_rising_curve_rises() -> None:
    points = [CurvePoint(generation, generation) for generation in range(101)]
    lines = [line.plain for line in draw_curve(points, 100, 45, 11, PALETTE)]
    lit = [sum(glyph in "▁▂▃▄▅▆▇█" for glyph in line) for line in lines[:-1]]
    assert lit == sorted(lit)
    assert lit[0] < 8
    assert lit[-1] == 40
    assert lines[0].startswith("100%")
    assert lines[-1].endswith("generation 100")


def make_vertices(shape: list[list[int]]) -> tuple[Vertex, ...]:
    """Transactions named by number; each with the numbers of its parents."""
    sightings = [
        Sighting(str(name), tuple(map(str, parents)), VertexState.ATTACHED, None)
        for name, parents in enumerate(shape)
    ]
    return DagTrace().update(sightings)


@st.composite
def shapes(draw: st.DrawFn) -> list[list[int]]:
    count = draw(st.integers(0, 60))
    return [
        draw(st.lists(st.integers(max(0, name - 9), name - 1), max_size=4, unique=True)) if name else []
        for name in range(count)
    ]


@given(shapes(), st.integers(8, 120), st.integers(2, 30))
def test_every_vertex_has_a_cell_of_its_own_or_is_counted(
    shape: list[list[int]], width: int, height: int
) -> None:
    vertices = make_vertices(shape)
    placement = place_vertices(vertices, width, height)
    cells = [(placed.column, placed.row) for placed in placement.placed]
    assert len(set(cells)) == len(cells)
    assert all(0 <= column < width and 0 <= row < height for column, row in cells)
    columns = {placed.vertex.id: placed.column for placed in placement.placed}
    for placed in placement.placed:
        assert all(columns[name] < placed.column for name in placed.vertex.parents if name in columns)
    newest = max((vertex.layer for vertex in vertices), default=0)
    shown = sum(placed.vertex.layer == newest for placed in placement.placed)
    assert shown + placement.left_out.get(max(columns.values(), default=0), 0) == sum(
        vertex.layer == newest for vertex in vertices
    )


def test_a_vertex_keeps_its_row_while_the_window_moves() -> None:
    shape = [[name - 1] if name else [] for name in range(40)]
    trace = DagTrace()
    rows: dict[str, int] = {}
    for count in range(1, 40):
        sightings = (
            Sighting(str(name), tuple(map(str, shape[name])), VertexState.ORDERED, None)
            for name in range(count)
        )
        for placed in place_vertices(trace.update(sightings), 40, 9).placed:
            assert rows.setdefault(placed.vertex.id, placed.row) == placed.row
    assert len(rows) == 39


def test_lines_join_children_to_parents_and_checkpoints_are_marked() -> None:
    trace = DagTrace()
    vertices = trace.update(
        [
            Sighting("a", (), VertexState.CHECKPOINTED, 7),
            Sighting("b", ("a",), VertexState.CONFLICTING, 8, "sequence"),
        ]
    )
    lines = [line.plain for line in draw_dag(vertices, 60, 6, PALETTE)]
    assert sum(line.count("●") for line in lines) == 1
    assert sum(line.count("✕") for line in lines) == 1
    assert any("\u2801" <= glyph <= "\u28ff" for line in lines for glyph in line)
    assert "╵7" in lines[-1]


def test_what_does_not_fit_is_counted() -> None:
    vertices = make_vertices([[]] * 50)
    assert draw_dag(vertices, 40, 6, PALETTE)[-1].plain.endswith("+45")


def test_the_gallery_shows_all_pictures_or_none() -> None:
    model = record_devnet(1)[0].model
    assert model is not None
    assert compute_gallery(model.portraits, 89, 5) == (10, 1)
    assert compute_gallery(model.portraits, 44, 10) == (5, 2)
    assert compute_gallery(model.portraits, 44, 9) == (0, 0)
    assert compute_gallery(model.portraits, 7, 99) == (0, 0)
    assert compute_gallery((), 80, 24) == (0, 0)
    lines = draw_gallery(model.portraits, 44, 10, PALETTE)
    assert len(lines) == 10
    assert {line.cell_len for line in lines} == {44}


@given(SIZES)
def test_panels_keep_to_their_size_and_never_fail(size: tuple[int, int]) -> None:
    width, height = size
    snapshot = record_devnet(2)[-1]
    assert snapshot.model is not None
    assert snapshot.committee is not None
    for lines in (
        draw_dag_panel(snapshot.dag, width, height, PALETTE),
        draw_model_panel(snapshot.model, width, height, PALETTE),
        draw_committee_panel(snapshot.committee, width, height, PALETTE),
    ):
        assert all(line.cell_len <= width for line in lines)


def test_the_committee_tells_its_stakes_and_when_the_epoch_ends() -> None:
    committee = record_devnet(1)[0].committee
    assert committee is not None
    members = tuple(replace(each, stake=12_345 * 10**9) for each in committee.validators)
    staked = replace(committee, validators=members, epoch_left_ms=754_000, waiting=2)
    wide = [line.plain for line in draw_committee_panel(staked, 100, 8, PALETTE)]
    narrow = [line.plain for line in draw_committee_panel(staked, 40, 8, PALETTE)]

    assert wide[0].endswith("next in 12m 34s, 2 to join")
    assert all("12,345 MST" in line for line in wide[1:-1])
    assert not any("MST" in line or "next in" in line for line in narrow)


def test_a_large_committee_says_how_many_are_hidden() -> None:
    committee = record_devnet(1)[0].committee
    assert committee is not None
    large = CommitteeFacts(0, 1, 50, 48, 27, 40, 0, committee.validators * 10)
    lines = [line.plain for line in draw_committee_panel(large, 50, 8, PALETTE)]
    assert len(lines) == 8
    assert lines[-2].strip() == "and 35 more"
