"""The colours that the drawings use, taken from the theme in force."""

from collections.abc import Mapping
from typing import Self

from msgspec import Struct
from textual.color import Color

from tui.snapshot import VertexState


class Palette(Struct, frozen=True):
    """Colours by meaning, each as ``#rrggbb``."""

    text: str
    """Ordinary text."""

    muted: str
    """Labels and what can wait."""

    faint: str
    """Lines and empty places."""

    primary: str
    """What is final; the house colour."""

    special: str
    """The model."""

    active: str
    """What is under way."""

    good: str
    """All is well."""

    warn: str
    """Look here soon."""

    bad: str
    """Look here now."""

    background: str
    """Ground of the panels."""

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> Self:
        """Read the colours from a theme's variables."""

        def get(name: str) -> str:
            return Color.parse(variables[name]).hex6

        return cls(
            text=get("foreground"),
            muted=get("tangle-muted"),
            faint=get("tangle-faint"),
            primary=get("primary"),
            special=get("secondary"),
            active=get("accent"),
            good=get("success"),
            warn=get("warning"),
            bad=get("error"),
            background=get("background"),
        )


VERTEX_GLYPHS: dict[VertexState, str] = {
    VertexState.WAITING: "◌",
    VertexState.ATTACHED: "○",
    VertexState.ORDERED: "◉",
    VertexState.CHECKPOINTED: "●",
    VertexState.CONFLICTING: "✕",
    VertexState.EXPIRED: "·",
}
"""Shape of a transaction, so that the picture can be read without colours."""


def get_vertex_colour(state: VertexState, palette: Palette) -> str:
    """Colour of a transaction."""
    return {
        VertexState.WAITING: palette.muted,
        VertexState.ATTACHED: palette.warn,
        VertexState.ORDERED: palette.active,
        VertexState.CHECKPOINTED: palette.primary,
        VertexState.CONFLICTING: palette.bad,
        VertexState.EXPIRED: palette.faint,
    }[state]


def blend(first: str, second: str, share: float) -> str:
    """A colour between two: ``share`` 0 is the first, 1 the second."""
    return Color.parse(first).blend(Color.parse(second), min(1.0, max(0.0, share))).hex6
