"""The sub-DAG of one shard: what is attached and not ordered yet, what waits for parents, and what to build
on.

A transaction comes in decoded, its signature and work verified. It attaches once every parent is attached or
ordered, or waits; it leaves when the committee orders a cone that holds it. Contextual checks are those of
protocol 2: ``0 <= anchor - parent.anchor <= anchor_gap`` for every parent, and an anchor that is executed.
The shard's genesis id is a parent at any anchor: it is where a network that was idle for longer than the gap
begins again.

A transaction so old that nothing could come of it is void: it attaches whatever its parents are, and is never
ordered. So what a node must remember to order like all others has an end.

Everything is synchronous and deterministic in the order of calls. Attaching costs time in the number of
parents, ordering in the number of transactions ordered.
"""

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Final

from tangle.core.parameters import Parameters
from tangle.core.transactions import PARENTS_MAX, Transaction
from tangle.core.types import CheckpointIndex, TransactionId
from tangle.ledger.errors import (
    AnchorAhead,
    AnchorGap,
    NotAttached,
    ParentAncient,
    ParentNewer,
    ParentRefused,
    ParentsMissing,
    SubDagFull,
)
from tangle.ledger.events import Attached, Dropped, Expired, SubDagEvent, Waiting
from tangle.ledger.limits import SubDagLimits, SubDagStatistics
from tangle.ledger.scoring import ConeScoring
from tangle.ledger.tips import HeadQueue, TipPool, draw_numbers
from tangle.ledger.vertex import NEVER, Ordered, Vertex
from tangle.ledger.waiting import WaitingRoom, WaitingTransaction

RECENT_PARENTS_MAX: Final = 64
"""Without tips, parents are drawn from this many latest ordered transactions: enough to keep the DAG wide."""

GENESIS_ANCHOR: Final = -1
"""Stands for the genesis id's anchor, to which the gap rule does not apply; no transaction has it."""


def compute_void_anchor(executed: int, parameters: Parameters) -> int:
    """Transactions anchored before this are not ordered after checkpoint ``executed``. Source: protocol 5.7.

    They and all that build on them would be expired. Whether one was ordered long ago, or never, makes no
    difference any more: nobody has to know it.
    """
    return executed - parameters.expiry_gap - parameters.anchor_gap


