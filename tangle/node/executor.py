"""The executor: committed sub-DAGs in, durable checkpoints out.

One commit after the other: the cones that its blocks name are ordered by the sub-DAG, executed by the state
machine, and written with effects, accounts and state in one batch; commits that wait together are written
together. Only what is on disk is attested (architecture 7).
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Final

import anyio
import anyio.lowlevel
import structlog

from poi.job import compute_job_id
from poi.market.records import Training
from shards.events import SubDagCommitted
from tangle.core.blob_id import BlobId
from tangle.core.encoding import encode
from tangle.core.transactions import Transaction
from tangle.core.types import CheckpointIndex, PublicKey, TransactionId
from tangle.ledger.accounts import Account, AccountReader
from tangle.ledger.board import make_standing_job
from tangle.ledger.errors import NotAttached
from tangle.ledger.events import SubDagEvent
from tangle.ledger.limits import UNWRITTEN_MAX
from tangle.ledger.machine import AccountLister, CheckpointOutcome, ShardMachine
from tangle.ledger.marketplace import collect_ballots
from tangle.ledger.receipts import collect_bundles
from tangle.ledger.staking.events import SlashCause
from tangle.ledger.subdag import SubDag
from tangle.node.archive import Archive, EvaluationRecord
from tangle.node.attesting import ExecutedCheckpoint
from tangle.node.bundle_source import BundleSource
from tangle.node.depot import Depot
from tangle.node.finality import Finality
from tangle.node.training_archive import PaidJob
from tangle.store.store import WriteBatch

COMMITS_PER_WRITE: Final = 32
"""Most commits in one write: a node that catches up pays for the disk once for them all."""

ORDERED_PER_WRITE: Final = UNWRITTEN_MAX
"""Transactions after which a write is not made larger, some tens of milliseconds of work."""

log = structlog.get_logger("executor")


class Executor:
    """Owns the state machine of one shard."""

    def __init__(
        self,
        *,
        make_machine: Callable[[AccountReader, AccountLister], ShardMachine],
        subdag: SubDag,
        archive: Archive,
        finality: Finality,
        depot: Depot,
        bundles: BundleSource,
        on_subdag_events: Callable[[tuple[SubDagEvent, ...]], None],
        on_executed: Callable[[CheckpointOutcome], None],
        is_ended: bool = False,
    ) -> None:
        """:param depot: gives out the data of paid jobs.
        :param bundles: gives out what blocks name of other shards.
        :param is_ended: whether the last commit of the committee at work is executed.
        """
        self._is_ended = is_ended
        self._depot = depot
        self._bundles = bundles
        self._subdag = subdag
        self._archive = archive
        self._finality = finality
        self._on_subdag_events = on_subdag_events
        self._on_executed = on_executed
        self._commits: deque[SubDagCommitted] = deque()
        self._filled = anyio.Event()
        self._unwritten: dict[PublicKey, Account] = {}
        self.is_busy = False
        self.elections = 0
        """Epochs whose end was executed here and gave others the seats."""

        self.slashed: Counter[SlashCause] = Counter()
        """Stakes that were burned in what was executed here."""

        self.machine = make_machine(self.read_account, self.list_accounts)
        self._kept_jobs = {entry.state.opened.id for entry in self.machine.board}

    @property
    def depth(self) -> int:
        """Commits decided and not yet executed."""
        return len(self._commits) + self.is_busy

    def add(self, commit: SubDagCommitted) -> None:
        """The next commit; the committee driver stops feeding the DAG when too many wait. What a committee
        commits after its last one is let go.
        """
        if self._is_ended:
            return
        self._commits.append(commit)
        self._filled.set()

    def begin(self) -> None:
        """The next committee is at work: its commits follow."""
        self._is_ended = False

    async def run(self) -> None:
        """Execute until cancelled.

        :raises SupplyBroken, StateForked, StorageFailed: the node must stop.
        """
        while True:
            if not self._commits:
                self._filled = anyio.Event()
                await self._filled.wait()
            self.is_busy = True
            await self.execute_waiting()
            self.is_busy = False

    def read_account(self, key: PublicKey) -> Account:
        """An account as the last executed commit left it, on disk or not yet."""
        return self._unwritten.get(key) or self._archive.get_account(key)

    def list_accounts(self) -> Iterator[tuple[PublicKey, Account]]:
        """Every account as the last executed commit left it, in the order of keys."""
        yield from sorted((dict(self._archive.list_accounts()) | self._unwritten).items())

    async def execute_waiting(self) -> None:
        """Execute what waits, as much as one write takes; durable on return. ``run`` does nothing else."""
        batch, outcomes, commits, ordered = WriteBatch(), [], 0, 0
        while self._commits and commits < COMMITS_PER_WRITE and ordered < ORDERED_PER_WRITE:
            if commits and (self.machine.list_opening() or collect_bundles(self._commits[0].blocks)):
                break  # data may be long in coming: what is done is written and attested first
            outcome = await self._execute(self._commits.popleft(), batch)
            commits += 1
            if outcome is not None:
                outcomes.append(outcome)
                ordered += len(outcome.transactions)
            if self._commits:
                await anyio.lowlevel.checkpoint()
        if outcomes:
            self._put_jobs(batch)
        await self._archive.commit(batch, is_urgent=bool(outcomes))
        self._unwritten = {}
        for outcome in outcomes:
            self._tell(outcome)

    async def _execute(self, commit: SubDagCommitted, batch: WriteBatch) -> CheckpointOutcome | None:
        self._archive.committees.put_commit(batch, self.machine.committee.epoch, commit.record)
        transactions = self._order(commit)
        self._archive.set_void(self._subdag.voided)
        ballots = collect_ballots(commit.blocks)
        self.machine.observe(commit.record)
        named = collect_bundles(commit.blocks)
        if not self.machine.is_checkpoint_due(commit.record, len(transactions), len(ballots), len(named)):
            return None
        await self._hand_in(batch)
        bundles = await self._bundles.get(named) if named else ()
        self._archive.receipts.put_bundles(batch, bundles, self.machine.shard)
        outcome = self.machine.process_commit(commit.record, transactions, ballots, bundles)
        self._put(batch, outcome)
        if outcome.next_committee is not None:
            self._is_ended = True
            self._commits.clear()
        self._unwritten |= outcome.accounts
        events = self._subdag.on_checkpoint(CheckpointIndex(outcome.checkpoint.index))
        self._on_subdag_events(events)
        return outcome

    async def _hand_in(self, batch: WriteBatch) -> None:
        """The data of every paid job that the next checkpoint puts on the board."""
        index = CheckpointIndex(self.machine.state.checkpoint_index + 1)
        for job in self.machine.list_opening():
            assert isinstance(job.task, Training), "only training jobs are on the board"
            blob = BlobId(job.task.data)
            content = await self._depot.get(blob)
            self.machine.hand_in(job, content)
            standing = make_standing_job(job)
            record = PaidJob(job.id, encode(standing), blob, index)
            self._archive.training.put_job(batch, compute_job_id(standing), record, content)

    def _put_jobs(self, batch: WriteBatch) -> None:
        present = set()
        for entry in self.machine.board:
            if entry.budget:
                present.add(entry.state.opened.id)
                self._archive.put_job(batch, entry.state.opened.id, entry.state.get_snapshot())
        for job in self._kept_jobs - present:
            self._archive.training.drop_state(batch, job)
        self._kept_jobs = present

    def _tell(self, outcome: CheckpointOutcome) -> None:
        """A checkpoint is on disk."""
        identities = tuple(transaction.id for transaction in outcome.transactions)
        self._finality.on_executed(ExecutedCheckpoint(outcome.checkpoint, outcome.digest, identities))
        self._on_executed(outcome)
        self._bundles.on_executed(outcome)
        elected = outcome.staking.elected
        self.elections += bool(elected is not None and elected.members)
        for slash in outcome.staking.slashed:
            self.slashed[slash.cause] += 1
            log.warning(
                "slashed",
                validator=slash.validator.hex()[:16],
                burned=slash.burned,
                cause=slash.cause.name.lower(),
            )
        for closed in outcome.closed:
            log.info(
                "generation", generation=closed.generation, score=closed.score, folded=closed.evaluations
            )

    def _order(self, commit: SubDagCommitted) -> list[Transaction]:
        ordered: list[Transaction] = []
        for block in commit.blocks:
            for tip in block.body.tips:
                ordered.extend(self._order_cone(tip))
        return ordered

    def _order_cone(self, tip: TransactionId) -> list[Transaction]:
        try:
            return self._subdag.order_cone(tip)
        except NotAttached:
            # Ordered, or found void, so long ago that the sub-DAG has forgotten it; anything else would be a
            # broken invariant.
            place, transaction = self._archive.find_transaction(tip), self._archive.get_transaction(tip)
            if place is None or transaction is None:
                raise
            if place.ordered is None and not self._subdag.is_void(transaction):
                raise
            return []

    def _put(self, batch: WriteBatch, outcome: CheckpointOutcome) -> None:
        archive, checkpoint = self._archive, outcome.checkpoint
        archive.put_ordered(batch, outcome)
        archive.put_checkpoint(batch, checkpoint)
        archive.put_accounts(batch, outcome.accounts)
        if outcome.next_committee is not None:
            archive.committees.put_committee(batch, outcome.next_committee, checkpoint.index)
        archive.put_ledger_state(batch, outcome.state)
        archive.put_earnings(batch, checkpoint.index, outcome.earnings)
        archive.staking.put_changes(batch, outcome.staking.changes)
        archive.receipts.put_crossing(batch, outcome)
        archive.staking.put_events(batch, checkpoint.index, checkpoint.timestamp_ms, outcome.staking.events)
        archive.market.put_closing(batch, outcome.market, checkpoint.index, checkpoint.timestamp_ms)
        for row in outcome.counted:
            archive.put_evaluation(batch, row.job, row.ordered_index, EvaluationRecord(row.generation))
        for closed in outcome.closed:
            archive.put_generation(batch, closed, checkpoint.index)
