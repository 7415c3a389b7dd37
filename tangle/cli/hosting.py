"""A node of several shards: its shards' nodes in one process or in several, and the front before them.

With one process the nodes and the front share its event loop. With more, this process keeps the front and
supervises the others, which are ordinary ``tangle up`` processes told which shards are theirs: one that dies
is started again, and one that refuses to go on ends the whole node.
"""

import os
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup, TaskStatus
from msgspec import Struct
from msgspec.structs import replace

from tangle.api.doors import serve_private_doors, start_front
from tangle.api.front.addresses import forget_addresses, read_addresses
from tangle.api.front.neighbours import HttpNeighbour
from tangle.api.front.shard_door import ShardDoor
from tangle.cli.errors import ShardsRefused
from tangle.cli.supervisor import NodeProcess
from tangle.core.genesis import Genesis
from tangle.core.types import Shard
from tangle.node.config import NodeConfig
from tangle.node.operator import ensure_token
from tangle.node.randomness import SystemRandomness
from tangle.node.recovery import NoSuchShard
from tangle.node.runtime import Plan, run_node
from tangle.store.home import Home, hold_home

PARENT_CHECK_S: Final = 1.0
"""How often a supervised node looks whether its supervisor is still alive."""

log: Final = structlog.get_logger("hosting")


class Hosting(Struct, frozen=True):
    """A node of several shards."""

    home: Home
    """Its home."""

    genesis: Genesis
    """Of its network."""

    config: NodeConfig
    """Its settings."""

    faucet_key: Path | None
    """Key file of the faucet, where it is served."""

    arguments: tuple[str, ...]
    """Command line of a process of some shards, without their names."""

    stop_with_parent: int | None
    """Id of the process that started this one; the node also stops when that is gone."""

    @property
    def shards(self) -> tuple[Shard, ...]:
        """Those that the node serves, in order."""
        return find_shards(self.genesis, self.config)


def find_shards(genesis: Genesis, config: NodeConfig) -> tuple[Shard, ...]:
    """The shards that the settings name, in order; all for none.

    :raises NoSuchShard: the network does not have one of them.
    """
    count = 1 << genesis.parameters.shard_bits
    for shard in config.shards:
        if shard >= count:
            raise NoSuchShard(shard, count)
    return tuple(map(Shard, sorted(set(config.shards)) or range(count)))


def spread_shards(shards: Sequence[Shard], processes: int) -> list[tuple[Shard, ...]]:
    """The shards of each process: as even as can be, and none without any."""
    count = min(processes, len(shards))
    return [tuple(shards[first::count]) for first in range(count)]


async def host_shards(hosting: Hosting) -> None:
    """Run the node until it is told to stop.

    :raises TangleError: it cannot start or had to stop.
    """
    home, groups = hosting.home, spread_shards(hosting.shards, hosting.config.shard_processes)
    with hold_home(home):
        for shard in hosting.shards:
            forget_addresses(home.get_part(shard))
        ensure_token(home, SystemRandomness())
        if len(groups) == 1:
            await _run_together(hosting)
        else:
            await _run_apart(hosting, groups)


async def serve_shards(hosting: Hosting, shards: tuple[Shard, ...]) -> None:
    """Run one process's shards behind the front of another process.

    :raises TangleError: as ``run_node``.
    """
    for shard in shards:
        forget_addresses(hosting.home.get_part(shard))
    others = [shard for shard in hosting.shards if shard not in shards]
    doors = {each: ShardDoor(each, partial(read_addresses, hosting.home.get_part(each))) for each in others}
    neighbours = {each: HttpNeighbour(door) for each, door in doors.items()}
    try:
        plan = replace(_make_plan(hosting, shards), find_neighbour=neighbours.get)
        await run_node(plan, partial(serve_private_doors, home=hosting.home.path))
    finally:
        with anyio.CancelScope(shield=True):
            for door in doors.values():
                await door.close()


async def _run_together(hosting: Hosting) -> None:
    async def run_beside(tasks: TaskGroup) -> None:
        await start_front(hosting.home, hosting.genesis, hosting.shards, hosting.config, tasks)

    doors = partial(serve_private_doors, home=hosting.home.path)
    await run_node(_make_plan(hosting, hosting.shards), doors, run_beside)


def _make_plan(hosting: Hosting, shards: tuple[Shard, ...]) -> Plan:
    return Plan(
        home=hosting.home.path,
        config=hosting.config,
        faucet_key=hosting.faucet_key,
        shards=shards,
        stop_with_parent=hosting.stop_with_parent,
    )


async def _run_apart(hosting: Hosting, groups: Sequence[tuple[Shard, ...]]) -> None:
    processes = [_make_process(hosting, group) for group in groups]
    async with anyio.create_task_group() as tasks:
        await tasks.start(_stop_on_signal, tasks.cancel_scope)
        if hosting.stop_with_parent is not None:
            tasks.start_soon(_stop_with_parent, hosting.stop_with_parent, tasks.cancel_scope)
        await start_front(hosting.home, hosting.genesis, hosting.shards, hosting.config, tasks)
        for process in processes:
            tasks.start_soon(process.run)
            tasks.start_soon(_end_when_refused, process)


def _make_process(hosting: Hosting, shards: tuple[Shard, ...]) -> NodeProcess:
    named = ",".join(map(str, shards))
    arguments = (*hosting.arguments, "--serve-shards", named, "--stop-with-parent", str(os.getpid()))
    return NodeProcess(f"shards {named}", arguments, None)


async def _end_when_refused(process: NodeProcess) -> None:
    await process.given_up.wait()
    raise ShardsRefused(process.name, process.gave_up or "")


async def _stop_on_signal(
    scope: anyio.CancelScope, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for number in signals:
            log.info("stopping", signal=signal.Signals(number).name)
            scope.cancel()
            return


async def _stop_with_parent(parent: int, scope: anyio.CancelScope) -> None:
    while os.getppid() == parent:  # noqa: ASYNC110  # the system tells nobody when a parent goes
        await anyio.sleep(PARENT_CHECK_S)
    log.warning("stopping", reason="the supervisor is gone")
    scope.cancel()
