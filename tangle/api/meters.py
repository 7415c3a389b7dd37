"""Metrics of the HTTP door. Labels are route templates, never paths, so that their number is bounded.

Requests are counted in plain integers and put into Prometheus' form when it asks: all of them are answered on
one event loop, so no count needs the lock that the library takes for each.
"""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tangle.api.context import ApiContext
from tangle.node.meters import Histogram

SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0, 60.0)
"""Upper bounds of the histogram: from a table look-up to the longest wait."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})
"""Methods with a label of their own; a client can invent more."""


class ApiMeters(Collector):
    """Requests by route and status, their times, and how many wait or listen now."""

    def __init__(self, registry: CollectorRegistry, context: ApiContext) -> None:
        """:param registry: the node's registry; one door per registry."""
        self._context = context
        self._answers: dict[tuple[str, str, int], int] = {}
        self._times: dict[str, Histogram] = {}
        registry.register(self)

    def on_answer(self, method: str, route: str, status: int, elapsed_s: float) -> None:
        """Count one answer."""
        key = (method if method in METHODS else "other", route, status)
        self._answers[key] = self._answers.get(key, 0) + 1
        times = self._times.get(route)
        if times is None:
            times = self._times[route] = Histogram(SECONDS)
        times.add(elapsed_s)

    def collect(self) -> Iterator[Metric]:
        """All metrics of this moment."""
        requests = CounterMetricFamily(
            "tangle_api_requests", "Answered requests.", labels=("method", "route", "status")
        )
        for (method, route, status), count in self._answers.items():
            requests.add_metric((method, route, str(status)), count)
        yield requests
        seconds = HistogramMetricFamily("tangle_api_request_seconds", "Time to answer.", labels=("route",))
        for route, times in self._times.items():
            times.add_to(seconds, (route,))
        yield seconds
        yield GaugeMetricFamily("tangle_api_streams", "Open event streams.", value=len(self._context.streams))
        yield GaugeMetricFamily(
            "tangle_api_waits", "Requests that wait for a state.", value=len(self._context.waits)
        )
