"""Running a node from its home: opens what the disk holds, starts the rooms and the doors, stops them in
order.
"""

import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import anyio
import structlog
from anyio.abc import TaskGroup
from msgspec import Struct
from msgspec.structs import replace

from aivm.backends.numpy_backend import NumpyBackend
from poi.job import decode_job
from tangle.core.genesis import Genesis, compute_chain_id, decode_genesis
from tangle.core.signing import SigningKey
from tangle.core.types import Shard
from tangle.net.addresses import parse_address
from tangle.net.network import TcpNetwork
from tangle.node.blob_metrics import BlobCollector
from tangle.node.blobs import BlobRoom, open_blob_room
from tangle.node.care.self_check import check_start
from tangle.node.clock import SystemClock
from tangle.node.config import NodeConfig
from tangle.node.crossing.courier import Courier
from tangle.node.crossing.neighbours import FindNeighbour, LocalNeighbour, Neighbour, find_nobody
from tangle.node.jobs.bench import ThreadBench
from tangle.node.jobs.metrics import JobsCollector
from tangle.node.jobs.opening import JobsParts, make_trainer, open_jobs
from tangle.node.jobs.room import JobsRoom
from tangle.node.metrics import make_registry
from tangle.node.node import Node, open_node
from tangle.node.panorama import About, Panorama, ProcessFigures
from tangle.node.parts import MARKET_SHARD, NodeParts
from tangle.node.process_computer import ProcessComputer
from tangle.node.process_watch import ProcessWatch
from tangle.node.randomness import SystemRandomness
from tangle.node.replicas.opening import open_replicas
from tangle.node.replicas.room import ReplicaRoom
from tangle.node.sandbox.pool import PoolSettings, ProgramPool, open_program_pool
from tangle.node.service import Service
from tangle.node.snapshots.opening import (
    JoinParts,
    begin_with_snapshot,
    open_pruner,
    open_snapshot_room,
)
from tangle.node.version import get_version
from tangle.store.blob_files import DiskBlobFiles
from tangle.store.disk import SystemDisk
from tangle.store.errors import HomeInUse
from tangle.store.guard_file import GuardFile, MemoryGuard, open_guard_file
from tangle.store.home import Home, hold_home, open_home
from tangle.store.lmdb_store import LmdbStore, open_lmdb_store
from tangle.wallet.faucet_keys import load_faucet_keys
from tangle.wallet.keyfile import KeyKind, load_key_file

PARENT_CHECK_S: Final = 1.0
"""How often a supervised node looks whether its supervisor is still alive."""

LOCK_PATIENCE_S: Final = 10.0
"""How long a process of a node waits for a shard that another process still holds."""

LOCK_LOOK_S: Final = 0.2
"""Pause between two tries."""

log = structlog.get_logger("runtime")


class Doors(Protocol):
    """Starts the API over a running node's service; handed in, because doors are on a higher floor."""

    async def __call__(self, service: Service, config: NodeConfig, tasks: TaskGroup) -> None:
        """Return when the doors listen."""


class Plan(Struct, frozen=True):
    """What one process runs, and how it ends."""

    home: Path
    """The node's home."""

    config: NodeConfig
    """Settings of the node."""

    faucet_key: Path | None = None
    """Key file of the faucet, where it is served."""

    shards: tuple[Shard, ...] | None = None
    """Shards of this process in a network of several; none where the network has one."""

    stop_with_parent: int | None = None
    """Id of the process that started this one; the node also stops when that is gone."""

    find_neighbour: FindNeighbour = find_nobody
    """Nodes of other shards in other processes of the same node."""


class _Process(Struct, frozen=True):
    """What the nodes of one process share."""

    plan: Plan
    genesis: Genesis
    computer: ProcessComputer
    programs: ProgramPool
    faucets: tuple[SigningKey, ...]
    """The faucet's keys by shard; empty where none is served."""

    serve_doors: Doors
    watch: ProcessWatch
    nodes: dict[Shard, Node]
    """Those that run, by shard."""

    @property
    def figures(self) -> ProcessFigures:
        """What its nodes tell of it."""
        return ProcessFigures(self.watch, self.computer.pool.workers, lambda: self.computer.evaluations)

    def find_neighbour(self, shard: Shard) -> Neighbour | None:
        """The node of another shard: in this process, or in another one."""
        if self.plan.shards is not None and shard in self.plan.shards:
            return LocalNeighbour(partial(self._get_desk, shard))
        return self.plan.find_neighbour(shard)

    def _get_desk(self, shard: Shard) -> Neighbour | None:
        node = self.nodes.get(shard)
        return None if node is None else node.desk


