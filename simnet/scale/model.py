"""One point of the model: rounds, queues and bytes put together.

Shards are alike and know nothing of each other in version 1 of the protocol, so some of them are played and
stand for all. A transaction enters at a random node at a random time; its finality is what its entry sees, as
in the simulator.
"""

import math
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from simnet.chance import compute_bytes
from simnet.scale.commits import Commit, Flags, find_commits
from simnet.scale.costs import US_PER_S, StepCosts
from simnet.scale.places import (
    compute_mean_latency_s,
    compute_spread_s,
    compute_way_s,
    count_hops,
    make_latencies_s,
    make_leaders,
)
from simnet.scale.plan import COMPUTING_FREE, ScalePlan, check_plan, make_pace
from simnet.scale.rounds import GATHER_S, Committee, Course, Numbers, Times, play_rounds
from simnet.scale.stages import Stage, StageLoad, compute_signatures, compute_tips, find_stages
from simnet.scale.traffic import Traffic, compute_traffic
from tangle.node.config import NodeConfig

SHARDS_PLAYED: Final = 2
"""Shards that are played and stand for the others."""

SAMPLES: Final = 2_000
"""Transactions whose way is followed in each."""

SETTLING: Final = 3
"""Times that load, rounds and queues are brought in line; they hardly move after the second."""

CAPACITY_MIN: Final = 0.001
"""Transactions a second of a shard whose blocks alone are too much."""

STALLED_S: Final = 60.0
"""Finality that is told when nothing became final while the model played."""


class ScalePoint(Struct, frozen=True):
    """What the model says of one plan."""

    plan: ScalePlan
    capacity: float
    """Transactions a second that all shards together can bear."""

    throughput: float
    """Final transactions a second: the load, or the capacity where that is less."""

    is_saturated: bool
    """Whether more is offered than can be borne: the rest is refused, and queues are full."""

    narrowest: Stage
    """What ends the capacity."""

    finality_p50_ms: float
    finality_p95_ms: float
    """From sending to the certificate on the entry's disk."""

    round_ms: float
    """Time of a round."""

    validator_sent: float
    """Bytes a second of a validator."""

    validator_received: float
    follower_sent: float
    """Bytes a second of a node outside the committee; 0 without any."""

    follower_received: float


def run_point(plan: ScalePlan, costs: StepCosts) -> ScalePoint:
    """Compute one point.

    :raises ImpossiblePlan: there can be no such network.
    """
    check_plan(plan)
    offered = plan.shard_load
    settled = _settle(plan, costs, offered, _start_rate(plan))
    for _ in range(SETTLING - 1):
        settled = _settle(plan, costs, min(offered, settled.capacity), 1 / settled.interval_s)
    stages, traffic, narrowest = settled.stages, settled.traffic, settled.narrowest
    served, rounds_per_s = min(offered, settled.capacity), 1 / settled.interval_s
    finality_ms = _follow(settled.plan, costs, stages, settled.tips)
    is_saturated = offered > settled.capacity
    if is_saturated:
        finality_ms = finality_ms + 1_000 * NodeConfig().intake_max / served
    p50_ms, p95_ms = (float(value) for value in np.quantile(finality_ms, (0.5, 0.95)))
    return ScalePoint(
        plan=plan,
        capacity=settled.capacity * plan.shards,
        throughput=served * plan.shards,
        is_saturated=is_saturated,
        narrowest=narrowest.stage,
        finality_p50_ms=round(p50_ms, 1),
        finality_p95_ms=round(p95_ms, 1),
        round_ms=round(settled.interval_s * 1_000, 1),
        validator_sent=traffic.transaction_out * served + traffic.block_out * rounds_per_s,
        validator_received=traffic.transaction_in * served + traffic.block_in * rounds_per_s,
        follower_sent=traffic.follower_transaction_out * served + traffic.follower_block_out * rounds_per_s,
        follower_received=traffic.follower_transaction_in * served + traffic.follower_block_in * rounds_per_s,
    )


