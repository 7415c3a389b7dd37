"""Snapshots of a running node, put together from its home: beginning with one, and making them."""

from pathlib import Path
from typing import Final

import anyio
import anyio.to_process
import structlog
from msgspec import Struct

from tangle.core.errors import TangleError
from tangle.core.genesis import Genesis, compute_chain_id, decode_genesis, encode_genesis
from tangle.core.signing import SigningKey
from tangle.core.types import Shard
from tangle.net.addresses import parse_address
from tangle.net.network import Network
from tangle.node.blobs import BlobRoom, open_blob_room
from tangle.node.clock import Clock
from tangle.node.config import NodeConfig
from tangle.node.node import Node
from tangle.node.parts import PROTOCOL_VERSION
from tangle.node.peering import Peering, PeeringConfig
from tangle.node.pruning import Pruner, PruningSettings
from tangle.node.randomness import Randomness
from tangle.node.snapshots.joining import Held, JoinHooks, Joining
from tangle.node.snapshots.making import SnapshotFacts
from tangle.node.snapshots.restoring import read_state, restore_home
from tangle.node.snapshots.room import Progress, RoomSettings, SnapshotRoom, take_apart
from tangle.store.blob_files import DiskBlobFiles
from tangle.store.home import Home
from tangle.store.store import Store

AUTO: Final = "auto"
"""Begin with a peer's snapshot where that is worth its while."""

NEVER: Final = "never"
"""Always execute history."""

BEHIND_MS: Final = 600_000
"""A home whose newest checkpoint is younger catches up in less time than a snapshot takes to fetch."""

log = structlog.get_logger("join")


class SnapshotUnusable(TangleError):
    """A snapshot that was fetched, and is not to be used."""

    code = "snapshot-unusable"

    def __init__(self, reason_code: str, reason: str) -> None:
        self.reason_code = reason_code
        self.reason = reason
        super().__init__(reason)


class JoinParts(Struct, frozen=True):
    """What beginning with a snapshot is made of."""

    home: Home
    """One shard's home, held by this process."""

    genesis: Genesis
    """The network."""

    config: NodeConfig
    """Settings of this shard's node."""

    network: Network
    """Where peers are."""

    clock: Clock
    """What time it is."""

    randomness: Randomness
    """For handshakes."""

    node_key: SigningKey
    """Names this node to its peers."""

    agent: str
    """Name and version of this software."""


async def begin_with_snapshot(parts: JoinParts) -> bool:
    """Put a snapshot where the database belongs, if the settings and the home ask for one.

    :returns: whether it was done. Where no peer has a useful one the node catches up by history.
    :raises SnapshotFault, StoreFault: the file that the settings name cannot be used.
    """
    home, config, genesis = parts.home, parts.config, parts.genesis
    if config.from_snapshot == NEVER:
        return False
    state = read_state(home.database, genesis)
    if config.from_snapshot != AUTO:
        if state is not None and state.checkpoint_index:
            return False
        path = Path(config.from_snapshot)
        await restore_home(path, home.database, genesis, home.shard or Shard(0), _ignore)
        return True
    newest_ms = genesis.timestamp_ms if state is None else state.timestamp_ms
    # Nobody can have a snapshot before the first epoch has ended, and little is worth one.
    behind_ms = max(BEHIND_MS, genesis.parameters.epoch_ms if state is None else 0)
    if not config.peers or parts.clock.now_ms() - newest_ms < behind_ms:
        return False
    held = Held(0, 0) if state is None else Held(state.checkpoint_index, state.committee_epoch)
    return await _join(parts, held)


async def _join(parts: JoinParts, held: Held) -> bool:
    home, config, shard = parts.home, parts.config, parts.home.shard or Shard(0)
    hooks = JoinHooks(PROTOCOL_VERSION, shard, held, parts.agent.encode()[:64])
    peering = Peering(
        network=parts.network,
        config=PeeringConfig(
            listen=None,
            peers=tuple(parse_address(peer) for peer in config.peers),
            peers_max=config.peers_max,
        ),
        chain=compute_chain_id(parts.genesis),
        shard=shard,
        key=parts.node_key,
        randomness=parts.randomness,
        hooks=hooks,
        clock=parts.clock,
    )
    blobs = await open_blob_room(
        DiskBlobFiles(home.blobs),
        peering,
        parts.clock,
        quota_bytes=config.blob_quota_bytes,
        free_bytes_min=2 * config.free_disk_min_bytes,
    )

    async def restore(path: Path) -> None:
        encoded = encode_genesis(parts.genesis)
        fault = await anyio.to_process.run_sync(
            restore_apart, path, home.database, encoded, shard, cancellable=True
        )
        if fault is not None:
            raise SnapshotUnusable(*fault)

    async with anyio.create_task_group() as tasks:
        await tasks.start(peering.run)
        await tasks.start(blobs.run)
        is_done = await Joining(peering, blobs, shard, held, restore, home.data).run()
        tasks.cancel_scope.cancel()
    return is_done


def restore_apart(path: Path, root: Path, genesis: bytes, shard: Shard) -> tuple[str, str] | None:
    """Verify and restore in a process of its own, so that sessions go on meanwhile.

    :returns: code and reason of what stands against it; none where it is done.
    """
    try:
        anyio.run(_restore, path, root, decode_genesis(genesis), shard)
    except TangleError as error:
        return error.code, str(error)
    return None


async def _restore(path: Path, root: Path, genesis: Genesis, shard: Shard) -> None:
    await restore_home(path, root, genesis, shard, _ignore, is_replacing=True)


def open_snapshot_room(node: Node, home: Home, store: Store, blobs: BlobRoom) -> SnapshotRoom:
    """The room over what the node keeps, answering whoever asks its peering."""
    config, genesis = node.parts.config, encode_genesis(node.genesis)

    async def take(path: Path) -> SnapshotFacts:
        return await take_apart(home.database, genesis, path)

    def get_progress() -> Progress:
        state = node.executor.machine.state
        return Progress(state.epoch, node.finality.certified, node.catch_up.is_level)

    settings = RoomSettings(node.shard, config.snapshot_every_epochs, config.snapshots_keep)
    room = SnapshotRoom(store, blobs, settings, take, home.data, get_progress)
    node.peering.snapshots = room
    return room


def open_pruner(node: Node, store: Store) -> Pruner:
    """What lets old history go, as the settings say."""
    config = node.parts.config
    settings = PruningSettings(config.history_keep_epochs, config.history_max_bytes)
    return Pruner(store, node.genesis, settings, lambda: node.finality.certified)


def _ignore(done: int) -> None:
    del done
