"""The help page, written from the tables of views and keys."""

from itertools import groupby

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Center
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.drawing.dag import draw_legend
from tui.drawing.palette import Palette
from tui.keys import KEYS, VIEW_KEYS
from tui.snapshot import VertexState
from tui.widgets.panel import get_palette

KEY_WIDTH = 7
"""Cells for a key's name."""


class HelpScreen(ModalScreen[None]):
    """Keys and glyphs; any of its own keys closes it."""

    BINDINGS = [  # noqa: RUF012 - Textual reads it from the class
        ("escape", "dismiss", "close"),
        ("question_mark", "dismiss", "close"),
        ("q", "dismiss", "close"),
    ]

    def compose(self) -> ComposeResult:
        """One page."""
        with Center():
            yield Static(draw_help(get_palette(self)), id="help")


def draw_help(palette: Palette) -> Text:
    """All keys with a sentence each, then the glyphs."""
    rows = [(entry.key, entry.help) for entry in VIEW_KEYS]
    for help_line, keys in groupby(KEYS, key=lambda key: key.help):
        rows.append((" ".join(key.shown for key in keys), help_line))
    lines = [
        Text.assemble((f"{name:>{KEY_WIDTH - 2}}  ", f"bold {palette.primary}"), (help_text, palette.text))
        for name, help_text in rows
    ]
    states = tuple(VertexState)
    return Text("\n").join(
        [
            *lines,
            Text(),
            draw_legend(states[:3], palette),
            draw_legend(states[3:], palette),
            Text("votes: ▮ block accepted in that round, ▯ none   ★ leads the round", palette.muted),
        ]
    )
