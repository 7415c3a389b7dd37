"""What is told of the transaction that is followed: where it is, how it came there, what it builds on."""

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from tui.drawing.dag import STATE_NAMES
from tui.drawing.palette import VERTEX_GLYPHS, Palette, get_vertex_colour
from tui.drawing.units import format_clock, format_count, format_key, format_milliseconds
from tui.snapshot import FollowedFacts, Snapshot, Vertex, VertexState

LINES: Final = 5
"""Lines that the account takes."""

PARENTS_SHOWN: Final = 8
"""Parents in one line; a transaction has few."""

WAY: Final = (VertexState.ATTACHED, VertexState.ORDERED, VertexState.CHECKPOINTED)
"""The way of a transaction that nothing is wrong with."""


def find_followed(snapshot: Snapshot, identity: str) -> FollowedFacts:
    """What the snapshot tells of a transaction; for lack of a closer look, what the picture has."""
    if snapshot.followed is not None and snapshot.followed.id == identity:
        return snapshot.followed
    vertices = {vertex.id: vertex for vertex in snapshot.dag.vertices}
    vertex = vertices.get(identity)
    if vertex is None:
        return FollowedFacts(identity, None)
    parents = ((parent, _get_state(vertices.get(parent))) for parent in vertex.parents)
    return FollowedFacts(
        id=identity,
        state=vertex.state,
        parents=tuple(parents),
        checkpoint=vertex.checkpoint,
        reason=vertex.reason,
    )


def draw_followed(facts: FollowedFacts, width: int, palette: Palette) -> list[Text]:
    """``LINES`` lines."""
    about = Text(facts.reason or facts.about, palette.bad if facts.reason else palette.muted)
    name, way = _draw_name(facts, width, palette), _draw_way(facts, palette)
    lines = [Text("─" * width, palette.faint), name, way, _draw_parents(facts, palette), about]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def _get_state(vertex: Vertex | None) -> VertexState | None:
    return None if vertex is None else vertex.state


def _draw_name(facts: FollowedFacts, width: int, palette: Palette) -> Text:
    if facts.state is None:
        state = Text("not known to this node", palette.warn)
    else:
        tone = get_vertex_colour(facts.state, palette)
        state = Text().append(f"{VERTEX_GLYPHS[facts.state]} {STATE_NAMES[facts.state]}", f"bold {tone}")
        if facts.checkpoint is not None:
            state.append(f" in checkpoint {format_count(facts.checkpoint)}", palette.text)
    room = width - state.cell_len - len("  ")
    name = facts.id if room >= len(facts.id) else format_key(facts.id, 16)
    return Text(name, palette.text).append("  ").append_text(state)


def _draw_way(facts: FollowedFacts, palette: Palette) -> Text:
    """The steps to finality, with the moments at which they were seen."""
    seen = dict(facts.steps)
    steps: tuple[VertexState, ...] = WAY
    if facts.state is VertexState.CONFLICTING or facts.state is VertexState.EXPIRED:
        steps = (VertexState.ATTACHED, facts.state)
    reached = _count_reached(facts.state, steps)
    line = Text("way      ", palette.muted)
    before: int | None = None
    for place, step in enumerate(steps):
        if place:
            line.append(" → ", palette.faint)
        is_reached = place < reached
        tone = get_vertex_colour(step, palette) if is_reached else palette.faint
        line.append(f"{VERTEX_GLYPHS[step] if is_reached else '·'} {STATE_NAMES[step]}", tone)
        at_ms = seen.get(step)
        if at_ms is not None:
            when = format_clock(at_ms) if before is None else f"+{format_milliseconds(float(at_ms - before))}"
            line.append(f" {when}", palette.muted)
            before = at_ms
    return line


def _count_reached(state: VertexState | None, steps: Sequence[VertexState]) -> int:
    return steps.index(state) + 1 if state in steps else 0


def _draw_parents(facts: FollowedFacts, palette: Palette) -> Text:
    line = Text("parents  ", palette.muted)
    for parent, state in facts.parents[:PARENTS_SHOWN]:
        glyph, tone = "?", palette.muted
        if state is not None:
            glyph, tone = VERTEX_GLYPHS[state], get_vertex_colour(state, palette)
        line.append(f"{glyph} ", tone).append(f"{format_key(parent, 12)}  ", palette.text)
    if len(facts.parents) > PARENTS_SHOWN:
        line.append(f"and {len(facts.parents) - PARENTS_SHOWN} more", palette.muted)
    return line
