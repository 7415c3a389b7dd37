"""The learning curve: score over generations as an area, lit from violet to teal."""

import math
from collections.abc import Sequence

from rich.text import Text

from tui.drawing.bars import SPARK_GLYPHS
from tui.drawing.palette import Palette, blend
from tui.drawing.units import compute_percent, format_count
from tui.snapshot import CurvePoint

AXIS_WIDTH = 5
"""Cells left of the plot: ``100% `` and no more."""

AXIS_STEP = 10
"""The scale begins and ends at multiples of this many percent."""

MINIMUM_SPAN = 20
"""Percent that the scale spans at least, so that noise on a plateau does not look like progress."""

STEPS = len(SPARK_GLYPHS)
"""Heights that one cell can show."""

GLOW_LOSS = 0.17
"""How much weaker the area glows with each cell below its edge."""

GLOW_FLOOR = 0.34
"""How strongly it glows at least."""


def compute_scale(percents: Sequence[float]) -> tuple[int, int]:
    """Bottom and top of the vertical scale, in percent."""
    top = min(100, AXIS_STEP * math.ceil(max(percents, default=100.0) / AXIS_STEP + 0.2))
    bottom = max(0, AXIS_STEP * math.floor(min(percents, default=0.0) / AXIS_STEP))
    return min(bottom, max(0, top - MINIMUM_SPAN)), top


def compute_samples(points: Sequence[CurvePoint], holdout_rows: int, count: int) -> list[float]:
    """Score in percent at ``count`` places spread evenly over the generations, by straight lines."""
    if not points or count < 1:
        return []
    first, last = points[0].generation, points[-1].generation
    samples: list[float] = []
    position = 0
    for place in range(count):
        at = first + (last - first) * place / max(1, count - 1)
        while position + 1 < len(points) and points[position + 1].generation <= at:
            position += 1
        here, there = points[position], points[min(position + 1, len(points) - 1)]
        span = there.generation - here.generation
        share = (at - here.generation) / span if span else 0.0
        samples.append(compute_percent(1, holdout_rows) * (here.score + (there.score - here.score) * share))
    return samples


def draw_curve(
    points: Sequence[CurvePoint], holdout_rows: int, width: int, height: int, palette: Palette
) -> list[Text]:
    """``height`` lines of ``width`` cells: the plot, with the scale at its left and the generations below."""
    columns, rows = width - AXIS_WIDTH, height - 1
    if columns < 4 or rows < 2:
        return []
    samples = compute_samples(points, holdout_rows, columns)
    bottom, top = compute_scale(samples)
    steps = [max(1, round((sample - bottom) / (top - bottom) * rows * STEPS)) for sample in samples]
    labels = {0: top, rows - 1: bottom}
    if rows >= 5:
        middle = (rows - 1) // 2
        labels[middle] = round(top - (top - bottom) * middle / (rows - 1))
    lines = [_draw_row(steps, row, rows, labels.get(row), palette) for row in range(rows)]
    return [*lines, _draw_generations(points, width, palette)]


def _draw_row(steps: Sequence[int], row: int, rows: int, percent: int | None, palette: Palette) -> Text:
    """One row of the plot; ``percent`` is the label at its left."""
    line = Text(("" if percent is None else f"{percent}%").rjust(AXIS_WIDTH - 1), palette.muted)
    line.append("▕", palette.faint)
    tone = blend(palette.special, palette.primary, 1 - row / max(1, rows - 1))
    floor = (rows - 1 - row) * STEPS
    for lit in steps:
        above = lit - floor
        if above <= 0:
            line.append(" ")
            continue
        glow = max(GLOW_FLOOR, 1.0 - GLOW_LOSS * (above / STEPS - 0.5))
        line.append(SPARK_GLYPHS[min(above, STEPS) - 1], blend(palette.background, tone, glow))
    return line


def _draw_generations(points: Sequence[CurvePoint], width: int, palette: Palette) -> Text:
    """The line under the plot: first and last generation."""
    first = format_count(points[0].generation) if points else "0"
    last = f"generation {format_count(points[-1].generation)}" if points else "no generation yet"
    room = max(1, width - AXIS_WIDTH - len(first) - len(last))
    return Text(" " * AXIS_WIDTH + first + " " * room + last, palette.muted)
