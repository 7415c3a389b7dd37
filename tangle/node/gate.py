"""The gate between checked and attached: a place in the sub-DAG is given by turns.

What is attached will be ordered, first come, first served; so turns are taken before. While fewer
transactions are attached and not executed than the committee takes in a short while, the gate is open. Else
they wait in a fair queue by issuer, weighted by stake and balance, and what does not fit any more is refused
to those who have most waiting for their weight. Numbers that come before the ones they follow wait aside for
a moment, since what is attached in the wrong order conflicts for nothing.

Only wallets are told that their transaction could not apply. What a peer relays was let in there, perhaps
before another of the same number was let in here: refused here, it would hold up every block that names it.

What a committee block or a descendant needs passes at once, and so does what this node accepted before.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final

from tangle.core.errors import TangleError
from tangle.core.transactions import TRANSACTION_SIZE_MAX, Transaction
from tangle.core.types import PublicKey, TransactionId
from tangle.ledger.backlog import BacklogTarget
from tangle.ledger.errors import SequenceGap
from tangle.ledger.fair_queue import FairLimits, FairQueue
from tangle.ledger.pending import PendingBook, compute_share
from tangle.node.intake_entry import Entry
from tangle.node.ledgerbook import LedgerBook
from tangle.node.views import Overloaded
from tangle.node.workboard import WorkBoard

HELD_PERCENT: Final = 40
"""Part of the intake's room for what waits for a place: a few seconds of an ordinary machine's load."""

ISSUER_HELD_MAX: Final = 512
"""The same of one issuer: half of what it may have on its way."""

APART_PERCENT: Final = 5
"""Part of the intake's room for what waits for the number before: what overtakes on the way."""

ISSUER_APART_MAX: Final = 256
"""The same of one issuer: two batches of the intake, which workers may finish in any order."""

APART_S: Final = 5.0
"""How long one waits for the number before: a fetch from a peer, with all its attempts."""

RETRY_MIN_S: Final = 1.0
RETRY_MAX_S: Final = 30.0
"""Bounds of what an issuer is told to wait: the time in which what waits now is ordered."""

BACKLOG_SHARE: Final = 2
"""The target is at most one part in so many of what the sub-DAG holds: blocks of others need room too."""

Refusals = list[tuple[Entry, TangleError]]
"""Entries that do not pass, each with its reason."""


