"""How a dispute ends, and where the bonds go. No amount is made or lost on the way."""

from enum import IntEnum
from typing import assert_never

from msgspec import Struct

from tangle.core.parameters import SHARE_WHOLE
from tangle.core.types import Grains


class Reason(IntEnum):
    """Why one side lost. Codes are part of the record."""

    RECOMPUTED = 1
    """Its chunk is not what the operator gives."""

    NOT_SHOWN = 2
    """It did not show in time what it had committed to: missing data is a fault."""

    RESIGNED = 3
    """It gave up."""


class DefenderWins(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """The claim stands."""

    reason: Reason
    """Why the challenger lost."""


class ChallengerWins(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """The claim is refuted."""

    reason: Reason
    """Why the defender lost."""


class BothWrong(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """The claim is refuted, and the challenger's own chunk is wrong, too."""


class BothSilent(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """Both clocks ran out in the same millisecond: the claim stands as if nobody had asked."""


Outcome = DefenderWins | ChallengerWins | BothWrong | BothSilent
"""Every way in which a dispute can end."""


class Settlement(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where both bonds go; the three add up to the two."""

    defender: Grains
    """Paid to the defender."""

    challenger: Grains
    """Paid to the challenger."""

    burned: Grains
    """Destroyed: whoever plays both sides always loses."""


def is_claim_upheld(outcome: Outcome) -> bool:
    """Whether the claim stands."""
    match outcome:
        case DefenderWins() | BothSilent():
            return True
        case ChallengerWins() | BothWrong():
            return False
        case _:
            assert_never(outcome)


def compute_settlement(
    outcome: Outcome, defender_bond: Grains, challenger_bond: Grains, winner_share: int
) -> Settlement:
    """Divide the bonds.

    The winner gets its own bond and ``winner_share`` millionths of the other, rounded down; the rest is
    burned. Whose chunk is wrong is never paid: if both are, the defender's bond is burned, and of the
    challenger's what it would have lost. If both were silent, the challenger pays that for having asked.
    """
    from_defender = _take(defender_bond, winner_share)
    from_challenger = _take(challenger_bond, winner_share)
    match outcome:
        case DefenderWins():
            return Settlement(
                Grains(defender_bond + from_challenger), Grains(0), Grains(challenger_bond - from_challenger)
            )
        case ChallengerWins():
            return Settlement(
                Grains(0), Grains(challenger_bond + from_defender), Grains(defender_bond - from_defender)
            )
        case BothWrong():
            burned = defender_bond + challenger_bond - from_challenger
            return Settlement(Grains(0), from_challenger, Grains(burned))
        case BothSilent():
            return Settlement(defender_bond, from_challenger, Grains(challenger_bond - from_challenger))
        case _:
            assert_never(outcome)


def _take(bond: Grains, share: int) -> Grains:
    return Grains(bond * share // SHARE_WHOLE)
