"""Why the book of stakes refuses, and the numbers by which effects keep it."""

from typing import ClassVar, Final

from tangle.core.errors import TangleError
from tangle.core.types import PublicKey


class StakingFault(TangleError):
    """An operation on stakes that is refused; it costs nothing and changes nothing."""

    code = "staking-refused"
    number: ClassVar[int] = 0
    """What an effect keeps; never changes its meaning."""


class StakeShort(StakingFault):
    """More than is staked and not leaving already."""

    code = "stake-short"
    number = 1

    def __init__(self, wanted: int, free: int) -> None:
        self.wanted = wanted
        self.free = free
        super().__init__(f"{wanted} grains cannot be unstaked: {free} are staked and not leaving already")


class StakeBelowMinimum(StakingFault):
    """A candidate needs more stake."""

    code = "stake-below-minimum"
    number = 2

    def __init__(self, stake: int, stake_min: int) -> None:
        self.stake = stake
        self.stake_min = stake_min
        super().__init__(
            f"a candidate needs {stake_min} grains at stake, the account has {stake}; stake more"
        )


class CandidateExists(StakingFault):
    """The key or the account is registered already."""

    code = "candidate-exists"
    number = 3

    def __init__(self, key: PublicKey) -> None:
        self.key = key
        super().__init__(
            f"{key.hex()} is registered already; retire first, and wait until its stake can leave"
        )


class CandidateUnknown(StakingFault):
    """The account has no standing candidate."""

    code = "candidate-unknown"
    number = 4

    def __init__(self, owner: PublicKey) -> None:
        self.owner = owner
        super().__init__(f"account {owner.hex()} has no candidate that stands; register one first")


class CandidatesFull(StakingFault):
    """No room for another candidate."""

    code = "candidates-full"
    number = 5

    def __init__(self, candidates_max: int) -> None:
        self.candidates_max = candidates_max
        super().__init__(f"there are {candidates_max} candidates, which is the limit; try again in an epoch")


class PossessionUnproven(StakingFault):
    """The validator's key did not sign for the account."""

    code = "possession-unproven"
    number = 6

    def __init__(self, validator: PublicKey) -> None:
        self.validator = validator
        super().__init__(f"the key {validator.hex()} did not sign for this account; sign with the node's key")


class NotStakingShard(StakingFault):
    """Stakes are kept in shard 0."""

    code = "staking-elsewhere"
    number = 7

    def __init__(self, shard: int) -> None:
        self.shard = shard
        super().__init__(f"shard {shard} keeps no stakes; use an account whose home is shard 0")


STAKING_REFUSALS_FROM: Final = 1_001
"""The number that an effect keeps for the fault of number 1; the market's are below."""

_FAULTS: Final = {
    fault.number: fault
    for fault in (
        StakeShort,
        StakeBelowMinimum,
        CandidateExists,
        CandidateUnknown,
        CandidatesFull,
        PossessionUnproven,
        NotStakingShard,
    )
}


def get_staking_refusal_number(fault: StakingFault) -> int:
    """The number that an effect keeps."""
    return STAKING_REFUSALS_FROM - 1 + fault.number


def get_staking_refusal_code(number: int) -> str | None:
    """The code behind an effect's number; none when it is not one of these."""
    fault = _FAULTS.get(number - STAKING_REFUSALS_FROM + 1)
    return None if fault is None else fault.code
