"""A picture of a run, as plain SVG: how long finality took, how rounds went on, which faults were when."""

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from msgspec import Struct

from simnet.faults import (
    BadWeather,
    Clog,
    Crash,
    CrashAt,
    Cut,
    Fault,
    HalfOpen,
    OldHandshake,
    Partition,
    SlowLinks,
    Tamper,
)
from simnet.run import Report

NAMESPACE: Final = "http://www.w3.org/2000/svg"
"""Of SVG, as its specification names it."""

WIDTH: Final = 960
"""Of the picture, in pixels as all lengths here."""

LEFT: Final = 220
"""Margin with the names of rows."""

RIGHT: Final = 20
"""Margin after the last second."""

PANEL: Final = 170
"""Height of the histogram and of the rounds."""

GAP: Final = 56
"""Between panels: room for a heading and an axis."""

ROW: Final = 16
"""Height of a fault's bar with its distance."""

BINS: Final = 40
"""Bars of the histogram."""

FAULTS_MAX: Final = 200
"""Faults that are drawn; the rest of a longer plan is told in one line, so that a picture stays one."""

POINTS_MAX: Final = 1_000
"""Points of the line of rounds: one for each pixel is enough."""

COLOURS: Final = {
    "Crash": "#c0392b",
    "CrashAt": "#e67e22",
    "Partition": "#8e44ad",
    "SlowLinks": "#2980b9",
    "BadWeather": "#16a085",
    "Cut": "#7f8c8d",
    "Clog": "#9b59b6",
    "Tamper": "#d35400",
    "HalfOpen": "#34495e",
    "OldHandshake": "#27ae60",
}
"""Of each kind of fault."""


class Course(Struct):
    """What is drawn and no report holds: a run of one shard as it went."""

    latencies_ms: list[float]
    """From sending to finality, of every transaction that became final where it was sent."""

    rounds: list[tuple[float, int]]
    """The highest round of any honest node at a virtual second."""


def draw_picture(report: Report, courses: Sequence[Course]) -> str:
    """A whole SVG document: two panels for each shard, and the faults, which are the machines'."""
    shown = report.options.faults[:FAULTS_MAX]
    bottom = GAP + 2 * len(courses) * (GAP + PANEL)
    height = bottom + ROW * (len(shown) + 1) + GAP
    until_s = max(report.virtual_s, report.options.time_s, 1.0)
    title = f"seed {report.options.seed}, {report.options.nodes} nodes: {type(report.verdict).__name__}"
    parts = [
        f'<svg xmlns="{NAMESPACE}" width="{WIDTH}" height="{height}" font-family="sans-serif">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _write(LEFT, 20, title, size=14),
        *(part for shard in range(len(courses)) for part in _draw_shard(shard, courses, until_s)),
        *_draw_faults(bottom, shown, until_s, len(report.options.faults) - len(shown)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _draw_shard(shard: int, courses: Sequence[Course], until_s: float) -> list[str]:
    top, course = GAP + 2 * shard * (GAP + PANEL), courses[shard]
    of = f"shard {shard}: " if len(courses) > 1 else ""
    return [
        *_draw_histogram(top, of, course.latencies_ms),
        *_draw_rounds(top + GAP + PANEL, of, course.rounds, until_s),
    ]


def _draw_histogram(top: int, of: str, latencies_ms: Sequence[float]) -> list[str]:
    heading = _write(LEFT, top - 8, f"{of}time to finality of {len(latencies_ms)} transactions, ms", size=12)
    if not latencies_ms:
        return [heading, _write(LEFT, top + 20, "none became final")]
    most_ms = max(*latencies_ms, 1.0)
    counts = [0] * BINS
    for latency_ms in latencies_ms:
        counts[min(BINS - 1, int(latency_ms / most_ms * BINS))] += 1
    width, highest = (WIDTH - LEFT - RIGHT) / BINS, max(counts)
    bars = [
        _fill(
            LEFT + number * width,
            top + PANEL * (1 - count / highest),
            width - 1,
            PANEL * count / highest,
            "#2c3e50",
        )
        for number, count in enumerate(counts)
        if count
    ]
    return [heading, *bars, *_draw_axis(top + PANEL, most_ms), _write(8, top + 10, f"at most {highest}")]


def _draw_rounds(top: int, of: str, rounds: Sequence[tuple[float, int]], until_s: float) -> list[str]:
    heading = _write(LEFT, top - 8, f"{of}rounds of the committee over virtual seconds", size=12)
    if not rounds:
        return [heading, _write(LEFT, top + 20, "no node came up")]
    highest = max(1, *(number for _, number in rounds))
    step = math.ceil(len(rounds) / POINTS_MAX)
    points = " ".join(
        f"{_place(at_s, until_s):.1f},{top + PANEL * (1 - number / highest):.1f}"
        for at_s, number in rounds[::step]
    )
    line = f'<polyline points="{points}" fill="none" stroke="#27ae60" stroke-width="1.5"/>'
    return [heading, line, *_draw_axis(top + PANEL, until_s), _write(8, top + 10, f"up to {highest}")]


def _draw_faults(top: int, faults: Sequence[Fault], until_s: float, left_out: int) -> list[str]:
    more = f", and {left_out} more" if left_out else ""
    parts = [_write(LEFT, top - 8, f"{len(faults)} faults{more}", size=12)]
    for number, fault in enumerate(faults):
        kind, at = type(fault).__name__, top + ROW * number
        first, last = _place(fault.at_s, until_s), _place(fault.until_s, until_s)
        parts.append(_fill(first, at, max(2.0, last - first), ROW - 4, COLOURS[kind]))
        parts.append(_write(8, at + ROW - 6, f"{kind} {_describe(fault)}"))
    return [*parts, *_draw_axis(top + ROW * len(faults) + 4, until_s)]


def _describe(fault: Fault) -> str:
    match fault:
        case Crash() | Partition():
            return ", ".join(map(str, fault.nodes))
        case CrashAt():
            return fault.point.value
        case SlowLinks():
            return str(fault.node)
        case Cut() | HalfOpen():
            return f"{fault.first}, {fault.second}"
        case Clog() | OldHandshake():
            return f"{fault.source} to {fault.target}"
        case Tamper():
            return f"{fault.source} to {fault.target}, {fault.how.value}"
        case BadWeather():
            return ""


def _draw_axis(top: float, most: float) -> list[str]:
    parts = [
        f'<line x1="{LEFT}" y1="{top:.1f}" x2="{WIDTH - RIGHT}" y2="{top:.1f}" stroke="#7f8c8d"/>',
    ]
    step = _find_step(most)
    for number in range(int(most / step) + 1):
        value = number * step
        parts.append(_write(_place(value, most), top + 14, f"{value:g}", anchor="middle"))
    return parts


def _find_step(most: float) -> float:
    """The round number that divides ``most`` into at most ten parts."""
    power = 10.0 ** math.floor(math.log10(most / 10))
    return next(power * times for times in (1, 2, 5, 10) if most / (power * times) <= 10)


def _place(value: float, most: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(value, most) / most


def _fill(left: float, top: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def _write(left: float, top: float, text: str, *, size: int = 11, anchor: str = "start") -> str:
    return (
        f'<text x="{left:.1f}" y="{top:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'
    )
