"""Metrics of the blobs: read from their room when Prometheus asks."""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tangle.node.blobs import BlobRoom


class BlobGauge(Struct, frozen=True):
    """One figure: its name, what it means, and where it is read."""

    name: str
    meaning: str
    read: Callable[[BlobRoom], float]
    is_total: bool = False
    """Whether it only grows while the process lives."""


FIGURES: Final = (
    BlobGauge("tangle_blobs", "Whole blobs kept.", lambda room: room.get_room().blobs),
    BlobGauge("tangle_blob_bytes", "Quota in use.", lambda room: room.get_room().kept_bytes),
    BlobGauge("tangle_blob_pinned_bytes", "Quota used by pins.", lambda room: room.get_room().pinned_bytes),
    BlobGauge("tangle_blob_quota_bytes", "Quota.", lambda room: room.get_room().quota_bytes),
    BlobGauge("tangle_blob_fetching", "Blobs on their way or waiting.", lambda room: room.fetching),
    BlobGauge("tangle_blob_fetched", "Blobs fetched.", lambda room: room.fetches_done, is_total=True),
    BlobGauge(
        "tangle_blob_fetches_failed", "Fetches given up.", lambda room: room.fetches_failed, is_total=True
    ),
    BlobGauge(
        "tangle_blob_fetched_bytes", "Bytes from peers.", lambda room: room.fetched_bytes, is_total=True
    ),
    BlobGauge("tangle_blob_served_bytes", "Bytes to peers.", lambda room: room.served_bytes, is_total=True),
    BlobGauge(
        "tangle_blob_evicted", "Removed to make room.", lambda room: room.store.evicted_total, is_total=True
    ),
)
"""Every figure."""


class BlobCollector(Collector):
    """Reads a room at each scrape."""

    def __init__(self, room: BlobRoom) -> None:
        self._room = room

    def collect(self) -> Iterator[Metric]:
        """All metrics of this moment."""
        for figure in FIGURES:
            family = CounterMetricFamily if figure.is_total else GaugeMetricFamily
            yield family(figure.name, figure.meaning, value=figure.read(self._room))
