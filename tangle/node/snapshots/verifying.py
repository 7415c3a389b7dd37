"""Verifying a snapshot: whoever gave it is not trusted in anything that the ledger follows from.

The head's checkpoint is certified by a committee that follows from the genesis by the ends of epochs. Its
``state_digest`` fixes the ledger's state, whose running sum fixes accounts, market and stakes. The
checkpoints before it are chained by their digests, and fix what was ordered, the effects, receipts and
weights. The open generations of models are counted again, and commits are decided again.

Said by the giver alone: ids of events, the number of commits and what came before the oldest one, when a
paid job was opened, and outside the leading shard where the committee began. Only lists and cursors follow
from these.

Verified parts are given out as they come, and worth something only when the last one has come.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, assert_never

from msgspec import Struct

from poi.events import JobSnapshot
from poi.evolution import OpenJob, open_job
from poi.job import decode_job
from shards.blocks import Block, decode_block
from shards.certificates import Certificate, verify_certificate
from shards.checkpoints import CHECKPOINT_VERSION, Checkpoint, compute_checkpoint_digest
from shards.commits import CommitRecord
from shards.committee import NO_ORIGIN, Committee
from shards.epochs import LEADING_SHARD, EpochEnd, follow_epochs, make_genesis_committee
from shards.receipts import Receipt, ReceiptBatch, compute_receipts_root, encode_receipt
from tangle.core.errors import TangleError, WrongChain, WrongShard
from tangle.core.genesis import Genesis, compute_chain_id
from tangle.core.merkle import compute_merkle_root
from tangle.core.multiset import MultisetHash
from tangle.core.transactions import Transaction, decode_transaction
from tangle.core.types import Digest, JobId, PublicKey
from tangle.ledger.accounts import EMPTY_ACCOUNT, decode_account, encode_account_entry
from tangle.ledger.board import open_paid_job
from tangle.ledger.effects import Effect, decode_effect
from tangle.ledger.marketplace import compute_market_entry
from tangle.ledger.staking.records import compute_staking_entry
from tangle.ledger.state import LedgerState, compute_state_digest, decode_ledger_state
from tangle.node.care.tables import read_market_entry, read_staking_entry
from tangle.node.snapshots.deciding import check_blocks, check_commits
from tangle.node.snapshots.errors import SnapshotDamaged, SnapshotFalse, SnapshotUncertified
from tangle.node.snapshots.models import ModelFollower, OpenedGeneration
from tangle.node.snapshots.records import (
    MAGIC,
    PURPOSE,
    SNAPSHOT_VERSION,
    STATE_TABLES,
    Blocks,
    Commits,
    End,
    EpochEnds,
    Head,
    Master,
    PaidModel,
    Record,
    Rows,
    Section,
    decode_item,
    decode_record,
)
from tangle.store.framed import FrameReader
from tangle.store.store import Table

MODELS_MAX: Final = 4_096
"""Most paid jobs inside: eight are on the board at a time, and each stays for a while."""

_ORDER: Final[tuple[type[Record], ...]] = (
    Head, EpochEnds, PaidModel, Master, Section, Commits, Blocks, Rows, End,
)  # fmt: skip
"""Kinds of records in the order in which they follow."""


class Started(Struct, frozen=True):
    """The head is certified."""

    head: Head
    """What it says."""

    state: LedgerState
    """The state of the ledger."""

    ends: tuple[EpochEnd, ...]
    """Ends of all epochs before."""

    committees: tuple[Committee, ...]
    """Committees of all epochs up to the checkpoint's."""

    begun: dict[int, int]
    """By epoch, the checkpoint that its committee began on; 0 where nobody knows."""


class ModelKnown(Struct, frozen=True):
    """A paid job with the data that it names."""

    job: JobId
    """Its id."""

    record: PaidModel
    """The job."""

    name: Digest
    """The market's job that pays."""


class Witness(Struct, frozen=True):
    """A certified checkpoint before the history, which names weights."""

    checkpoint: Checkpoint
    """The checkpoint."""

    certificate: Certificate
    """Its certificate."""


class HistoryPart(Struct, frozen=True):
    """One checkpoint of history with what it ordered."""

    checkpoint: Checkpoint
    """The checkpoint."""

    transactions: tuple[Transaction, ...]
    """What it ordered."""

    effects: tuple[Effect, ...]
    """What came of it."""

    effects_encoded: tuple[bytes, ...]
    """Their canonical bytes."""

    generations: tuple[OpenedGeneration, ...]
    """Generations that it opened."""

    batches: tuple[ReceiptBatch, ...]
    """What it sent to other shards."""

    receipts: tuple[Receipt, ...]
    """The receipts in these."""

    certificates: tuple[Certificate, ...]
    """Its certificate, if it is inside."""


