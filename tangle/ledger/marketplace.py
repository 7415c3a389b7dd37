"""The market within the ledger: what it needs to know comes from accounts and commits, and what it moves and
tells goes back to them.

At every checkpoint: the operations of ordered transactions one after the other (``call``), the verdicts of
committed blocks (``count_votes``), closed generations (``close_generation``), then ``advance`` once. What all
of that came to is taken with ``close``. A checkpoint without anything of the market costs a few dozen
comparisons.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from poi.market.entries import Change, Entry, Shelf
from poi.market.errors import MarketFault
from poi.market.machine import Market
from poi.market.operations import Caller, CastVote, GenerationClosed, Moment, Operation, decode_operation
from poi.market.outcomes import (
    AttemptFailed,
    Burn,
    Credit,
    Debit,
    Ending,
    Event,
    Fault,
    JobEnded,
    Movement,
    Outcome,
    get_subject,
)
from poi.market.records import Job, MarketHead
from shards.blocks import Block, Vote
from tangle.core.errors import MalformedEncoding, OversizeEncoding
from tangle.core.hashing import MARKET, compute_record_hash
from tangle.core.transactions import InvalidTransaction, MarketCall, Transaction
from tangle.core.types import CheckpointIndex, Digest, Grains, Milliseconds, PublicKey, TransactionId
from tangle.ledger.accounts import Account, AccountReader


class CastBallot(Struct, frozen=True):
    """A verdict in a committed block."""

    author: int
    """Place of the block's author in the committee."""

    vote: Vote
    """What it says."""


class MarketEvent(Struct, frozen=True):
    """Something that happened in the market."""

    transaction: TransactionId | None
    """The transaction that made it happen; none where time, votes or learning did."""

    event: Event
    """What happened."""


class JobRow(Struct, frozen=True):
    """A job that changed, as it is now or as it was when it ended."""

    job: Job
    """The market's record."""

    ending: Ending | None
    """How it ended; none while it is live."""

    refunded: Grains
    """What the customer got back at the end."""


class MarketClosing(Struct, frozen=True):
    """What a checkpoint did in the market."""

    head: MarketHead
    """Prices and the number of jobs now."""

    held: Grains
    """Every grain that the market holds now."""

    burned: Grains
    """Destroyed in this checkpoint."""

    changes: tuple[Change, ...]
    """Entries that are not what they were."""

    jobs: tuple[JobRow, ...]
    """Jobs that changed or ended, in the order in which they were opened."""

    events: Mapping[Digest, tuple[MarketEvent, ...]]
    """What happened, by job or program, in order."""

    paid: tuple[Credit, ...]
    """Credits that no transaction's effect shows, in order."""