class SubDag:
    """One shard's sub-DAG."""

    def __init__(
        self, parameters: Parameters, genesis_id: TransactionId, limits: SubDagLimits | None = None
    ) -> None:
        """:param genesis_id: the shard's, from ``compute_shard_genesis_id``; counts as ordered by checkpoint
        0.
        """
        self._parameters = parameters
        self._anchor_gap = parameters.anchor_gap
        self._genesis_id = genesis_id
        self._limits = limits if limits is not None else SubDagLimits()
        self._unordered: dict[TransactionId, Vertex] = {}
        self._recent: dict[TransactionId, Ordered] = {}
        self._latest: deque[tuple[TransactionId, CheckpointIndex]] = deque(maxlen=RECENT_PARENTS_MAX)
        self._anchors: dict[int, int] = {}
        self._waiting = WaitingRoom(self._limits)
        self._heads = HeadQueue()
        self._tips = TipPool()
        self._scoring = ConeScoring(parameters, self._unordered, self._recent)
        self._executed = CheckpointIndex(0)
        self.voided: list[TransactionId] = []
        """Void transactions that blocks named since the last checkpoint. They stay stored: who gets such a
        block later asks for them."""

    # ── in ──────────────────────────────────────────────────────────────────────────────────────────────────

    def process_transaction(
        self,
        transaction: Transaction,
        *,
        source: bytes = b"",
        is_needed: bool = False,
        is_kept: bool = False,
    ) -> tuple[SubDagEvent, ...]:
        """Attach ``transaction`` or let it wait; already known ones give no event.

        Whoever calls keeps out what the store holds as ordered: once it has left the window it would attach,
        and be ordered, a second time.

        :param source: whoever sent it; each source has its own part of the waiting room.
        :param is_needed: a committee block's cone needs it, so a reserve beyond the limits is open to it.
            What a needed one waits for is needed too.
        :param is_kept: this node accepted it before, so the reserve is open to it without being needed.
        :raises ParentAncient, ParentNewer: final; call ``process_refused`` with its id.
        :raises AnchorAhead, WaitingRoomFull, SubDagFull: for now; nothing is remembered.
        """
        identity = transaction.id
        if self.is_attached(identity) or identity in self._waiting:
            return ()
        body = transaction.body
        if body.anchor > self._executed:
            raise AnchorAhead(body.anchor, self._executed)
        is_needed = is_needed or self._waiting.has_needed_children(identity)
        has_reserve = is_needed or is_kept
        bound = self._limits.unordered_max + (self._limits.needed_reserve if has_reserve else 0)
        if len(self._unordered) + len(self._waiting) >= bound:
            raise SubDagFull("unordered transactions", self._limits.unordered_max)
        missing = set()
        for parent in () if self.is_void(transaction) else body.parents:
            parent_anchor = self._get_anchor(parent)
            if parent_anchor is None:
                missing.add(parent)
            else:
                self._check_gap(body.anchor, parent, parent_anchor)
        if missing:
            self._waiting.check_room(source, has_reserve=has_reserve)
            entry = WaitingTransaction(transaction, missing, source, self._executed, is_needed=is_needed)
            self._waiting.add(entry)
            fetchable = [
                parent for parent in body.parents if parent in missing and parent not in self._waiting
            ]
            under = self._waiting.mark_needed(body.parents) if is_needed else ()
            return (Waiting(identity, (*fetchable, *under), is_needed),)
        self._attach(transaction)
        attached = Attached(transaction)
        if self._waiting.has_children(identity):
            return (attached, *self._release(identity, body.anchor))
        return (attached,)

    def process_known(
        self,
        transaction_id: TransactionId,
        anchor: CheckpointIndex,
        checkpoint: CheckpointIndex,
    ) -> tuple[SubDagEvent, ...]:
        """The store holds this transaction as ordered: what waited for it attaches.

        :param checkpoint: the one that ordered it.
        """
        if transaction_id in self._unordered:
            return ()
        if transaction_id not in self._recent:
            self._remember(transaction_id, Ordered(anchor, checkpoint))
        return tuple(self._release(transaction_id, anchor))

    def process_refused(self, transaction_id: TransactionId) -> tuple[SubDagEvent, ...]:
        """A transaction is invalid for good (signature, work, gap): what waited for it is dropped."""
        return tuple(self._drop_waiting_children(transaction_id))

    # ── questions ───────────────────────────────────────────────────────────────────────────────────────────

    def is_attached(self, transaction_id: TransactionId) -> bool:
        """Whether it is attached, or ordered and still in the window. Older ones only the store knows."""
        return (
            transaction_id in self._unordered
            or transaction_id in self._recent
            or transaction_id == self._genesis_id
        )

    def is_void(self, transaction: Transaction) -> bool:
        """Whether it will never be ordered because it is too old."""
        return transaction.body.anchor < compute_void_anchor(self._executed, self._parameters)

    def is_waiting(self, transaction_id: TransactionId) -> bool:
        """Whether it waits for parents."""
        return transaction_id in self._waiting

    def get(self, transaction_id: TransactionId) -> Transaction | None:
        """The transaction, if it is attached and not ordered; ordered ones are in the store."""
        vertex = self._unordered.get(transaction_id)
        return None if vertex is None else vertex.transaction

    def get_missing(self) -> tuple[TransactionId, ...]:
        """Parents that transactions wait for and that are not here: to be looked up, then fetched."""
        return self._waiting.get_missing()

    def get_missing_under(
        self, transaction_ids: Iterable[TransactionId], limit: int
    ) -> tuple[TransactionId, ...]:
        """What is not here of the past of waiting transactions, at most about ``limit`` for each of them."""
        return self._waiting.get_missing_under(transaction_ids, limit)

    def mark_needed(self, transaction_ids: Iterable[TransactionId]) -> tuple[TransactionId, ...]:
        """A committee block needs these: those that wait are needed from now on, with their past.

        :returns: what that past lacks and nobody needed before: to be looked up, then fetched.
        """
        return self._waiting.mark_needed(transaction_ids)

    def get_statistics(self) -> SubDagStatistics:
        """Sizes at this moment."""
        return SubDagStatistics(
            unordered=len(self._unordered),
            waiting=len(self._waiting),
            missing=self._waiting.get_parent_count(),
            recent=len(self._recent),
            heads=len(self._heads),
            tips=len(self._tips),
            executed=self._executed,
        )

    # ── tips ────────────────────────────────────────────────────────────────────────────────────────────────

    def select_tips(self, limit: int, round_number: int) -> tuple[TransactionId, ...]:
        """Up to ``limit`` heads that no block has named, for a block of ``round_number``, in order of
        attachment.

        Heads that were named in vain ``RENAME_AFTER_ROUNDS`` ago come again, after the others.
        """
        return self._heads.select(limit, round_number, self._unordered)

    def list_unnamed(self, limit: int) -> tuple[TransactionId, ...]:
        """Up to ``limit`` heads that no block has named, in order of attachment."""
        return self._heads.list_eligible(limit)

    def on_named(self, transaction_ids: Iterable[TransactionId], round_number: int) -> None:
        """A block of ``round_number`` names these tips; ordered and unknown ones are passed over."""
        for identity in transaction_ids:
            vertex = self._unordered.get(identity)
            if vertex is not None:
                self._heads.on_named(vertex, round_number)

    def on_epoch(self) -> None:
        """Another committee goes on, which counts its rounds anew: what the one before named and did not
        order is void, and is named again.
        """
        for vertex in self._unordered.values():
            vertex.named_round = NEVER
        self._heads.restart(vertex for vertex in self._unordered.values() if not vertex.children)

    def select_parents(self, count: int, seed: bytes) -> tuple[TransactionId, ...]:
        """Up to ``count`` distinct parents for a new transaction anchored at the latest executed checkpoint.

        Uniform over the tips that are not lazy; without any, over the latest ordered transactions; without
        those, the genesis id.
        """
        count = min(count, PARENTS_MAX)
        chosen: list[TransactionId] = []
        unusable = []
        for vertex in self._tips.draw(seed):
            if len(chosen) >= count:
                break
            identity = vertex.transaction.id
            if self._is_lasting(vertex.transaction.body.anchor) and not self._scoring.is_lazy(vertex):
                chosen.append(identity)
            else:
                unusable.append(identity)
        for identity in unusable:  # each once, so draws stay cheap on average
            self._tips.discard(identity)
        return tuple(chosen) or self._select_recent(count, seed) or (self._genesis_id,)

    # ── order ───────────────────────────────────────────────────────────────────────────────────────────────

    def order_cone(self, tip: TransactionId) -> list[Transaction]:
        """The unordered past of ``tip`` and itself: depth-first post-order, parents in listed order.

        All of it is ordered from now on, by the checkpoint after the latest executed, but for what is void:
        that is let go. Empty if it was ordered before.

        :raises NotAttached: ``tip`` is neither attached nor in the window of ordered transactions.
        """
        unordered = self._unordered
        vertex = unordered.get(tip)
        if vertex is None:
            if self.is_attached(tip):
                return []
            raise NotAttached(tip)
        order: list[Transaction] = []
        void_anchor = compute_void_anchor(self._executed, self._parameters)
        checkpoint = CheckpointIndex(self._executed + 1)
        path = [(vertex, iter(vertex.transaction.body.parents))]
        while path:
            vertex, parents = path[-1]
            for parent in parents:
                ancestor = unordered.get(parent)
                if ancestor is not None:  # hashes make cycles impossible: it cannot be on the path already
                    path.append((ancestor, iter(ancestor.transaction.body.parents)))
                    break
            else:
                path.pop()
                transaction = vertex.transaction
                anchor = transaction.body.anchor
                self._forget(transaction)
                self._remember(transaction.id, Ordered(anchor, checkpoint))
                if anchor < void_anchor:
                    self.voided.append(transaction.id)
                else:
                    order.append(transaction)
        for transaction in order:
            self._latest.append((transaction.id, transaction.body.anchor))
        return order

    def on_checkpoint(self, index: CheckpointIndex) -> tuple[SubDagEvent, ...]:
        """Checkpoint ``index`` was executed.

        It lets go of referenced tips, of what waited too long, and of attached transactions that expired more
        than ``anchor_gap`` checkpoints ago without any block naming them.
        """
        self._executed = max(self._executed, index)
        self._tips.on_checkpoint(self._executed)
        self._scoring.on_checkpoint(self._executed)
        events: list[SubDagEvent] = []
        expired = (*self.voided, *self._drop_expired())
        self.voided = []
        if expired:
            events.append(Expired(expired))
        for entry in self._waiting.get_expired(self._executed - self._limits.waiting_checkpoints_max):
            if entry.transaction.id in self._waiting:  # not dropped with its parent a moment ago
                missing = tuple(
                    parent for parent in entry.transaction.body.parents if parent in entry.missing
                )
                events.extend(self._drop_waiting(entry, ParentsMissing(missing)))
        return tuple(events)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────

    def _get_anchor(self, parent: TransactionId) -> int | None:
        vertex = self._unordered.get(parent)
        if vertex is not None:
            return vertex.transaction.body.anchor
        ordered = self._recent.get(parent)
        if ordered is not None:
            return ordered.anchor
        return GENESIS_ANCHOR if parent == self._genesis_id else None

    def _check_gap(self, anchor: int, parent: TransactionId, parent_anchor: int) -> None:
        if parent_anchor == GENESIS_ANCHOR or 0 <= anchor - parent_anchor <= self._anchor_gap:
            return
        refusal = ParentNewer if anchor < parent_anchor else ParentAncient
        raise refusal(parent, parent_anchor, anchor, self._anchor_gap)

    def _attach(self, transaction: Transaction) -> None:
        body = transaction.body
        vertex = Vertex(transaction, *self._scoring.compute_score(body.parents))
        is_lazy = self._scoring.is_lazy(vertex)
        for parent in body.parents:
            parent_vertex = self._unordered.get(parent)
            if parent_vertex is None:
                continue
            if not parent_vertex.children:
                self._heads.discard(parent)
            parent_vertex.children += 1
            if not is_lazy:  # lazy transactions do not use up tips that others could build on
                self._tips.on_referenced(parent, self._executed)
        self._unordered[transaction.id] = vertex
        self._anchors[body.anchor] = self._anchors.get(body.anchor, 0) + 1
        self._heads.add(vertex)
        if not is_lazy:
            self._tips.add(vertex)

    def _release(self, parent: TransactionId, anchor: CheckpointIndex) -> list[SubDagEvent]:
        """Attach what waited for ``parent``, then what waited for that, breadth first, so parents come
        first.
        """
        events: list[SubDagEvent] = []
        arrived = deque([(parent, anchor)])
        while arrived:
            parent, anchor = arrived.popleft()
            for entry in self._waiting.pop_children(parent):
                transaction = entry.transaction
                try:
                    self._check_gap(transaction.body.anchor, parent, anchor)
                except AnchorGap as error:
                    events.extend(self._drop_waiting(entry, error))
                    continue
                if not entry.missing:
                    self._waiting.remove(entry)
                    self._attach(transaction)
                    events.append(Attached(transaction))
                    arrived.append((transaction.id, transaction.body.anchor))
        return events

    def _drop_waiting(
        self, entry: WaitingTransaction, error: AnchorGap | ParentsMissing
    ) -> list[SubDagEvent]:
        identity = entry.transaction.id
        self._waiting.remove(entry)
        return [Dropped(identity, error), *self._drop_waiting_children(identity)]

    def _drop_waiting_children(self, parent: TransactionId) -> list[SubDagEvent]:
        events: list[SubDagEvent] = []
        refused = deque([parent])
        while refused:
            parent = refused.popleft()
            for entry in self._waiting.pop_children(parent):
                self._waiting.remove(entry)
                events.append(Dropped(entry.transaction.id, ParentRefused(parent)))
                refused.append(entry.transaction.id)
        return events

    def _remember(self, transaction_id: TransactionId, ordered: Ordered) -> None:
        self._recent[transaction_id] = ordered
        if len(self._recent) > self._limits.recent_max:
            del self._recent[next(iter(self._recent))]

    def _forget(self, transaction: Transaction) -> None:
        """Take a transaction out of every table of unordered ones."""
        identity, anchor = transaction.id, transaction.body.anchor
        del self._unordered[identity]
        self._heads.discard(identity)
        self._tips.discard(identity)
        left = self._anchors[anchor] - 1
        if left:
            self._anchors[anchor] = left
        else:
            del self._anchors[anchor]

    def _is_lasting(self, anchor: int) -> bool:
        # Half the gap is left to whoever builds on it: a wallet may take its time.
        return 0 <= self._executed - anchor <= self._anchor_gap // 2

    def _select_recent(self, count: int, seed: bytes) -> tuple[TransactionId, ...]:
        left = [identity for identity, anchor in self._latest if self._is_lasting(anchor)]
        chosen = []
        for number in islice(draw_numbers(seed), min(count, len(left))):
            place = number % len(left)
            chosen.append(left[place])
            left[place] = left[-1]
            left.pop()
        return tuple(chosen)

    def _drop_expired(self) -> tuple[TransactionId, ...]:
        expired_before = compute_void_anchor(self._executed, self._parameters)
        if not self._anchors or min(self._anchors) >= expired_before:
            return ()
        dropped: list[TransactionId] = []
        candidates = [v for v in self._unordered.values() if v.transaction.body.anchor < expired_before]
        for vertex in reversed(
            candidates
        ):  # children attach after parents, so they are looked at before them
            if vertex.children or vertex.named_round != NEVER:
                continue
            self._forget(vertex.transaction)
            dropped.append(vertex.transaction.id)
            for parent in vertex.transaction.body.parents:
                parent_vertex = self._unordered.get(parent)
                if parent_vertex is not None:
                    # One that was void came without its parents, which did not count it.
                    parent_vertex.children = max(0, parent_vertex.children - 1)
                    if not parent_vertex.children and parent_vertex.named_round == NEVER:
                        self._heads.add(parent_vertex)
        return tuple(dropped)
