"""Pictures of the dashboard as SVG, for the documentation and for the tests that compare them.

Textual's own export asks a server for a font; a picture in a repository should ask nobody, so that part goes.
"""

import re

from textual.app import App

FONTS = "'Fira Code', 'Cascadia Code', 'DejaVu Sans Mono', Menlo, Consolas, monospace"
"""Fonts that draw blocks and braille well, in order of preference; whichever the reader has."""

WEB_FONT = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
"""A rule that would fetch a font."""

FONT_FAMILY = re.compile(r"font-family: Fira Code, monospace")
"""The export's own choice of font."""

CLIPPING = re.compile(
    r' clip-path="url\(#[\w-]+-line-\d+\)"|<clipPath id="[\w-]+-line-\d+">.*?</clipPath>', re.DOTALL
)
"""A clip for each line, which a grid of cells does not need and which doubles the size."""


def export_picture(app: App[None]) -> str:
    """What is on the screen of a running application, as a self-contained SVG that ends with a line feed."""
    picture = app.export_screenshot(title="tangle tui", simplify=True)
    picture = CLIPPING.sub("", FONT_FAMILY.sub(f"font-family: {FONTS}", WEB_FONT.sub("", picture)))
    return "\n".join(line.rstrip() for line in picture.splitlines() if line.strip()) + "\n"
