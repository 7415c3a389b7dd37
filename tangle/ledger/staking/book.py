"""The book of stakes: who stands, what leaves, who worked; and what an epoch's end makes of it.

Grains themselves are in the accounts (``Account.stake``). The book remembers what an account cannot say: for
which key its stake stands, which part of it leaves and when, and what the key did. Changes are noted, so that
the ledger can store and digest them row by row.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from shards.epochs import LEADING_SHARD
from tangle.core.errors import InvalidSignature
from tangle.core.genesis import Genesis, Validator
from tangle.core.hashing import STAKING
from tangle.core.signing import SigningKey, verify_signature
from tangle.core.staking_rules import RATIO_WHOLE, StakingRules
from tangle.core.transactions import Register, Retire, Stake, StakingOperation, Unstake
from tangle.core.types import INTEGER_MAX, ChainId, Grains, PublicKey, Shard, Signature
from tangle.ledger.accounts import Account
from tangle.ledger.staking.election import Standing, compute_rewards, elect
from tangle.ledger.staking.errors import (
    CandidateExists,
    CandidatesFull,
    CandidateUnknown,
    PossessionUnproven,
    StakeBelowMinimum,
    StakeShort,
)
from tangle.ledger.staking.events import Rewarded
from tangle.ledger.staking.records import (
    NEVER,
    Candidate,
    Leaving,
    StakingChange,
    StakingEntry,
    compute_entry_key,
    compute_leaving_key,
    get_shelf,
)

StakeReader = Callable[[PublicKey], Grains]
"""The stake of an account now, leaving parts included."""

WORK_MAX: Final = INTEGER_MAX
"""Counted work does not grow beyond what a field holds."""


class EpochClosing(Struct, frozen=True):
    """What the end of an epoch does."""

    releases: tuple[tuple[PublicKey, Grains], ...]
    """Stakes that are balances again."""

    rewards: tuple[Rewarded, ...]
    """Emission for the committee of the epoch."""

    elected: tuple[Validator, ...]
    """The next committee; empty when nothing changes."""


class StakingBook:
    """Everything about stakes in one shard."""

    def __init__(self, entries: Iterable[StakingEntry], rules: StakingRules) -> None:
        """:param entries: what stood in the book, in any order."""
        self._rules = rules
        self._entries = {compute_entry_key(entry): entry for entry in entries}
        self._owners = {
            entry.owner: entry.validator for entry in self._entries.values() if isinstance(entry, Candidate)
        }
        self._before: dict[bytes, StakingEntry | None] = {}

    def copy(self) -> "StakingBook":
        """A book of its own with the same entries, to try something in."""
        return StakingBook(self._entries.values(), self._rules)

    def list_entries(self) -> tuple[StakingEntry, ...]:
        """Everything that stands in the book, by key."""
        return tuple(entry for _, entry in sorted(self._entries.items()))

    def list_candidates(self) -> tuple[Candidate, ...]:
        """All of them, by key."""
        candidates = [entry for entry in self._entries.values() if isinstance(entry, Candidate)]
        return tuple(sorted(candidates, key=lambda each: each.validator))

    def list_leaving(self, owner: PublicKey, epoch: int) -> tuple[Leaving, ...]:
        """Parts of an account's stake that leave after ``epoch``, soonest first."""
        releases = range(epoch + 1, epoch + self._rules.unbonding_epochs + 2)
        parts = [self._entries.get(compute_leaving_key(owner, release)) for release in releases]
        return tuple(part for part in parts if isinstance(part, Leaving))

    def find_candidate(self, key: PublicKey) -> Candidate | None:
        """The candidate of this validator's key, or of this owner."""
        found = self._entries.get(self._owners.get(key, key))
        return found if isinstance(found, Candidate) else None

    def apply(
        self, operation: StakingOperation, issuer: PublicKey, account: Account, epoch: int, chain: ChainId
    ) -> Account:
        """Do what a transaction asks; the book changes, and so may the issuer's account.

        :param account: the issuer's, its fee paid; its balance covers what ``Stake`` binds.
        :returns: the account as it is then.
        :raises StakingFault: it is refused; nothing has changed.
        """
        match operation:
            case Stake(amount):
                balance, stake = Grains(account.balance - amount), Grains(account.stake + amount)
                return Account(balance, account.sequence, stake)
            case Unstake(amount):
                self._unstake(issuer, account.stake, amount, epoch)
            case Register(validator, possession):
                self._register(issuer, account.stake, validator, possession, epoch, chain)
            case Retire():
                self._retire(issuer, epoch)
        return account

    def record_blocks(self, authors: Iterable[PublicKey]) -> None:
        """Blocks of these validators were committed."""
        counts: dict[PublicKey, int] = {}
        for author in authors:
            counts[author] = counts.get(author, 0) + 1
        for author, count in counts.items():
            candidate = self.find_candidate(author)
            if candidate is not None:
                self._put(replace(candidate, blocks=candidate.blocks + count))

    def record_work(self, worker: PublicKey, evaluations: int) -> None:
        """Counted work of an account; it counts for the candidate whose key or owner it is."""
        candidate = self.find_candidate(worker)
        if candidate is not None:
            self._put(replace(candidate, fresh=min(WORK_MAX, candidate.fresh + evaluations)))

    def slash(self, validator: PublicKey, account: Account, epoch: int) -> tuple[Account, Grains] | None:
        """One that signed twice loses a part of its stake, leaving parts too, and is jailed.

        :param account: its owner's.
        :returns: the account then, and what is burned; none for one that is jailed already, or unknown.
        """
        candidate = self.find_candidate(validator)
        if candidate is None or candidate.jailed > epoch:
            return None
        self._put(replace(candidate, jailed=epoch + self._rules.jail_epochs + 1))
        return self._burn(account, candidate.owner, self._rules.slash_share)

    def fine(self, worker: PublicKey, account: Account) -> tuple[Account, Grains]:
        """A candidate whose result as a worker was refuted loses a part of its stake, leaving parts too.

        :param worker: its key or owner.
        :param account: its owner's.
        :returns: the account then, and what is burned.
        """
        candidate = self.find_candidate(worker)
        assert candidate is not None, "only candidates are fined"
        return self._burn(account, candidate.owner, self._rules.refuted_share)

    def close_epoch(
        self, committee: Sequence[Validator], epoch: int, pool: int, read_stake: StakeReader
    ) -> EpochClosing:
        """End ``epoch``: pay its committee, elect the next, set free what is due.

        :param epoch: the one that begins.
        :param pool: emission for the committee, at most.
        """
        rewards = self._pay(committee, pool)
        standing = self._list_standing(epoch, read_stake)
        elected = elect(standing, self._rules)
        releases = self._release(epoch)
        self._turn(epoch)
        return EpochClosing(releases, rewards, () if elected == tuple(committee) else elected)

    def preview(self, epoch: int, read_stake: Callable[[PublicKey], int]) -> tuple[Validator, ...]:
        """Whom an election for ``epoch`` would elect if it were now; empty for nobody."""
        return elect(self._list_standing(epoch, read_stake), self._rules)

    def take_changes(self) -> tuple[StakingChange, ...]:
        """What changed since the last call, by key."""
        changes = []
        for key, before in sorted(self._before.items()):
            after = self._entries.get(key)
            entry = after if after is not None else before
            if entry is not None and before != after:
                changes.append(StakingChange(get_shelf(entry), key, before, after))
        self._before = {}
        return tuple(changes)

    def _burn(self, account: Account, owner: PublicKey, share: int) -> tuple[Account, Grains]:
        leaving = 0
        # All parts, those too that the end of this very epoch is about to set free.
        parts = [each for each in self._entries.values() if isinstance(each, Leaving) and each.owner == owner]
        for part in parts:
            kept = part.amount - part.amount * share // RATIO_WHOLE
            leaving += kept
            self._put(replace(part, amount=Grains(kept)))
        # Never less than what leaves: rounding must not promise more than there is.
        stake = max(leaving, account.stake - account.stake * share // RATIO_WHOLE)
        return Account(account.balance, account.sequence, Grains(stake)), Grains(account.stake - stake)

    def _unstake(self, owner: PublicKey, stake: int, amount: int, epoch: int) -> None:
        free = stake - sum(part.amount for part in self.list_leaving(owner, epoch))
        if amount > free:
            raise StakeShort(amount, free)
        release = epoch + self._rules.unbonding_epochs + 1
        known = self._entries.get(compute_leaving_key(owner, release))
        already = known.amount if isinstance(known, Leaving) else 0
        self._put(Leaving(owner, release, Grains(already + amount)))

    def _register(
        self,
        owner: PublicKey,
        stake: int,
        validator: PublicKey,
        possession: Signature,
        epoch: int,
        chain: ChainId,
    ) -> None:
        free = stake - sum(part.amount for part in self.list_leaving(owner, epoch))
        if free < self._rules.stake_min:
            raise StakeBelowMinimum(free, self._rules.stake_min)
        for key in (validator, owner):
            if self.find_candidate(key) is not None:
                raise CandidateExists(key)
        if len(self._owners) >= self._rules.candidates_max:
            raise CandidatesFull(self._rules.candidates_max)
        try:
            verify_signature(STAKING, chain, owner, possession, validator)
        except InvalidSignature:
            raise PossessionUnproven(validator) from None
        self._put(_make_candidate(validator, owner, epoch))
        self._owners[owner] = validator

    def _retire(self, owner: PublicKey, epoch: int) -> None:
        candidate = self.find_candidate(owner)
        if candidate is None or candidate.owner != owner or candidate.retired != NEVER:
            raise CandidateUnknown(owner)
        self._put(replace(candidate, retired=epoch + 1))

    def _pay(self, committee: Sequence[Validator], pool: int) -> tuple[Rewarded, ...]:
        members = [self.find_candidate(member.public_key) for member in committee]
        blocks = [0 if member is None else member.blocks for member in members]
        rewards = compute_rewards(committee, blocks, pool)
        return tuple(
            Rewarded(member.validator, member.owner, Grains(reward), member.blocks)
            for member, reward in zip(members, rewards, strict=True)
            if member is not None and reward
        )

    def _list_standing(self, epoch: int, read_stake: Callable[[PublicKey], int]) -> list[Standing]:
        leaving: dict[PublicKey, int] = {}
        for entry in self._entries.values():
            if isinstance(entry, Leaving):
                leaving[entry.owner] = leaving.get(entry.owner, 0) + entry.amount
        return [
            Standing(
                each.validator,
                read_stake(each.owner) - leaving.get(each.owner, 0),
                each.work + each.fresh,
            )
            for each in self.list_candidates()
            if each.retired == NEVER and each.jailed <= epoch
        ]

    def _release(self, epoch: int) -> tuple[tuple[PublicKey, Grains], ...]:
        due = [
            entry for entry in self._entries.values() if isinstance(entry, Leaving) and entry.release <= epoch
        ]
        for part in due:
            self._drop(part)
        due.sort(key=lambda part: (part.release, part.owner))
        return tuple((part.owner, part.amount) for part in due if part.amount)

    def _turn(self, epoch: int) -> None:
        for each in self.list_candidates():
            if each.retired != NEVER and each.retired + self._rules.unbonding_epochs <= epoch:
                self._drop(each)
                del self._owners[each.owner]
                continue
            work = each.work - each.work * self._rules.work_decay // RATIO_WHOLE
            work = min(WORK_MAX, work + each.fresh)
            self._put(replace(each, work=work, fresh=0, blocks=0))

    def _put(self, entry: StakingEntry) -> None:
        key = compute_entry_key(entry)
        self._before.setdefault(key, self._entries.get(key))
        self._entries[key] = entry

    def _drop(self, entry: StakingEntry) -> None:
        key = compute_entry_key(entry)
        self._before.setdefault(key, entry)
        del self._entries[key]


def make_first_entries(genesis: Genesis, shard: Shard) -> tuple[StakingEntry, ...]:
    """What stands in a shard's book at first: each member of the first committee, for the account of its own
    key.
    """
    if shard != LEADING_SHARD:
        return ()
    return tuple(
        _make_candidate(member.public_key, member.public_key, 0)
        for member in sorted(genesis.validators, key=lambda member: member.public_key)
    )


def prove_possession(key: SigningKey, owner: PublicKey, chain: ChainId) -> Signature:
    """What ``Register`` carries: the validator's key signs for the account that stakes."""
    return key.sign(STAKING, chain, owner)


def _make_candidate(validator: PublicKey, owner: PublicKey, epoch: int) -> Candidate:
    return Candidate(validator, owner, epoch, NEVER, NEVER, 0, 0, 0)
