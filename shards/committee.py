"""The committee of one epoch: who may propose, how much each counts, and who leads a round.

Fault bound: validators of less than a third of the weight may do anything. Every threshold of the commit
rule is one of the two weights here, so that no other module does this arithmetic.
"""

from functools import cached_property, lru_cache
from typing import Final

from tangle.core.genesis import Validator
from tangle.core.hashing import LEADER, compute_record_hash
from tangle.core.types import Digest, PublicKey, Shard

NO_ORIGIN: Final = Digest(bytes(32))
"""Stands where no epoch came before."""

LEADERS_CACHED_MAX = 4096
"""Rounds whose leaders are remembered: more than any commit horizon holds, a few hundred kilobytes."""


class Committee:
    """Validators of one epoch in index order. Immutable."""

    def __init__(self, epoch: int, validators: tuple[Validator, ...], origin: Digest = NO_ORIGIN) -> None:
        """:param validators: at least one; a validator's index is its place here.
        :param origin: digest of the checkpoint of this shard with which the epoch before ended: what the
            first blocks stand on. Who only checks signatures does without.
        """
        self.epoch = epoch
        self.origin = origin
        self.validators = validators
        self.weights = tuple(validator.weight for validator in validators)
        self.total_weight = sum(self.weights)
        self._indices = {validator.public_key: index for index, validator in enumerate(validators)}
        self._compute_leaders = lru_cache(maxsize=LEADERS_CACHED_MAX)(self._shuffle)

    def __len__(self) -> int:
        return len(self.validators)

    @cached_property
    def quorum(self) -> int:
        """Least weight of which any two sets share an honest validator: more than two thirds."""
        return 2 * self.total_weight // 3 + 1

    @cached_property
    def validity(self) -> int:
        """Least weight that holds an honest validator: more than all that may be faulty (f + 1)."""
        return (self.total_weight - 1) // 3 + 1

    def index_of(self, public_key: PublicKey) -> int | None:
        """Place of a validator, ``None`` for a key outside the committee."""
        return self._indices.get(public_key)

    def compute_weight(self, authors: set[int]) -> int:
        """Summed weight of distinct validators."""
        return sum(self.weights[author] for author in authors)

    def get_leaders(self, shard: Shard, round_number: int, count: int) -> tuple[int, ...]:
        """The first ``count`` validators (all, when there are fewer) of the round's weighted shuffle, best
        rank first.

        Each rank draws among those not drawn yet, with chances by weight, from a hash of the epoch, shard,
        round and rank: integers alone, the same on every machine.
        """
        return self._compute_leaders(shard, round_number, min(count, len(self.validators)))

    def _shuffle(self, shard: Shard, round_number: int, count: int) -> tuple[int, ...]:
        remaining = list(range(len(self.validators)))
        weight = self.total_weight
        leaders = []
        for rank in range(count):
            digest = compute_record_hash(LEADER, self.epoch, shard, round_number, rank)
            draw = int.from_bytes(digest, "big") % weight
            for author in remaining:
                draw -= self.weights[author]
                if draw < 0:
                    break
            remaining.remove(author)
            weight -= self.weights[author]
            leaders.append(author)
        return tuple(leaders)
