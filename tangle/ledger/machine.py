"""The replicated state machine of one shard: a commit with its transactions goes in, a checkpoint comes out.

It puts the three rooms of this floor together in the one order that every node must follow: the ledger
executes, the standing jobs count the work and close their generations, the committee's checkpoint binds the
result. It holds the state between checkpoints; accounts are read through a function that is handed in.
Source: protocol 5 and 6.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from aivm.backends.protocol import Backend
from poi.errors import StaleWork
from poi.events import ClosedGeneration, Counted, CountedWork
from poi.evolution import open_job
from poi.job import decode_job
from poi.market.limits import DEVNET_RULES, MarketRules
from poi.market.machine import Market
from poi.market.operations import Caller, Moment
from poi.market.operations import Operation as MarketOperation
from poi.market.outcomes import Credit, Movement, Purpose
from poi.market.outcomes import Outcome as MarketOutcome
from poi.market.records import Entry
from poi.state import JobState
from shards.blocks import GENESIS_ROUND, BlockReference
from shards.checkpoints import (
    CHECKPOINT_VERSION,
    NO_ROOT,
    Checkpoint,
    ModelState,
    compute_checkpoint_digest,
)
from shards.commits import CommitRecord
from tangle.core.genesis import Genesis
from tangle.core.merkle import compute_merkle_root
from tangle.core.transactions import Transaction
from tangle.core.types import ChainId, CheckpointIndex, Digest, Grains, JobId, PublicKey, Shard
from tangle.ledger.accounts import EMPTY_ACCOUNT, Account, AccountReader, encode_account_entry
from tangle.ledger.effects import Effect, encode_effect
from tangle.ledger.execution import (
    Execution,
    ExecutionContext,
    FinishedCheckpoint,
    execute,
    finish_checkpoint,
)
from tangle.ledger.fees import pay_emission
from tangle.ledger.marketplace import (
    CastBallot,
    MarketClosing,
    MarketEvent,
    Marketplace,
    book_movements,
)
from tangle.ledger.state import LedgerState, compute_state_digest, link_checkpoint

AccountLister = Callable[[], Iterable[tuple[PublicKey, Account]]]
"""Every live account as of the last checkpoint, in the order of keys; read once an epoch."""


class CountedRow(Struct, frozen=True):
    """One piece of counted work and its place in history."""

    ordered_index: int
    job: JobId
    generation: int


class Earning(Struct, frozen=True):
    """What an account got without a transfer to it."""

    account: PublicKey
    amount: Grains
    job: JobId | None
    """Whose work was paid, or a job or program of the market; none for the fees of the commit's leader."""

    generation: int
    """Generation that the work was counted for; 0 for fees and the market."""

    purpose: Purpose | None = None
    """What the market paid for; none for fees and for work that emission pays."""


class CheckpointOutcome(Struct, frozen=True):
    """A new checkpoint and everything that is to be stored with it, in one write."""

    checkpoint: Checkpoint
    digest: Digest
    state: LedgerState
    transactions: tuple[Transaction, ...]
    """What the checkpoint ordered."""

    effects: tuple[Effect, ...]
    """One for each."""

    effects_encoded: tuple[bytes, ...]
    """Their canonical bytes, the leaves under ``effects_root``."""

    accounts: dict[PublicKey, Account]
    """Accounts that changed."""

    counted: tuple[CountedRow, ...]
    """Work that counted."""

    closed: tuple[ClosedGeneration, ...]
    """Generations that this checkpoint opened."""

    earnings: tuple[Earning, ...]
    """Fees, pay for work and what the market paid, in the order in which they were credited."""

    market: MarketClosing
    """What happened in the market."""

    @property
    def market_events(self) -> Mapping[Digest, tuple[MarketEvent, ...]]:
        """What happened in the market, by job or program, in order."""
        return self.market.events


class StandingEntry(Struct):
    """A standing job on the board, and who is to be paid for its open generation."""

    budget: int
    state: JobState
    workers: dict[PublicKey, int]
    """Evaluations counted since the last closing, by worker."""

    model: ModelState
    """What checkpoints say of it now."""