def make_held_limits(capacity: int) -> FairLimits:
    """Of what waits for a place, in an intake of ``capacity``."""
    items = max(1, capacity * HELD_PERCENT // 100)
    own = min(items, ISSUER_HELD_MAX)
    size = TRANSACTION_SIZE_MAX
    return FairLimits(items, items * size, own, own * size, size)


class Gate:
    """Owns the pending book's numbers, the fair queue by issuer, and the target of the backlog."""

    def __init__(self, board: WorkBoard, book: LedgerBook, *, capacity: int, pending_max: int) -> None:
        """:param book: knows what is attached and not executed.
        :param capacity: of the intake, which this is a part of.
        :param pending_max: most transactions that the sub-DAG holds.
        """
        self._book = book
        self.backlog = BacklogTarget(max(1, pending_max // BACKLOG_SHARE))
        self._board = board
        self._held: FairQueue[PublicKey, TransactionId, Entry] = FairQueue(make_held_limits(capacity))
        self._apart_max = max(1, capacity * APART_PERCENT // 100)
        self._apart: OrderedDict[tuple[PublicKey, int], tuple[Entry, float]] = OrderedDict()
        self._apart_counts: dict[PublicKey, int] = {}
        self._ready: deque[Entry] = deque()

    @property
    def pending(self) -> PendingBook:
        """Numbers that are taken."""
        return self._book.pending

    @property
    def held(self) -> int:
        """Transactions that wait for their turn."""
        return len(self._held)

    @property
    def issuers(self) -> int:
        """Issuers that have something waiting for its turn."""
        return self._held.flows

    @property
    def apart(self) -> int:
        """Transactions that wait for the number before."""
        return len(self._apart)

    @property
    def has_ready(self) -> bool:
        """Whether ``take_ready`` would give something."""
        return bool(self._ready) or (bool(self._held) and self._compute_room() > 0)

    def check(self, transaction: Transaction) -> None:
        """Whether news would apply, before anything is spent on it; its work is of the right kind.

        :raises SequenceTaken, SequenceFar, FeeLow, FundsShort: it would not.
        """
        self.pending.check(transaction.id, transaction.body, self._board.compute_fee(transaction))

    def pass_on(self, entry: Entry, now_s: float) -> Refusals:
        """A checked transaction comes to the gate; answers what is refused for it."""
        if entry.is_free:
            self._pass_free(entry)
            return self._follow(entry, now_s)
        if entry.source is None:
            try:
                self.check(entry.transaction)
            except TangleError as error:
                return [(entry, error)]
            if not self.pending.is_next(entry.transaction.body):
                return self._put_apart(entry, now_s)
        return [*self._hold(entry), *self._follow(entry, now_s)]

    def hasten(self, entry: Entry) -> None:
        """A committee block needs it: it need not wait any longer, if it waits here."""
        identity, body = entry.transaction.id, entry.transaction.body
        if self._held.remove(identity) is None:
            waiting = self._apart.get((body.issuer, body.sequence))
            if waiting is None or waiting[0] is not entry:
                return
            self._take_apart(body.issuer, body.sequence)
        self._pass_free(entry)

    def take_ready(self, limit: int) -> list[Entry]:
        """Up to ``limit`` transactions that may attach now, those that need not wait first."""
        taken = [self._ready.popleft() for _ in range(min(limit, len(self._ready)))]
        turns = min(limit - len(taken), len(self._held), self._compute_room() - len(taken))
        taken.extend(self._held.pop() for _ in range(turns))
        return taken

    def on_executed(
        self, transactions: Sequence[Transaction], delay_s: float | None, now_s: float
    ) -> Refusals:
        """A checkpoint is executed, the pending book knows it; answers what waited apart too long.

        :param delay_s: from attached to executed, of one of ``transactions``; none where nobody knows.
        """
        self.backlog.on_ordered(len(transactions), delay_s, now_s, is_congested=bool(self._held))
        refused: Refusals = []
        for transaction in transactions:
            refused += self._follow_number(transaction.body.issuer, transaction.body.sequence, now_s)
        while self._apart:
            (issuer, sequence), (entry, since_s) = next(iter(self._apart.items()))
            if now_s - since_s < APART_S:
                break
            self._take_apart(issuer, sequence)
            refused.append((entry, SequenceGap(sequence)))
        return refused

    def compute_retry_s(self) -> float:
        """In about which time what waits now is ordered."""
        rate = self.backlog.rate
        return min(max(self.held / rate, RETRY_MIN_S), RETRY_MAX_S) if rate else RETRY_MIN_S

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────

    def _compute_room(self) -> int:
        return self.backlog.target - self._book.backlog

    def note(self, transaction: Transaction) -> None:
        """A transaction of this node's own store goes back where it was: its number is taken."""
        self.pending.add(transaction, self._board.compute_fee(transaction))

    def release(self, identity: TransactionId) -> None:
        """What was refused takes no number any more."""
        self.pending.release((identity,))

    def _pass_free(self, entry: Entry) -> None:
        self.note(entry.transaction)
        self._ready.append(entry)

    def _hold(self, entry: Entry) -> Refusals:
        """Take the number and a place in the queue."""
        transaction = entry.transaction
        issuer = transaction.body.issuer
        self.note(transaction)
        share = compute_share(self.pending.get_account(issuer), self._board.parameters)
        left_out = self._held.push(issuer, transaction.id, entry, len(transaction.encoded), share)
        self.pending.release(each.transaction.id for each in left_out)
        return [(each, Overloaded("issuer's share of the", self.compute_retry_s())) for each in left_out]

    def _follow(self, entry: Entry, now_s: float) -> Refusals:
        body = entry.transaction.body
        return self._follow_number(body.issuer, body.sequence, now_s)

    def _follow_number(self, issuer: PublicKey, sequence: int, now_s: float) -> Refusals:
        """Let in what waited for this number, and what waited for that."""
        refused: Refusals = []
        while (following := self._apart.get((issuer, sequence + 1))) is not None:
            self._take_apart(issuer, sequence + 1)
            entry = following[0]
            try:
                self.check(entry.transaction)
            except TangleError as error:
                refused.append((entry, error))
                break
            if not self.pending.is_next(entry.transaction.body):
                refused += self._put_apart(entry, now_s)
                break
            refused += self._hold(entry)
            sequence += 1
        return refused

    def _put_apart(self, entry: Entry, now_s: float) -> Refusals:
        body = entry.transaction.body
        count = self._apart_counts.get(body.issuer, 0)
        place = (body.issuer, body.sequence)
        if place in self._apart or count >= ISSUER_APART_MAX or len(self._apart) >= self._apart_max:
            return [(entry, SequenceGap(body.sequence))]
        self._apart[place] = (entry, now_s)
        self._apart_counts[body.issuer] = count + 1
        return []

    def _take_apart(self, issuer: PublicKey, sequence: int) -> None:
        del self._apart[(issuer, sequence)]
        left = self._apart_counts[issuer] - 1
        if left:
            self._apart_counts[issuer] = left
        else:
            del self._apart_counts[issuer]
