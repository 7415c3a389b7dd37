"""Stakes within the ledger: what the book needs to know comes from commits and accounts, and what it decides
goes back to them.

At every checkpoint: the operations of ordered transactions one after the other (``call``), work that counted,
blocks that were committed and authors who signed twice, and at an epoch's last one the election. What
all of that came to is taken with ``close``.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from shards.commits import CommitRecord
from shards.committee import Committee
from shards.epochs import LEADING_SHARD
from tangle.core.genesis import Validator
from tangle.core.parameters import Parameters
from tangle.core.transactions import StakingOperation, TransactionBody
from tangle.core.types import INTEGER_MAX, Grains, PublicKey, Shard
from tangle.ledger.accounts import Account, AccountReader
from tangle.ledger.staking.book import StakingBook
from tangle.ledger.staking.errors import NotStakingShard
from tangle.ledger.staking.events import Elected, Rewarded, SlashCause, Slashed, StakingEvent
from tangle.ledger.staking.records import StakingChange, StakingEntry
from tangle.ledger.staking.twins import TwinWatch

Changes = dict[PublicKey, Account]
"""Accounts as they are now, those only that changed in this checkpoint."""


class StakingClosing(Struct, frozen=True):
    """What a checkpoint did to stakes."""

    changes: tuple[StakingChange, ...] = ()
    """Entries that are not what they were."""

    burned: Grains = Grains(0)
    """Stake that was destroyed."""

    slashed: tuple[Slashed, ...] = ()
    """Stakes that were burned, in order."""

    rewards: tuple[Rewarded, ...] = ()
    """Emission for the committee of the epoch that ends."""

    elected: Elected | None = None
    """Who goes on, at an epoch's end."""

    @property
    def events(self) -> tuple[StakingEvent, ...]:
        """What history keeps of it, in order."""
        return (*self.slashed, *self.rewards, *((self.elected,) if self.elected is not None else ()))


