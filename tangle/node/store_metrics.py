"""Metrics of the disk and of the databases on it."""

from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from tangle.node.disk_watch import DiskWatch
from tangle.store.store import WRITE_BOUNDS_S, MapFacts, Store


class StoreCollector(Collector):
    """Reads a store and its disk at each scrape."""

    def __init__(self, store: Store, disk: DiskWatch) -> None:
        self._store = store
        self._disk = disk

    def collect(self) -> Iterator[Metric]:
        """All of this moment."""
        figures = self._store.statistics()
        commits = HistogramMetricFamily("tangle_store_commit_seconds", "Time of each group commit.")
        bounds = [*map(str, WRITE_BOUNDS_S), "+Inf"]
        counts = accumulate(figures.write_counts)
        commits.add_metric(
            [], buckets=list(zip(bounds, map(float, counts), strict=True)), sum_value=figures.write_total_s
        )
        yield commits
        yield _by_environment(
            GaugeMetricFamily(
                "tangle_store_map_bytes", "Address space of each database.", labels=["environment"]
            ),
            figures.maps,
            lambda facts: facts.map_bytes,
        )
        yield _by_environment(
            GaugeMetricFamily(
                "tangle_store_used_pages", "Pages of each file ever used.", labels=["environment"]
            ),
            figures.maps,
            lambda facts: facts.used_pages,
        )
        yield _by_environment(
            GaugeMetricFamily("tangle_store_readers", "Slots of readers taken.", labels=["environment"]),
            figures.maps,
            lambda facts: facts.readers,
        )
        yield _by_environment(
            GaugeMetricFamily(
                "tangle_store_reader_lag",
                "Transactions written since the oldest reader's moment.",
                labels=["environment"],
            ),
            figures.maps,
            lambda facts: facts.oldest_reader_lag,
        )
        yield _by_environment(
            GaugeMetricFamily(
                "tangle_store_stale_readers",
                "Slots of killed readers cleared since the start.",
                labels=["environment"],
            ),
            figures.maps,
            lambda facts: facts.stale_readers_cleared,
        )
        yield GaugeMetricFamily(
            "tangle_disk_free_bytes", "Room on the database's disk.", value=self._disk.room.free_bytes
        )
        yield GaugeMetricFamily(
            "tangle_disk_low_bytes",
            "Free space below which no new transactions are taken.",
            value=self._disk.low_bytes,
        )


def _by_environment(
    family: GaugeMetricFamily, maps: Mapping[str, MapFacts], read: Callable[[MapFacts], float]
) -> Metric:
    for name, facts in maps.items():
        family.add_metric([name], read(facts))
    return family