class CommitteePart(Struct, frozen=True):
    """Where the committee goes on."""

    records: tuple[CommitRecord, ...]
    """Commits above the horizon."""

    blocks: tuple[Block, ...]
    """Blocks above it."""


class StateRows(Struct, frozen=True):
    """Rows of one table of the state."""

    table: Table
    """Which."""

    rows: tuple[tuple[bytes, bytes], ...]
    """Keys and values."""


class Finished(Struct, frozen=True):
    """All of it holds."""

    jobs: dict[JobId, JobSnapshot]
    """State of every standing job."""

    transactions: int
    """Transactions inside."""

    rows: int
    """Rows of the state inside."""


Part = Started | ModelKnown | Witness | HistoryPart | CommitteePart | StateRows | Finished
"""What is given out."""

OnRead = Callable[[int], None]
"""Told how many bytes were read."""


def verify_snapshot(file: BinaryIO, path: Path, genesis: Genesis, on_read: OnRead) -> Iterator[Part]:
    """Verify a file; parts come as they are verified, and ``Finished`` last.

    :raises SnapshotDamaged: it is not as it was written: the place is named.
    :raises WrongChain: it is of another network.
    :raises SnapshotUncertified: nobody has to believe it.
    :raises SnapshotFalse: it says something else than its checkpoint.
    """

    def make_fault(place: int, reason: str) -> TangleError:
        return SnapshotDamaged(path, place, reason)

    frames = FrameReader(file, MAGIC, PURPOSE, make_fault)
    verifier = _Verifier(genesis)
    is_ended = False
    while not is_ended:
        content = frames.read()
        try:
            record = decode_record(content)
        except TangleError as error:
            raise frames.make_fault(f"record {frames.frames}: {error}") from error
        yield from verifier.process(record)
        on_read(frames.place)
        is_ended = isinstance(record, End)
    frames.check_end()
    yield verifier.finish()