class _Settled(Struct, frozen=True):
    """Load, rounds and queues of a shard, each computed from the others before."""

    plan: ScalePlan
    tips: float
    traffic: Traffic
    stages: tuple[StageLoad, ...]
    interval_s: float

    @property
    def narrowest(self) -> StageLoad:
        """The stage with the least capacity."""
        return min(self.stages, key=lambda stage: stage.capacity)

    @property
    def capacity(self) -> float:
        """Transactions a second of the shard; never nothing, so that a stalled network still has figures."""
        return max(self.narrowest.capacity, CAPACITY_MIN)


def _settle(plan: ScalePlan, costs: StepCosts, served: float, rounds_per_s: float) -> _Settled:
    """One turn.

    :param served: transactions a second of a shard.
    """
    current = replace(plan, load=served * plan.shards)
    tips = compute_tips(current, rounds_per_s)
    traffic = compute_traffic(current, costs, tips)
    stages = find_stages(current, costs, traffic, rounds_per_s)
    course, _ = _play(current, costs, stages, tips, 0)
    stages = find_stages(current, costs, traffic, 1 / course.interval_s)
    return _Settled(current, tips, traffic, stages, course.interval_s)


def _start_rate(plan: ScalePlan) -> float:
    return 1 / (make_pace().min_round_delay_ms / 1_000 + compute_mean_latency_s(plan))


def _play(
    plan: ScalePlan, costs: StepCosts, stages: tuple[StageLoad, ...], tips: float, shard: int
) -> tuple[Course, Committee]:
    committee = make_committee(plan, costs, stages, tips, shard)
    return play_rounds(committee, plan.rounds, make_generator(plan.seed, shard, "rounds")), committee


def make_generator(seed: int, shard: int, name: str) -> np.random.Generator:
    """Chance of one part of one shard."""
    return np.random.Generator(
        np.random.PCG64(int.from_bytes(compute_bytes(seed, "scale", shard, name), "big"))
    )


def make_committee(
    plan: ScalePlan, costs: StepCosts, stages: tuple[StageLoad, ...], tips: float, shard: int
) -> Committee:
    """The committee of a shard, on machines that are busy with transactions already."""
    latency_s = make_latencies_s(plan)
    members, block = plan.validators, costs.block
    is_free = plan.cores == COMPUTING_FREE
    core_us = 0.0 if is_free else block.compute_core_us(members, tips)
    worker_us = 0.0 if is_free else compute_signatures(plan) * block.signature_us / max(1, plan.workers)
    idle = {
        stage.stage: 1 - min(0.95, plan.shard_load * stage.transaction_s / stage.servers) for stage in stages
    }
    send_s = (
        block.compute_bytes(members, tips, plan.leaders_per_round) + costs.frame_bytes
    ) / plan.bytes_per_s
    return Committee(
        latency_s=latency_s,
        spread_s=compute_spread_s(latency_s, compute_delay_s(plan, stages)),
        load=plan.shard_load,
        pace=make_pace(),
        leaders=make_leaders(plan, shard),
        core_s=core_us / US_PER_S / idle.get(Stage.CORE, 1.0),
        worker_s=worker_us / US_PER_S / idle.get(Stage.WORKERS, idle.get(Stage.CORE, 1.0)),
        make_s=0.0 if is_free else block.make_us / US_PER_S,
        send_s=send_s / idle[Stage.LINE_OUT],
        disk_s=plan.disk_ms / 1_000,
        jitter_s=plan.jitter_ms / 1_000,
    )


def compute_delay_s(plan: ScalePlan, stages: tuple[StageLoad, ...]) -> float:
    """Mean time of a transaction in a node's stages before it is attached."""
    return math.fsum(stage.compute_delay_s(plan.shard_load) for stage in stages)


