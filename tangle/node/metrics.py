"""Metrics: one collector that reads the node when Prometheus asks, so nothing is counted twice.

The table below is the whole list; names and meanings in one place.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shards.epochs import LEADING_SHARD
from tangle.node.node import Node
from tangle.node.panorama import Panorama, get_resident_bytes
from tangle.node.pipeline_metrics import PipelineCollector
from tangle.node.stake_metrics import StakeCollector
from tangle.node.store_metrics import StoreCollector


class Gauge(Struct, frozen=True):
    """One figure: its name, what it means, and where it is read."""

    name: str
    meaning: str
    read: Callable[[Node], float]
    is_total: bool = False
    """Whether it only grows while the process lives."""


FIGURES: Final = (
    Gauge("tangle_checkpoint_executed", "Latest executed checkpoint.", lambda n: n.finality.executed),
    Gauge("tangle_checkpoint_certified", "Latest final checkpoint.", lambda n: n.finality.certified),
    Gauge(
        "tangle_committee_round", "Highest round of an accepted block.", lambda n: n.driver.core.highest_round
    ),
    Gauge("tangle_committee_blocks", "Blocks accepted.", lambda n: n.driver.blocks_total, is_total=True),
    Gauge(
        "tangle_committee_blocks_refused", "Blocks refused.", lambda n: n.driver.refused_total, is_total=True
    ),
    Gauge(
        "tangle_committee_equivocations",
        "Pieces of evidence kept.",
        lambda n: n.archive.committees.count_evidence(),
    ),
    Gauge("tangle_committee_epoch", "Epoch of the committee that is at work.", lambda n: n.epochs.epoch),
    Gauge(
        "tangle_transactions_attached",
        "Transactions attached.",
        lambda n: n.book.arrivals.total,
        is_total=True,
    ),
    Gauge(
        "tangle_transactions_final", "Transactions made final.", lambda n: n.book.finals.total, is_total=True
    ),
    Gauge(
        "tangle_transactions_verified",
        "Verified by the computer.",
        lambda n: n.intake.verified_total,
        is_total=True,
    ),
    Gauge(
        "tangle_ordered_transactions",
        "Length of the history.",
        lambda n: n.executor.machine.state.ordered_total,
    ),
    Gauge("tangle_price_grains", "Grains per weight.", lambda n: n.executor.machine.state.price),
    Gauge(
        "tangle_difficulty_evaluations",
        "Evaluations per transaction.",
        lambda n: n.executor.machine.state.difficulty,
    ),
    Gauge(
        "tangle_held_issuers",
        "Issuers that wait for a place in the sub-DAG.",
        lambda n: n.intake.gate.issuers,
    ),
    Gauge(
        "tangle_backlog_target",
        "Transactions that may be attached and not executed before others wait.",
        lambda n: n.intake.gate.backlog.target,
    ),
    Gauge(
        "tangle_ordering_rate",
        "Transactions ordered a second, in the best half second of the last ten.",
        lambda n: n.intake.gate.backlog.rate,
    ),
    Gauge("tangle_peers", "Connected peers.", lambda n: len(n.peering.get_peers())),
    Gauge("tangle_peer_bans", "Bans that hold now.", lambda n: len(n.peering.admission.list_bans())),
    Gauge(
        "tangle_peer_addresses", "Addresses of other nodes that are known.", lambda n: len(n.peering.dialler)
    ),
    Gauge("tangle_resident_memory_bytes", "Memory of the core process.", lambda _: get_resident_bytes()),
    Gauge("tangle_event_id", "Id of the latest event.", lambda n: n.events.last_id),
)
"""Every plain figure."""


class NodeCollector(Collector):
    """Reads a node at each scrape."""

    def __init__(self, node: Node, panorama: Panorama) -> None:
        self._node = node
        self._panorama = panorama

    def collect(self) -> Iterator[Metric]:
        """All metrics of this moment."""
        for figure in FIGURES:
            family = CounterMetricFamily if figure.is_total else GaugeMetricFamily
            yield family(figure.name, figure.meaning, value=figure.read(self._node))
        yield self._collect_by(
            "tangle_queue_length", "Length of each bounded queue.", "queue", self._panorama.get_queues()
        )
        ready = {check.name: int(check.is_met) for check in self._panorama.get_readiness()}
        yield self._collect_by("tangle_ready", "Whether each readiness check is met.", "check", ready)
        refused = CounterMetricFamily("tangle_transactions_refused", "Refused, by code.", labels=["code"])
        for code, count in self._node.intake.refused_total.items():
            refused.add_metric([code], count)
        yield refused
        traffic = CounterMetricFamily(
            "tangle_peer_bytes",
            "Bytes of sessions with peers, by who began them.",
            labels=["kind", "direction"],
        )
        for kind, total in self._node.peering.get_traffic().items():
            traffic.add_metric([kind, "in"], total.bytes_in)
            traffic.add_metric([kind, "out"], total.bytes_out)
        yield traffic
        status = self._panorama.get_status()
        yield GaugeMetricFamily("tangle_tips", "Tips of the sub-DAG.", value=status.tips)
        yield GaugeMetricFamily(
            "tangle_pending_transactions", "Attached and not yet ordered.", value=status.pending
        )
        yield GaugeMetricFamily(
            "tangle_waiting_transactions", "Waiting for parents or anchors.", value=status.waiting
        )
        yield GaugeMetricFamily(
            "tangle_checkpoint_age_seconds",
            "Age of the latest final checkpoint.",
            value=status.checkpoint_age_ms / 1000,
        )
        yield GaugeMetricFamily(
            "tangle_model_generation", "Current generation of the job shown.", value=status.generation
        )
        yield GaugeMetricFamily(
            "tangle_model_score_ratio",
            "Its correct answers on the holdout, of all.",
            value=status.score / max(1, status.holdout_rows),
        )
        summary = status.finality
        seconds = {"0.5": summary.p50_ms, "0.95": summary.p95_ms, "0.99": summary.p99_ms}
        finality = GaugeMetricFamily(
            "tangle_finality_seconds", "Attached to final over the last minute.", labels=["quantile"]
        )
        for quantile, milliseconds in seconds.items():
            if milliseconds is not None:
                finality.add_metric([quantile], milliseconds / 1000)
        yield finality
        store = self._node.parts.store.statistics()
        yield self._collect_by(
            "tangle_database_bytes", "Size of each environment.", "environment", store.used_bytes
        )
        yield GaugeMetricFamily(
            "tangle_store_write_seconds", "Latest group commit.", value=store.last_write_ms / 1000
        )

    def _collect_by(self, name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
        family = GaugeMetricFamily(name, meaning, labels=[label])
        for value, figure in values.items():
            family.add_metric([value], figure)
        return family


def make_registry(node: Node, panorama: Panorama) -> CollectorRegistry:
    """A registry of this node's metrics alone."""
    registry = CollectorRegistry()
    registry.register(NodeCollector(node, panorama))
    registry.register(StoreCollector(node.parts.store, node.disk))
    registry.register(PipelineCollector(node))
    if node.shard == LEADING_SHARD:
        registry.register(StakeCollector(node))
    return registry
