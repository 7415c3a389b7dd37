"""Bytes: what one transaction and one round cost a validator and a follower, sent and received.

Every byte that is sent is received by somebody: what validators do not send to followers, followers send to
each other. Bodies are counted once for each receiver; requests for them are left out.
"""

from typing import Final

from msgspec import Struct

from simnet.scale.costs import StepCosts
from simnet.scale.plan import FOLLOWER_PEERS, MESH, ScalePlan

ANNOUNCED_TOGETHER: Final = 32
"""Ids of one announcement: what peers brought gathers for a tenth of a second."""


class Traffic(Struct, frozen=True):
    """Bytes of one shard."""

    validators: int
    followers: int
    transaction_out: float
    """Of a validator, for each transaction of the shard."""

    transaction_in: float
    block_out: float
    """Of a validator, for each round."""

    block_in: float
    follower_transaction_out: float
    follower_transaction_in: float
    follower_block_out: float
    follower_block_in: float

    def compute_sent(self, load: float, rounds_per_s: float) -> float:
        """Bytes a second that all nodes of the shard send."""
        validator = self.transaction_out * load + self.block_out * rounds_per_s
        follower = self.follower_transaction_out * load + self.follower_block_out * rounds_per_s
        return self.validators * validator + self.followers * follower

    def compute_received(self, load: float, rounds_per_s: float) -> float:
        """Bytes a second that all nodes of the shard receive."""
        validator = self.transaction_in * load + self.block_in * rounds_per_s
        follower = self.follower_transaction_in * load + self.follower_block_in * rounds_per_s
        return self.validators * validator + self.followers * follower


def compute_traffic(plan: ScalePlan, costs: StepCosts, tips: float) -> Traffic:
    """The traffic of one shard.

    :param tips: of each block.
    """
    validators = plan.validators
    followers = plan.shard_nodes - validators
    links = min(max(1, MESH - (validators - 1)), followers)
    block = costs.block.compute_bytes(validators, tips, plan.leaders_per_round) + costs.frame_bytes
    pushed = links * validators  # copies of each author's block go to as many followers
    wanted = followers * validators
    pushed = min(pushed, wanted)
    own_out = block * (validators - 1 + pushed / validators)
    # One body for each receiver; whoever announces does so to all peers but the one that brought it.
    of_mesh, of_follower = _compute_announcements(validators - 1 + links, costs), 0.0
    if followers:
        of_follower = _compute_announcements(min(FOLLOWER_PEERS, plan.shard_nodes - 1), costs)
    nodes = validators + followers
    body = (costs.transaction.bytes + costs.frame_bytes) * (nodes - 1) / nodes
    # Announcements meet on links, so what followers take in and validators send out must fill up each other.
    mean = (validators * of_mesh + followers * of_follower) / nodes
    return Traffic(
        validators=validators,
        followers=followers,
        transaction_out=body + of_mesh,
        transaction_in=body + (of_mesh if not followers else mean),
        block_out=own_out,
        block_in=block * (validators - 1),
        follower_transaction_out=body + of_follower,
        follower_transaction_in=body + mean if followers else 0.0,
        follower_block_out=block * (wanted - pushed) / followers if followers else 0.0,
        follower_block_in=block * validators if followers else 0.0,
    )


def _compute_announcements(peers: int, costs: StepCosts) -> float:
    return max(0, peers - 1) * (costs.announce_bytes + costs.frame_bytes / ANNOUNCED_TOGETHER)