class StakingDesk:
    """The book of stakes between the accounts of one ledger; only the leading shard keeps one."""

    def __init__(
        self,
        shard: Shard,
        parameters: Parameters,
        entries: Iterable[StakingEntry],
        commits: Iterable[CommitRecord],
    ) -> None:
        """:param entries: what stood in the book.
        :param commits: those of the present committee whose blocks can still get a twin.
        """
        self.book = StakingBook(entries, parameters.staking)
        self._shard = shard
        self._parameters = parameters
        self._watch = TwinWatch(parameters.commit_depth, commits)
        self._twins: list[int] = []
        self._closing = StakingClosing()

    def copy(self) -> "StakingDesk":
        """A desk with a book of its own, to try something at."""
        return StakingDesk(self._shard, self._parameters, self.book.list_entries(), ())

    @property
    def has_news(self) -> bool:
        """Whether somebody signed twice: a checkpoint is due then."""
        return bool(self._twins)

    def observe(self, commit: CommitRecord) -> None:
        """Look at the blocks of a commit, whether it makes a checkpoint or not; once for each, in order."""
        if self._shard == LEADING_SHARD:
            self._twins.extend(self._watch.process_commit(commit))

    def call(
        self, body: TransactionBody, operation: StakingOperation, account: Account, epoch: int
    ) -> Account:
        """Do what a transaction asks.

        :param account: the issuer's, its fee paid.
        :returns: the account then.
        :raises StakingFault: it is refused; nothing has changed.
        """
        if self._shard != LEADING_SHARD:
            raise NotStakingShard(self._shard)
        return self.book.apply(operation, body.issuer, account, epoch, body.chain)

    def settle_commit(
        self, commit: CommitRecord, committee: Committee, epoch: int, changes: Changes, read: AccountReader
    ) -> None:
        """Count the blocks of a commit that makes a checkpoint, and slash whoever signed twice."""
        if self._shard != LEADING_SHARD:
            return
        keys = [validator.public_key for validator in committee.validators]
        self.book.record_blocks(keys[reference.author] for reference in commit.blocks)
        for author in self._twins:
            self._slash(keys[author], epoch, changes, read)
        self._twins = []

    def record_work(self, worker: PublicKey, evaluations: int) -> None:
        """Counted work of an account."""
        if self._shard == LEADING_SHARD:
            self.book.record_work(worker, evaluations)

    def end_epoch(
        self, pool: int, committee: Committee, epoch: int, changes: Changes, read: AccountReader
    ) -> tuple[Validator, ...]:
        """Pay the committee, set free what is due, elect.

        :param pool: what the committee of the epoch is paid at most (``compute_pool``).
        :param epoch: the one that begins.
        :returns: the next committee; empty when nothing changes.
        """

        def read_stake(key: PublicKey) -> Grains:
            return (changes.get(key) or read(key)).stake

        closing = self.book.close_epoch(committee.validators, epoch, pool, read_stake)
        for owner, amount in closing.releases:
            known = changes.get(owner) or read(owner)
            balance, stake = Grains(known.balance + amount), Grains(known.stake - amount)
            changes[owner] = Account(balance, known.sequence, stake)
        self._closing = replace(self._closing, rewards=closing.rewards)
        # Weights are relative: a committee that only drew even with its genesis weights is no news.
        return () if _is_same(closing.elected, committee.validators) else closing.elected

    def close(self) -> StakingClosing:
        """What the checkpoint did; the next one begins."""
        closing, self._closing = self._closing, StakingClosing()
        return replace(closing, changes=self.book.take_changes())

    def note_committee(self, epoch: int, members: tuple[Validator, ...]) -> None:
        """An epoch begins with these, or with the same when there are none."""
        if self._shard == LEADING_SHARD:
            self._closing = replace(self._closing, elected=Elected(epoch, members))

    def forget_commits(self) -> None:
        """Another committee begins: no block of the one before can be committed."""
        self._watch = TwinWatch(self._parameters.commit_depth)
        self._twins = []

    def fine_refuted(self, workers: Iterable[PublicKey], changes: Changes, read: AccountReader) -> None:
        """Burn a part of the stake of candidates whose results the market's disputes refuted; once for each
        result.
        """
        for worker in workers:
            candidate = self.book.find_candidate(worker)
            if candidate is None:
                continue
            owner = candidate.owner
            changes[owner], burned = self.book.fine(worker, changes.get(owner) or read(owner))
            self._note(Slashed(candidate.validator, owner, burned, SlashCause.REFUTED))

    def _slash(self, validator: PublicKey, epoch: int, changes: Changes, read: AccountReader) -> None:
        candidate = self.book.find_candidate(validator)
        if candidate is None:
            return
        owner = candidate.owner
        slashed = self.book.slash(validator, changes.get(owner) or read(owner), epoch)
        if slashed is not None:
            changes[owner], burned = slashed
            self._note(Slashed(validator, owner, burned, SlashCause.TWIN))

    def _note(self, slashed: Slashed) -> None:
        closing = self._closing
        burned = Grains(closing.burned + slashed.burned)
        self._closing = replace(closing, burned=burned, slashed=(*closing.slashed, slashed))


def compute_pool(emission: int, issued: int, parameters: Parameters) -> int:
    """What the committee of the present epoch is paid at most.

    :param emission: for a generation in the leading shard, before the checkpoint; the committee serves all
        shards, so it is paid as all of them pay for work.
    :param issued: grains that count as issued for this shard.
    """
    wanted = (emission << parameters.shard_bits) * parameters.staking.reward_generations
    return min(wanted, (INTEGER_MAX - issued) // 2)


def _is_same(elected: Sequence[Validator], present: Sequence[Validator]) -> bool:
    if {each.public_key for each in elected} != {each.public_key for each in present}:
        return False
    weights = {each.public_key: each.weight for each in present}
    first = elected[0]
    return all(
        each.weight * weights[first.public_key] == first.weight * weights[each.public_key] for each in elected
    )
