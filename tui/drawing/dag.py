"""The picture of the latest sub-DAG: a glyph for every transaction, a line of dots to every parent.

Time runs to the right: a transaction stands one column after the latest of its parents. Columns and lanes
come with the vertices, so that nothing moves but the window. What does not fit into a column is counted.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter

from msgspec import Struct
from rich.text import Text

from tui.drawing.braille import DOTS_ACROSS, DOTS_DOWN, BrailleCanvas
from tui.drawing.palette import VERTEX_GLYPHS, Palette, blend, get_vertex_colour
from tui.snapshot import Vertex, VertexState

PITCHES = ((110, 4), (56, 3), (0, 2))
"""From how many cells of width on a layer is how many cells from the next: first history, then air."""

STATE_NAMES = {
    VertexState.WAITING: "waiting",
    VertexState.ATTACHED: "attached",
    VertexState.ORDERED: "ordered",
    VertexState.CHECKPOINTED: "final",
    VertexState.CONFLICTING: "conflict",
    VertexState.EXPIRED: "expired",
}
"""Words of the legend."""

TALL_FROM = 12
"""Rows from which every second one stays free for lines."""


class Placed(Struct, frozen=True):
    """A vertex and the cell where it stands."""

    vertex: Vertex
    """The transaction."""

    column: int
    """Character column."""

    row: int
    """Character row."""


class Placement(Struct, frozen=True):
    """Where everything stands."""

    placed: tuple[Placed, ...]
    """The transactions in the picture."""

    left_out: dict[int, int]
    """By character column: how many transactions found no place."""

    marks: dict[int, int]
    """By character column: the checkpoint that begins there."""


class _Tints(Struct, frozen=True):
    """Cells of lines that are not drawn like all others."""

    final: set[tuple[int, int]]
    """Lines of final transactions."""

    kin: set[tuple[int, int]]
    """Lines from the transaction that is followed to its parents and children."""

    followed: str | None
    """That transaction."""


def place_vertices(vertices: Sequence[Vertex], width: int, height: int) -> Placement:
    """Give every vertex of the last layers a cell of its own, as near to its lane as is free."""
    pitch = next(pitch for least_width, pitch in PITCHES if width >= least_width)
    stride = 2 if height >= TALL_FROM else 1
    slots = (height - 1) // stride + 1
    columns = max(1, (width - 1) // pitch + 1)
    last = max((vertex.layer for vertex in vertices), default=0)
    taken: dict[int, set[int]] = {}
    placed: list[Placed] = []
    left_out: dict[int, int] = {}
    newest: dict[int, int] = {}
    for vertex in vertices:
        place = vertex.layer - (last - columns + 1)
        if place < 0:
            continue
        column = place * pitch + (width - 1) % pitch
        slot = _find_slot(taken.setdefault(column, set()), round(vertex.lane * (slots - 1)), slots)
        if slot is None:
            left_out[column] = left_out.get(column, 0) + 1
        else:
            taken[column].add(slot)
            placed.append(Placed(vertex=vertex, column=column, row=slot * stride))
        if vertex.checkpoint is not None:
            newest[column] = max(newest.get(column, 0), vertex.checkpoint)
    return Placement(placed=tuple(placed), left_out=left_out, marks=_find_marks(newest))


def draw_dag(
    vertices: Sequence[Vertex], width: int, height: int, palette: Palette, followed: str | None = None
) -> list[Text]:
    """``height`` lines of ``width`` cells: the picture, and under it the checkpoints.

    :param followed: a transaction that stands out, with the lines to its parents and children.
    """
    rows = height - 1
    if width < 8 or rows < 2:
        return []
    placement = place_vertices(vertices, width, rows)
    canvas = BrailleCanvas(width, rows)
    cells = {placed.vertex.id: placed for placed in placement.placed}
    final_cells: set[tuple[int, int]] = set()
    kin_cells: set[tuple[int, int]] = set()
    for child in placement.placed:
        for parent in (cells[name] for name in child.vertex.parents if name in cells):
            touched = canvas.draw_line(*_get_dot(parent), *_get_dot(child))
            if child.vertex.state is VertexState.CHECKPOINTED:
                final_cells.update(touched)
            if followed in (child.vertex.id, parent.vertex.id):
                kin_cells.update(touched)
    nodes = {(placed.column, placed.row): placed.vertex for placed in placement.placed}
    tints = _Tints(final_cells, kin_cells, followed)
    lines = [_draw_row(canvas, row, nodes, tints, palette) for row in range(rows)]
    return [*lines, _draw_marks(placement, width, palette)]


def draw_legend(states: Iterable[VertexState], palette: Palette) -> Text:
    """What the glyphs mean."""
    parts = [
        Text.assemble(
            (VERTEX_GLYPHS[state], get_vertex_colour(state, palette)),
            (f" {STATE_NAMES[state]}", palette.muted),
        )
        for state in states
    ]
    return Text("  ").join(parts)


def _find_slot(taken: set[int], wanted: int, slots: int) -> int | None:
    """The free slot nearest to ``wanted``; none when all are taken."""
    free = (slot for slot in range(slots) if slot not in taken)
    return min(free, key=lambda slot: (abs(slot - wanted), slot), default=None)


def _find_marks(newest: dict[int, int]) -> dict[int, int]:
    """Columns at which the newest checkpoint rises."""
    marks: dict[int, int] = {}
    reached = -1
    for column in sorted(newest):
        if newest[column] > reached:
            reached = newest[column]
            marks[column] = reached
    return marks


def _get_dot(placed: Placed) -> tuple[int, int]:
    """The dot in the middle of a vertex's cell."""
    return placed.column * DOTS_ACROSS, placed.row * DOTS_DOWN + DOTS_DOWN // 2


def _draw_row(
    canvas: BrailleCanvas,
    row: int,
    nodes: dict[tuple[int, int], Vertex],
    tints: _Tints,
    palette: Palette,
) -> Text:
    """One row of the picture: vertices over lines, and neighbours of one colour in one piece."""
    settled = blend(palette.background, palette.primary, 0.38)
    cells: list[tuple[str, str]] = []
    style = palette.faint
    for column in range(canvas.width):
        vertex, glyph = nodes.get((column, row)), canvas.get_glyph(column, row)
        if vertex is not None:
            glyph, style = VERTEX_GLYPHS[vertex.state], get_vertex_colour(vertex.state, palette)
            if vertex.id == tints.followed:
                style = f"bold {palette.background} on {palette.text}"
        elif (column, row) in tints.kin:
            style = palette.text
        elif glyph != " " or " on " in style:  # what is blank needs no colour of its own
            style = settled if (column, row) in tints.final else palette.faint
        cells.append((style, glyph))
    line = Text()
    for style, group in groupby(cells, key=itemgetter(0)):
        line.append("".join(glyph for _, glyph in group), style)
    return line


def _draw_marks(placement: Placement, width: int, palette: Palette) -> Text:
    """The line under the picture: checkpoints where they begin, and how many transactions are not drawn."""
    cells = [" "] * width
    free_from = 0
    for column, checkpoint in sorted(placement.marks.items()):
        label = f"╵{checkpoint}"
        if column >= free_from and column + len(label) <= width:
            cells[column : column + len(label)] = label
            free_from = column + len(label) + 1
    hidden = sum(placement.left_out.values())
    line = Text("".join(cells), palette.muted)
    if hidden:
        label = f" +{hidden:,}"
        line.right_crop(len(label))
        line.append(label, palette.warn)
    return line
