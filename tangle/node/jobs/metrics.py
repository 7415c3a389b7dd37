"""Metrics of a node's work for the market: read from its room when Prometheus asks."""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tangle.node.jobs.room import JobsRoom
from tangle.node.jobs.views import JobsView


class JobsGauge(Struct, frozen=True):
    """One figure: its name, what it means, and where it is read."""

    name: str
    meaning: str
    read: Callable[[JobsView], float]
    is_total: bool = False
    """Whether it only grows while the process lives."""


FIGURES: Final = (
    JobsGauge("tangle_jobs_chores", "Things done for the market right now.", lambda view: len(view.doings)),
    JobsGauge("tangle_jobs_votes_waiting", "Own verdicts not counted yet.", lambda view: view.waiting_votes),
    JobsGauge("tangle_jobs_blobs_held", "Blobs kept for live jobs.", lambda view: len(view.held)),
    JobsGauge("tangle_jobs_away", "1: its own result was wrong; no more work.", lambda view: view.is_away),
    JobsGauge("tangle_jobs_done", "Results made here.", lambda view: view.done_total, is_total=True),
    JobsGauge(
        "tangle_jobs_examined", "Verdicts found here.", lambda view: view.examined_total, is_total=True
    ),
    JobsGauge("tangle_jobs_operations", "Operations sent.", lambda view: view.sent_total, is_total=True),
    JobsGauge(
        "tangle_jobs_operations_failed",
        "Operations that did not apply.",
        lambda view: view.failed_total,
        is_total=True,
    ),
)
"""Every figure."""


class JobsCollector(Collector):
    """Reads a room at each scrape."""

    def __init__(self, room: JobsRoom) -> None:
        self._room = room

    def collect(self) -> Iterator[Metric]:
        """All metrics of this moment."""
        view = self._room.get_view()
        for figure in FIGURES:
            family = CounterMetricFamily if figure.is_total else GaugeMetricFamily
            yield family(figure.name, figure.meaning, value=float(figure.read(view)))
