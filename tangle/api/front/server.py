"""Listens for the public, the scraper and the operator of a node with several shards."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import anyio
import structlog
from aiohttp import web
from anyio.abc import TaskStatus

from tangle.api.config import ApiConfig
from tangle.api.connections import ConnectionServer
from tangle.api.front.addresses import read_addresses
from tangle.api.front.front import Front
from tangle.api.front.metrics_page import FrontMetricsPage
from tangle.api.front.operator_desk import OperatorDesk
from tangle.api.front.shard_door import ShardDoor
from tangle.api.server import ADMIN_HOST, ApiAddresses
from tangle.core.genesis import Genesis, compute_chain_id
from tangle.core.types import Shard
from tangle.store.home import Home

log: Final = structlog.get_logger(__name__)


async def serve_front(
    home: Home,
    genesis: Genesis,
    shards: Sequence[Shard],
    config: ApiConfig,
    token: str | None,
    *,
    task_status: TaskStatus[ApiAddresses] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled.

    :param token: opens the operator's door; there is none without it.
    :raises OSError: a port is taken.
    """
    doors = [ShardDoor(shard, partial(read_addresses, home.get_part(shard))) for shard in shards]
    runners: list[web.ServerRunner] = []
    try:
        front = ConnectionServer(Front(genesis, doors, config).handle, config)
        api = await _listen(runners, front, config, config.host, config.port)
        metrics = None
        if config.metrics_port is not None:
            page = ConnectionServer(FrontMetricsPage(doors).handle, config)
            metrics = await _listen(runners, page, config, config.metrics_host, config.metrics_port)
        admin = None
        if token is not None and config.admin_port is not None:
            desk = OperatorDesk(doors, compute_chain_id(genesis), token, config)
            server = ConnectionServer(desk.handle, config)
            admin = await _listen(runners, server, config, ADMIN_HOST, config.admin_port)
        addresses = ApiAddresses(api, metrics, admin)
        log.info("front.serving", api=api, metrics=metrics, admin=admin, shards=list(shards))
        task_status.started(addresses)
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            for runner in runners:
                await runner.cleanup()
            for door in doors:
                await door.close()


async def _listen(
    runners: list[web.ServerRunner], server: ConnectionServer, config: ApiConfig, host: str, port: int
) -> str:
    runner = web.ServerRunner(server, shutdown_timeout=config.stop_timeout_s)
    await runner.setup()
    runners.append(runner)
    await web.TCPSite(runner, host, port).start()
    found: tuple[Any, ...] = runner.addresses[0]
    shown = f"[{found[0]}]" if ":" in str(found[0]) else found[0]
    return f"http://{shown}:{found[1]}"
