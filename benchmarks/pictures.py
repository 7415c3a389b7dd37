"""Pictures of a run: where a transaction's microseconds go, and finality against load. Plain SVG."""

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from simnet.picture import NAMESPACE
from simnet.scale.chart import COLOURS, INK, Chart, Line, draw_chart
from tangle.cli.bench.records import Figure, Results

WIDTH: Final = 720
"""Of the bar's picture, in pixels as all lengths here."""

LEFT: Final = 20
BAR_TOP: Final = 44
BAR_HEIGHT: Final = 34
ROW: Final = 20
"""Height of a line of the legend."""

WHOLE: Final = "one-node"
"""Stage that holds all others, and what lies between them."""

BETWEEN: Final = "between the steps"
"""What the whole costs more than its parts: queues, tasks, sockets, pickling, the interpreter."""

QUANTILES: Final = {"p50_ms": "half", "p90_ms": "9 in 10", "p99_ms": "99 in 100"}
"""Lines of the finality picture."""

_LOAD: Final = re.compile(r"at_(\d+)_percent_rate_per_s")


def write_pictures(results: Results, directory: Path) -> list[Path]:
    """Write what the run has figures for; answers the files."""
    written = []
    figures = {figure.stage: figure for figure in results.figures}
    steps = [figure for figure in results.figures if figure.is_pipeline]
    if steps:
        written.append(directory / "transaction-cost.svg")
        written[-1].write_text(draw_costs(steps, figures.get(WHOLE)), encoding="utf-8")
    if "finality" in figures:
        written.append(directory / "finality-load.svg")
        written[-1].write_text(draw_finality(figures["finality"]), encoding="utf-8")
    return written


def compute_parts(steps: Sequence[Figure], whole: Figure | None) -> list[tuple[str, float]]:
    """Microseconds of processors for one transaction, by step; the last is what the whole costs more."""
    parts = [(step.stage, step.cpu_us) for step in steps]
    total = sum(cost for _, cost in parts)
    if whole is not None and whole.cpu_us > total:
        parts.append((BETWEEN, whole.cpu_us - total))
    return parts


def draw_costs(steps: Sequence[Figure], whole: Figure | None) -> str:
    """One stacked bar."""
    parts = compute_parts(steps, whole)
    total = sum(cost for _, cost in parts)
    scale = (WIDTH - 2 * LEFT) / total
    height = BAR_TOP + BAR_HEIGHT + 20 + ROW * ((len(parts) + 1) // 2)
    title = f"Processor time of one transaction on one node: {total:,.0f} µs"
    drawn = [
        f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"',
        f'font-family="sans-serif" font-size="12" fill="{INK}">',
        f"<title>{escape(title)}</title>",
        f'<text x="{LEFT}" y="24" font-size="14">{escape(title)}</text>',
    ]
    left = float(LEFT)
    for number, (name, cost) in enumerate(parts):
        look = f'fill="{COLOURS[number % len(COLOURS)]}" fill-opacity="{1 if number < len(COLOURS) else 0.5}"'
        width = cost * scale
        drawn.append(f'<rect x="{left:.1f}" y="{BAR_TOP}" width="{width:.1f}" height="{BAR_HEIGHT}" {look}/>')
        x, y = LEFT + (number % 2) * WIDTH / 2, BAR_TOP + BAR_HEIGHT + 14 + ROW * (number // 2)
        drawn.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="12" height="12" {look}/>')
        drawn.append(f'<text x="{x + 20:.1f}" y="{y + 10:.1f}">{escape(name)}: {cost:,.1f} µs</text>')
        left += width
    return "\n".join([*drawn, "</svg>"]) + "\n"


def draw_finality(figure: Figure) -> str:
    """Quantiles of finality against the rate at which transactions were due."""
    loads = [name.removesuffix("_rate_per_s") for name in figure.details if _LOAD.fullmatch(name)]
    lines = tuple(
        Line(
            title,
            tuple(
                (figure.details[f"{load}_rate_per_s"], figure.details[f"{load}_{quantile}"])
                for load in loads
                if f"{load}_{quantile}" in figure.details
            ),
        )
        for quantile, title in QUANTILES.items()
    )
    saturation = figure.details.get("saturation_per_s", 0.0)
    title = f"Milliseconds from due to final, open loop; saturation at {saturation:,.0f} a second"
    return draw_chart(Chart(title, "transactions a second that were due", lines))