class _Verifier:
    """Takes record after record; pure."""

    def __init__(self, genesis: Genesis) -> None:
        self._genesis = genesis
        self._chain = compute_chain_id(genesis)
        self._kind = 0
        self._head: Head | None = None
        self._state: LedgerState | None = None
        self._ends: list[EpochEnd] = []
        self._committees: dict[int, Committee] = {}
        self._jobs: dict[JobId, OpenJob] = {}
        self._models: ModelFollower | None = None
        self._masters: list[Master] = []
        self._latest: Checkpoint | None = None
        self._records: tuple[CommitRecord, ...] | None = None
        self._blocks: list[Block] = []
        self._sum = MultisetHash()
        self._balances = self._stakes = 0
        self._keys: dict[int, bytes] = {}
        self._transactions = self._rows = 0

    def process(self, record: Record) -> Iterator[Part]:
        """The next record."""
        kind = _ORDER.index(type(record))
        if kind < self._kind or (self._head is None) != isinstance(record, Head):
            raise SnapshotFalse(type(record).__name__.lower(), "it stands at the wrong place")
        yield from self._pass(self._kind, kind)
        self._kind = kind
        match record:
            case Head():
                self._take_head(record)
            case EpochEnds(ends):
                self._ends.extend(ends)
            case PaidModel():
                yield self._take_model(record)
            case Master():
                self._masters.append(record)
            case Section():
                yield self._take_section(record)
            case Commits():
                self._take_commits(record)
            case Blocks(items):
                self._blocks.extend(decode_item(item, decode_block, "a block") for item in items)
            case Rows(table, rows):
                yield self._take_rows(table, rows)
            case End():
                self._take_end(record)
            case _:
                assert_never(record)

    def finish(self) -> Finished:
        """Nothing follows."""
        assert self._head is not None, "records begin with the head"
        assert self._state is not None, "the head has a state"
        assert self._models is not None, "there was history"
        supply = self._state.supply
        if (self._balances, self._stakes) != (supply.balances, supply.stakes):
            raise SnapshotFalse("the accounts", "they do not add up to the supply of the state")
        if self._sum.get_state() != self._state.accounts:
            raise SnapshotFalse("the accounts", "they, the market and the stakes are not those of the state")
        jobs = self._models.finish(self._head.checkpoint)
        return Finished(jobs, self._transactions, self._rows)

    def _pass(self, before: int, now: int) -> Iterator[Part]:
        """What is checked between two kinds of records."""

        def is_passed(kind: type[Record]) -> bool:
            return before <= _ORDER.index(kind) < now

        if is_passed(EpochEnds) and self._head is not None:
            yield self._start()
        if is_passed(Master):
            self._models = ModelFollower(self._jobs)
            for each in self._masters:
                witness = None
                for certified in each.witnesses:
                    witness = certified.checkpoint
                    self._verify_certificate(certified.certificate, witness)
                    yield Witness(witness, certified.certificate)
                self._models.add_master(each.job, each.generation, each.master, witness)
            self._masters = []
        if is_passed(Section):
            head, latest = self._get_head(), self._latest
            if latest is None or compute_checkpoint_digest(latest) != compute_checkpoint_digest(
                head.checkpoint
            ):
                raise SnapshotFalse("the history", "it does not end with the certified checkpoint")
        if is_passed(Blocks):
            yield self._settle_committee()

    def _get_head(self) -> Head:
        assert self._head is not None, "records begin with the head"
        return self._head

    def _take_head(self, head: Head) -> None:
        checkpoint = head.checkpoint
        if head.version != SNAPSHOT_VERSION or checkpoint.version != CHECKPOINT_VERSION:
            raise SnapshotFalse("the head", f"version {head.version} is not known here")
        if head.chain != self._chain or checkpoint.chain != self._chain:
            raise WrongChain(head.chain, self._chain)
        if checkpoint.shard != head.shard:
            raise WrongShard(checkpoint.shard, head.shard)
        state = decode_ledger_state(head.state)
        if compute_state_digest(state) != checkpoint.state_digest:
            raise SnapshotFalse("the state", f"checkpoint {checkpoint.index} is of another one")
        digest = compute_checkpoint_digest(checkpoint)
        if (state.checkpoint_index, state.previous) != (checkpoint.index, digest):
            raise SnapshotFalse("the state", "it is of another checkpoint")
        for later in head.later:
            if later.previous != digest:
                raise SnapshotUncertified(checkpoint.index, f"checkpoint {later.index} does not name it")
            digest = compute_checkpoint_digest(later)
        if head.certificate.digest != digest:
            raise SnapshotUncertified(checkpoint.index, "the certificate is for another one")
        self._head, self._state = head, state

    def _start(self) -> Started:
        head = self._get_head()
        assert self._state is not None, "it came with the head"
        last = (head.checkpoint, *head.later)[-1]
        try:
            committees = follow_epochs(make_genesis_committee(self._genesis), self._ends, self._chain)
            self._committees = {committee.epoch: self._place(committee, head) for committee in committees}
            self._verify_certificate(head.certificate, last)
        except TangleError as error:
            raise SnapshotUncertified(head.checkpoint.index, str(error)) from error
        for entry in self._genesis.board:
            opened = open_job(decode_job(entry.parameters))
            self._jobs[opened.id] = opened
        begun = {0: 0} | {end.checkpoint.epoch: end.checkpoint.index for end in self._ends}
        if head.shard != LEADING_SHARD:
            begun = dict.fromkeys(begun, 0) | {head.checkpoint.committee_epoch: head.begun}
        return Started(head, self._state, tuple(self._ends), tuple(self._committees.values()), begun)

    def _place(self, committee: Committee, head: Head) -> Committee:
        """A committee of the leading shard's ends, in the snapshot's own shard."""
        if head.shard == LEADING_SHARD:
            return committee
        is_present = committee.epoch == head.checkpoint.committee_epoch
        return Committee(committee.epoch, committee.validators, head.origin if is_present else NO_ORIGIN)

    def _verify_certificate(self, certificate: Certificate, checkpoint: Checkpoint) -> None:
        committee = self._committees.get(checkpoint.committee_epoch)
        if committee is None:
            reason = f"the committee of epoch {checkpoint.committee_epoch} does not follow from the genesis"
            raise SnapshotUncertified(checkpoint.index, reason)
        if (certificate.index, certificate.digest) != (
            checkpoint.index,
            compute_checkpoint_digest(checkpoint),
        ):
            raise SnapshotUncertified(checkpoint.index, "the certificate is for another one")
        verify_certificate(certificate, committee, self._chain, checkpoint.shard)

    def _take_model(self, record: PaidModel) -> ModelKnown:
        if len(self._jobs) >= MODELS_MAX:
            raise SnapshotFalse("the models", "there are more than any board had")
        try:
            job = decode_job(record.parameters)
            opened = open_paid_job(job, record.content)
        except TangleError as error:
            raise SnapshotFalse("a paid model", str(error)) from error
        self._jobs[opened.id] = opened
        return ModelKnown(opened.id, record, job.init_seed)

    def _take_section(self, section: Section) -> HistoryPart:
        assert self._models is not None, "models come before history"
        checkpoint, before = section.checkpoint, self._latest
        self._latest = checkpoint
        if before is None:
            if checkpoint.index != self._get_head().first or section.transactions or section.effects:
                raise SnapshotFalse("the history", "it does not begin as its head says")
            opened = self._models.start(checkpoint)
            return HistoryPart(checkpoint, (), (), (), tuple(opened), (), (), ())
        place = f"checkpoint {checkpoint.index}"
        if checkpoint.previous != compute_checkpoint_digest(before) or checkpoint.index != before.index + 1:
            raise SnapshotFalse(place, "it does not follow the one before")
        effects = self._check_ordered(section, before, place)
        transactions = tuple(decode_item(item, decode_transaction, place) for item in section.transactions)
        for transaction, effect in zip(transactions, effects, strict=True):
            if transaction.id != effect.transaction:
                raise SnapshotFalse(place, f"transaction {transaction.id.hex()[:16]} was not ordered there")
            if effect.work_counted:
                self._models.count(transaction)
        self._check_receipts(section, place)
        for certificate in section.certificates:
            self._verify_certificate(certificate, checkpoint)
        generations = self._models.advance(checkpoint)
        self._transactions += len(transactions)
        return HistoryPart(
            checkpoint,
            transactions,
            effects,
            section.effects,
            tuple(generations),
            section.batches,
            section.receipts,
            section.certificates,
        )

    def _check_ordered(self, section: Section, before: Checkpoint, place: str) -> tuple[Effect, ...]:
        checkpoint = section.checkpoint
        counts = (
            len(section.transactions),
            len(section.effects),
            checkpoint.ordered_total - before.ordered_total,
        )
        if counts != (checkpoint.ordered_count,) * 3:
            raise SnapshotFalse(place, f"it ordered {checkpoint.ordered_count} transactions, not {counts[0]}")
        try:
            effects = tuple(decode_effect(encoded) for encoded in section.effects)
        except TangleError as error:
            raise SnapshotFalse(place, str(error)) from error
        roots = (
            compute_merkle_root([effect.transaction for effect in effects]),
            compute_merkle_root(section.effects),
        )
        if roots != (checkpoint.ordered_root, checkpoint.effects_root):
            raise SnapshotFalse(place, "it did not order these, or not with these effects")
        return effects

    def _check_receipts(self, section: Section, place: str) -> None:
        if compute_receipts_root(section.batches) != section.checkpoint.receipts_root and (
            section.batches or self._genesis.parameters.shard_bits
        ):
            raise SnapshotFalse(place, "its receipts are not these")
        left = list(section.receipts)
        for batch in section.batches:
            part, left = left[: batch.count], left[batch.count :]
            if compute_merkle_root([encode_receipt(receipt) for receipt in part]) != batch.root:
                raise SnapshotFalse(place, f"its receipts to shard {batch.target} are not these")
        if left:
            raise SnapshotFalse(place, "there are more receipts than it sent")

    def _settle_committee(self) -> CommitteePart:
        checkpoint, parameters = self._get_head().checkpoint, self._genesis.parameters
        committee = self._committees[checkpoint.committee_epoch]
        blocks, self._blocks = tuple(self._blocks), []
        check_blocks(blocks, committee, self._chain, checkpoint, parameters)
        check_commits(self._records or (), blocks, committee, checkpoint, parameters)
        return CommitteePart(self._records or (), blocks)

    def _take_commits(self, commits: Commits) -> None:
        if self._records is not None:
            raise SnapshotFalse("the commits", "they come twice")
        self._records = commits.records

    def _take_end(self, end: End) -> None:
        if (end.transactions, end.rows) != (self._transactions, self._rows):
            raise SnapshotFalse("the end", "records are missing")

    def _take_rows(self, place: int, rows: tuple[tuple[bytes, bytes], ...]) -> StateRows:
        table = STATE_TABLES[place]
        for key, value in rows:
            if key <= self._keys.get(place, b""):
                raise SnapshotFalse(f"{table.title} {key.hex()}", "its rows are out of order")
            self._keys[place] = key
            try:
                self._add(table, key, value)
            except (TangleError, ValueError) as error:
                raise SnapshotFalse(f"{table.title} {key.hex()}", str(error)) from error
        self._rows += len(rows)
        return StateRows(table, rows)

    def _add(self, table: Table, key: bytes, value: bytes) -> None:
        if table is Table.ACCOUNTS:
            account = decode_account(value)
            if account == EMPTY_ACCOUNT:
                raise ValueError("an empty account is none")
            self._balances += account.balance
            self._stakes += account.stake
            self._sum.add(encode_account_entry(PublicKey(key), account))
        elif table is Table.MARKET:
            self._sum.add(compute_market_entry(*read_market_entry(key, value)))
        elif table is Table.STAKING:
            self._sum.add(compute_staking_entry(read_staking_entry(key, value)))
