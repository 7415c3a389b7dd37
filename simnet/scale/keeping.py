"""What a sweep leaves behind: its figures as JSON, and its charts."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from simnet.scale.chart import Chart, Line, draw_chart
from simnet.scale.model import ScalePoint
from simnet.scale.sweep import Sweep

FIGURES: Final = "scale.json"
"""Costs, points and claims."""

MEGABIT: Final = 125_000
"""Bytes."""

Figure = Callable[[ScalePoint], float]


def write_sweep(directory: Path, sweep: Sweep) -> tuple[Path, ...]:
    """Write everything into the directory, which is made; each file appears whole.

    :raises OSError: the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    figures = msgspec.json.format(msgspec.json.encode(sweep), indent=2)
    written = {FIGURES: figures.rstrip() + b"\n"}
    written |= {f"{name}.svg": draw_chart(chart).encode() for name, chart in make_charts(sweep).items()}
    for name, content in written.items():
        unfinished = directory / f"{name}.part"
        unfinished.write_bytes(content)
        os.replace(unfinished, directory / name)
    return tuple(directory / name for name in written)


def make_charts(sweep: Sweep) -> dict[str, Chart]:
    """All charts by the names of their files."""
    largest = sweep.curve[-1].plan
    borne = [point for point in sweep.curve if not point.is_saturated]
    where = f"{largest.nodes:,} nodes, {largest.shards} shards"
    finality = (("p50", _get_p50), ("p95", _get_p95))
    return {
        "scale-throughput": Chart(
            "what can be borne, transactions a second", "nodes", _draw_grid(sweep.grid, _get_capacity)
        ),
        "scale-finality": Chart("time to finality (p50), ms", "nodes", _draw_grid(sweep.grid, _get_p50)),
        "scale-bytes": Chart(
            "a validator sends, Mbit/s, at the grid's loads", "nodes", _draw_grid(sweep.grid, _get_sent)
        ),
        "scale-load": Chart(
            f"time to finality, ms, up to saturation: {where}",
            "transactions a second",
            tuple(
                Line(name, tuple((point.plan.load, figure(point)) for point in borne))
                for name, figure in finality
            ),
        ),
    }


def _draw_grid(grid: Sequence[ScalePoint], figure: Figure) -> tuple[Line, ...]:
    shards = sorted({point.plan.shards for point in grid})
    return tuple(
        Line(
            f"{each} shard{'s' if each > 1 else ''}",
            tuple(
                (point.plan.nodes, figure(point))
                for point in grid
                if point.plan.shards == each and figure(point)
            ),
        )
        for each in shards
    )


def _get_capacity(point: ScalePoint) -> float:
    return point.capacity


def _get_p50(point: ScalePoint) -> float:
    return point.finality_p50_ms


def _get_p95(point: ScalePoint) -> float:
    return point.finality_p95_ms


def _get_sent(point: ScalePoint) -> float:
    return point.validator_sent / MEGABIT
