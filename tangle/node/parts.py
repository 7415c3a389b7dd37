"""What a node is made of: the seams and keys that it is given, and the cores that are made of them alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from aivm.backends.protocol import Backend
from poi.market.limits import DEVNET_RULES, MarketRules
from shards.blocks import PayloadId
from shards.committee import Committee
from shards.core import CommitteeCore
from shards.events import Pace, RecoveredState
from tangle.core.genesis import Genesis
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, Milliseconds, Shard
from tangle.ledger.accounts import AccountReader
from tangle.ledger.election import Election
from tangle.ledger.machine import AccountLister, ShardMachine
from tangle.net.addresses import Address, parse_address
from tangle.net.network import Network
from tangle.node.bundle_source import BundleSource, NoBundles
from tangle.node.clock import Clock
from tangle.node.computer import Computer
from tangle.node.config import NodeConfig
from tangle.node.disk_watch import DiskWatch
from tangle.node.peer_hooks import PeerHooks
from tangle.node.peer_memory import StoredPeers
from tangle.node.peering import Caps, Peering, PeeringConfig
from tangle.node.randomness import Randomness
from tangle.node.recovery import Recovered
from tangle.store.disk import Disk, MemoryDisk, Watermarks
from tangle.store.guard_file import Guard
from tangle.store.store import Store

PROTOCOL_VERSION: Final = 1
"""Version of the peer protocol."""

MARKET_SHARD: Final = Shard(0)
"""Where the job market is: nodes of other shards have no rooms for it."""


class NodeParts(Struct, frozen=True):
    """What a node is made of: the seams, its keys and its settings."""

    genesis: Genesis
    config: NodeConfig
    store: Store
    guard: Guard
    computer: Computer
    backend: Backend
    """Counts scores when a generation closes; numpy is enough."""

    network: Network
    clock: Clock
    randomness: Randomness
    node_key: SigningKey
    validator_key: SigningKey | None
    agent: str
    """Name and version of this software, for peers."""

    market_rules: MarketRules = DEVNET_RULES
    """Numbers of the job market, the same in every node of a network; simulations have faster ones."""

    shard: Shard = Shard(0)
    """The one that this node serves."""

    election: Election | None = None
    """Asked for the next committee in place of the book of stakes; the same in every node of a network."""

    disk: Disk = field(default_factory=MemoryDisk)
    """What the home is on; one with room for ever where there is none."""

    bundles: BundleSource = NoBundles()
    """Brings what other shards send."""

    def make_disk_watch(self) -> DiskWatch:
        """An eye on it, not looking yet."""
        config = self.config
        marks = Watermarks(
            low_bytes=config.free_disk_low_bytes,
            low_percent=config.free_disk_low_percent,
            stop_bytes=config.free_disk_min_bytes,
        )
        return DiskWatch(self.disk, marks, Path(config.name))

    def find_validator_key(self, committee: Committee) -> SigningKey | None:
        """The key that this node signs blocks with; none where it is not of the committee."""
        key = self.validator_key
        if key is None or committee.index_of(key.public_key) is None:
            return None
        return key

    def make_peering(self, chain: ChainId, hooks: PeerHooks) -> Peering:
        """The sessions with other nodes, not running yet."""
        config = self.config
        return Peering(
            network=self.network,
            config=PeeringConfig(
                listen=Address(config.peer_host.encode(), config.peer_port),
                peers=tuple(parse_address(peer) for peer in config.peers),
                peers_max=config.peers_max,
                peers_target=config.peers_target,
                caps=Caps(
                    upload=config.upload_bytes_per_s,
                    download=config.download_bytes_per_s,
                    upload_peer=config.upload_peer_bytes_per_s,
                    download_peer=config.download_peer_bytes_per_s,
                ),
            ),
            chain=chain,
            shard=self.shard,
            key=self.node_key,
            randomness=self.randomness,
            hooks=hooks,
            clock=self.clock,
            store=StoredPeers(self.store),
        )

    def make_machine(
        self,
        chain: ChainId,
        recovered: Recovered,
        read_account: AccountReader,
        list_accounts: AccountLister,
    ) -> ShardMachine:
        """The state machine as the last executed commit left it."""
        return ShardMachine(
            genesis=self.genesis,
            chain=chain,
            shard=self.shard,
            state=recovered.state,
            board=recovered.board,
            backend=self.backend,
            read_account=read_account,
            list_accounts=list_accounts,
            market_entries=recovered.market_entries,
            rules=self.market_rules,
            staking_entries=recovered.staking_entries,
            commits=recovered.committee.commits if recovered.ending is None else (),
            committee=recovered.present if recovered.ending is None else recovered.ending.following,
            election=self.election,
        )

    def make_committee_core(
        self,
        committee: Committee,
        chain: ChainId,
        is_present: Callable[[PayloadId], bool],
        recovered: RecoveredState,
    ) -> CommitteeCore:
        """Consensus as this node saw it when it stopped.

        :param is_present: whether a transaction is attached, or ordered at any time, or a bundle is here.
        """
        config = self.config
        key = self.find_validator_key(committee)
        pace = Pace(
            min_round_delay_ms=Milliseconds(config.min_round_delay_ms),
            leader_timeout_ms=Milliseconds(config.leader_timeout_ms),
            idle_round_delay_ms=Milliseconds(config.idle_round_delay_ms),
        )
        return CommitteeCore(
            committee,
            self.genesis.parameters,
            chain,
            self.shard,
            None if key is None else committee.index_of(key.public_key),
            pace,
            is_present,
            recovered,
        )
