"""Metrics of stakes and elections, of the shard that keeps them."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tangle.ledger.staking.events import SlashCause
from tangle.node.node import Node


class StakeCollector(Collector):
    """Reads a node at each scrape."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """All metrics of this moment."""
        executor, committee = self._node.executor, self._node.committee
        yield GaugeMetricFamily(
            "tangle_stakes_grains", "Grains at stake.", value=executor.machine.state.supply.stakes
        )
        yield GaugeMetricFamily(
            "tangle_stake_candidates",
            "Candidates in the book of stakes, retired ones included.",
            value=len(executor.machine.stakes.list_candidates()),
        )
        yield GaugeMetricFamily(
            "tangle_committee_members", "Validators on the present committee.", value=len(committee)
        )
        key = self._node.parts.validator_key
        own = None if key is None else committee.index_of(key.public_key)
        yield GaugeMetricFamily(
            "tangle_committee_own_weight_ratio",
            "This node's part of the present committee's weight, 0 when it is not of it.",
            value=0.0 if own is None else committee.weights[own] / committee.total_weight,
        )
        yield CounterMetricFamily(
            "tangle_elections",
            "Epochs that ended since this node started, after which others go on.",
            value=executor.elections,
        )
        slashed = CounterMetricFamily(
            "tangle_stakes_slashed",
            "Stakes burned since this node started, by cause: twin or refuted.",
            labels=["cause"],
        )
        for cause in SlashCause:
            slashed.add_metric([cause.name.lower()], executor.slashed[cause])
        yield slashed
