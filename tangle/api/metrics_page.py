"""The metrics page, on a port of its own: it answers also while the node is not ready."""

from aiohttp import web
from prometheus_client import CollectorRegistry, exposition

METRICS_PATH = "/metrics"
"""Where Prometheus looks by default."""


class MetricsPage:
    """Renders a registry in the format that the scraper asks for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer ``GET /metrics``."""
        if request.path != METRICS_PATH or request.method != "GET":
            return web.Response(status=404, text=f"the metrics are at GET {METRICS_PATH}\n")
        encode, content_type = exposition.choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})
