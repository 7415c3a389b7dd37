"""Numbers of staking and election, a part of a network's parameters."""

from typing import Final

from msgspec import Struct

from tangle.core.errors import InvalidParameters
from tangle.core.types import Grains, Natural

RATIO_WHOLE: Final = 1_000_000
"""Shares and ratios of staking are counted in millionths."""


class StakingRules(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What stakes, candidates and elections go by."""

    stake_min: Grains
    """Least stake of a candidate, when it registers and when it is elected."""

    candidates_max: Natural
    """Most candidates, those that have retired and can still be slashed included."""

    committee_max: Natural
    """Most members of a committee."""

    unbonding_epochs: Natural
    """Epochs between unstaking and having the grains back; for so long they can be slashed."""

    work_decay: Natural
    """Part of a candidate's counted work that each epoch takes away, in millionths."""

    work_bonus: Natural
    """What work can add to a stake's score at most, in millionths of the stake."""

    reward_generations: Natural
    """The committee of an epoch is paid so many times the emission of a generation."""

    slash_share: Natural
    """Part of a stake that signing twice burns, in millionths."""

    jail_epochs: Natural
    """Epochs for which one that signed twice is not elected."""

    refuted_share: Natural
    """Part of a stake that a refuted result of the candidate as a worker burns, in millionths."""


DEVNET_STAKING: Final = StakingRules(
    stake_min=Grains(1_000 * 10**9),
    candidates_max=1_024,
    committee_max=64,
    unbonding_epochs=2,
    work_decay=250_000,
    work_bonus=500_000,
    reward_generations=10,
    slash_share=500_000,
    jail_epochs=24,
    refuted_share=100_000,
)
"""Of a network on one machine, with epochs of an hour."""


def check_staking_rules(rules: StakingRules) -> None:
    """Relations that staking relies on.

    :raises InvalidParameters: one of them does not hold.
    """
    shares = max(rules.work_decay, rules.work_bonus, rules.slash_share, rules.refuted_share)
    relations = {
        "a stake above zero": rules.stake_min >= 1,
        "room for one candidate": rules.candidates_max >= 1,
        "a committee of 1 to 256 members": 1 <= rules.committee_max <= 256,
        "stakes that stay for the epoch after their last": rules.unbonding_epochs >= 1,
        "shares of staking within the whole": shares <= RATIO_WHOLE,
    }
    for relation, is_kept in relations.items():
        if not is_kept:
            raise InvalidParameters(f"{relation} is required")