async def run_node(
    plan: Plan, serve_doors: Doors, run_beside: Callable[[TaskGroup], Awaitable[None]] | None = None
) -> None:
    """Run the node of a home, or some shards of it, until SIGINT or SIGTERM.

    :param run_beside: starts what belongs to the same process once every node's doors are open.
    :raises TangleError: the home cannot be used, or the node had to stop; the message says what to do.
    """
    home, config = open_home(plan.home), plan.config
    genesis = decode_genesis(home.genesis.read_bytes())
    parts = (home,) if plan.shards is None else tuple(map(home.get_part, plan.shards))
    async with AsyncExitStack() as held:
        for part in parts:
            await _hold(part, held, is_child=plan.stop_with_parent is not None)
        name, bits = genesis.name.decode("ascii", "replace"), genesis.parameters.shard_bits
        faucets = () if plan.faucet_key is None else load_faucet_keys(plan.faucet_key, name, bits)
        computer = _make_computer(home, config, genesis)
        held.callback(computer.close)
        programs = await held.enter_async_context(open_program_pool(_make_pool_settings(home, config)))
        process = _Process(plan, genesis, computer, programs, faucets, serve_doors, ProcessWatch(), {})
        if not await _begin(process, parts):
            return
        stores = {part: _open_store(part, config, genesis) for part in parts}
        for store in stores.values():
            held.callback(store.close)
        await _run(process, stores, run_beside)


async def _begin(process: _Process, parts: Sequence[Home]) -> bool:
    """Put a snapshot in the place of each shard's database, where that is to be, before it is opened.

    :returns: false where the process was told to stop meanwhile.
    """
    genesis, config = process.genesis, process.plan.config
    name = genesis.name.decode("ascii", "replace")

    async def begin(part: Home) -> None:
        found = JoinParts(
            home=part,
            genesis=genesis,
            config=config if part.shard is None else make_shard_config(config, part.shard),
            network=TcpNetwork(),
            clock=SystemClock(),
            randomness=SystemRandomness(),
            node_key=load_key_file(part.node_key, KeyKind.NODE, name),
            agent=f"{config.name} tangle/{get_version()}",
        )
        await begin_with_snapshot(found)

    is_begun = False
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_stop_on_signal, tasks.cancel_scope)
        async with anyio.create_task_group() as beginning:
            for part in parts:
                beginning.start_soon(begin, part)
        is_begun = True
        tasks.cancel_scope.cancel()
    return is_begun


async def _hold(part: Home, held: AsyncExitStack, *, is_child: bool) -> None:
    # Processes of a node that was killed a moment ago notice within a second that they are orphans.
    deadline_s = anyio.current_time() + (LOCK_PATIENCE_S if is_child else 0)
    while True:
        try:
            held.enter_context(hold_home(part))
            return
        except HomeInUse:
            if anyio.current_time() >= deadline_s:
                raise
        await anyio.sleep(LOCK_LOOK_S)


def _open_store(part: Home, config: NodeConfig, genesis: Genesis) -> LmdbStore:
    return open_lmdb_store(
        part.database, compute_chain_id(genesis), free_bytes_min=config.free_disk_min_bytes
    )


async def _run(
    process: _Process,
    stores: Mapping[Home, LmdbStore],
    run_beside: Callable[[TaskGroup], Awaitable[None]] | None,
) -> None:
    async with anyio.create_task_group() as storing:
        for store in stores.values():
            storing.start_soon(store.run)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_stop_on_signal, tasks.cancel_scope)
                if process.plan.stop_with_parent is not None:
                    tasks.start_soon(_stop_with_parent, process.plan.stop_with_parent, tasks.cancel_scope)
                nodes = [await _start_node(process, part, store, tasks) for part, store in stores.items()]
                tasks.start_soon(process.watch.run)
                tasks.start_soon(_open_device, process.computer, process.programs, nodes)
                if run_beside is not None:
                    await run_beside(tasks)
        finally:
            # The rooms are gone; what they handed to the store still becomes durable.
            for store in stores.values():
                store.stop()


async def _start_node(process: _Process, home: Home, store: LmdbStore, tasks: TaskGroup) -> Node:
    """Bring one shard's node to life, with its market where that is, and open its doors."""
    parts = _make_parts(home, process.plan.config, process.genesis, store, process.computer)
    own_key = None if parts.validator_key is None else parts.validator_key.public_key
    check_start(store, parts.guard.record, own_key)
    courier = None
    if home.shard is not None:
        shards = 1 << process.genesis.parameters.shard_bits
        courier = Courier(home.shard, shards, process.find_neighbour)
        parts = replace(parts, bundles=courier)
    node = await open_node(parts)
    process.nodes[parts.shard] = node
    if courier is not None:
        courier.open(node)
        tasks.start_soon(courier.run)
    has_market = parts.shard == MARKET_SHARD
    blobs = await _open_blobs(DiskBlobFiles(home.blobs), node, parts)
    if has_market:
        node.depot.open(blobs)
    await tasks.start(node.run)
    await tasks.start(blobs.run)
    tasks.start_soon(open_snapshot_room(node, home, store, blobs).run)
    tasks.start_soon(open_pruner(node, store).run)
    faucet = process.faucets[parts.shard] if process.faucets else None
    if not has_market:
        panorama = Panorama(node, About(parts.config.name, get_version()), process.figures)
        service = Service(node, panorama, make_registry(node, panorama), faucet)
    else:
        service = await _open_market(process, node, blobs, faucet, tasks)
    await process.serve_doors(service, parts.config, tasks)
    log.info("running", name=parts.config.name, shard=parts.shard, checkpoint=node.finality.certified)
    return node


