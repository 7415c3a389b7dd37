"""What the node keeps, as typed records over the store's tables.

One place knows how keys and values are laid out. Sequential keys are 8 bytes big-endian, so that LMDB
appends. Reads are short and see what is durable; what is not durable yet lives in the rooms that own it.

==================  ================================  =====================================================
table               key                               value
==================  ================================  =====================================================
transactions        arrival                           encoded transaction
transaction_index   transaction id                    arrival, ordered index (all ones while unordered)
blocks              epoch, round, author (2), digest  encoded block
commits             epoch, commit index               commit record
epochs              epoch                             committee record
ordered             ordered index                     checkpoint index, encoded effect
checkpoints         checkpoint index                  encoded checkpoint
certificates        checkpoint index                  encoded certificate
account_history     public key, ordered index         (empty)
earnings            public key, position              earning record
generations         job, generation                   generation record
weights             job, generation                   master weights
evaluations         job, ordered index                generation, counted result
events              first event id                    checkpoint index, number of events
evidence            epoch, round, author (2)          both signed blocks
accounts            public key                        balance, sequence, stake
peers               (one row)                         see ``tangle.node.peer_memory``
meta                name                              scalar state
==================  ================================  =====================================================
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from poi.events import ClosedGeneration, JobSnapshot
from shards.certificates import Certificate, decode_certificate, encode_certificate
from shards.checkpoints import Checkpoint, decode_checkpoint, encode_checkpoint
from tangle.core.encoding import decode, encode
from tangle.core.transactions import Transaction, decode_transaction
from tangle.core.types import Digest, JobId, Natural, PublicKey, TransactionId
from tangle.ledger.accounts import EMPTY_ACCOUNT, Account, decode_account, encode_account
from tangle.ledger.board import Earning
from tangle.ledger.effects import Effect, decode_effect
from tangle.ledger.machine import CheckpointOutcome
from tangle.ledger.state import LedgerState, decode_ledger_state, encode_ledger_state
from tangle.node.committee_archive import CommitteeArchive
from tangle.node.market_archive import MarketArchive
from tangle.node.receipt_archive import ReceiptArchive
from tangle.node.snapshots.errors import HistoryPruned
from tangle.node.staking_archive import StakingArchive
from tangle.node.training_archive import JOB, TrainingArchive
from tangle.store.keys import (
    TransactionPlace,
    compute_earning_key,
    compute_generation_key,
    compute_history_range,
    compute_prefix_stop,
    compute_sequence_key,
    decode_place,
    encode_place,
    parse_sequence_key,
)
from tangle.store.store import Store, Table, WriteBatch

EARNINGS_PER_CHECKPOINT: Final = 16_384
"""Positions of one account's earnings that a checkpoint takes up: its fees, 64 standing jobs, 4,096 programs
and at most eight payments for each of 1,024 jobs of the market."""

RECORD_SIZE_MAX: Final = 1024 * 1024
"""Longest small record read back from the own store; guards against a damaged file, not against peers."""

PAGE: Final = 1_000
"""Rows read at a time where a whole range is wanted."""

LEDGER: Final = b"ledger"
"""Scalar state of the ledger."""

ARRIVAL_FLOOR: Final = b"arrival-floor"
"""Arrival of the oldest transaction that is not ordered: where a restart begins to look for them."""


HISTORY_BASE: Final = b"history-base"
"""Where history begins that was pruned, or that came with a snapshot."""


class HistoryBase(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where history begins. Of what is older, ends of epochs are kept, and what lists name."""

    checkpoint: Natural
    """The first checkpoint that is kept; what it ordered is not."""

    ordered: Natural
    """Ordered index of the first transaction that is kept."""

    epoch: Natural
    """Blocks of committees' epochs before this may be gone."""

    round: Natural
    """And of this one up to this round."""


class OrderedRow(Struct, frozen=True):
    """One entry of the shard's history."""

    index: int
    checkpoint: int
    effect: Effect


class GenerationRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A generation of a standing job's model, as kept."""

    generation: Natural
    score: Natural
    evaluations: Natural
    """Evaluations folded into it."""

    weights_digest: Digest
    checkpoint: Natural
    """The checkpoint that opened it."""

    timestamp_ms: Natural


class EvaluationRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Counted work, as kept: with the transaction at its ordered index it is all that a replay needs."""

    generation: Natural
    """Generation that was evaluated."""


class EarningRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Fees or pay for work that an account got, as kept."""

    amount: Natural
    job: bytes
    """Whose work was paid, or a job or program of the market; empty for fees."""

    generation: Natural

    purpose: Natural
    """What the market paid for (``poi.market.outcomes.Purpose``); 0 for fees and for work."""


class EarningRow(Struct, frozen=True):
    """An earning and where it stands."""

    position: int
    """Grows along history; see ``EARNINGS_PER_CHECKPOINT``."""

    checkpoint: int
    record: EarningRecord


class EventRow(Struct, frozen=True):
    """The events of one final checkpoint."""

    first_id: int
    checkpoint: int
    count: int


class Archive:
    """Typed reads of one node's store, and builders of its write batches."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.committees = CommitteeArchive(store)
        self.market = MarketArchive(store)
        self.staking = StakingArchive(store)
        self.training = TrainingArchive(store)
        self.receipts = ReceiptArchive(store)
        last = store.scan(Table.TRANSACTIONS, limit=1, reverse=True)
        floor = store.get(Table.META, ARRIVAL_FLOOR)
        # Where all rows were pruned, the floor goes on.
        self._next_arrival = max(
            parse_sequence_key(last[0][0]) + 1 if last else 0,
            0 if floor is None else parse_sequence_key(floor),
        )
        self._unordered: dict[TransactionId, int] = {}
        """Arrival of every row that is not ordered, in order of arrival."""

        self._given_up: set[TransactionId] = set()
        """Those of them that nobody waits for."""

        self._leaving: set[TransactionId] = set()
        """Rows whose deletion is under way: reads still see them."""

    async def commit(self, batch: WriteBatch, *, is_urgent: bool = False) -> None:
        """Make a batch durable."""
        await self._store.commit(batch, is_urgent=is_urgent)

    async def hand_in(
        self, batch: WriteBatch, on_durable: Callable[[], None], *, is_awaited: bool = False
    ) -> None:
        """Let a batch become durable before any that comes later; see ``Store.hand_in``."""
        await self._store.hand_in(batch, on_durable, is_awaited=is_awaited)

    # ── transactions ────────────────────────────────────────────────────────────────────────────────────────

    def put_transactions(self, batch: WriteBatch, transactions: Sequence[Transaction]) -> None:
        """Add newly arrived transactions, unordered; one that was given up and came again keeps its row."""
        for transaction in transactions:
            identity = transaction.id
            self._leaving.discard(identity)
            if identity in self._unordered:
                self._given_up.discard(identity)
                continue
            arrival = self._next_arrival
            self._next_arrival += 1
            self._unordered[identity] = arrival
            batch.put(Table.TRANSACTIONS, compute_sequence_key(arrival), transaction.encoded)
            batch.put(Table.TRANSACTION_INDEX, identity, encode_place(TransactionPlace(arrival, None)))

    def give_up(self, identities: Sequence[TransactionId]) -> None:
        """Nobody waits for these; their rows stay until they are deleted, or kept after all."""
        self._given_up.update(identity for identity in identities if identity in self._unordered)

    def keep(self, identity: TransactionId) -> None:
        """A stored transaction is waited for again."""
        self._given_up.discard(identity)

    def delete_given_up(self, batch: WriteBatch, identities: Sequence[TransactionId]) -> list[TransactionId]:
        """Remove those of the transactions that are still given up.

        :returns: them; call ``on_deleted`` with them when the batch is durable.
        """
        leaving = [identity for identity in identities if identity in self._given_up]
        for identity in leaving:
            batch.delete(Table.TRANSACTIONS, compute_sequence_key(self._unordered.pop(identity)))
            batch.delete(Table.TRANSACTION_INDEX, identity)
        self._given_up.difference_update(leaving)
        self._leaving.update(leaving)
        return leaving

    def on_deleted(self, identities: Sequence[TransactionId]) -> None:
        """Reads see no more of these."""
        self._leaving.difference_update(identities)

    def set_void(self, identities: Sequence[TransactionId]) -> None:
        """Blocks name these too late for them to be ordered: they stay for who gets those blocks later, and
        a restart does not look for them.
        """
        for identity in identities:
            self._unordered.pop(identity, None)
            self._given_up.discard(identity)

    def find_transaction(self, identity: TransactionId) -> TransactionPlace | None:
        """Where the transaction is stored, if it is, and not about to be deleted."""
        if identity in self._leaving:
            return None
        value = self._store.get(Table.TRANSACTION_INDEX, identity)
        return None if value is None else decode_place(value)

    def get_encoded(self, place: TransactionPlace) -> bytes:
        """The bytes of a stored transaction."""
        encoded = self._store.get(Table.TRANSACTIONS, compute_sequence_key(place.arrival))
        assert encoded is not None, "index and transactions are written together"
        return encoded

    def get_transaction(self, identity: TransactionId) -> Transaction | None:
        """A stored transaction."""
        place = self.find_transaction(identity)
        return None if place is None else decode_transaction(self.get_encoded(place))

    def read_unordered(self, ordered_total: int) -> Iterator[Transaction]:
        """Stored transactions that are not ordered, in order of arrival; for a restart.

        :param ordered_total: of the state. A crash can leave history ahead of it: what stands there counts as
            unordered, and will be ordered again at the same place.
        """
        floor = self._store.get(Table.META, ARRIVAL_FLOOR) or compute_sequence_key(0)
        for key, encoded in self._scan_all(Table.TRANSACTIONS, floor, None):
            transaction = decode_transaction(encoded)
            place = self.find_transaction(transaction.id)
            if place is not None and (place.ordered is None or place.ordered >= ordered_total):
                self._unordered[transaction.id] = parse_sequence_key(key)
                yield transaction

    # ── history ─────────────────────────────────────────────────────────────────────────────────────────────

    def put_ordered(self, batch: WriteBatch, outcome: CheckpointOutcome) -> None:
        """Add a checkpoint's run of history."""
        checkpoint = outcome.checkpoint
        first = checkpoint.ordered_total - checkpoint.ordered_count
        prefix = compute_sequence_key(checkpoint.index)
        rows = zip(outcome.transactions, outcome.effects, outcome.effects_encoded, strict=True)
        for index, (transaction, effect, encoded) in enumerate(rows, first):
            arrival = self._unordered.pop(transaction.id, None)
            self._given_up.discard(transaction.id)
            if arrival is None:
                stored = self.find_transaction(transaction.id)
                assert stored is not None, "what is ordered was stored when it was attached"
                arrival = stored.arrival
            key = compute_sequence_key(index)
            batch.put(Table.ORDERED, key, prefix + encoded)
            batch.put(Table.TRANSACTION_INDEX, transaction.id, encode_place(TransactionPlace(arrival, index)))
            for account in {transaction.body.issuer, *(change.account for change in effect.changes)}:
                batch.put(Table.ACCOUNT_HISTORY, account + key, b"")
        floor = next(iter(self._unordered.values()), self._next_arrival)
        batch.put(Table.META, ARRIVAL_FLOOR, compute_sequence_key(floor))

    def get_ordered(self, index: int) -> OrderedRow | None:
        """One entry of history."""
        value = self._store.get(Table.ORDERED, compute_sequence_key(index))
        return None if value is None else _decode_ordered(index, value)

    def get_ordered_range(self, first: int, stop: int) -> list[OrderedRow]:
        """History from ``first`` up to but without ``stop``."""
        if stop <= first:
            return []
        start_key, stop_key = compute_sequence_key(first), compute_sequence_key(stop)
        rows = self._store.scan(Table.ORDERED, start_key, stop_key, limit=stop - first)
        return [_decode_ordered(parse_sequence_key(key), value) for key, value in rows]

    def get_account_history(
        self, account: PublicKey, position: int | None, limit: int, *, is_oldest_first: bool = False
    ) -> list[int]:
        """Ordered indices that touched ``account``: below ``position``, or above it, oldest first."""
        start, stop = compute_history_range(account, position, is_oldest_first=is_oldest_first)
        rows = self._store.scan(Table.ACCOUNT_HISTORY, start, stop, limit=limit, reverse=not is_oldest_first)
        return [parse_sequence_key(key[len(account) :]) for key, _ in rows]

    def put_earnings(self, batch: WriteBatch, checkpoint: int, earnings: Sequence[Earning]) -> None:
        """Add what a checkpoint paid."""
        places: dict[PublicKey, int] = {}
        for earning in earnings:
            place = places.setdefault(earning.account, 0)
            places[earning.account] += 1
            position = checkpoint * EARNINGS_PER_CHECKPOINT + place
            record = EarningRecord(
                earning.amount, earning.job or b"", earning.generation, earning.purpose or 0
            )
            batch.put(Table.EARNINGS, compute_earning_key(earning.account, position), encode(record))

    def get_earnings(self, account: PublicKey, before: int | None, limit: int) -> list[EarningRow]:
        """What ``account`` was paid, newest first, at positions below ``before``."""
        stop = compute_prefix_stop(account) if before is None else compute_earning_key(account, before)
        rows = self._store.scan(Table.EARNINGS, account, stop, limit=limit, reverse=True)
        return [
            EarningRow(
                position := parse_sequence_key(key[len(account) :]),
                position // EARNINGS_PER_CHECKPOINT,
                decode(EarningRecord, value, limit=RECORD_SIZE_MAX),
            )
            for key, value in rows
        ]

    # ── checkpoints ─────────────────────────────────────────────────────────────────────────────────────────

    def put_checkpoint(self, batch: WriteBatch, checkpoint: Checkpoint) -> None:
        """Add an executed checkpoint."""
        batch.put(Table.CHECKPOINTS, compute_sequence_key(checkpoint.index), encode_checkpoint(checkpoint))

    def get_checkpoint(self, index: int) -> Checkpoint | None:
        """An executed checkpoint."""
        value = self._store.get(Table.CHECKPOINTS, compute_sequence_key(index))
        return None if value is None else decode_checkpoint(value)

    def put_certificate(self, batch: WriteBatch, certificate: Certificate) -> None:
        """Add a certificate."""
        batch.put(
            Table.CERTIFICATES, compute_sequence_key(certificate.index), encode_certificate(certificate)
        )

    def get_certificate(self, index: int) -> Certificate | None:
        """The certificate of a checkpoint."""
        value = self._store.get(Table.CERTIFICATES, compute_sequence_key(index))
        return None if value is None else decode_certificate(value)

    def get_account(self, account: PublicKey) -> Account:
        """An account at the latest durable checkpoint; zeros when it never held a grain."""
        value = self._store.get(Table.ACCOUNTS, account)
        return EMPTY_ACCOUNT if value is None else decode_account(value)

    def list_accounts(self) -> Iterator[tuple[PublicKey, Account]]:
        """Every account in the order of keys."""
        for key, value in self._scan_all(Table.ACCOUNTS, b"", None):
            yield PublicKey(key), decode_account(value)

    def put_accounts(self, batch: WriteBatch, accounts: dict[PublicKey, Account]) -> None:
        """Set accounts."""
        for key, account in accounts.items():
            batch.put(Table.ACCOUNTS, key, encode_account(account))

    def put_ledger_state(self, batch: WriteBatch, state: LedgerState) -> None:
        """Set the ledger's scalar state."""
        batch.put(Table.META, LEDGER, encode_ledger_state(state))

    def get_ledger_state(self) -> LedgerState | None:
        """The ledger's scalar state; none before the first start."""
        value = self._store.get(Table.META, LEDGER)
        return None if value is None else decode_ledger_state(value)

    def put_history_base(self, batch: WriteBatch, base: HistoryBase) -> None:
        """History begins there from now on."""
        batch.put(Table.META, HISTORY_BASE, encode(base))

    def get_history_base(self) -> HistoryBase | None:
        """Where history begins; none where it begins with the genesis."""
        value = self._store.get(Table.META, HISTORY_BASE)
        return None if value is None else decode_history_base(value)

    def check_kept(self, checkpoint: int, what: str) -> None:
        """Whether what a checkpoint ordered is here, as far as history goes.

        :raises HistoryPruned: it was let go, or never here.
        """
        base = self.get_history_base()
        if base is not None and base.checkpoint and checkpoint <= base.checkpoint:
            raise HistoryPruned(what, base.checkpoint)

    def put_job(self, batch: WriteBatch, job: JobId, snapshot: JobSnapshot) -> None:
        """Set a standing job's state."""
        batch.put(Table.META, JOB + job, encode(snapshot))

    def get_job(self, job: JobId) -> JobSnapshot | None:
        """A standing job's state."""
        value = self._store.get(Table.META, JOB + job)
        return None if value is None else decode(JobSnapshot, value, limit=RECORD_SIZE_MAX)

    def put_generation(self, batch: WriteBatch, closed: ClosedGeneration, checkpoint: int) -> None:
        """Add a generation that ``checkpoint`` opened, with its weights."""
        key = compute_generation_key(closed.job, closed.generation)
        record = GenerationRecord(
            closed.generation, closed.score, closed.evaluations, closed.digest, checkpoint, closed.closed_ms
        )
        batch.put(Table.GENERATIONS, key, encode(record))
        batch.put(Table.WEIGHTS, key, closed.master)

    def get_generations(self, job: JobId, first: int, limit: int) -> list[GenerationRecord]:
        """Generations from ``first`` on."""
        start, stop = compute_generation_key(job, first), compute_prefix_stop(job)
        rows = self._store.scan(Table.GENERATIONS, start, stop, limit=limit)
        return [decode(GenerationRecord, value, limit=RECORD_SIZE_MAX) for _, value in rows]

    def get_master(self, job: JobId, generation: int) -> bytes | None:
        """Master weights of a generation."""
        return self._store.get(Table.WEIGHTS, compute_generation_key(job, generation))

    def put_evaluation(self, batch: WriteBatch, job: JobId, index: int, record: EvaluationRecord) -> None:
        """Add the counted work of the transaction at ordered ``index``."""
        batch.put(Table.EVALUATIONS, job + compute_sequence_key(index), encode(record))

    def get_evaluations(self, job: JobId, first: int, limit: int) -> list[tuple[int, EvaluationRecord]]:
        """Counted work with ordered index >= ``first``."""
        start, stop = job + compute_sequence_key(first), compute_prefix_stop(job)
        rows = self._store.scan(Table.EVALUATIONS, start, stop, limit=limit)
        return [
            (parse_sequence_key(key[len(job) :]), decode(EvaluationRecord, value, limit=RECORD_SIZE_MAX))
            for key, value in rows
        ]

    def put_event_row(self, batch: WriteBatch, first_id: int, checkpoint: int, count: int) -> None:
        """Add the row of a final checkpoint."""
        batch.put(Table.EVENTS, compute_sequence_key(first_id), encode([checkpoint, count]))

    def get_last_event_row(self) -> EventRow | None:
        """The newest row."""
        rows = self._store.scan(Table.EVENTS, limit=1, reverse=True)
        return _decode_event_row(*rows[0]) if rows else None

    def get_event_rows(self, event_id: int, limit: int) -> list[EventRow]:
        """Rows from the one that holds ``event_id`` on."""
        stop = compute_sequence_key(event_id + 1)
        holding = self._store.scan(Table.EVENTS, b"", stop, limit=1, reverse=True)
        start = holding[0][0] if holding else b""
        return [_decode_event_row(*row) for row in self._store.scan(Table.EVENTS, start, limit=limit)]

    def _scan_all(self, table: Table, start: bytes, stop: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        while True:
            rows = self._store.scan(table, start, stop, limit=PAGE)
            yield from rows
            if len(rows) < PAGE:
                return
            start = rows[-1][0] + b"\x00"


def decode_history_base(value: bytes) -> HistoryBase:
    """Read a stored record."""
    return decode(HistoryBase, value, limit=RECORD_SIZE_MAX)


def _decode_event_row(key: bytes, value: bytes) -> EventRow:
    checkpoint, count = decode(tuple[int, int], value, limit=RECORD_SIZE_MAX)
    return EventRow(parse_sequence_key(key), checkpoint, count)


def _decode_ordered(index: int, value: bytes) -> OrderedRow:
    return OrderedRow(index, parse_sequence_key(value[:8]), decode_effect(value[8:]))
