"""The two lines at the top: who is watched and how the connection stands; the views and the node's health."""

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from tui.drawing.bars import join_columns
from tui.drawing.palette import Palette
from tui.drawing.units import format_bytes, format_count, format_duration
from tui.keys import VIEW_KEYS, View
from tui.link import Link, Phase
from tui.snapshot import NodeFacts
from tui.watch import NodeTab

TITLES_FROM_WIDTH = 110
"""Columns from which the views stand with their whole titles beside the node's health."""

AGE_WARN_MS = 5_000
"""Age of the last certified checkpoint from which it is amber: several missed ones."""

AGE_BAD_MS = 20_000
"""The same for rose: the network stands still, or the node is cut off."""

MARKS: Final = {Phase.CONNECTING: "◌", Phase.LIVE: "●", Phase.STALE: "◐", Phase.DISCONNECTED: "✕"}
"""How a connection stands, in one cell."""


def draw_title(
    node: NodeFacts | None, label: str, link: Link, is_paused: bool, width: int, palette: Palette
) -> Text:
    """The first line."""
    left = Text(" ◆ ", palette.primary).append("tangle", f"bold {palette.primary}")
    if node is None:
        left.append(f"  {label}", palette.muted)
    else:
        left.append(f"  {node.name}", f"bold {palette.text}")
        left.append(f"  {node.role} · {node.network} · {node.version}", palette.muted)
    return join_columns(left, _draw_state(link, is_paused, palette), width)


def draw_nodes(tabs: Sequence[NodeTab], link: Link, is_paused: bool, width: int, palette: Palette) -> Text:
    """The first line where several nodes are watched: each with the state of its connection."""
    left = Text(" ◆ ", palette.primary)
    for tab in tabs:
        tone = f"bold {palette.background} on {palette.primary}" if tab.is_shown else palette.muted
        left.append(f"{MARKS[tab.phase]} ", _get_tone(tab.phase, palette))
        left.append(f" {tab.name} ", tone).append("  ")
    return join_columns(left, _draw_state(link, is_paused, palette), width)


def draw_tabs(node: NodeFacts | None, link: Link, view: View, width: int, palette: Palette) -> Text:
    """The second line; the node's health loses its colours while it may have changed unseen."""
    tabs = Text(" ")
    is_roomy = width >= TITLES_FROM_WIDTH
    for entry in VIEW_KEYS:
        is_here = entry.view is view
        tone = f"bold {palette.background} on {palette.primary}" if is_here else palette.muted
        tabs.append(f" {entry.key} {entry.title if is_roomy else entry.short} ", tone)
    if node is None:
        return join_columns(tabs, Text(), width)
    health = _draw_health(node, width - tabs.cell_len - 2, palette)
    if link.phase is not Phase.LIVE:
        health = Text(health.plain, palette.muted)
    return join_columns(tabs, health.append(" "), width)


def draw_empty(label: str, link: Link, width: int, height: int, palette: Palette) -> Text:
    """What stands in the body while nothing is known of the node."""
    lines = [
        Text(link.phase.value, f"bold {_get_tone(link.phase, palette)}"),
        Text(label, palette.text),
        Text(),
    ]
    if link.outage is None:
        lines.append(Text("waiting for the first answer", palette.muted))
    else:
        lines.append(Text(link.outage.reason, palette.muted))
        lines.append(Text("start a node with: tangle up", palette.muted))
    for line in lines:
        line.truncate(width, overflow="ellipsis")
        line.pad_left(max(0, (width - line.cell_len) // 2))
    return Text("\n" * max(0, (height - len(lines)) // 2)).append_text(Text("\n").join(lines))


def _get_tone(phase: Phase, palette: Palette) -> str:
    """Colour of a phase."""
    return {
        Phase.CONNECTING: palette.active,
        Phase.LIVE: palette.good,
        Phase.STALE: palette.warn,
        Phase.DISCONNECTED: palette.bad,
    }[phase]


def _draw_state(link: Link, is_paused: bool, palette: Palette) -> Text:
    """The right end of the first line."""
    right = _draw_link(link, palette)
    if is_paused:
        right = (
            Text(" PAUSED ", f"bold {palette.background} on {palette.warn}").append("  ").append_text(right)
        )
    return right.append(" ")


def _draw_link(link: Link, palette: Palette) -> Text:
    """The connection, in a few words."""
    tone, mark = _get_tone(link.phase, palette), MARKS[link.phase]
    age = format_duration(link.age_s)
    match link.phase:
        case Phase.CONNECTING:
            return Text(f"{mark} connecting {age}", tone)
        case Phase.LIVE:
            return Text(f"{mark} live", f"bold {tone}")
        case Phase.STALE:
            return Text(f"{mark} stale, last answer {age} ago", f"bold {tone}")
        case Phase.DISCONNECTED:
            text = Text(f"{mark} disconnected, retrying", f"bold {tone}")
            return text.append(f" · last answer {age} ago", tone) if link.has_data else text


def _draw_health(node: NodeFacts, room: int, palette: Palette) -> Text:
    """Readiness and the last checkpoint; memory, disk and uptime where there is room."""
    tone = palette.good
    if node.checkpoint_age_ms >= AGE_WARN_MS:
        tone = palette.bad if node.checkpoint_age_ms >= AGE_BAD_MS else palette.warn
    unmet = [check for check in node.checks if not check.is_met]
    if node.is_ready:
        text = Text("ready", palette.good)
    else:
        text = Text(f"not ready: {unmet[0].name}" if unmet else "not ready", f"bold {palette.warn}")
    behind = node.checkpoint_certified - node.checkpoint_executed
    checkpoint = Text(f" #{format_count(node.checkpoint_certified)}", tone)
    if behind > 0:
        checkpoint.append(f" (-{behind})", palette.warn)
    text.append_text(checkpoint)
    for part in (
        f" · up {format_duration(node.uptime_s)}",
        f" · {format_bytes(node.resident_bytes)} memory",
        f" · {format_bytes(node.database_bytes)} on disk",
    ):
        if text.cell_len + len(part) > room:
            break
        text.append(part, palette.muted)
    return text
