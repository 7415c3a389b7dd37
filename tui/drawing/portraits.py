"""Pictures of what the model looks for, one per output, two pixels in every character cell."""

from collections.abc import Sequence

from rich.text import Text

from tui.drawing.palette import Palette, blend
from tui.snapshot import Portrait

UPPER_HALF = "▀"
"""Upper pixel in the foreground colour, lower pixel in the background colour."""

GAP = 1
"""Cells between two pictures; ten pictures of eight pixels then stand in a row of 89."""

INDIFFERENT = 128
"""Level that means neither wanted nor unwanted."""


def compute_gallery(portraits: Sequence[Portrait], width: int, height: int) -> tuple[int, int]:
    """How many pictures fit side by side, and how many such rows; (0, 0) when not all fit."""
    if not portraits:
        return 0, 0
    side = portraits[0].side
    across = min(len(portraits), (width + GAP) // (side + GAP))
    if across < 1:
        return 0, 0
    down = -(-len(portraits) // across)
    across = -(-len(portraits) // down)
    return (across, down) if down * get_picture_height(side) <= height else (0, 0)


def get_picture_height(side: int) -> int:
    """Lines of a picture with its label."""
    return -(-side // 2) + 1


def draw_gallery(portraits: Sequence[Portrait], width: int, height: int, palette: Palette) -> list[Text]:
    """All pictures in rows, centred; nothing when they do not fit."""
    across, down = compute_gallery(portraits, width, height)
    lines: list[Text] = []
    for band in range(down):
        row = portraits[band * across : (band + 1) * across]
        drawn = [_draw_portrait(portrait, palette) for portrait in row]
        margin = " " * ((width - len(row) * (row[0].side + GAP) + GAP) // 2)
        lines.extend(
            Text(margin).append_text(Text(" " * GAP).join(picture[line] for picture in drawn))
            for line in range(get_picture_height(row[0].side))
        )
    return lines


def _draw_portrait(portrait: Portrait, palette: Palette) -> list[Text]:
    """One picture, its label last."""
    side = portrait.side

    def get_colour(x: int, y: int) -> str:
        level = portrait.levels[y * side + x] if y < side else INDIFFERENT
        tone = palette.primary if level >= INDIFFERENT else palette.special
        return blend(palette.background, tone, abs(level - INDIFFERENT) / (INDIFFERENT - 1))

    lines = []
    for y in range(0, side, 2):
        line = Text()
        for x in range(side):
            line.append(UPPER_HALF, f"{get_colour(x, y)} on {get_colour(x, y + 1)}")
        lines.append(line)
    return [*lines, Text(portrait.label.center(side), palette.muted)]