class Marketplace:
    """A market between the accounts of one ledger."""

    def __init__(self, market: Market, weights: Sequence[int]) -> None:
        """:param weights: of the validators, in their order."""
        self.market = market
        self._weights = tuple(weights)
        self._burned = 0
        self._events: dict[Digest, list[MarketEvent]] = {}
        self._ended: dict[Digest, JobRow] = {}
        self._paid: list[Credit] = []

    def make_moment(self, index: int, now_ms: int, epoch: int, beacon: Digest) -> Moment:
        """The checkpoint in which steps are taken."""
        return Moment(CheckpointIndex(index), Milliseconds(now_ms), epoch, beacon, self._weights)

    def call(
        self, transaction: Transaction, account: Account, fee: int, moment: Moment
    ) -> tuple[Movement, ...]:
        """Do what a transaction asks of the market; what moves is the caller's to book.

        :param account: the issuer's, before the transaction.
        :raises MarketFault, WrongSeal: it is refused; nothing has changed.
        """
        body = transaction.body
        operation = read_call(transaction)
        balance = Grains(account.balance - fee)
        caller = Caller(body.issuer, body.sequence, balance, account.stake)
        outcome = self.market.apply(operation, caller, moment)
        self._note(outcome, transaction.id)
        return outcome.movements

    def count_votes(self, ballots: Iterable[CastBallot], moment: Moment) -> tuple[Movement, ...]:
        """Count the verdicts of a commit's blocks, in order; one that does not count is passed over."""
        moved: list[Movement] = []
        for ballot in ballots:
            vote = CastVote(ballot.vote.subject, ballot.vote.verdict, ballot.author)
            try:
                outcome = self.market.take_finding(vote, moment)
            except MarketFault:
                continue
            moved.extend(self._take(outcome))
        return tuple(moved)

    def close_generation(self, closed: GenerationClosed, moment: Moment) -> tuple[Movement, ...]:
        """Pay a generation of a training job.

        :raises MarketFault: there is no such job, or not this generation.
        """
        return self._take(self.market.take_finding(closed, moment))

    def advance(self, moment: Moment, read_stake: Callable[[PublicKey], Grains]) -> tuple[Movement, ...]:
        """End what has run out, assign what waits, move prices."""
        return self._take(self.market.advance(moment, read_stake))

    def change_validators(
        self, places: Mapping[int, int], weights: Sequence[int], moment: Moment
    ) -> tuple[Movement, ...]:
        """Another committee votes from now on; called after ``advance``.

        :param places: the new place of each validator that stays, by its old one.
        :param weights: of the new validators, in their order.
        """
        self._weights = tuple(weights)
        return self._take(self.market.change_validators(places, replace(moment, weights=self._weights)))

    def close(self) -> MarketClosing:
        """What the checkpoint did; the next one begins."""
        changes = self.market.take_changes()
        rows = dict(self._ended)
        for change in changes:
            if isinstance(change.after, Job):
                rows[change.after.id] = JobRow(change.after, None, Grains(0))
        closing = MarketClosing(
            head=self.market.make_head(),
            held=self.market.held,
            burned=Grains(self._burned),
            changes=changes,
            jobs=tuple(sorted(rows.values(), key=_get_order)),
            events={subject: tuple(events) for subject, events in self._events.items()},
            paid=tuple(self._paid),
        )
        self._burned, self._events, self._ended, self._paid = 0, {}, {}, []
        return closing

    def _take(self, outcome: Outcome) -> tuple[Movement, ...]:
        self._note(outcome, None)
        self._paid.extend(movement for movement in outcome.movements if isinstance(movement, Credit))
        return outcome.movements

    def _note(self, outcome: Outcome, transaction: TransactionId | None) -> None:
        self._burned += sum(each.amount for each in outcome.movements if isinstance(each, Burn))
        for event in outcome.events:
            self._events.setdefault(get_subject(event), []).append(MarketEvent(transaction, event))
        ends = {event.job: event for event in outcome.events if isinstance(event, JobEnded)}
        for job in outcome.ended:
            end = ends[job.id]
            self._ended[job.id] = JobRow(job, end.ending, end.refunded)


def read_call(transaction: Transaction) -> Operation:
    """What a transaction asks of the market. The same verdict on every node.

    :raises InvalidTransaction: it asks for nothing, or cannot be read.
    """
    call = transaction.body.operation
    if not isinstance(call, MarketCall):
        raise InvalidTransaction("it asks the market for nothing")
    try:
        return decode_operation(call.data)
    except (MalformedEncoding, OversizeEncoding) as fault:
        raise InvalidTransaction(f"its call of the market cannot be read: {fault}") from None


def collect_ballots(blocks: Iterable[Block]) -> tuple[CastBallot, ...]:
    """The verdicts in a commit's blocks, in order."""
    return tuple(CastBallot(block.body.author, vote) for block in blocks for vote in block.body.votes)


def list_refuted(closing: MarketClosing) -> tuple[PublicKey, ...]:
    """Workers whose results disputes refuted in a checkpoint, once for each result, in order."""
    events = [each.event for noted in closing.events.values() for each in noted]
    return tuple(
        event.worker for event in events if isinstance(event, AttemptFailed) and event.fault is Fault.REFUTED
    )


def compute_market_entry(shelf: Shelf, entry: Entry) -> Digest:
    """``H(tangle/market, ["entry", shelf, entry])``, which stands for an entry in the state's running sum."""
    return compute_record_hash(MARKET, b"entry", int(shelf), entry)


def book_movements(
    changes: dict[PublicKey, Account], read_account: AccountReader, movements: Iterable[Movement]
) -> list[PublicKey]:
    """Debit and credit accounts; answers whose changed, in order."""
    touched: dict[PublicKey, None] = {}
    for movement in movements:
        if isinstance(movement, Burn):
            continue
        key, delta = movement.account, movement.amount
        if isinstance(movement, Debit):
            delta = Grains(-delta)
        account = changes.get(key) or read_account(key)
        changes[key] = Account(Grains(account.balance + delta), account.sequence, account.stake)
        touched[key] = None
    return list(touched)


def _get_order(row: JobRow) -> int:
    return row.job.order
