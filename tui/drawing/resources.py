"""What the node takes of its machine: processor, event loop, memory, disk, workers, queues."""

from typing import Final

from rich.text import Text

from tui.drawing.bars import draw_sparkline
from tui.drawing.palette import Palette
from tui.drawing.units import format_bytes, format_count, format_milliseconds, format_rate
from tui.resource_facts import ResourceFacts

LABEL_WIDTH: Final = 12
"""Cells of a line's name."""

FIGURE_WIDTH: Final = 26
"""Cells of its figure, before the last minute."""

LAG_WARN_MS: Final = 100.0
"""Lag of the event loop that people notice."""

LAG_BAD_MS: Final = 1_000.0
"""Lag with which peers and clients give up."""

DISK_WARN_BYTES: Final = 2_000_000_000
"""Free room below which it is amber."""

QUEUE_FULL_SHOWN: Final = 1_000
"""Length at which a queue's bar is full: longer ones are long, whatever their bound."""


def draw_resources_panel(facts: ResourceFacts, width: int, height: int, palette: Palette) -> list[Text]:
    """Figures with their last minute, then the queues."""
    room = max(0, min(60, width - LABEL_WIDTH - FIGURE_WIDTH))
    lag_tone = palette.good
    if facts.loop_lag_ms >= LAG_WARN_MS:
        lag_tone = palette.bad if facts.loop_lag_ms >= LAG_BAD_MS else palette.warn
    cores = _draw_line("processor", f"{facts.cores:.2f} cores", palette.primary, palette)
    cores.append_text(draw_sparkline(facts.history_cores, room, palette.faint, palette.primary, peak=1.0))
    lag = _draw_line("event loop", f"{format_milliseconds(facts.loop_lag_ms)} late", lag_tone, palette)
    lag.append_text(draw_sparkline(facts.history_lag_ms, room, palette.faint, lag_tone, peak=LAG_WARN_MS))
    disk_tone = palette.warn if facts.disk_free_bytes < DISK_WARN_BYTES else palette.text
    workers = f"{facts.workers}, {facts.worker_cores:.2f} cores"
    lines = [
        cores,
        _draw_line("workers", workers, palette.primary, palette),
        lag,
        Text(),
        _draw_line("memory", format_bytes(facts.resident_bytes), palette.text, palette),
        _draw_line("database", format_bytes(facts.database_bytes), palette.text, palette),
        _draw_line("disk free", format_bytes(facts.disk_free_bytes), disk_tone, palette),
        Text(),
        *_draw_work(facts, palette),
        Text(),
        *_draw_queues(facts, width, palette),
    ]
    for line in lines:
        line.truncate(width)
    return lines[:height]


def _draw_line(label: str, figure: str, tone: str, palette: Palette) -> Text:
    line = Text(f"{label:<{LABEL_WIDTH}}", palette.muted)
    return line.append(f"{figure:<{FIGURE_WIDTH}}", f"bold {tone}")


def _draw_work(facts: ResourceFacts, palette: Palette) -> list[Text]:
    if not facts.work:
        return [_draw_line("work", "nothing computed yet", palette.muted, palette)]
    lines = []
    for place, (device, total, rate) in enumerate(facts.work):
        line = _draw_line("" if place else "work", device, palette.special, palette)
        line.append(f"{format_rate(rate)} evaluations/s", palette.text)
        lines.append(line.append(f"   {format_count(total)} in all", palette.muted))
    return lines


def _draw_queues(facts: ResourceFacts, width: int, palette: Palette) -> list[Text]:
    lines = []
    for place, (name, length) in enumerate(facts.queues):
        label = "" if place else "queues"
        line = Text(f"{label:<{LABEL_WIDTH}}", palette.muted).append(f"{name:<12}", palette.text)
        line.append(f"{format_count(length):>8}  ", f"bold {palette.text}" if length else palette.muted)
        bar = min(length, QUEUE_FULL_SHOWN) * min(40, max(0, width - 36)) // QUEUE_FULL_SHOWN
        lines.append(line.append("▉" * (bar or (1 if length else 0)), palette.active))
    return lines
