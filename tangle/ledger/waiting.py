"""The waiting room: transactions whose parents have not arrived.

Bounded in all and per source; every operation costs time in proportion to the transactions that it touches.
"""

from collections.abc import Iterable, Iterator

from tangle.core.transactions import Transaction
from tangle.core.types import TransactionId
from tangle.ledger.errors import WaitingRoomFull
from tangle.ledger.limits import SubDagLimits


class WaitingTransaction:
    """One transaction in the room. Mutable, never leaves this package."""

    __slots__ = ("is_needed", "missing", "since", "source", "transaction")

    def __init__(
        self,
        transaction: Transaction,
        missing: set[TransactionId],
        source: bytes,
        since: int,
        *,
        is_needed: bool,
    ) -> None:
        self.transaction = transaction
        self.missing = missing
        """Parents that are neither attached nor known as ordered."""
        self.source = source
        """Who sent it."""
        self.since = since
        """Executed checkpoint at its arrival."""
        self.is_needed = is_needed
        """A committee block or a descendant that one needs lacks it."""


class WaitingRoom:
    """Waiting transactions by id and by missing parent."""

    def __init__(self, limits: SubDagLimits) -> None:
        self._limits = limits
        self._entries: dict[TransactionId, WaitingTransaction] = {}
        self._children: dict[TransactionId, list[TransactionId]] = {}
        self._counts: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, transaction_id: TransactionId) -> bool:
        return transaction_id in self._entries

    def check_room(self, source: bytes, *, has_reserve: bool) -> None:
        """Check that one more transaction may wait.

        :raises WaitingRoomFull: the room, or this source's part of it, is full.
        """
        limits = self._limits
        reserve = limits.needed_reserve if has_reserve else 0
        if len(self._entries) >= limits.waiting_max + reserve:
            raise WaitingRoomFull("waiting transactions", limits.waiting_max)
        if self._counts.get(source, 0) >= limits.waiting_per_source_max + reserve:
            raise WaitingRoomFull("waiting transactions of one source", limits.waiting_per_source_max)

    def add(self, entry: WaitingTransaction) -> None:
        """Let ``entry`` wait for each of ``entry.missing``."""
        identity = entry.transaction.id
        self._entries[identity] = entry
        self._counts[entry.source] = self._counts.get(entry.source, 0) + 1
        for parent in entry.missing:
            self._children.setdefault(parent, []).append(identity)

    def has_children(self, parent: TransactionId) -> bool:
        """Whether anything waits for ``parent``."""
        return parent in self._children

    def has_needed_children(self, parent: TransactionId) -> bool:
        """Whether anything that is needed waits for ``parent``."""
        return any(self._entries[identity].is_needed for identity in self._children.get(parent, ()))

    def mark_needed(self, transaction_ids: Iterable[TransactionId]) -> tuple[TransactionId, ...]:
        """Those that wait here, and their past that waits here, are needed from now on.

        :returns: what nobody has sent yet of the past of those that were not needed before.
        """
        lacking: dict[TransactionId, None] = {}
        pending = list(transaction_ids)
        while pending:
            entry = self._entries.get(pending.pop())
            if entry is not None and not entry.is_needed:  # each is walked over once, whoever asks
                entry.is_needed = True
                for parent in sorted(entry.missing):
                    if parent in self._entries:
                        pending.append(parent)
                    else:
                        lacking[parent] = None
        return tuple(lacking)

    def pop_children(self, parent: TransactionId) -> Iterator[WaitingTransaction]:
        """Every transaction that waited for ``parent``, in order of arrival; they wait for it no longer."""
        children = [self._entries[identity] for identity in self._children.pop(parent, ())]
        for entry in children:
            entry.missing.discard(parent)
        for entry in children:
            if entry.transaction.id in self._entries:  # dropping one may have dropped its siblings
                yield entry

    def remove(self, entry: WaitingTransaction) -> None:
        """Take ``entry`` out of the room, whatever it still waits for."""
        identity = entry.transaction.id
        del self._entries[identity]
        left = self._counts[entry.source] - 1
        if left:
            self._counts[entry.source] = left
        else:
            del self._counts[entry.source]
        for parent in entry.missing:
            siblings = self._children[parent]
            siblings.remove(identity)
            if not siblings:
                del self._children[parent]

    def get_parent_count(self) -> int:
        """Distinct parents that are waited for, those that wait themselves included."""
        return len(self._children)

    def get_missing(self) -> tuple[TransactionId, ...]:
        """Parents that nobody has sent yet: what to fetch, in the order in which they were first missed."""
        return tuple(parent for parent in self._children if parent not in self._entries)

    def get_missing_under(
        self, transaction_ids: Iterable[TransactionId], limit: int
    ) -> tuple[TransactionId, ...]:
        """What nobody has sent yet of the past of those that wait here, about ``limit`` for each at most."""
        seen: set[TransactionId] = set()
        lacking: list[TransactionId] = []
        for transaction_id in transaction_ids:
            pending = [transaction_id] if transaction_id in self._entries else []
            bound = len(lacking) + limit
            while pending and len(lacking) < bound:
                for parent in sorted(self._entries[pending.pop()].missing - seen):
                    seen.add(parent)
                    (pending if parent in self._entries else lacking).append(parent)
        return tuple(lacking)

    def get_expired(self, before: int) -> list[WaitingTransaction]:
        """Those that have waited since before checkpoint ``before``, oldest first."""
        expired = []
        for entry in self._entries.values():  # in order of arrival, so the first young one ends the search
            if entry.since >= before:
                break
            expired.append(entry)
        return expired