class ShardMachine:
    """Executes commits one after the other."""

    def __init__(
        self,
        *,
        genesis: Genesis,
        chain: ChainId,
        shard: Shard,
        state: LedgerState,
        board: Sequence[StandingEntry],
        backend: Backend,
        read_account: AccountReader,
        list_accounts: AccountLister,
        market_entries: Iterable[Entry] = (),
        rules: MarketRules = DEVNET_RULES,
    ) -> None:
        """Go on from ``state``.

        :param backend: counts scores when a generation closes.
        :param market_entries: what stands on the market's lists, in any order.
        :param rules: those of the market.
        """
        self.state = state
        self.board = tuple(board)
        self._jobs: Mapping[JobId, StandingEntry] = {entry.state.opened.id: entry for entry in board}
        self._macs = {job: entry.state.opened.shape.multiply_accumulates for job, entry in self._jobs.items()}
        self._genesis = genesis
        self._parameters = genesis.parameters
        self._chain = chain
        self._shard = shard
        self._backend = backend
        self._read_account = read_account
        self._list_accounts = list_accounts
        weights = [validator.weight for validator in genesis.validators]
        self._marketplace = Marketplace(Market.restore(state.market, market_entries, rules), weights)

    @property
    def market(self) -> Market:
        """The market after the last commit; to be read and not to be changed."""
        return self._marketplace.market

    def get_moment(self) -> Moment:
        """A checkpoint like the next one, as far as it is known now: for what is only tried."""
        state = self.state
        return self._marketplace.make_moment(
            state.checkpoint_index + 1, state.timestamp_ms, state.epoch, state.previous
        )

    def try_operation(self, operation: MarketOperation, account: PublicKey, fee: int = 0) -> MarketOutcome:
        """What an operation of the market would do if it were ordered now. Nothing changes.

        :param fee: of the transaction that would carry it.
        :raises MarketFault, WrongSeal: it would be refused.
        """
        known = self._read_account(account)
        caller = Caller(account, known.sequence, Grains(max(0, known.balance - fee)), known.stake)
        return self.market.copy().apply(operation, caller, self.get_moment())

    def is_checkpoint_due(self, commit: CommitRecord, ordered: int, ballots: int = 0) -> bool:
        """Whether ``commit``, with so many transactions and verdicts, makes a checkpoint."""
        age_ms = commit.timestamp_ms - self.state.timestamp_ms
        return ordered > 0 or ballots > 0 or age_ms >= self._parameters.checkpoint_interval_ms

    def process_commit(
        self,
        commit: CommitRecord,
        transactions: Sequence[Transaction],
        ballots: Sequence[CastBallot] = (),
    ) -> CheckpointOutcome:
        """Execute the transactions of a commit and make its checkpoint.

        :param ballots: the verdicts in the commit's blocks, in order.
        :raises SupplyBroken: the books do not balance: the node must stop.
        """
        moment = self._make_moment(commit)
        context = self._make_context(commit, moment)
        execution = execute(transactions, self.state, self._read_account, context)
        self._book(execution, self._marketplace.count_votes(ballots, moment))
        counted = self._count(execution)
        closed, pay = self._close_generations(context)
        market = self._close_market(execution, moment)
        payments: dict[PublicKey, Grains] = {}
        for each in pay:
            payments[each.account] = Grains(payments.get(each.account, 0) + each.amount)
        finished = finish_checkpoint(self.state, execution, self._read_account, context, payments, market)
        fees = Earning(context.leader, Grains(execution.fees.leader), None, 0)
        effects_encoded = tuple([encode_effect(effect) for effect in execution.effects])
        checkpoint = self._make_checkpoint(commit, execution, effects_encoded, finished)
        digest = compute_checkpoint_digest(checkpoint)
        self.state = link_checkpoint(finished.state, digest)
        return CheckpointOutcome(
            checkpoint=checkpoint,
            digest=digest,
            state=self.state,
            transactions=tuple(transactions),
            effects=execution.effects,
            effects_encoded=effects_encoded,
            accounts=finished.accounts,
            counted=counted,
            closed=closed,
            earnings=(*((fees,) if fees.amount else ()), *pay, *map(_describe_credit, market.paid)),
            market=market,
        )

    def _make_moment(self, commit: CommitRecord) -> Moment:
        state = self.state
        now_ms = max(state.timestamp_ms, commit.timestamp_ms)
        epoch = (now_ms - state.genesis_timestamp_ms) // self._parameters.epoch_ms
        return self._marketplace.make_moment(state.checkpoint_index + 1, now_ms, epoch, commit.leader.digest)

    def _close_market(self, execution: Execution, moment: Moment) -> MarketClosing:
        changes, read_account = execution.changes, self._read_account

        def read_stake(key: PublicKey) -> Grains:
            return (changes.get(key) or read_account(key)).stake

        self._book(execution, self._marketplace.advance(moment, read_stake))
        return self._marketplace.close()

    def _book(self, execution: Execution, movements: Iterable[Movement]) -> None:
        book_movements(execution.changes, self._read_account, movements)

    def _make_context(self, commit: CommitRecord, moment: Moment) -> ExecutionContext:
        return ExecutionContext(
            parameters=self._parameters,
            shard=self._shard,
            checkpoint_index=CheckpointIndex(self.state.checkpoint_index + 1),
            timestamp_ms=commit.timestamp_ms,
            leader=self._genesis.validators[commit.leader.author].public_key,
            evaluation_macs=lambda job: self._macs.get(job, 0),
            is_work_counted=self._is_work_counted,
            call_market=lambda transaction, account, fee: self._marketplace.call(
                transaction, account, fee, moment
            ),
        )

    def _is_work_counted(self, transaction: Transaction) -> bool:
        work = transaction.body.work
        try:
            return isinstance(self._jobs[work.job].state.decide(work.generation), Counted)
        except StaleWork:  # it was in time at its anchor and ordered much later
            return False

    def _count(self, execution: Execution) -> tuple[CountedRow, ...]:
        index = self.state.ordered_total
        places = {effect.transaction: index + place for place, effect in enumerate(execution.effects)}
        rows = []
        for transaction in execution.counted:
            body, work = transaction.body, transaction.body.work
            entry = self._jobs[work.job]
            entry.state.count(CountedWork(work.generation, body.issuer, body.sequence, work.results))
            entry.workers[work.worker] = entry.workers.get(work.worker, 0) + len(work.results)
            rows.append(CountedRow(places[transaction.id], work.job, work.generation))
        return tuple(rows)

    def _close_generations(
        self, context: ExecutionContext
    ) -> tuple[tuple[ClosedGeneration, ...], tuple[Earning, ...]]:
        total = sum(entry.budget for entry in self.board)
        closings: list[ClosedGeneration] = []
        pay: list[Earning] = []
        for entry in self.board:
            closed = entry.state.close_if_due(context.timestamp_ms, self._backend)
            if closed is None:
                continue
            closings.append(closed)
            entry.model = ModelState(closed.job, closed.generation, closed.digest, closed.score, entry.budget)
            supply = self.state.supply
            issued = supply.genesis + supply.emitted + sum(each.amount for each in pay)
            share = self.state.emission * entry.budget // total
            for worker, amount in pay_emission(share, entry.workers, issued).items():
                pay.append(Earning(worker, amount, closed.job, closed.generation))
            entry.workers = {}
        return tuple(closings), tuple(pay)

    def _make_checkpoint(
        self,
        commit: CommitRecord,
        execution: Execution,
        effects_encoded: Sequence[bytes],
        finished: FinishedCheckpoint,
    ) -> Checkpoint:
        is_epoch_end = finished.state.epoch != self.state.epoch
        return _build_checkpoint(
            chain=self._chain,
            shard=self._shard,
            previous=self.state.previous,
            leader=commit.leader,
            state=finished.state,
            effects=execution.effects,
            effects_encoded=effects_encoded,
            accounts_root=self._compute_accounts_root(finished.accounts) if is_epoch_end else NO_ROOT,
            models=tuple(entry.model for entry in self.board),
        )

    def _compute_accounts_root(self, changed: Mapping[PublicKey, Account]) -> Digest:
        accounts = dict(self._list_accounts()) | dict(changed)
        live = (item for item in accounts.items() if item[1] != EMPTY_ACCOUNT)
        return compute_merkle_root([encode_account_entry(key, account) for key, account in sorted(live)])


