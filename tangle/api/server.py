"""The API server: joins the routes, listens, and stops within a deadline."""

from typing import Any, Final

import anyio
import structlog
from aiohttp import web
from anyio.abc import TaskStatus
from msgspec import Struct

from tangle.api import (
    routes_admin,
    routes_blobs,
    routes_epochs,
    routes_events,
    routes_explorer,
    routes_forecast,
    routes_inference,
    routes_jobs,
    routes_ledger,
    routes_market,
    routes_meta,
    routes_models,
    routes_network,
    routes_peers,
    routes_private,
    routes_transactions,
    routes_validators,
)
from tangle.api.behind_front import trust_front
from tangle.api.config import ApiConfig
from tangle.api.connections import ConnectionServer
from tangle.api.context import ApiContext
from tangle.api.dispatch import Dispatcher
from tangle.api.meters import ApiMeters
from tangle.api.metrics_page import MetricsPage
from tangle.api.openapi import make_openapi
from tangle.api.registry import Route
from tangle.node.crossing.desk import BundleDesk
from tangle.node.operator import Operator
from tangle.node.views import NodeService

log: Final = structlog.get_logger(__name__)

ROUTES: Final[tuple[Route, ...]] = tuple(
    route
    for module in (
        routes_transactions,
        routes_forecast,
        routes_ledger,
        routes_validators,
        routes_models,
        routes_market,
        routes_jobs,
        routes_inference,
        routes_blobs,
        routes_network,
        routes_events,
        routes_explorer,
        routes_epochs,
        routes_meta,
    )
    for route in module.routes.routes
)
"""Every route, in the order of the document."""


ADMIN_ROUTES: Final[tuple[Route, ...]] = (*routes_admin.routes.routes, *routes_peers.routes.routes)
"""Every route of the operator's door."""

ADMIN_HOST: Final = "127.0.0.1"
"""Where the operator's door is: nowhere but on the node's own machine."""


class ApiAddresses(Struct, frozen=True):
    """Where the server listens."""

    api: str
    """Base URL of the API."""

    metrics: str | None
    """URL of the metrics page, if it is served."""

    admin: str | None = None
    """Base URL of the operator's door, if it is open."""


class OperatorDoor(Struct, frozen=True):
    """Who stands behind the operator's door, and what opens it."""

    operator: Operator
    """Changes the running node."""

    token: str
    """What every request must show."""


class ApiServer:
    """The HTTP door of one node."""

    def __init__(
        self,
        service: NodeService,
        config: ApiConfig,
        *,
        version: str,
        door: OperatorDoor | None = None,
        desk: BundleDesk | None = None,
    ) -> None:
        """:param version: version of the program, for the OpenAPI document.
        :param door: opened on ``admin_port``; there is none without it.
        :param desk: gives bundles to other processes of the same node; for private doors.
        """
        self._config = config
        self._context = ApiContext(service, config)
        self._context.document = make_openapi(ROUTES, version)
        meters = ApiMeters(service.metrics, self._context)
        self._context.desk = desk
        private = () if desk is None else tuple(routes_private.routes.routes)
        self._dispatcher = Dispatcher(self._context, (*ROUTES, *private), meters)
        self._admin = None
        if door is not None:
            self._context.operator = door.operator
            self._admin = Dispatcher(self._context, ADMIN_ROUTES, meters, token=door.token)
        self._metrics = MetricsPage(service.metrics)

    async def serve(self, *, task_status: TaskStatus[ApiAddresses] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled, then let requests in flight finish within ``stop_timeout_s``.

        Start it with ``await task_group.start(server.serve)``, which returns the ``ApiAddresses``.

        :raises OSError: a port is taken.
        """
        config = self._config
        runners: list[web.ServerRunner] = []
        try:
            handle = (
                trust_front(self._dispatcher.handle) if config.is_behind_front else self._dispatcher.handle
            )
            handler = ConnectionServer(handle, config)
            api = await self._listen(runners, handler, config.host, config.port)
            metrics = None
            if config.metrics_port is not None:
                page = ConnectionServer(self._metrics.handle, config)
                metrics = await self._listen(runners, page, config.metrics_host, config.metrics_port)
            admin = None
            if self._admin is not None and config.admin_port is not None:
                desk = ConnectionServer(self._admin.handle, config)
                admin = await self._listen(runners, desk, ADMIN_HOST, config.admin_port)
            addresses = ApiAddresses(api, metrics, admin)
            log.info("api.serving", api=api, metrics=metrics, admin=admin)
            task_status.started(addresses)
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                self._context.close()
                for runner in runners:
                    await runner.cleanup()
                log.info("api.stopped")

    async def _listen(
        self, runners: list[web.ServerRunner], handler: ConnectionServer, host: str, port: int
    ) -> str:
        runner = web.ServerRunner(handler, shutdown_timeout=self._config.stop_timeout_s)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, host, port).start()
        found: tuple[Any, ...] = runner.addresses[0]
        shown = f"[{found[0]}]" if ":" in str(found[0]) else found[0]
        return f"http://{shown}:{found[1]}"
