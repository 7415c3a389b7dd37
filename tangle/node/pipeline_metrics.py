"""Metrics of the way to finality: work is checked, leaders order transactions, and they become final."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from poi.errors import ForgedWork
from tangle.node.node import Node


class PipelineCollector(Collector):
    """Reads a node at each scrape."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """All metrics of this moment."""
        intake, book, core = self._node.intake, self._node.book, self._node.driver.core
        verified = HistogramMetricFamily(
            "tangle_verify_seconds", "Time to check signatures and work of a batch, the wait included."
        )
        intake.verify_seconds.add_to(verified)
        yield verified
        yield CounterMetricFamily(
            "tangle_work_refused",
            "Transactions refused because their work is not what was assigned.",
            value=intake.refused_total.get(ForgedWork.code, 0),
        )
        final = HistogramMetricFamily("tangle_attached_to_final_seconds", "Time from attached to final.")
        book.finality_seconds.add_to(final)
        yield final
        yield CounterMetricFamily(
            "tangle_committee_leader_timeouts",
            "Own blocks that did not wait any longer for the leader before.",
            value=core.leaders_missed,
        )
        slots = CounterMetricFamily(
            "tangle_committee_slots",
            "Leaders' slots by how they ended: commit or skip, direct or indirect.",
            labels=["leader", "outcome", "rule"],
        )
        for outcome, count in core.slot_outcomes.items():
            ended = "commit" if outcome.is_commit else "skip"
            slots.add_metric(
                [str(outcome.leader), ended, "direct" if outcome.is_direct else "indirect"], count
            )
        yield slots
