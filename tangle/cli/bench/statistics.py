"""Quantiles, and how passes become one figure."""

import math
from collections.abc import Sequence
from statistics import median

from msgspec import Struct

from tangle.cli.bench.records import Clock, Figure, Pass, Stage

US_PER_S = 1e6
"""Microseconds in a second."""


class Latencies(Struct, frozen=True):
    """How long something took, in milliseconds; none without a sample."""

    count: int
    """Samples."""

    p50_ms: float | None
    """Half took at most this long."""

    p90_ms: float | None
    """Nine in ten."""

    p99_ms: float | None
    """99 in a hundred."""

    p999_ms: float | None
    """999 in a thousand; of fewer samples than that, the longest."""

    max_ms: float | None
    """The longest."""


def compute_quantile(ordered: Sequence[float], quantile: float) -> float:
    """By nearest rank: the least value that so large a part of the values does not exceed.

    :param ordered: ascending, not empty.
    :param quantile: over 0, at most 1.
    """
    # Without the tiny margin 0.9 of 10 would be a little more than nine.
    rank = math.ceil(quantile * len(ordered) - 1e-9)
    return ordered[max(rank, 1) - 1]


def summarize(latencies_ms: Sequence[float]) -> Latencies:
    """The usual quantiles of latencies in any order."""
    ordered = sorted(latencies_ms)
    if not ordered:
        return Latencies(0, None, None, None, None, None)
    p50, p90, p99, p999 = (compute_quantile(ordered, part) for part in (0.5, 0.9, 0.99, 0.999))
    return Latencies(len(ordered), p50, p90, p99, p999, ordered[-1])


def compute_rate(timing: Pass, clock: Clock) -> float:
    """Items a second by one clock; a time too short to be measured counts as a nanosecond."""
    elapsed_s = timing.cpu_s if clock is Clock.CPU else timing.wall_s
    return timing.count / max(elapsed_s, 1e-9)


def compute_median_rate(passes: Sequence[Pass], clock: Clock) -> float:
    """Of the passes, items a second."""
    return median(compute_rate(timing, clock) for timing in passes)


def make_figure(stage: Stage, passes: Sequence[Pass], limit_rates: Sequence[float]) -> Figure:
    """The medians of a stage's passes.

    :param passes: at least one.
    :param limit_rates: of its raw limit, taken around them; empty for a stage that has none.
    """
    rates = sorted(compute_rate(timing, stage.clock) for timing in passes)
    names = dict.fromkeys(name for timing in passes for name in timing.details)
    rate = median(rates)
    return Figure(
        stage=stage.name,
        about=stage.about,
        unit=stage.unit,
        clock=stage.clock,
        conditions=stage.conditions,
        passes=len(passes),
        count=round(median(timing.count for timing in passes)),
        rate=rate,
        rate_low=rates[0],
        rate_high=rates[-1],
        wall_us=US_PER_S / compute_median_rate(passes, Clock.WALL),
        cpu_us=US_PER_S / compute_median_rate(passes, Clock.CPU),
        limit=stage.limit,
        share=rate / median(limit_rates) if limit_rates else None,
        is_pipeline=stage.is_pipeline,
        details={
            name: median(timing.details[name] for timing in passes if name in timing.details)
            for name in names
        },
    )
