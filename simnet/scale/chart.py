"""Line charts as plain SVG, with logarithmic axes, in colours that hold on light and on dark pages."""

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from msgspec import Struct

from simnet.picture import NAMESPACE

WIDTH: Final = 720
"""Of a chart, in pixels as all lengths here."""

HEIGHT: Final = 400
LEFT: Final = 80
RIGHT: Final = 150
"""Room for the names of lines."""

TOP: Final = 44
BOTTOM: Final = 52

INK: Final = "#808890"
"""Of text and axes: readable on white and on black."""

COLOURS: Final = ("#2f81c4", "#d5822a", "#3d9a5b", "#b4599c", "#a38b1f", "#7a6fd0")
"""Of lines, in turn."""

LINES_MAX: Final = 12
"""More would not be told apart."""

TICKS_MAX: Final = 12
"""Numbers on one axis."""

NARROW: Final = (1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9)
"""Steps within a power of ten, on an axis of less than half of one."""

Pair = tuple[float, float]


class Line(Struct, frozen=True):
    """One line of a chart."""

    name: str
    pairs: tuple[Pair, ...]
    """Both positive."""


class Chart(Struct, frozen=True):
    """A chart; both axes are logarithmic."""

    title: str
    across: str
    """What the horizontal axis counts."""

    lines: tuple[Line, ...]


class _Axis(Struct, frozen=True):
    low: float
    """Powers of ten."""

    high: float
    begin: float
    """In pixels."""

    end: float

    def place(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def get_ticks(self) -> list[float]:
        span = self.high - self.low
        steps = NARROW if span < 1 / 2 else (1, 2, 5) if span <= 3 else (1,)
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        ticks = [step * 10.0**power for power in powers for step in steps]
        return [tick for tick in ticks if self.low - 1e-9 <= math.log10(tick) <= self.high + 1e-9][:TICKS_MAX]


def draw_chart(chart: Chart) -> str:
    """A whole SVG document."""
    lines = [line for line in chart.lines[:LINES_MAX] if line.pairs]
    parts = [
        f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"',
        f'font-family="sans-serif" font-size="12" fill="{INK}">',
        f"<title>{escape(chart.title)}</title>",
        _write(LEFT, 22, chart.title, size=14),
    ]
    if not lines:
        return "\n".join([*parts, _write(LEFT, TOP + 20, "nothing to draw"), "</svg>"]) + "\n"
    xs, ys = ([pair[place] for line in lines for pair in line.pairs] for place in (0, 1))
    across = _make_axis(xs, LEFT, WIDTH - RIGHT)
    upward = _make_axis(ys, HEIGHT - BOTTOM, TOP)
    parts += _draw_axes(across, upward, chart.across)
    for number, line in enumerate(lines):
        parts += _draw_line(line, COLOURS[number % len(COLOURS)], across, upward, number)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _make_axis(values: Sequence[float], begin: float, end: float) -> _Axis:
    low, high = math.log10(min(values)), math.log10(max(values))
    margin = max(0.05, (high - low) * 0.05)
    return _Axis(low - margin, high + margin, begin, end)


def _draw_axes(across: _Axis, upward: _Axis, name: str) -> list[str]:
    parts = []
    for tick in across.get_ticks():
        x = across.place(tick)
        parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="{INK}" stroke-opacity=".25"/>')
        parts.append(_write(x, HEIGHT - BOTTOM + 18, _format(tick), anchor="middle"))
    for tick in upward.get_ticks():
        y = upward.place(tick)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{INK}" stroke-opacity=".25"/>')
        parts.append(_write(LEFT - 8, y + 4, _format(tick), anchor="end"))
    parts.append(_write((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, name, anchor="middle"))
    return parts


def _draw_line(line: Line, colour: str, across: _Axis, upward: _Axis, number: int) -> list[str]:
    places = [(across.place(x), upward.place(y)) for x, y in line.pairs]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dashes = ' stroke-dasharray="6 3"' if number >= len(COLOURS) else ""
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
    top = TOP + 14 + 20 * number
    return [
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>',
        *dots,
        f'<path d="M{WIDTH - RIGHT + 12} {top - 4}h20" stroke="{colour}" stroke-width="2"{dashes}/>',
        _write(WIDTH - RIGHT + 38, top, line.name),
    ]


def _format(value: float) -> str:
    return f"{value:,.6g}"


def _write(left: float, top: float, text: str, *, size: int = 12, anchor: str = "start") -> str:
    return (
        f'<text x="{left:.1f}" y="{top:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'
    )
