"""Metrics of the HTTP door. Labels are route templates, never paths, so that their number is bounded."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tangle.api.context import ApiContext

SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0, 60.0)
"""Upper bounds of the histogram: from a table look-up to the longest wait."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})
"""Methods with a label of their own; a client can invent more."""


class ApiMeters:
    """Requests by route and status, their times, and how many wait or listen now."""

    def __init__(self, registry: CollectorRegistry, context: ApiContext) -> None:
        """:param registry: the node's registry; one door per registry."""
        self._requests = Counter(
            "tangle_api_requests", "Answered requests.", ("method", "route", "status"), registry=registry
        )
        self._seconds = Histogram(
            "tangle_api_request_seconds", "Time to answer.", ("route",), registry=registry, buckets=SECONDS
        )
        streams = Gauge("tangle_api_streams", "Open event streams.", registry=registry)
        streams.set_function(lambda: len(context.streams))
        waits = Gauge("tangle_api_waits", "Requests that wait for a state.", registry=registry)
        waits.set_function(lambda: len(context.waits))

        # Looking a series up by its labels takes longer than counting, so each is looked up once. There are
        # few routes, methods and statuses.
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def on_answer(self, method: str, route: str, status: int, elapsed_s: float) -> None:
        """Count one answer."""
        label = method if method in METHODS else "other"
        series = self._series.get((label, route, status))
        if series is None:
            counter = self._requests.labels(label, route, str(status))
            series = self._series[label, route, status] = (counter, self._seconds.labels(route))
        counter, seconds = series
        counter.inc()
        seconds.observe(elapsed_s)
