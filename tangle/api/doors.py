"""The doors of a running node: the HTTP server over its service, as the runtime starts it.

The doors of the nodes of several shards are private ones, and the front is before them.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog
from anyio.abc import TaskGroup
from msgspec.structs import replace

from tangle.api.config import ApiConfig
from tangle.api.front.addresses import DoorAddresses, write_addresses
from tangle.api.front.server import serve_front
from tangle.api.server import ApiServer, OperatorDoor
from tangle.core.genesis import Genesis
from tangle.core.types import Shard
from tangle.node.config import NodeConfig
from tangle.node.operator import NodeOperator, ensure_token
from tangle.node.randomness import SystemRandomness
from tangle.node.service import Service
from tangle.node.version import get_version
from tangle.store.home import Home

log: Final = structlog.get_logger(__name__)

LOOPBACK: Final = "127.0.0.1"
"""Where private doors listen."""


async def serve_doors(
    service: Service, config: NodeConfig, tasks: TaskGroup, *, home: Path | None = None
) -> None:
    """Start the API, the metrics page and the operator's door in ``tasks``; returns when all listen.

    :param home: keeps the operator's token; without it there is no door for operators.
    :raises OSError: a port is taken.
    :raises HomeUnsafe: others could read the token.
    """
    settings = make_public_settings(config)
    door = None
    if settings.admin_port is not None and home is not None:
        door = _make_operator_door(service, home)
    server = ApiServer(service, settings, version=get_version(), door=door)
    addresses = await tasks.start(server.serve)
    log.info("doors-open", api=addresses.api, metrics=addresses.metrics, admin=addresses.admin)


async def serve_private_doors(service: Service, config: NodeConfig, tasks: TaskGroup, *, home: Path) -> None:
    """Start the doors of one of several shards, on ports of loopback that the front is told of."""
    settings = replace(make_public_settings(config), host=LOOPBACK, port=0, is_behind_front=True)
    settings = replace(settings, metrics_port=0, admin_port=0)
    door, desk = _make_operator_door(service, home), service.node.desk
    server = ApiServer(service, settings, version=get_version(), door=door, desk=desk)
    part = Home(home).get_part(service.shard)
    addresses = await tasks.start(server.serve)
    write_addresses(
        part, DoorAddresses(addresses.api, addresses.metrics or "", addresses.admin or "", os.getpid())
    )


async def start_front(
    home: Home, genesis: Genesis, shards: Sequence[Shard], config: NodeConfig, tasks: TaskGroup
) -> None:
    """Start the public doors of a node with several shards; returns when they listen.

    :raises OSError: a port is taken.
    :raises HomeUnsafe: others could read the operator's token.
    """
    settings = make_public_settings(config)
    token = ensure_token(home, SystemRandomness()) if settings.admin_port is not None else None
    await tasks.start(serve_front, home, genesis, shards, settings, token)


def make_public_settings(config: NodeConfig) -> ApiConfig:
    """Where the doors for everybody are."""
    return ApiConfig(
        host=config.api_host,
        port=config.api_port,
        metrics_port=config.metrics_port or None,
        admin_port=config.admin_port or None,
        cors_origins=config.cors_origins,
    )


def _make_operator_door(service: Service, home: Path) -> OperatorDoor:
    return OperatorDoor(NodeOperator(service.node), ensure_token(Home(home), SystemRandomness()))
