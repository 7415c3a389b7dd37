"""The doors of a running node: the HTTP server over its service, as the runtime starts it."""

from pathlib import Path
from typing import Final

import structlog
from anyio.abc import TaskGroup

from tangle.api.config import ApiConfig
from tangle.api.server import ApiServer, OperatorDoor
from tangle.node.config import NodeConfig
from tangle.node.operator import NodeOperator, ensure_token
from tangle.node.randomness import SystemRandomness
from tangle.node.runtime import get_version
from tangle.node.service import Service
from tangle.store.home import Home

log: Final = structlog.get_logger(__name__)


async def serve_doors(
    service: Service, config: NodeConfig, tasks: TaskGroup, *, home: Path | None = None
) -> None:
    """Start the API, the metrics page and the operator's door in ``tasks``; returns when all listen.

    :param home: keeps the operator's token; without it there is no door for operators.
    :raises OSError: a port is taken.
    :raises HomeUnsafe: others could read the token.
    """
    settings = ApiConfig(
        host=config.api_host,
        port=config.api_port,
        metrics_port=config.metrics_port or None,
        admin_port=config.admin_port or None,
        cors_origins=config.cors_origins,
    )
    door = None
    if settings.admin_port is not None and home is not None:
        token = ensure_token(Home(home), SystemRandomness())
        door = OperatorDoor(NodeOperator(service.node), token)
    server = ApiServer(service, settings, version=get_version(), door=door)
    addresses = await tasks.start(server.serve)
    log.info("doors-open", api=addresses.api, metrics=addresses.metrics, admin=addresses.admin)
