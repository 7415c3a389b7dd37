"""Intake: the one way of a transaction into this node, whoever brings it.

``admit`` decodes and checks what needs no context; ``verify`` has signatures and work checked in batches by
the computer; the gate gives turns; ``attach`` asks the sub-DAG core; then the transaction is stored and told
to peers. Each stage works on what has gathered meanwhile, so batches grow with the load by themselves.

The number of transactions inside is bounded. Before they are checked they take turns by who brought them,
after that by who issued them (``tangle.node.gate``); where there is no room, who has most waiting is told to
come back later, which reaches the wallet as 429. What committee blocks need goes before everything.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Final

import anyio
import anyio.lowlevel

from poi.errors import ForgedWork
from tangle.core.errors import InvalidSignature, TangleError
from tangle.core.hashing import TRANSACTION
from tangle.core.transactions import (
    Transaction,
    compute_transaction_id,
    decode_transaction,
)
from tangle.core.types import TransactionId
from tangle.ledger.errors import (
    AnchorAhead,
    FeeLow,
    FundsShort,
    ParentsMissing,
    SequenceFar,
    SequenceGap,
    SequenceTaken,
)
from tangle.ledger.errors import Overloaded as LedgerOverloaded
from tangle.ledger.events import Dropped, SubDagEvent
from tangle.ledger.fair_queue import FairQueue
from tangle.ledger.subdag import SubDag
from tangle.node.computer import Computer, TransactionVerdict
from tangle.node.disk_watch import DiskWatch
from tangle.node.gate import Gate, Refusals
from tangle.node.intake_entry import Entry, HandIn, Submission, get_share, make_limits
from tangle.node.meters import Histogram
from tangle.node.peer import Peer
from tangle.node.pool import ComputeFailed
from tangle.node.views import Overloaded, SubmitOutcome, TransactionStatus
from tangle.node.workboard import TransactionExpired, WorkBoard

VERIFY_BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0)
"""Upper bounds of the times that batches take in a worker: from one transaction to a worker that is stuck."""

BATCH_MAX: Final = 128
"""Transactions in one verification call: about 15 ms of one core, so that blocks need not wait long behind
it."""

PARKED_MAX: Final = 8_192
"""Transactions kept whose anchor is not executed here yet; beyond it the sender must bring them again."""

REFUSED_MAX: Final = 65_536
"""Ids of refused transactions remembered, so that the same bad bytes cost one verification only."""

RETRY_AFTER_S: Final = 0.5
"""What a wallet is told to wait when the node is full: about the time in which half the intake drains."""

POLICY: Final = (FeeLow, FundsShort, SequenceFar, SequenceGap, SequenceTaken)
"""Refusals of what would be no more than a conflict now. Other nodes may know more, or less."""

TRANSIENT: Final = (AnchorAhead, Overloaded, LedgerOverloaded, ComputeFailed, *POLICY)
"""Refusals that say nothing about the transaction: the same bytes may come again."""

BLAMELESS: Final = (TransactionExpired, ParentsMissing)
"""Refusals that an honest peer can run into: it was a little behind, or a parent got lost."""


def find_fault(
    transaction: Transaction, verdict: TransactionVerdict, *, is_void: bool = False
) -> TangleError | None:
    """What the computer found wrong with a transaction's signature or work; none for a sound one.

    :param is_void: it will never be ordered, and nobody looks at its work.
    """
    body = transaction.body
    if not verdict.is_signature_valid:
        return InvalidSignature(TRANSACTION, body.issuer)
    claimed = body.work.results
    if verdict.results != claimed and not is_void:
        index = next(i for i, d in enumerate(verdict.results) if d != claimed[i])
        return ForgedWork(body.issuer, body.sequence, index, claimed[index], verdict.results[index])
    return None


class Intake:
    """The pipeline admit, verify, attach."""

    def __init__(
        self,
        *,
        board: WorkBoard,
        subdag: SubDag,
        gate: Gate,
        computer: Computer,
        hand_in: HandIn,
        find_status: Callable[[TransactionId], TransactionStatus | None],
        on_events: Callable[[Sequence[SubDagEvent], Peer | None], None],
        on_refused: Callable[[Peer, TangleError], None],
        capacity: int,
        pending_max: int,
        disk: DiskWatch,
    ) -> None:
        """:param find_status: status of a transaction that the node already has, in memory or store.
        :param on_events: told what the sub-DAG did and whose transactions did it, in order, before they
            are durable.
        :param on_refused: told which peer brought something invalid.
        """
        self._board = board
        self._subdag = subdag
        self._computer = computer
        self._hand_in = hand_in
        self._find_status = find_status
        self._on_events = on_events
        self._on_refused = on_refused
        self._capacity = capacity
        self._pending_max = pending_max
        self._disk = disk
        self.gate = gate
        self._queue: FairQueue[bytes | str, TransactionId, Entry] = FairQueue(make_limits(capacity))
        self._urgent: deque[Entry] = deque()
        """What has waited already, or must not: it goes before the queue."""

        self._gate_stirred = anyio.Event()
        self._in_flight: dict[TransactionId, Entry] = {}
        self._parked: dict[int, list[Entry]] = {}
        self._parked_count = 0
        self._refused: OrderedDict[TransactionId, TangleError] = OrderedDict()
        self._idle: deque[anyio.Event] = deque()
        self.verified_total = 0
        self.verify_seconds = Histogram(VERIFY_BOUNDS_S)
        """How long batches of signatures and work took, the wait for a worker included."""

        self.refused_total: dict[str, int] = {}

    @property
    def depth(self) -> int:
        """Transactions inside the pipeline."""
        return len(self._in_flight)

    @property
    def parked(self) -> int:
        """Transactions that wait for their anchor to be executed here."""
        return self._parked_count

    def has(self, identity: TransactionId) -> bool:
        """Whether the transaction is inside the pipeline now."""
        return identity in self._in_flight

    def is_refused(self, identity: TransactionId) -> bool:
        """Whether these very bytes were refused lately."""
        return identity in self._refused

    @property
    def queued(self) -> int:
        """Transactions that wait to be checked."""
        return len(self._queue) + len(self._urgent)

    async def submit(self, items: Sequence[bytes], source: str = "") -> tuple[SubmitOutcome, ...]:
        """Take a wallet's transactions in; returns when each is attached or waiting, and durable, or refused.

        :param source: who sends them: sources take turns, and each has its share of the room.
        :raises Overloaded, DiskRunsLow: no room; nothing of the batch was taken.
        """
        self._disk.check_room()
        if self._queue.count(source) + len(items) > self._queue.limits.flow_items_max:
            # Before anything is spent on them: what floods most costs least.
            self._count_refused(Overloaded.code, len(items))
            raise Overloaded("sender's share of the intake", RETRY_AFTER_S)
        if len(self._in_flight) - self._parked_count + len(items) > self._capacity:
            raise Overloaded("intake", RETRY_AFTER_S)
        held = self._subdag.get_statistics()
        if held.unordered + held.waiting + len(items) > self._pending_max:
            raise Overloaded("pending", RETRY_AFTER_S)
        slots: list[SubmitOutcome | Entry] = []
        for start in range(0, len(items), BATCH_MAX):
            part = items[start : start + BATCH_MAX]
            slots.extend(self._admit(item, None, False, flow=source) for item in part)
            self._wake_one()
            await anyio.lowlevel.checkpoint()
        return await self._wait(slots)

    async def _wait(self, slots: Sequence[SubmitOutcome | Entry]) -> tuple[SubmitOutcome, ...]:
        submission = Submission(anyio.Event())
        for slot in slots:
            if isinstance(slot, Entry) and slot.answer is None:
                slot.submissions.append(submission)
                submission.open += 1
        if submission.open:
            await submission.done.wait()
        answers = []
        for slot in slots:
            answer = slot.answer if isinstance(slot, Entry) else slot
            assert answer is not None, "the submission is done when every entry has its answer"
            answers.append(answer)
        return tuple(answers)

    def take(self, items: Sequence[bytes], source: Peer, *, is_requested: bool) -> None:
        """Take a peer's transactions in, without waiting for what becomes of them.

        News for which there is no room is left out: a block that names it will have it fetched.
        """
        for item in items:
            has_room = self._disk.has_room and len(self._in_flight) - self._parked_count < self._capacity
            if is_requested or has_room:
                answer = self._admit(item, source, is_requested, flow=source.public_key)
                error = answer.error if isinstance(answer, SubmitOutcome) else None
                if error is not None and not isinstance(error, (*TRANSIENT, *BLAMELESS)):
                    self._on_refused(source, error)
        self._wake_one()

    def resubmit_stored(self, transaction: Transaction, *, is_needed: bool) -> None:
        """Put a transaction from this node's own store back into the sub-DAG: it was verified before.

        One that the sub-DAG refuses is dropped, with the reason, like one that waited in vain.

        :param is_needed: a committee block or a descendant that one needs lacks it.
        """
        entry = Entry(transaction, None, "", is_requested=is_needed, is_stored=True)
        if transaction.body.anchor > self._board.latest:
            # A restart may have to execute the anchor again first.
            self._in_flight[transaction.id] = entry
            self._park(transaction.body.anchor, entry)
        else:
            self.gate.note(transaction)
            error = self._attach([entry]).get(transaction.id)
            if error is not None:
                self._refuse(entry, error)

    def hasten(self, identity: TransactionId) -> None:
        """A committee block or a descendant needs a transaction that is inside: it waits for no turn."""
        entry = self._in_flight.get(identity)
        if entry is None or entry.is_requested:
            return
        entry.is_requested = True
        if self._queue.remove(identity) is not None:
            self._urgent.append(entry)
            self._wake_one()
        else:
            self.gate.hasten(entry)
            self._gate_stirred.set()

    def on_executed(self, index: int, ordered: Sequence[Transaction], delay_s: float | None) -> None:
        """Checkpoints up to ``index`` are executed here and on disk: release what waited for them.

        :param ordered: what the last of them ordered; the pending book knows it.
        :param delay_s: from attached to executed, of one of these; none where nobody knows.
        """
        self._refuse_all(self.gate.on_executed(ordered, delay_s, anyio.current_time()))
        self._gate_stirred.set()
        due = sorted(anchor for anchor in self._parked if anchor <= index)
        for anchor in due:
            entries = self._parked.pop(anchor)
            self._parked_count -= len(entries)
            self._urgent.extend(entries)
        self._wake_one()

    async def run(self, batches: int) -> None:
        """Verify, attach and store until cancelled, with that many batches under way at a time."""
        async with anyio.create_task_group() as tasks:
            for _ in range(batches):
                tasks.start_soon(self._run_one)
            tasks.start_soon(self._run_gate)

    def _admit(
        self, item: bytes, source: Peer | None, is_requested: bool, *, flow: bytes | str
    ) -> SubmitOutcome | Entry:
        identity = compute_transaction_id(item)
        under_way = self._in_flight.get(identity)
        if under_way is not None:
            if is_requested:
                self.hasten(identity)
            return under_way
        refused = self._refused.get(identity)
        if refused is not None and not is_requested:
            return SubmitOutcome(identity, False, None, refused)
        known = self._find_status(identity)
        # What was dropped because its parents did not come may come again; a block that names it needs it.
        if known is not None and known is not TransactionStatus.EXPIRED:
            return SubmitOutcome(identity, False, known, None)
        try:
            transaction = decode_transaction(item)
            self._board.check_home(transaction)
            if not is_requested:
                self._board.check_policy(transaction)
        except TransactionExpired as error:
            if known is not None:
                return SubmitOutcome(identity, False, known, None)
            self._remember_refused(identity, error)
            return SubmitOutcome(identity, True, None, error)
        except TangleError as error:
            if not isinstance(error, TRANSIENT):
                self._remember_refused(identity, error)
            return SubmitOutcome(identity, True, None, error)
        entry = Entry(transaction, source, flow, is_requested)
        self._in_flight[identity] = entry
        if is_requested:
            self._urgent.append(entry)
        else:
            size, share = len(item), get_share(source)
            for left_out in self._queue.push(flow, identity, entry, size, share):
                self._refuse(left_out, Overloaded("sender's share of the intake", RETRY_AFTER_S))
        return entry

    async def _run_one(self) -> None:
        while True:
            batch = self._take_batch()
            if not batch:
                awaited = anyio.Event()
                self._idle.append(awaited)
                await awaited.wait()
                continue
            self._wake_one()
            try:
                await self._process(batch)
            except ComputeFailed as error:
                # The input that kills a worker is somewhere in the batch: try each on its own, refuse the
                # culprit.
                if len(batch) == 1:
                    self._refuse(batch[0], error)
                else:
                    for entry in batch:
                        try:
                            await self._process([entry])
                        except ComputeFailed as single:
                            self._refuse(entry, single)

    def _wake_one(self) -> None:
        """One is enough: it wakes the next when it leaves something behind."""
        if (self._urgent or self._queue) and self._idle:
            self._idle.popleft().set()

    def _take_batch(self) -> list[Entry]:
        batch: list[Entry] = []
        while (self._urgent or self._queue) and len(batch) < BATCH_MAX:
            entry = self._urgent.popleft() if self._urgent else self._queue.pop()
            anchor = entry.transaction.body.anchor
            if anchor > self._board.latest:
                self._park(anchor, entry)
                continue
            try:
                self._board.check_work(entry.transaction)
                if not entry.is_free and entry.source is None:
                    self.gate.check(entry.transaction)
            except TangleError as error:
                self._refuse(entry, error)
                continue
            batch.append(entry)
        return batch

    def _park(self, anchor: int, entry: Entry) -> None:
        self._parked.setdefault(anchor, []).append(entry)
        self._parked_count += 1
        if self._parked_count > PARKED_MAX:
            # The furthest goes: it may never come, and what history needs next must not wait behind it.
            furthest = max(self._parked)
            left_out = self._parked[furthest].pop()
            self._parked_count -= 1
            if not self._parked[furthest]:
                del self._parked[furthest]
            self._refuse(left_out, Overloaded("anchor waiting", RETRY_AFTER_S))

    async def _process(self, batch: list[Entry]) -> None:
        request = self._board.build_batch([entry.transaction for entry in batch])
        begun_s = anyio.current_time()
        verdicts = await self._computer.verify_transactions(request)
        self.verify_seconds.add(anyio.current_time() - begun_s)
        self.verified_total += len(batch)
        good = [entry for entry, verdict in zip(batch, verdicts, strict=True) if self._accept(entry, verdict)]
        now_s = anyio.current_time()
        for entry in good:
            self._refuse_all(self.gate.pass_on(entry, now_s))
        await self._enter(self.gate.take_ready(BATCH_MAX))
        if self.gate.has_ready:
            self._gate_stirred.set()

    async def _run_gate(self) -> None:
        """Let in what has waited, whenever there is room again."""
        while True:
            await self._gate_stirred.wait()
            self._gate_stirred = anyio.Event()
            while ready := self.gate.take_ready(BATCH_MAX):
                await self._enter(ready)

    async def _enter(self, entries: list[Entry]) -> None:
        """Attach what has its turn, and keep it."""
        if not entries:
            return
        errors = self._attach(entries)
        kept = [entry for entry in entries if entry.transaction.id not in errors]
        for entry in entries:
            error = errors.get(entry.transaction.id)
            if error is not None:
                self._refuse(entry, error)
        # Until it is durable a transaction is inside: nobody is told before that it is here.
        await self._hand_in(
            [entry.transaction for entry in kept if not entry.is_stored],
            partial(self._accept_all, kept),
            is_awaited=any(entry.source is None for entry in kept),
        )

    def _accept_all(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            identity = entry.transaction.id
            self._finish(entry, SubmitOutcome(identity, True, self._find_status(identity), None))

    def _accept(self, entry: Entry, verdict: TransactionVerdict) -> bool:
        fault = find_fault(entry.transaction, verdict, is_void=self._board.is_void(entry.transaction))
        if fault is not None:
            self._refuse(entry, fault)
        return fault is None

    def _attach(self, entries: Sequence[Entry]) -> dict[TransactionId, TangleError]:
        errors: dict[TransactionId, TangleError] = {}
        for source, group in groupby(entries, key=lambda entry: entry.source):
            events: list[SubDagEvent] = []
            name = b"" if source is None else source.public_key
            for entry in group:
                transaction = entry.transaction
                try:
                    events.extend(
                        self._subdag.process_transaction(
                            transaction,
                            source=name,
                            is_needed=entry.is_requested,
                            is_kept=entry.is_stored,
                        )
                    )
                except TangleError as error:
                    errors[transaction.id] = error
            errors.update(
                (event.transaction_id, event.error) for event in events if isinstance(event, Dropped)
            )
            self._on_events(events, source)
        return errors

    def _refuse_all(self, refusals: Refusals) -> None:
        for entry, error in refusals:
            self._refuse(entry, error)

    def _refuse(self, entry: Entry, error: TangleError) -> None:
        identity = entry.transaction.id
        self.gate.release(identity)
        if isinstance(error, TRANSIENT):
            self._count_refused(error.code, 1)
        else:
            self._remember_refused(identity, error)
            self._on_events(self._subdag.process_refused(identity), None)
            if entry.source is not None and not isinstance(error, BLAMELESS):
                self._on_refused(entry.source, error)
        if entry.is_stored:
            self._on_events((Dropped(identity, error),), None)
        self._finish(entry, SubmitOutcome(identity, True, None, error))

    def _remember_refused(self, identity: TransactionId, error: TangleError) -> None:
        self._count_refused(error.code, 1)
        # A kept exception would keep the frames that it came through, and with them whole batches.
        error.__traceback__ = error.__context__ = None
        self._refused[identity] = error
        if len(self._refused) > REFUSED_MAX:
            self._refused.popitem(last=False)

    def _count_refused(self, code: str, count: int) -> None:
        self.refused_total[code] = self.refused_total.get(code, 0) + count

    def _finish(self, entry: Entry, answer: SubmitOutcome) -> None:
        self._in_flight.pop(entry.transaction.id, None)
        entry.answer = answer
        for submission in entry.submissions:
            submission.open -= 1
            if not submission.open:
                submission.done.set()
