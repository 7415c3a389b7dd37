"""Election: from stakes and verified work to the next committee.

A candidate's score is its stake, raised by up to ``work_bonus`` for verified work. Work is measured against
twice the mean of all candidates, so that nobody gains by more than that, and it decays from epoch to epoch.
Without stake work gives no weight: keys are free, stake is not. Integers alone: every node elects alike.
What an attacker can make of the formula is in the ADR on elections.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from tangle.core.genesis import Validator
from tangle.core.staking_rules import RATIO_WHOLE, StakingRules
from tangle.core.types import PublicKey

WEIGHT_WHOLE: Final = 10_000
"""Weights of a committee add up to at most this: fine enough for 256 members."""


class Standing(Struct, frozen=True):
    """What a candidate brings to an election."""

    validator: PublicKey
    """Key that would sign blocks."""

    stake: int
    """Grains that are bound and not leaving."""

    work: int
    """Counted evaluations, decayed."""


def compute_score(stake: int, work: int, work_mean: int, rules: StakingRules) -> int:
    """``stake * (1 + work_bonus * min(work, 2 * mean) / (2 * mean))``, rounded down.

    :param work_mean: mean of all who stand, at least 1.
    """
    ratio = min(work, 2 * work_mean) * RATIO_WHOLE // (2 * work_mean)
    return stake + stake * rules.work_bonus * ratio // (RATIO_WHOLE * RATIO_WHOLE)


def elect(standing: Sequence[Standing], rules: StakingRules) -> tuple[Validator, ...]:
    """The next committee: the highest scores, weights in proportion, by key.

    :param standing: those that can be elected; the ones below ``stake_min`` are left out.
    :returns: empty when nobody has enough stake: the present committee goes on.
    """
    able = [each for each in standing if each.stake >= rules.stake_min]
    if not able:
        return ()
    mean = max(1, sum(each.work for each in able) // len(able))
    scored = [(compute_score(each.stake, each.work, mean, rules), each.validator) for each in able]
    scored.sort(key=lambda pair: (-pair[0], pair[1]))
    elected = scored[: rules.committee_max]
    total = sum(score for score, _ in elected)
    return tuple(
        Validator(validator, max(1, score * WEIGHT_WHOLE // total))
        for score, validator in sorted(elected, key=lambda pair: pair[1])
    )


def compute_rewards(committee: Sequence[Validator], blocks: Sequence[int], pool: int) -> tuple[int, ...]:
    """What each member is paid for an epoch: its part of ``pool`` by weight, less for each block that it made
    fewer than the most diligent. What is not earned is not emitted.

    :param blocks: committed blocks of each member, in the committee's order.
    """
    most = max(blocks, default=0)
    if not most:
        return tuple(0 for _ in committee)
    total = sum(member.weight for member in committee)
    return tuple(
        pool * member.weight * made // (total * most) for member, made in zip(committee, blocks, strict=True)
    )
