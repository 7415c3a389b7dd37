"""The doors of a running node: the HTTP server over its service, as the runtime starts it."""

from typing import Final

import structlog
from anyio.abc import TaskGroup

from tangle.api.config import ApiConfig
from tangle.api.server import ApiServer
from tangle.node.config import NodeConfig
from tangle.node.runtime import get_version
from tangle.node.views import NodeService

log: Final = structlog.get_logger(__name__)


async def serve_doors(service: NodeService, config: NodeConfig, tasks: TaskGroup) -> None:
    """Start the API and the metrics page in ``tasks``; returns when both listen.

    :raises OSError: a port is taken.
    """
    settings = ApiConfig(host=config.api_host, port=config.api_port, metrics_port=config.metrics_port or None)
    addresses = await tasks.start(ApiServer(service, settings, version=get_version()).serve)
    log.info("doors-open", api=addresses.api, metrics=addresses.metrics)