def _follow(plan: ScalePlan, costs: StepCosts, stages: tuple[StageLoad, ...], tips: float) -> Times:
    """Milliseconds to finality of sampled transactions."""
    parts = []
    execute_s = 0.0
    for shard in range(min(plan.shards, SHARDS_PLAYED)):
        course, committee = _play(plan, costs, stages, tips, shard)
        if plan.cores != COMPUTING_FREE:
            ordered = plan.shard_load * course.interval_s / plan.leaders_per_round
            execute_s = (costs.checkpoint_us + ordered * costs.transaction.execute_us) / US_PER_S
        commits = find_commits(committee, course, execute_s)
        chance = make_generator(plan.seed, shard, "transactions")
        parts.append(follow_transactions(plan, committee, course, commits, stages, chance))
    return np.concatenate(parts) * 1_000


def follow_transactions(
    plan: ScalePlan,
    committee: Committee,
    course: Course,
    commits: list[Commit],
    stages: tuple[StageLoad, ...],
    chance: np.random.Generator,
) -> Times:
    """Seconds from sending to the certificate at the entry, of transactions that enter while all is warm."""
    rounds = len(course.proposed_s) - 1
    # The last ones would not become final before the course ends.
    begin_s, end_s = (float(np.median(course.proposed_s[n])) for n in (rounds // 4, max(2, rounds - 12)))
    sent_s = begin_s + (end_s - begin_s) * chance.random(SAMPLES)
    entries = chance.integers(committee.size, size=SAMPLES)
    is_outside = chance.random(SAMPLES) < 1 - plan.validators / plan.shard_nodes
    delay_s = compute_delay_s(plan, stages)
    # A follower is some hops away from the validator that takes its transactions, and so is its news: blocks,
    # which are fetched hop by hop.
    way_s = np.where(is_outside, compute_way_s(plan, delay_s), 0.0)
    back_s = np.where(is_outside, count_hops(plan) * (GATHER_S + 3 * compute_mean_latency_s(plan)), 0.0)
    entered_s = sent_s + way_s + delay_s
    attached_s = entered_s[:, None] + committee.spread_s.T[entries]
    attached_s = np.maximum(attached_s, _find_anchored_s(commits, entries, sent_s))
    named = _find_named_rounds(course, attached_s)
    final_s = np.full(SAMPLES, np.inf)
    for commit in commits:
        takes = np.isinf(final_s) & _is_taken(course, commit, named)
        final_s[takes] = commit.certified_s[entries[takes]]
    taken_s = (final_s + back_s - sent_s)[np.isfinite(final_s)]
    return taken_s if len(taken_s) else np.array([STALLED_S])


def _find_anchored_s(commits: list[Commit], entries: Numbers, sent_s: Times) -> Times:
    """When each validator has executed the checkpoint that the entry named as anchor, ``[sample, at]``."""
    if not commits:
        return np.zeros((len(entries), 1))
    executed_s = np.stack([commit.executed_s for commit in commits])
    latest = (executed_s[:, entries] <= sent_s).sum(axis=0) - 1
    return np.where(latest[:, None] >= 0, executed_s[np.maximum(latest, 0)], 0.0)


def _find_named_rounds(course: Course, attached_s: Times) -> Numbers:
    """The first round in which each validator names each transaction, ``[sample, validator]``."""
    named = [
        np.searchsorted(course.proposed_s[:, author], attached_s[:, author])
        for author in range(attached_s.shape[1])
    ]
    return np.stack(named, axis=1)


def _is_taken(course: Course, commit: Commit, named: Numbers) -> Flags:
    """Which transactions a leader's past holds: its author had accepted a block that names them."""
    leader_s = course.proposed_s[commit.round, commit.author]
    bounded = np.minimum(named, len(course.proposed_s) - 1)
    authors = np.arange(named.shape[1])
    had = course.accepted_s[bounded, commit.author, authors] <= leader_s
    own = (authors == commit.author) & (named <= commit.round)
    return np.asarray((((named < commit.round) & had) | own).any(axis=1))
