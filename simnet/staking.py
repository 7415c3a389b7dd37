"""What simulated accounts want of the book of stakes: they bind and take back, stand for election with a
validator's key, retire and stand again, and ask for what is refused.

Some stand with the key of a node that runs and is not of the first committee: it joins and leaves. Others
stand with a key that nobody has put to work, and with so little stake that a committee bears their absence.
"""

from collections.abc import Sequence
from typing import Final

from simnet.chance import Chance
from tangle.core.signing import SigningKey
from tangle.core.staking_rules import StakingRules
from tangle.core.transactions import Register, Retire, Stake, StakingOperation, Unstake
from tangle.core.types import ChainId, Grains, PublicKey
from tangle.ledger.staking.book import StakingBook, prove_possession
from tangle.ledger.staking.records import NEVER, Candidate

WRONG_SHARE: Final = 0.1
"""Of the operations, those that the ledger must refuse."""

RETIRE_SHARE: Final = 0.1
"""Of the operations of a standing candidate, those with which it retires."""


class Staker:
    """What one account wants next."""

    def __init__(
        self, owner: PublicKey, validator: SigningKey, target: int, chain: ChainId, chance: Chance
    ) -> None:
        """:param target: grains with which it stands, about."""
        self._owner = owner
        self._validator = validator
        self._target = target
        self._chain = chain
        self._chance = chance

    def choose(self, book: StakingBook, stake: int, epoch: int) -> StakingOperation:
        """Something that the book may take; what happens before it is ordered is another matter.

        :param stake: of the account, leaving parts included.
        """
        free = stake - sum(part.amount for part in book.list_leaving(self._owner, epoch))
        candidate = book.find_candidate(self._owner)
        if self._chance.random() < WRONG_SHARE:
            return self._chance.choice(self._list_wrong(candidate, free))
        if candidate is None:
            return self._register() if free >= self._target else Stake(Grains(self._target - free))
        if candidate.retired != NEVER:
            return Unstake(Grains(free)) if free else Stake(Grains(self._target))
        if self._chance.random() < RETIRE_SHARE:
            return Retire()
        amount = Grains(self._chance.randint(1, self._target // 20))
        return Stake(amount) if free < self._target or self._chance.random() < 1 / 2 else Unstake(amount)

    def _list_wrong(self, candidate: Candidate | None, free: int) -> Sequence[StakingOperation]:
        is_standing = candidate is not None and candidate.retired == NEVER
        return (Unstake(Grains(free + 1)), self._register() if candidate is not None else Retire()) + (
            () if is_standing else (Retire(),)
        )

    def _register(self) -> Register:
        return Register(
            self._validator.public_key, prove_possession(self._validator, self._owner, self._chain)
        )


def compute_ghost_stake(rules: StakingRules) -> int:
    """What somebody stands with whose validator does not run: the least, and a little to lose."""
    return rules.stake_min + rules.stake_min // 10
