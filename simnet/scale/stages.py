"""The pipeline of one node as queues: how busy each stage is, how long one waits there, and what it can bear.

Every node of a shard takes every transaction of its shard through the same stages: decoding and the ledger
in the core process, signatures and work in the workers, bytes on the line in and out. Blocks pass through
too. Waiting times are those of random arrivals and fixed service (M/D/c, Sakasegawa 1977).
"""

import math
from enum import StrEnum
from typing import Final

from msgspec import Struct

from simnet.scale.costs import US_PER_S, StepCosts
from simnet.scale.plan import COMPUTING_FREE, ScalePlan
from simnet.scale.traffic import Traffic

BUSY_MAX: Final = 0.95
"""Share of a stage's time that may be used: beyond it queues grow faster than they are worth."""


class Stage(StrEnum):
    """What may be the narrowest place."""

    CORE = "core process"
    WORKERS = "workers"
    LINE_OUT = "line out"
    LINE_IN = "line in"


class StageLoad(Struct, frozen=True):
    """What one stage is asked to do."""

    stage: Stage
    servers: int
    """Cores, or one line."""

    transaction_s: float
    """Time of one server for one transaction."""

    fixed: float
    """Share of all servers' time that blocks, checkpoints and folds take."""

    @property
    def capacity(self) -> float:
        """Transactions a second with which the stage is as busy as it may be; 0 when blocks alone are too
        much.
        """
        if self.transaction_s == 0:
            return math.inf
        return max(0.0, BUSY_MAX - self.fixed) * self.servers / self.transaction_s

    def compute_busy(self, load: float) -> float:
        """Share of its time that is used."""
        return self.fixed + load * self.transaction_s / self.servers

    def compute_delay_s(self, load: float) -> float:
        """Mean time of one transaction here, waiting and service."""
        busy = min(self.compute_busy(load), BUSY_MAX)
        exponent = math.sqrt(2 * (self.servers + 1)) - 1
        waiting: float = busy**exponent / (2 * self.servers * (1 - busy))
        return self.transaction_s * (1 + waiting)


def find_stages(
    plan: ScalePlan, costs: StepCosts, traffic: Traffic, rounds_per_s: float
) -> tuple[StageLoad, ...]:
    """The stages of a validator, which does most.

    :param rounds_per_s: of its committee.
    """
    lines = (
        StageLoad(
            Stage.LINE_OUT,
            1,
            traffic.transaction_out / plan.bytes_per_s,
            traffic.block_out * rounds_per_s / plan.bytes_per_s,
        ),
        StageLoad(
            Stage.LINE_IN,
            1,
            traffic.transaction_in / plan.bytes_per_s,
            traffic.block_in * rounds_per_s / plan.bytes_per_s,
        ),
    )
    if plan.cores == COMPUTING_FREE:
        return lines
    core_us, worker_us = costs.transaction.core_us, costs.transaction.worker_us
    members, tips = plan.validators, compute_tips(plan, rounds_per_s)
    block_core_us = costs.block.compute_core_us(members, tips) * (members - 1) + costs.block.make_us
    block_worker_us = compute_signatures(plan) * costs.block.signature_us * (members - 1)
    # A commit a leader, and a fold every half second.
    other_us = costs.checkpoint_us * plan.leaders_per_round * rounds_per_s + 2 * costs.fold_us
    core = (core_us, block_core_us * rounds_per_s + other_us)
    workers = (worker_us, block_worker_us * rounds_per_s)
    if plan.workers == 0:
        together = (core[0] + workers[0]) / US_PER_S, (core[1] + workers[1]) / US_PER_S
        return (StageLoad(Stage.CORE, 1, *together), *lines)
    return (
        StageLoad(Stage.CORE, 1, core[0] / US_PER_S, core[1] / US_PER_S),
        StageLoad(Stage.WORKERS, plan.workers, workers[0] / US_PER_S, workers[1] / US_PER_S / plan.workers),
        *lines,
    )


def compute_tips(plan: ScalePlan, rounds_per_s: float) -> float:
    """Tips of one block: transactions build on each other, so at high load few are heads at a time.

    Half of a round's new transactions are taken for heads, shared out among the validators.
    """
    new = plan.shard_load / max(rounds_per_s, 1e-9)
    return min(float(plan.tips_per_block), new / 2 / plan.validators)


def compute_signatures(plan: ScalePlan) -> float:
    """Signatures of one block: its own, and an attestation of each checkpoint since the last."""
    return 1.0 + plan.leaders_per_round
