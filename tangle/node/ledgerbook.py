"""What this node remembers of transactions that are not final yet: pending numbers, arrival times, latest
arrivals.

The store knows what is durable; this is the small memory around it that wallets ask about: which numbers of
an account are taken, when a transaction came in, and which came last.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from tangle.core.transactions import Transaction
from tangle.core.types import PublicKey, TransactionId
from tangle.node.meters import Histogram, LatencyMeter, RateMeter

RECENT_MAX: Final = 500
"""Latest transactions kept for displays."""

FINALITY_BOUNDS_S: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Upper bounds of the times from attached to final: fine where a sound network is, coarse where it is not."""


class LedgerBook:
    """Pending transactions by issuer, and the meters that follow them."""

    def __init__(self) -> None:
        self.recent: deque[TransactionId] = deque(maxlen=RECENT_MAX)
        self.arrivals = RateMeter()
        self.finals = RateMeter()
        self.finality = LatencyMeter()
        self.finality_seconds = Histogram(FINALITY_BOUNDS_S)
        self._pending: dict[PublicKey, dict[int, TransactionId]] = {}
        self._attached_at_s: dict[TransactionId, float] = {}

    def on_attached(self, transaction: Transaction, now_s: float) -> None:
        """A transaction became part of the sub-DAG."""
        body = transaction.body
        self._pending.setdefault(body.issuer, {})[body.sequence] = transaction.id
        self._attached_at_s[transaction.id] = now_s
        self.recent.append(transaction.id)
        self.arrivals.add(1, now_s)

    def on_ordered(self, transactions: Iterable[Transaction]) -> None:
        """Their numbers are spent, or free again if they conflict."""
        for transaction in transactions:
            self._release(transaction)

    def on_expired(self, transactions: Iterable[Transaction]) -> None:
        """They will never be ordered."""
        for transaction in transactions:
            self._release(transaction)
            self._attached_at_s.pop(transaction.id, None)

    def on_final(self, identities: Sequence[TransactionId], now_s: float) -> None:
        """They are final."""
        self.finals.add(len(identities), now_s)
        for identity in identities:
            attached_at_s = self._attached_at_s.pop(identity, None)
            if attached_at_s is not None:
                self.finality.add((now_s - attached_at_s) * 1000, now_s)
                self.finality_seconds.add(now_s - attached_at_s)

    def count_pending(self, issuer: PublicKey) -> int:
        """Transactions of ``issuer`` that are attached and not ordered."""
        return len(self._pending.get(issuer, ()))

    def find_pending(self, issuer: PublicKey, sequence: int) -> TransactionId | None:
        """The transaction with that number that is attached and not ordered; the latest where there are
        several.
        """
        return self._pending.get(issuer, {}).get(sequence)

    def list_pending(self, issuer: PublicKey, before: int) -> list[TransactionId]:
        """Pending transactions of ``issuer`` with numbers below ``before``, in their order."""
        taken = self._pending.get(issuer, {})
        return [taken[sequence] for sequence in sorted(taken) if sequence < before]

    def find_next(self, issuer: PublicKey, sequence: int) -> tuple[int, TransactionId | None]:
        """The first free number from ``sequence`` on, and the pending transaction just before it."""
        taken = self._pending.get(issuer, {})
        before = None
        while sequence in taken:
            before = taken[sequence]
            sequence += 1
        return sequence, before

    def _release(self, transaction: Transaction) -> None:
        body = transaction.body
        taken = self._pending.get(body.issuer)
        if taken is not None and taken.get(body.sequence) == transaction.id:
            del taken[body.sequence]
            if not taken:
                del self._pending[body.issuer]
