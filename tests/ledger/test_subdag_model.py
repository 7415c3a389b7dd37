"""The sub-DAG against a naive model, under any order of arrivals, orderings and checkpoints.

The model keeps everything and computes every answer from scratch by the definition.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tangle.core.parameters import MINIMAL
from tangle.core.transactions import Transaction
from tangle.core.types import CheckpointIndex, TransactionId
from tangle.ledger.errors import AnchorGap
from tangle.ledger.events import Attached, Dropped, Expired, SubDagEvent, Waiting
from tangle.ledger.subdag import SubDag
from tests.drawing.subdag import GENESIS_ID, compute_cone, make_transaction


class NaiveModel:
    """Every transaction ever handed over, by fate; nothing is forgotten."""

    def __init__(self) -> None:
        self.waiting: dict[TransactionId, Transaction] = {}
        self.unordered: dict[TransactionId, Transaction] = {}
        self.ordered: dict[TransactionId, tuple[Transaction, int]] = {}
        self.named: set[TransactionId] = set()
        self.executed = 0
        self.voided: set[TransactionId] = set()

    def get_anchor(self, parent: TransactionId) -> int | None:
        transaction = self.unordered.get(parent) or self.ordered.get(parent, (None, 0))[0]
        return None if transaction is None else transaction.body.anchor

    def settle(self, transaction: Transaction) -> tuple[set[TransactionId], set[TransactionId]]:
        """Hand over one transaction; the sets that attach and that are dropped because of it."""
        self.waiting[transaction.id] = transaction
        attached: set[TransactionId] = set()
        dropped: set[TransactionId] = set()
        is_moving = True
        while is_moving:
            is_moving = False
            for identity, waiting in list(self.waiting.items()):
                body = waiting.body
                anchors = {parent: self.get_anchor(parent) for parent in body.parents if parent != GENESIS_ID}
                known = [anchor for anchor in anchors.values() if anchor is not None]
                if waiting is transaction and self.is_void(waiting):  # whatever its parents are
                    anchors, known = {}, []
                if any(parent in dropped for parent in anchors) or any(
                    not 0 <= body.anchor - anchor <= MINIMAL.anchor_gap for anchor in known
                ):
                    dropped.add(identity)
                elif len(known) == len(anchors):
                    attached.add(identity)
                    self.unordered[identity] = waiting
                else:
                    continue
                del self.waiting[identity]
                is_moving = True
        return attached, dropped

    def get_children(self, identity: TransactionId) -> list[TransactionId]:
        return [child for child, other in self.unordered.items() if identity in other.body.parents]

    def compute_scores(self) -> dict[TransactionId, tuple[int, int]]:
        """Youngest and oldest checkpoint that the unordered past of each transaction builds on."""
        scores = {identity: (place, place) for identity, (_, place) in self.ordered.items()}
        scores[GENESIS_ID] = (0, 0)
        for identity, transaction in self.unordered.items():  # parents attach first
            of_parents = [scores.get(parent, (0, 0)) for parent in transaction.body.parents]
            scores[identity] = (max(score[0] for score in of_parents), min(score[1] for score in of_parents))
        return scores

    def get_lazy(self) -> set[TransactionId]:
        """Unordered transactions that are too far behind."""
        return {
            identity
            for identity, (youngest, oldest) in self.compute_scores().items()
            if identity in self.unordered
            and (
                self.executed - youngest > MINIMAL.lazy_youngest_gap
                or self.executed - oldest > MINIMAL.lazy_oldest_gap
            )
        }

    def is_void(self, transaction: Transaction) -> bool:
        return transaction.body.anchor + MINIMAL.expiry_gap + MINIMAL.anchor_gap < self.executed

    def expire(self) -> set[TransactionId]:
        dropped, self.voided = self.voided, set()
        for identity, transaction in reversed(list(self.unordered.items())):
            if self.is_void(transaction) and identity not in self.named and not self.get_children(identity):
                del self.unordered[identity]
                dropped.add(identity)
        return dropped


class SubDagMachine(RuleBasedStateMachine):
    """Both are told the same and must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.subdag = SubDag(MINIMAL, GENESIS_ID)
        self.model = NaiveModel()
        self.made: list[Transaction] = []
        self.index = 0
        self.round = 0

    @rule(data=st.data(), is_shown=st.booleans())
    def make(self, data: st.DataObject, is_shown: bool) -> None:
        """Make a transaction on others that may not have been handed over, and perhaps hand it over."""
        pool = [GENESIS_ID, *(transaction.id for transaction in self.made[-10:])]
        parents = data.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=4, unique=True))
        anchors = [int(t.body.anchor) for t in self.made if t.id in parents] or [self.index]
        anchor = data.draw(st.integers(max(0, max(anchors) - 1), self.index))
        transaction = make_transaction(parents, name=str(len(self.made)), anchor=anchor)
        self.made.append(transaction)
        if is_shown:
            self.hand_over(transaction)

    @rule(data=st.data())
    def show(self, data: st.DataObject) -> None:
        """Hand over any transaction, known or not."""
        if self.made:
            self.hand_over(data.draw(st.sampled_from(self.made)))

    def hand_over(self, transaction: Transaction) -> None:
        identity = transaction.id
        is_known = identity in self.model.unordered or identity in self.model.ordered
        try:
            events = self.subdag.process_transaction(transaction)
        except AnchorGap:
            _, dropped = self.model.settle(transaction)
            # What waited for it is told by the shell; the model drops it at once.
            assert identity in dropped
            told = self.subdag.process_refused(identity)
            assert {event.transaction_id for event in told if isinstance(event, Dropped)} == dropped - {
                identity
            }
            return
        if is_known or identity in self.model.waiting:
            assert events == ()
            return
        attached, dropped = self.model.settle(transaction)
        self.check_events(events, attached, dropped)
        assert any(isinstance(event, Waiting) for event in events) == (identity in self.model.waiting)

    def check_events(
        self, events: tuple[SubDagEvent, ...], attached: set[TransactionId], dropped: set[TransactionId]
    ) -> None:
        order = [event.transaction for event in events if isinstance(event, Attached)]
        assert {transaction.id for transaction in order} == attached
        assert {event.transaction_id for event in events if isinstance(event, Dropped)} == dropped
        places = {transaction.id: place for place, transaction in enumerate(order)}
        for transaction in order:
            assert all(places.get(p, -1) < places[transaction.id] for p in transaction.body.parents)

    @rule(data=st.data())
    def order(self, data: st.DataObject) -> None:
        """Order the cone of any attached transaction."""
        if self.model.unordered:
            tip = data.draw(st.sampled_from(list(self.model.unordered)))
            expected = compute_cone(self.model.unordered, tip)
            void = {i for i in expected if self.model.is_void(self.model.unordered[i])}
            self.model.voided |= void
            found = [transaction.id for transaction in self.subdag.order_cone(tip)]
            assert found == [identity for identity in expected if identity not in void]
            for identity in expected:
                self.model.ordered[identity] = (self.model.unordered.pop(identity), self.index + 1)

    @rule(limit=st.integers(1, 3))
    def name(self, limit: int) -> None:
        """Name heads in a block."""
        self.round += 1
        heads = [identity for identity in self.model.unordered if not self.model.get_children(identity)]
        selected = self.subdag.select_tips(limit, self.round)
        unnamed = [identity for identity in heads if identity not in self.model.named]
        assert set(selected) <= set(unnamed)
        assert len(selected) == min(limit, len(unnamed))
        self.subdag.on_named(selected, self.round)
        self.model.named.update(selected)

    @rule(step=st.integers(1, 3))
    def execute(self, step: int) -> None:
        """Execute a checkpoint."""
        self.index += step
        self.model.executed = self.index
        events = self.subdag.on_checkpoint(CheckpointIndex(self.index))
        expired = {i for event in events if isinstance(event, Expired) for i in event.transaction_ids}
        assert expired == self.model.expire()

    @invariant()
    def agree(self) -> None:
        for transaction in self.made:
            identity = transaction.id
            is_attached = identity in self.model.unordered or identity in self.model.ordered
            assert self.subdag.is_attached(identity) == is_attached
            assert self.subdag.is_waiting(identity) == (identity in self.model.waiting)
        wanted = {parent for waiting in self.model.waiting.values() for parent in waiting.body.parents}
        here = {GENESIS_ID, *self.model.unordered, *self.model.ordered, *self.model.waiting}
        assert set(self.subdag.get_missing()) == wanted - here

    @invariant()
    def offer_no_lazy_tip(self) -> None:
        offered = {p for seed in (b"1", b"2", b"3") for p in self.subdag.select_parents(2, seed)}
        assert not offered & self.model.get_lazy()


TestSubDagAgainstModel = SubDagMachine.TestCase
TestSubDagAgainstModel.settings = settings(max_examples=100, stateful_step_count=40)
