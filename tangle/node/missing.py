"""Transactions that somebody needs and the sub-DAG lacks: looked up in the own store, then asked of peers.

A parent may have left memory long ago, or have been stored before a restart that forgot it; only what the
store has not either is fetched.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from tangle.core.types import CheckpointIndex, TransactionId
from tangle.ledger.events import SubDagEvent
from tangle.ledger.subdag import SubDag
from tangle.node.archive import Archive
from tangle.node.fetcher import Fetcher
from tangle.node.ingest import Intake
from tangle.node.peer import Peer

RENEWED_MAX: Final = 64
"""Missing ancestors of one waiting transaction that are asked for at a time when it is wanted again."""


class MissingTransactions:
    """Brings what is missing, from wherever it is."""

    def __init__(
        self,
        *,
        subdag: SubDag,
        archive: Archive,
        intake: Intake,
        fetcher: Fetcher,
        on_subdag_events: Callable[[Sequence[SubDagEvent]], None],
        get_ordered_total: Callable[[], int],
    ) -> None:
        """:param on_subdag_events: told what a known parent made of those that waited for it.
        :param get_ordered_total: length of the executed history.
        """
        self._subdag = subdag
        self._archive = archive
        self._intake = intake
        self._fetcher = fetcher
        self._on_subdag_events = on_subdag_events
        self._get_ordered_total = get_ordered_total
        self._wanted: deque[tuple[TransactionId, Peer | None, bool]] = deque()
        self._is_looking_up = False

    def want(self, identities: Sequence[TransactionId], hint: Peer | None, *, is_needed: bool = True) -> None:
        """Get these.

        :param hint: a peer that should have them; none when somebody waits for them still: what they wait
            for in turn is asked for again then, since the fetcher may have given it up.
        :param is_needed: a block or the past of one lacks them; else only transactions that nobody needs do,
            and they are taken if there is room, like news.
        """
        self._wanted.extend((identity, hint, is_needed) for identity in identities)
        if is_needed:
            # Those that are here and wait brought their parents in as news, until now.
            under = self._subdag.mark_needed(identities)
            self._wanted.extend((identity, hint, True) for identity in under)
            if hint is None:
                again = self._subdag.get_missing_under(identities, RENEWED_MAX)
                self._wanted.extend((identity, None, True) for identity in again)
        if self._is_looking_up:
            # What the store holds may lack parents in turn, and a chain of them may be longer than the stack:
            # the call that is under way takes them.
            return
        self._is_looking_up = True
        while self._wanted:
            identity, hint, is_needed = self._wanted.popleft()
            if not self._look_up(identity, is_needed):
                self._fetcher.want_transactions((identity,), hint, is_needed=is_needed)
        self._is_looking_up = False

    def give_up(self, identities: Sequence[TransactionId]) -> None:
        """Somebody no longer waits for these; nobody is asked for what nobody else waits for either."""
        still_missing = set(self._subdag.get_missing())
        self._fetcher.on_transactions_here(
            identity for identity in identities if identity not in still_missing
        )

    def _look_up(self, identity: TransactionId, is_needed: bool) -> bool:
        """Whether this node has the transaction; one that only the store has goes back into the sub-DAG."""
        subdag = self._subdag
        if subdag.is_attached(identity) or subdag.is_waiting(identity):
            return True
        if self._intake.has(identity):
            if is_needed:
                self._intake.hasten(identity)
            return True
        place = self._archive.find_transaction(identity)
        transaction = self._archive.get_transaction(identity)
        if place is None or transaction is None:
            return False
        row = None if place.ordered is None else self._archive.get_ordered(place.ordered)
        if row is None or row.index >= self._get_ordered_total():
            self._archive.keep(identity)
            self._intake.resubmit_stored(transaction, is_needed=is_needed)
        else:
            checkpoint = CheckpointIndex(row.checkpoint)
            self._on_subdag_events(subdag.process_known(identity, transaction.body.anchor, checkpoint))
        return True
