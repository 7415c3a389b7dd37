"""Where the nodes stand: distances between validators, and how a transaction spreads among them."""

import math

import numpy as np

from shards.committee import Committee as Validators
from simnet.chance import make_key
from simnet.network import LATENCY_MS, LATENCY_WITHIN_MS
from simnet.scale.plan import FOLLOWER_PEERS, ScalePlan
from simnet.scale.rounds import FLUSH_S, GATHER_S, Numbers, Times
from tangle.core.genesis import Validator
from tangle.core.types import Shard
from tangle.node.gossip import PUSH_VALIDATORS, RELAY_INTERVAL_S


def make_latencies_s(plan: ScalePlan) -> Times:
    """One way between all validators of a shard, ``[receiver, sender]``; 0 to oneself."""
    regions = [plan.regions[index % len(plan.regions)] for index in range(plan.validators)]
    latency_ms = np.array([[_get_latency_ms(here, there) for there in regions] for here in regions])
    np.fill_diagonal(latency_ms, 0.0)
    return np.asarray(latency_ms * plan.latency_times / 1_000)


def compute_spread_s(latency_s: Times, delay_s: float) -> Times:
    """From a transaction's entry to its attachment, ``[receiver, entry]``.

    The first peers get the body, the others hear of it, ask, and get it.

    :param delay_s: time of a transaction in a node before it is attached.
    """
    size = len(latency_s)
    places = np.arange(size)
    is_pushed = (places[:, None] - places[None, :]) % size <= PUSH_VALIDATORS
    fetched_s = FLUSH_S + GATHER_S + 3 * latency_s
    spread_s = np.where(is_pushed, FLUSH_S + latency_s, fetched_s) + delay_s
    np.fill_diagonal(spread_s, 0.0)
    return np.asarray(spread_s)


def count_hops(plan: ScalePlan) -> int:
    """Nodes that a transaction passes from a follower to the first validator, and news on their way back."""
    followers = plan.shard_nodes - plan.validators
    if followers <= 0:
        return 0
    reached, hops = min(PUSH_VALIDATORS, FOLLOWER_PEERS) * plan.validators / plan.shard_nodes, 1
    while reached < 1:
        reached *= FOLLOWER_PEERS - 1
        hops += 1
    return hops


def compute_way_s(plan: ScalePlan, delay_s: float) -> float:
    """Of a transaction from a follower to the first validator: pushed once, then announced and fetched.

    :param delay_s: time of a transaction in a node before it is attached.
    """
    hops, away_s = count_hops(plan), compute_mean_latency_s(plan)
    if hops == 0:
        return 0.0
    relayed_s = RELAY_INTERVAL_S + GATHER_S + 3 * away_s + delay_s
    return FLUSH_S + away_s + delay_s + (hops - 1) * relayed_s


def compute_mean_latency_s(plan: ScalePlan) -> float:
    """Between two nodes at random places."""
    latencies = [_get_latency_ms(here, there) for here in plan.regions for there in plan.regions]
    return math.fsum(latencies) / len(latencies) * plan.latency_times / 1_000


def make_leaders(plan: ScalePlan, shard: int) -> Numbers:
    """Leaders of each round, drawn as the committee draws them, ``[round, rank]``."""
    keys = [make_key(plan.seed, "scale", shard, index) for index in range(plan.validators)]
    committee = Validators(0, tuple(Validator(key.public_key, 1) for key in keys))
    count = plan.leaders_per_round
    return np.array([committee.get_leaders(Shard(shard), number, count) for number in range(plan.rounds + 1)])


def _get_latency_ms(here: str, there: str) -> float:
    return LATENCY_WITHIN_MS if here == there else LATENCY_MS[frozenset((here, there))]
