"""The job market: what a unit costs, how much there is of everything, and the latest jobs."""

from typing import Final

from rich.text import Text

from tangle.core.amounts import format_amount
from tui.drawing.palette import Palette
from tui.drawing.units import format_count, format_duration, format_key
from tui.snapshot import JobFacts, MarketFacts

COLUMNS: Final = (("job", 10), ("kind", 15), ("phase", 11), ("price", 18), ("next", 9), ("worker", 0))
"""Heads of the columns and their widths; the last one takes what is left."""

KIND_SHORT: Final = {
    "inference": "run",
    "transformation": "transform",
    "optimisation": "solve",
    "training": "train",
}
"""Kinds as the line of prices writes them."""


def draw_jobs_panel(facts: MarketFacts, width: int, height: int, palette: Palette) -> list[Text]:
    """Two lines of totals, the heads, and as many of the latest jobs as there is room for."""
    lines = [_draw_totals(facts, palette), _draw_prices(facts, palette), Text()]
    if facts.jobs:
        lines.append(_draw_heads(palette))
        lines += [_draw_job(job, facts.now_ms, palette) for job in facts.jobs[: max(0, height - len(lines))]]
    else:
        lines.append(Text("no jobs yet; tangle job open opens one", palette.muted))
    for line in lines:
        line.truncate(width)
    return lines


def _draw_totals(facts: MarketFacts, palette: Palette) -> Text:
    return Text.assemble(
        *_pair("live", format_count(facts.live_jobs), palette),
        *_pair("opened", format_count(facts.opened_jobs), palette),
        *_pair("workers", format_count(facts.workers), palette),
        *_pair("programs", format_count(facts.programs), palette),
        *_pair("held", format_amount(facts.held), palette),
    )


def _draw_prices(facts: MarketFacts, palette: Palette) -> Text:
    pairs = [
        part
        for kind, price in facts.unit_prices
        for part in _pair(KIND_SHORT.get(kind, kind), format_count(price), palette)
    ]
    return Text.assemble(("grains a unit  ", palette.faint), *pairs)


def _pair(name: str, value: str, palette: Palette) -> tuple[tuple[str, str], tuple[str, str]]:
    return (f"{name} ", palette.muted), (f"{value}   ", palette.text)


def _draw_heads(palette: Palette) -> Text:
    return Text("".join(name.ljust(width) for name, width in COLUMNS), palette.muted)


def _draw_job(job: JobFacts, now_ms: int, palette: Palette) -> Text:
    left = "" if job.next_ms is None else format_duration(max(0.0, (job.next_ms - now_ms) / 1000))
    cells = (format_key(job.id), job.kind, job.phase, format_amount(job.price), left, job.worker)
    tones = (palette.text, palette.text, _get_tone(job, palette), palette.text, palette.muted, palette.muted)
    line = Text()
    for cell, tone, (_, width) in zip(cells, tones, COLUMNS, strict=True):
        line.append(cell.ljust(width) if width else cell, tone)
    return line


def _get_tone(job: JobFacts, palette: Palette) -> str:
    match job.phase:
        case "paid":
            return palette.good
        case "disputed" | "failed":
            return palette.bad
        case "expired":
            return palette.warn
        case "cancelled":
            return palette.muted
        case _:
            return palette.active