async def _open_market(
    process: _Process, node: Node, blobs: BlobRoom, faucet: SigningKey | None, tasks: TaskGroup
) -> Service:
    replicas = open_replicas(node, blobs, process.programs, ThreadBench())
    await tasks.start(replicas.run)
    panorama = Panorama(node, About(node.parts.config.name, get_version()), process.figures)
    service = _make_service(node, panorama, faucet, blobs, replicas)
    service.jobs = open_jobs(node, JobsParts(service, blobs, process.programs, ThreadBench()))
    service.metrics.register(JobsCollector(service.jobs))
    tasks.start_soon(_work, service.jobs, node)
    return service


async def _open_device(computer: ProcessComputer, programs: ProgramPool, nodes: Sequence[Node]) -> None:
    # Building kernels takes a core for seconds: a node that is behind catches up on numpy first.
    for node in nodes:
        await node.catch_up.wait_level()
    has_worker = any(node.shard == MARKET_SHARD and node.parts.config.jobs.worker for node in nodes)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(computer.run)
        if has_worker:  # the first customer should not wait for a worker process
            tasks.start_soon(programs.warm)


async def _work(jobs: JobsRoom, node: Node) -> None:
    # What an old market asks for was done by others long ago.
    await node.catch_up.wait_level()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(jobs.run)
        if node.parts.config.jobs.worker:
            tasks.start_soon(make_trainer(node, jobs.clerk).run)


async def _open_blobs(files: DiskBlobFiles, node: Node, parts: NodeParts) -> BlobRoom:
    config = parts.config
    return await open_blob_room(
        files,
        node.peering,
        parts.clock,
        quota_bytes=config.blob_quota_bytes,
        free_bytes_min=2 * config.free_disk_min_bytes,  # the ledger must never stop for the sake of blobs
    )


def _make_service(
    node: Node, panorama: Panorama, faucet: SigningKey | None, blobs: BlobRoom, replicas: ReplicaRoom
) -> Service:
    registry = make_registry(node, panorama)
    registry.register(BlobCollector(blobs))
    return Service(node, panorama, registry, faucet, blobs, replicas)


def _make_computer(home: Home, config: NodeConfig, genesis: Genesis) -> ProcessComputer:
    jobs = [decode_job(entry.parameters) for entry in genesis.board]
    cache = Path(config.kernel_cache) if config.kernel_cache else home.path / "kernels"
    return ProcessComputer(config.get_workers(), config.device, cache, jobs)


def _make_pool_settings(home: Home, config: NodeConfig) -> PoolSettings:
    return PoolSettings(
        cache=home.path / "program-kernels", device=config.device, workers=config.jobs.processes
    )


def _make_parts(
    home: Home, config: NodeConfig, genesis: Genesis, store: LmdbStore, computer: ProcessComputer
) -> NodeParts:
    name = genesis.name.decode("ascii", "replace")
    shard = home.shard or Shard(0)
    validator_key = None
    guard: GuardFile | MemoryGuard = MemoryGuard()
    if home.validator_key.exists():
        validator_key = load_key_file(home.validator_key, KeyKind.VALIDATOR, name)
        guard = open_guard_file(home.validator_state, create=False)
    return NodeParts(
        genesis=genesis,
        config=config if home.shard is None else make_shard_config(config, home.shard),
        shard=shard,
        store=store,
        guard=guard,
        computer=computer,
        backend=NumpyBackend(),
        network=TcpNetwork(),
        clock=SystemClock(),
        randomness=SystemRandomness(),
        node_key=load_key_file(home.node_key, KeyKind.NODE, name),
        validator_key=validator_key,
        agent=f"{config.name} tangle/{get_version()}",
        disk=SystemDisk(home.data),
    )


def make_shard_config(config: NodeConfig, shard: Shard) -> NodeConfig:
    """Settings of the node of one of several shards: its peers are where its own ports are.

    :raises InvalidAddress: a peer is no address, or has no such port.
    """
    addresses = [parse_address(peer) for peer in config.peers]
    moved = [parse_address(str(replace(address, port=address.port + shard))) for address in addresses]
    port = config.peer_port + shard if config.peer_port else 0
    return replace(config, peer_port=port, peers=tuple(map(str, moved)))


async def _stop_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            log.info("stopping", signal=signal.Signals(number).name)
            scope.cancel()
            return


async def _stop_with_parent(parent: int, scope: anyio.CancelScope) -> None:
    while os.getppid() == parent:  # noqa: ASYNC110  # the system tells nobody when a parent goes
        await anyio.sleep(PARENT_CHECK_S)
    log.warning("stopping", reason="the supervisor is gone")
    scope.cancel()
