"""Rates and latencies over a sliding window, for people and for metrics."""

from bisect import bisect_left
from collections import deque
from itertools import accumulate
from typing import Final

from prometheus_client.core import HistogramMetricFamily

from tangle.node.views import LatencySummary

RATE_WINDOW_S: Final = 10.0
"""Rates are averaged over this long: steady to look at, quick to follow."""

LATENCY_WINDOW_S: Final = 60.0
"""Latencies are summarised over the last minute."""

SAMPLES_MAX: Final = 20_000
"""Latency samples kept; at higher rates the window gets shorter, not the memory larger."""


class RateMeter:
    """Events a second over the last ten seconds."""

    __slots__ = ("_buckets", "total")

    def __init__(self) -> None:
        self._buckets: deque[tuple[float, int]] = deque()
        self.total = 0

    def add(self, count: int, now_s: float) -> None:
        """Count ``count`` events at ``now_s``."""
        self.total += count
        if self._buckets and now_s - self._buckets[-1][0] < 0.1:
            at, before = self._buckets[-1]
            self._buckets[-1] = (at, before + count)
        else:
            self._buckets.append((now_s, count))
        self._forget(now_s)

    def compute_rate(self, now_s: float) -> float:
        """Events a second."""
        self._forget(now_s)
        return sum(count for _, count in self._buckets) / RATE_WINDOW_S

    def _forget(self, now_s: float) -> None:
        while self._buckets and self._buckets[0][0] < now_s - RATE_WINDOW_S:
            self._buckets.popleft()


class Histogram:
    """How many values fell between fixed bounds, as Prometheus counts them: for the life of the process.

    Nothing is locked: all values of one histogram come from one event loop.
    """

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        """:param bounds: upper bounds, ascending; what is above the last one is counted too."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def add(self, value: float) -> None:
        """Take one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def add_to(self, family: HistogramMetricFamily, labels: tuple[str, ...] = ()) -> None:
        """Write everything counted so far into a metric, under these values of its labels."""
        bounds = [*map(str, self._bounds), "+Inf"]
        family.add_metric(labels, list(zip(bounds, accumulate(self._counts), strict=True)), self._total)


class LatencyMeter:
    """Quantiles of the latencies of the last minute."""

    __slots__ = ("_samples",)

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=SAMPLES_MAX)

    def add(self, latency_ms: float, now_s: float) -> None:
        """Take one sample."""
        self._samples.append((now_s, latency_ms))

    def compute_summary(self, now_s: float) -> LatencySummary:
        """Quantiles by nearest rank."""
        while self._samples and self._samples[0][0] < now_s - LATENCY_WINDOW_S:
            self._samples.popleft()
        ordered = sorted(latency for _, latency in self._samples)
        if not ordered:
            return LatencySummary(None, None, None, 0)

        def rank(quantile: float) -> float:
            return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]

        return LatencySummary(rank(0.50), rank(0.95), rank(0.99), len(ordered))
