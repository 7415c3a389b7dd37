"""The metrics of all shards on one page: each figure has the label ``shard``."""

from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
from aiohttp import web
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from tangle.api.front.shard_door import ShardDoor
from tangle.api.metrics_page import METRICS_PATH
from tangle.core.errors import TangleError

TIMEOUT_S: Final = 5.0
"""A shard that does not tell its figures by then is left out; scrapers wait about ten seconds."""

UP: Final = "tangle_shard_up"
"""Whether a shard's process told its figures."""


class FrontMetricsPage:
    """Asks every shard's own page when Prometheus asks."""

    def __init__(self, doors: Sequence[ShardDoor]) -> None:
        self._doors = doors

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer ``GET /metrics``."""
        if request.path != METRICS_PATH or request.method != "GET":
            return web.Response(status=404, text=f"the metrics are at GET {METRICS_PATH}\n")
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        pages: dict[int, str | None] = {}
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            for door in self._doors:
                pages[door.shard] = await _fetch(session, door)
        content = generate_latest(_Merged(pages))
        return web.Response(body=content, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


async def _fetch(session: aiohttp.ClientSession, door: ShardDoor) -> str | None:
    try:
        url = door.get_addresses().metrics + METRICS_PATH
        async with session.get(url, headers={"Accept": "text/plain"}) as response:
            return await response.text()
    except (TangleError, aiohttp.ClientError, TimeoutError, OSError):
        return None


def merge_pages(pages: Mapping[int, str | None]) -> list[Metric]:
    """The figures of all pages, each labelled with its shard.

    :param pages: in Prometheus' text format; none where a shard did not answer.
    """
    families: dict[str, Metric] = {}
    up = Metric(UP, "Whether the shard's process told its figures.", "gauge")
    for shard, page in pages.items():
        up.add_sample(UP, {"shard": str(shard)}, 0.0 if page is None else 1.0)
        for family in text_string_to_metric_families(page or ""):
            merged = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type, family.unit)
            )
            for sample in family.samples:
                merged.add_sample(sample.name, {**sample.labels, "shard": str(shard)}, sample.value)
    return [up, *families.values()]


class _Merged(CollectorRegistry):
    def __init__(self, pages: Mapping[int, str | None]) -> None:
        super().__init__(auto_describe=False)
        self._pages = pages

    def collect(self) -> list[Metric]:
        return merge_pages(self._pages)
