"""What this node remembers of transactions that are not final yet: arrival times, latest arrivals, and, in
the pending book, which numbers of an account are taken.

The store knows what is durable; this is the small memory around it that wallets ask about.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from tangle.core.transactions import Transaction
from tangle.core.types import PublicKey, TransactionId
from tangle.ledger.pending import PendingBook
from tangle.node.meters import Histogram, LatencyMeter, RateMeter

RECENT_MAX: Final = 500
"""Latest transactions kept for displays."""

FINALITY_BOUNDS_S: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Upper bounds of the times from attached to final: fine where a sound network is, coarse where it is not."""


class LedgerBook:
    """When transactions came, and the meters that follow them."""

    def __init__(self, pending: PendingBook) -> None:
        """:param pending: told when something is ordered or given up; the intake tells it what comes."""
        self.pending = pending
        self.recent: deque[TransactionId] = deque(maxlen=RECENT_MAX)
        self.arrivals = RateMeter()
        self.finals = RateMeter()
        self.finality = LatencyMeter()
        self.finality_seconds = Histogram(FINALITY_BOUNDS_S)
        self._unexecuted: set[TransactionId] = set()
        self._attached_at_s: dict[TransactionId, float] = {}

    def on_attached(self, transaction: Transaction, now_s: float) -> None:
        """A transaction became part of the sub-DAG."""
        self._attached_at_s[transaction.id] = now_s
        self._unexecuted.add(transaction.id)
        self.recent.append(transaction.id)
        self.arrivals.add(1, now_s)

    def on_ordered(self, transactions: Iterable[Transaction]) -> None:
        """Their numbers are spent, or free again if they conflict."""
        identities = [transaction.id for transaction in transactions]
        self._unexecuted.difference_update(identities)
        self.pending.release(identities)

    def on_given_up(self, identities: Iterable[TransactionId]) -> None:
        """They will never be ordered."""
        for identity in identities:
            self.pending.release((identity,))
            self._attached_at_s.pop(identity, None)
            self._unexecuted.discard(identity)

    @property
    def backlog(self) -> int:
        """Transactions that are attached, and not executed and on disk."""
        return len(self._unexecuted)

    def compute_age_s(self, identity: TransactionId, now_s: float) -> float | None:
        """How long ago a transaction attached that is not final; none when that is not known."""
        attached_at_s = self._attached_at_s.get(identity)
        return None if attached_at_s is None else now_s - attached_at_s

    def on_final(self, identities: Sequence[TransactionId], now_s: float) -> None:
        """They are final."""
        self.finals.add(len(identities), now_s)
        for identity in identities:
            attached_at_s = self._attached_at_s.pop(identity, None)
            if attached_at_s is not None:
                self.finality.add((now_s - attached_at_s) * 1000, now_s)
                self.finality_seconds.add(now_s - attached_at_s)

    def count_pending(self, issuer: PublicKey) -> int:
        """Transactions of ``issuer`` that are here and not ordered."""
        return self.pending.count(issuer)

    def find_pending(self, issuer: PublicKey, sequence: int) -> TransactionId | None:
        """The transaction with that number that is here and not ordered; the first where there are
        several.
        """
        return self.pending.find(issuer, sequence)

    def list_pending(self, issuer: PublicKey, before: int) -> list[TransactionId]:
        """Pending transactions of ``issuer`` with numbers below ``before``, in their order."""
        return self.pending.list_before(issuer, before)

    def find_next(self, issuer: PublicKey, sequence: int) -> tuple[int, TransactionId | None]:
        """The first free number from ``sequence`` on, and the pending transaction just before it."""
        before = None
        while (taken := self.pending.find(issuer, sequence)) is not None:
            before = taken
            sequence += 1
        return sequence, before
