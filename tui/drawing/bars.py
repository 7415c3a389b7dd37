"""One-line pictures: sparklines, vote bars, progress, and the signs of the latest work results."""

from collections.abc import Sequence

from rich.text import Text

from tui.drawing.palette import Palette, blend

SPARK_GLYPHS = "▁▂▃▄▅▆▇█"
"""Eight heights of a bar in one cell."""

VOTE_YES = "▮"
"""A round in which the validator's block was accepted."""

VOTE_NO = "▯"
"""A round without one."""

PROGRESS_GLYPHS = "▏▎▍▌▋▊▉█"
"""Eighths of a cell, filled from the left."""


def draw_sparkline(
    values: Sequence[float], width: int, low: str, high: str, *, peak: float | None = None
) -> Text:
    """The last ``width`` values as bars from zero to ``peak`` (the highest for none), right-aligned."""
    shown = values[-width:] if width > 0 else ()
    top = max((*shown, peak or 0.0), default=0.0)
    text = Text(" " * (max(width, 0) - len(shown)))
    for value in shown:
        share = value / top if top > 0 else 0.0
        step = min(len(SPARK_GLYPHS) - 1, max(0, round(share * (len(SPARK_GLYPHS) - 1))))
        text.append(SPARK_GLYPHS[step], blend(low, high, share))
    return text


def draw_votes(votes: Sequence[bool], width: int, palette: Palette) -> Text:
    """The last ``width`` rounds of a validator, oldest first; rounds not yet lived through stay blank.

    The newest round is still filling, so a vote that is missing there is no fault yet.
    """
    shown = votes[-width:] if width > 0 else ()
    text = Text(" " * (max(width, 0) - len(shown)))
    for place, is_voted in enumerate(shown, 1):
        missed = palette.muted if place == len(shown) else palette.bad
        text.append(VOTE_YES if is_voted else VOTE_NO, palette.primary if is_voted else missed)
    return text


def draw_progress(part: int, whole: int, width: int, colour: str, ground: str) -> Text:
    """``part`` of ``whole`` as a bar of ``width`` cells, to an eighth of a cell."""
    steps = len(PROGRESS_GLYPHS)
    filled = min(width * steps, part * width * steps // whole) if whole > 0 else 0
    full, rest = divmod(filled, steps)
    bar = PROGRESS_GLYPHS[-1] * full + (PROGRESS_GLYPHS[rest - 1] if rest else "")
    return Text.assemble((bar.ljust(width), f"{colour} on {ground}"))


def draw_pulses(pulses: Sequence[int], width: int, palette: Palette) -> Text:
    """The latest results ``d``, newest at the right: its sign as a direction, its size as brightness."""
    shown = pulses[-width:] if width > 0 else ()
    top = max((abs(pulse) for pulse in shown), default=1) or 1
    text = Text(" " * (max(width, 0) - len(shown)))
    for pulse in shown:
        glyph = "▴" if pulse > 0 else "▾" if pulse < 0 else "·"
        tone = palette.primary if pulse > 0 else palette.special
        text.append(glyph, blend(palette.faint, tone, 0.35 + 0.65 * abs(pulse) / top))
    return text


def join_columns(left: Text, right: Text, width: int) -> Text:
    """One line with ``left`` at the left and ``right`` at the right end; ``left`` gives way."""
    room = max(0, width - right.cell_len)
    line = left.copy()
    line.truncate(max(0, room - 1), overflow="ellipsis")
    line.pad_right(max(0, room - line.cell_len))
    return line.append_text(right)
