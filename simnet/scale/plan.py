"""What one point of the model is: how many nodes and shards, on which machines, under which load."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from shards.events import Pace
from simnet.errors import ImpossiblePlan
from simnet.network import REGIONS
from tangle.core.genesis import VALIDATORS_MAX
from tangle.core.types import Milliseconds
from tangle.node.config import NodeConfig

NODES_MAX: Final = 10_000
"""Largest network of the whitepaper's claims."""

SHARDS_MAX: Final = 64
"""Most shards of the whitepaper's claims; the protocol has room for 256."""

COMMITTEE: Final = 64
"""Validators of a shard unless told otherwise: the full mesh of ``peers_max`` has room for it."""

MESH: Final = NodeConfig().peers_max
"""Peers that a validator keeps, and so the largest committee whose members all know each other."""

FOLLOWER_PEERS: Final = NodeConfig().peers_target
"""Peers that a node outside the committee keeps."""

LOAD_MAX: Final = 10_000_000.0
"""Transactions a second that may be offered."""

COMPUTING_FREE: Final = 0
"""As a number of cores: computing takes no time, as in the simulator."""

_BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "nodes": (1, NODES_MAX),
    "shards": (1, SHARDS_MAX),
    "committee": (1, VALIDATORS_MAX),
    "cores": (COMPUTING_FREE, 1_024),
    "load": (0.001, LOAD_MAX),
    "megabits": (0.1, 1_000_000),
    "disk_ms": (0, 1_000),
    "jitter_ms": (0, 10_000),
    "latency_times": (0, 100),
    "rounds": (24, 1_000),
}
"""Least and most of each figure."""


def make_pace() -> Pace:
    """The pace that a node has unless its operator chose another."""
    config = NodeConfig()
    return Pace(
        min_round_delay_ms=Milliseconds(config.min_round_delay_ms),
        leader_timeout_ms=Milliseconds(config.leader_timeout_ms),
        idle_round_delay_ms=Milliseconds(config.idle_round_delay_ms),
    )


class ScalePlan(Struct, frozen=True, forbid_unknown_fields=True):
    """One point."""

    nodes: int
    """All nodes, in equal parts on all shards."""

    shards: int = 1
    """Shards."""

    load: float = 100.0
    """Transactions offered a second, to all shards together and in equal parts."""

    committee: int = COMMITTEE
    """Most validators of a shard; the other nodes of the shard follow it."""

    cores: int = 2
    """Cores of each node: one for the core process, the rest for workers; one core does both.
    ``COMPUTING_FREE`` takes no time.
    """

    megabits: float = 1_000.0
    """Speed of each node's line, each way."""

    disk_ms: float = 1.0
    """Mean time of a durable write."""

    jitter_ms: float = 1.0
    """Longest extra time of a packet."""

    latency_times: float = 1.0
    """Factor on all distances."""

    regions: tuple[str, ...] = REGIONS
    """Regions of the nodes, in turn."""

    tips_per_block: int = 256
    """As in the protocol's parameters."""

    leaders_per_round: int = 2
    """As in the protocol's parameters."""

    rounds: int = 48
    """Rounds that are played; a quarter of them is warming up."""

    seed: int = 1
    """Decides regions' order, jitter, disks, leaders and when transactions come."""

    @property
    def shard_nodes(self) -> int:
        """Nodes of the smallest shard."""
        return self.nodes // self.shards

    @property
    def validators(self) -> int:
        """Validators of a shard."""
        return min(self.committee, self.shard_nodes)

    @property
    def shard_load(self) -> float:
        """Transactions a second of one shard."""
        return self.load / self.shards

    @property
    def bytes_per_s(self) -> float:
        """Speed of a line."""
        return self.megabits * 125_000

    @property
    def workers(self) -> int:
        """Cores that only check signatures and work; none when the one core does it beside the rest."""
        return max(0, self.cores - 1)


def check_plan(plan: ScalePlan) -> None:
    """Look for what cannot be.

    :raises ImpossiblePlan: with what to change.
    """
    for name, (least, most) in _BOUNDS.items():
        value = getattr(plan, name)
        if not least <= value <= most:
            raise ImpossiblePlan(f"{name} is {value:g}; choose {least:g} to {most:g}")
    if plan.shards > plan.nodes:
        raise ImpossiblePlan(
            f"{plan.shards} shards need as many nodes and there are {plan.nodes}; "
            "take more nodes or fewer shards"
        )
    if not plan.regions:
        raise ImpossiblePlan("there is no region; name at least one")
    if unknown := sorted(set(plan.regions) - set(REGIONS)):
        raise ImpossiblePlan(f"there is no region {unknown[0]!r}; known are {', '.join(REGIONS)}")
    if not 1 <= plan.tips_per_block <= 512:
        raise ImpossiblePlan(f"{plan.tips_per_block} tips of a block; choose 1 to 512")
    if not plan.leaders_per_round >= 1:
        raise ImpossiblePlan("a round without leaders commits nothing; choose at least 1")