def _describe_credit(credit: Credit) -> Earning:
    return Earning(credit.account, credit.amount, JobId(credit.about), 0, credit.purpose)


def start_board(
    genesis: Genesis, backend: Backend
) -> tuple[tuple[StandingEntry, ...], tuple[ClosedGeneration, ...]]:
    """The standing jobs as they are before any work, and their initial generations.

    :raises InvalidJob, UnknownDataset: the genesis names a job that this node cannot run.
    """
    entries, opened = [], []
    for entry in genesis.board:
        state = JobState.start(open_job(decode_job(entry.parameters)), genesis.timestamp_ms)
        first = state.describe(0, backend)
        model = ModelState(first.job, first.generation, first.digest, first.score, entry.budget)
        entries.append(StandingEntry(entry.budget, state, {}, model))
        opened.append(first)
    return tuple(entries), tuple(opened)


def make_genesis_checkpoint(
    chain: ChainId, shard: Shard, state: LedgerState, board: Sequence[StandingEntry]
) -> Checkpoint:
    """Checkpoint 0: the state before anything was ordered. Nobody signs it; it follows from the genesis."""
    return _build_checkpoint(
        chain=chain,
        shard=shard,
        previous=state.previous,
        leader=BlockReference(GENESIS_ROUND, 0, NO_ROOT),
        state=state,
        effects=(),
        effects_encoded=(),
        accounts_root=NO_ROOT,
        models=tuple(entry.model for entry in board),
    )


def _build_checkpoint(
    *,
    chain: ChainId,
    shard: Shard,
    previous: Digest,
    leader: BlockReference,
    state: LedgerState,
    effects: Sequence[Effect],
    effects_encoded: Sequence[bytes],
    accounts_root: Digest,
    models: tuple[ModelState, ...],
) -> Checkpoint:
    return Checkpoint(
        version=CHECKPOINT_VERSION,
        chain=chain,
        shard=shard,
        epoch=state.epoch,
        index=state.checkpoint_index,
        previous=previous,
        leader=leader,
        timestamp_ms=state.timestamp_ms,
        ordered_total=state.ordered_total,
        ordered_count=len(effects),
        ordered_root=compute_merkle_root([effect.transaction for effect in effects]),
        effects_root=compute_merkle_root(effects_encoded),
        receipts_root=compute_merkle_root(()),
        state_digest=compute_state_digest(state),
        accounts_root=accounts_root,
        price=state.price,
        difficulty=state.difficulty,
        supply=state.supply,
        models=models,
        next_committee=(),
    )
