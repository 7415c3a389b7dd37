"""Running a node from its home: opens what the disk holds, starts the rooms and the doors, stops them in
order.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from aivm.backends.numpy_backend import NumpyBackend
from poi.job import decode_job
from tangle.core.genesis import Genesis, compute_chain_id, decode_genesis
from tangle.core.signing import SigningKey
from tangle.net.network import TcpNetwork
from tangle.node.blob_metrics import BlobCollector
from tangle.node.blobs import BlobRoom, open_blob_room
from tangle.node.clock import SystemClock
from tangle.node.config import NodeConfig
from tangle.node.jobs.bench import ThreadBench
from tangle.node.jobs.metrics import JobsCollector
from tangle.node.jobs.opening import JobsParts, make_trainer, open_jobs
from tangle.node.jobs.room import JobsRoom
from tangle.node.metrics import make_registry
from tangle.node.node import Node, open_node
from tangle.node.panorama import About, Panorama
from tangle.node.parts import NodeParts
from tangle.node.process_computer import ProcessComputer
from tangle.node.randomness import SystemRandomness
from tangle.node.replicas.opening import open_replicas
from tangle.node.replicas.room import ReplicaRoom
from tangle.node.sandbox.pool import PoolSettings, ProgramPool, open_program_pool
from tangle.node.service import Service
from tangle.store.blob_files import DiskBlobFiles
from tangle.store.guard_file import GuardFile, MemoryGuard, open_guard_file
from tangle.store.home import Home, hold_home, open_home
from tangle.store.lmdb_store import LmdbStore, open_lmdb_store
from tangle.wallet.keyfile import KeyKind, load_key_file

DISTRIBUTION: Final = "tangle-node"
"""Name of the installed package."""

PARENT_CHECK_S: Final = 1.0
"""How often a supervised node looks whether its supervisor is still alive."""

ServeDoors = Callable[[Service, NodeConfig, TaskGroup], Awaitable[None]]
"""Starts the API over a running node's service; handed in, because doors are on a higher floor."""

log = structlog.get_logger("runtime")


def get_version() -> str:
    """Version of the installed package."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "0+source"


async def run_node(
    path: Path,
    config: NodeConfig,
    faucet_key: Path | None,
    serve_doors: ServeDoors,
    *,
    stop_with_parent: int | None,
) -> None:
    """Run the node at home ``path`` until SIGINT or SIGTERM.

    :param stop_with_parent: id of the process that started this one; the node also stops when that is gone.
    :raises TangleError: the home cannot be used, or the node had to stop; the message says what to do.
    """
    home = open_home(path)
    with hold_home(home):
        genesis = decode_genesis(home.genesis.read_bytes())
        name = genesis.name.decode("ascii", "replace")
        faucet = None if faucet_key is None else load_key_file(faucet_key, KeyKind.FAUCET, name)
        computer = _make_computer(home, config, genesis)
        store = open_lmdb_store(
            home.database, compute_chain_id(genesis), free_bytes_min=config.free_disk_min_bytes
        )
        try:
            parts = _make_parts(home, config, genesis, store, computer)
            blob_files = DiskBlobFiles(home.blobs)
            async with open_program_pool(_make_pool_settings(home, config)) as programs:
                await _run(
                    parts,
                    computer,
                    store,
                    blob_files,
                    programs,
                    faucet,
                    serve_doors,
                    stop_with_parent=stop_with_parent,
                )
        finally:
            computer.close()
            store.close()


async def _run(
    parts: NodeParts,
    computer: ProcessComputer,
    store: LmdbStore,
    blob_files: DiskBlobFiles,
    programs: ProgramPool,
    faucet: SigningKey | None,
    serve_doors: ServeDoors,
    *,
    stop_with_parent: int | None,
) -> None:
    async with anyio.create_task_group() as storing:
        storing.start_soon(store.run)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_stop_on_signal, tasks.cancel_scope)
                if stop_with_parent is not None:
                    tasks.start_soon(_stop_with_parent, stop_with_parent, tasks.cancel_scope)
                node = await open_node(parts)
                blobs = await _open_blobs(blob_files, node, parts)
                node.depot.open(blobs)
                await tasks.start(node.run)
                await tasks.start(blobs.run)
                bench = ThreadBench()
                replicas = open_replicas(node, blobs, programs, bench)
                await tasks.start(replicas.run)
                tasks.start_soon(_open_device, computer, programs, node)
                service = _make_service(node, parts, faucet, blobs, replicas)
                service.jobs = open_jobs(node, JobsParts(service, blobs, programs, ThreadBench()))
                service.metrics.register(JobsCollector(service.jobs))
                tasks.start_soon(_work, service.jobs, node)
                await serve_doors(service, parts.config, tasks)
                log.info("running", name=parts.config.name, checkpoint=node.finality.certified)
        finally:
            # The rooms are gone; what they handed to the store still becomes durable.
            store.stop()


async def _open_device(computer: ProcessComputer, programs: ProgramPool, node: Node) -> None:
    # Building kernels takes a core for seconds: a node that is behind catches up on numpy first.
    await node.catch_up.wait_level()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(computer.run)
        if node.parts.config.jobs.worker:  # the first customer should not wait for a worker process
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
    node: Node, parts: NodeParts, faucet: SigningKey | None, blobs: BlobRoom, replicas: ReplicaRoom
) -> Service:
    panorama = Panorama(node, About(parts.config.name, get_version()))
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
    validator_key = None
    guard: GuardFile | MemoryGuard = MemoryGuard()
    if home.validator_key.exists():
        validator_key = load_key_file(home.validator_key, KeyKind.VALIDATOR, name)
        guard = open_guard_file(home.validator_state, create=False)
    return NodeParts(
        genesis=genesis,
        config=config,
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
    )


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
