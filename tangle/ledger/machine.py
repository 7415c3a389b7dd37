"""The replicated state machine of one shard: a commit with its transactions goes in, a checkpoint comes out.

It puts the three rooms of this floor together in the one order that every node must follow: the ledger
executes, the standing jobs count the work and close their generations, the committee's checkpoint binds the
result. It holds the state between checkpoints; accounts are read through a function that is handed in.
Source: protocol 5 and 6.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from aivm.backends.protocol import Backend
from poi.events import ClosedGeneration
from poi.market.entries import Entry
from poi.market.errors import MarketElsewhere, MarketFault
from poi.market.limits import DEVNET_RULES, MarketRules
from poi.market.machine import Market
from poi.market.operations import Caller, Moment
from poi.market.operations import Operation as MarketOperation
from poi.market.outcomes import Credit, Movement, Purpose
from poi.market.outcomes import Outcome as MarketOutcome
from poi.market.records import Job
from shards.blocks import GENESIS_ROUND, BlockReference
from shards.bundles import Bundle
from shards.checkpoints import NO_ROOT, Checkpoint, compute_checkpoint_digest
from shards.commits import CommitRecord
from shards.committee import Committee
from shards.epochs import LEADING_SHARD, find_leading_end, make_next_committee
from shards.receipts import compute_receipts_root, make_batches
from tangle.core.genesis import Genesis, Validator
from tangle.core.hashing import compute_home_shard
from tangle.core.merkle import compute_merkle_root
from tangle.core.transactions import StakingOperation, Transaction, TransactionBody
from tangle.core.types import INTEGER_MAX, ChainId, CheckpointIndex, Digest, Grains, JobId, PublicKey, Shard
from tangle.ledger.accounts import EMPTY_ACCOUNT, Account, AccountReader, encode_account_entry
from tangle.ledger.board import Board, ClosedWork, Earning, StandingEntry
from tangle.ledger.effects import Effect, encode_effect
from tangle.ledger.election import Election, find_places
from tangle.ledger.execution import (
    Execution,
    ExecutionContext,
    FinishedCheckpoint,
    execute,
    finish_checkpoint,
)
from tangle.ledger.marketplace import (
    CastBallot,
    MarketClosing,
    MarketEvent,
    Marketplace,
    book_movements,
    list_refuted,
)
from tangle.ledger.receipts import Crossing, CrossingClosing, take_bundles
from tangle.ledger.sealing import build_checkpoint
from tangle.ledger.staking.book import StakingBook
from tangle.ledger.staking.desk import StakingClosing, StakingDesk, compute_pool
from tangle.ledger.staking.records import StakingEntry
from tangle.ledger.state import LedgerState, compute_epoch, link_checkpoint

MARKET_SHARD: Final = Shard(0)
"""Where the job market is."""

AccountLister = Callable[[], Iterable[tuple[PublicKey, Account]]]
"""Every live account as of the last checkpoint, in the order of keys; read once an epoch."""


class CountedRow(Struct, frozen=True):
    """One piece of counted work and its place in history."""

    ordered_index: int
    job: JobId
    generation: int


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

    staking: StakingClosing
    """What happened to stakes."""

    crossing: CrossingClosing
    """What went to other shards and came from them."""

    next_committee: Committee | None
    """Whoever goes on after this checkpoint; none unless it is the last one of a committee's epoch."""

    @property
    def market_events(self) -> Mapping[Digest, tuple[MarketEvent, ...]]:
        """What happened in the market, by job or program, in order."""
        return self.market.events


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
        committee: Committee | None = None,
        election: Election | None = None,
        staking_entries: Iterable[StakingEntry] = (),
        commits: Iterable[CommitRecord] = (),
    ) -> None:
        """Go on from ``state``.

        :param backend: counts scores when a generation closes.
        :param market_entries: what stands on the market's lists, in any order.
        :param rules: those of the market.
        :param committee: whose commits come next, of the epoch that ``state`` says; the validators of the
            genesis when it is left out.
        :param election: asked at an epoch's last checkpoint, in place of the book of stakes.
        :param staking_entries: what stands in the book of stakes, in any order.
        :param commits: executed ones of this committee, all whose blocks can still get a twin.
        """
        self.state = state
        self.committee = committee or Committee(state.committee_epoch, genesis.validators)
        assert self.committee.epoch == state.committee_epoch, "commits come from the committee of the state"
        self._election = election
        self._desk = StakingDesk(shard, genesis.parameters, staking_entries, commits)
        self._board = Board(genesis, board, backend)
        self._genesis = genesis
        self._allocated = sum(allocation.amount for allocation in genesis.allocations)
        self._parameters = genesis.parameters
        self._chain = chain
        self._shard = shard
        self._read_account = read_account
        self._list_accounts = list_accounts
        market = Market.restore(state.market, market_entries, rules)
        self._marketplace = Marketplace(market, self.committee.weights)

    @property
    def shard(self) -> Shard:
        """The shard whose commits are executed."""
        return self._shard

    @property
    def board(self) -> tuple[StandingEntry, ...]:
        """The standing jobs after the last commit, with those that ended in it."""
        return self._board.entries

    def get_evaluation_macs(self, job: JobId) -> int:
        """Multiply-accumulates of an evaluation; 0 for a job that is not on the board."""
        return self._board.get_evaluation_macs(job)

    def is_work_counted(self, transaction: Transaction) -> bool:
        """Whether a transaction's work would count if it were ordered now."""
        return self._board.is_counted(transaction)

    def list_opening(self) -> tuple[Job, ...]:
        """Paid jobs that the next checkpoint puts on the board; ``hand_in`` their data before it."""
        return self._board.list_opening(self.market.list_jobs())

    def hand_in(self, job: Job, content: bytes) -> None:
        """The data of a job that the next checkpoint opens.

        :raises OversizeEncoding, MalformedEncoding, InvalidDataset: these are not its data.
        """
        self._board.hand_in(job, content)

    @property
    def market(self) -> Market:
        """The market after the last commit; to be read and not to be changed."""
        return self._marketplace.market

    @property
    def stakes(self) -> StakingBook:
        """The book of stakes after the last commit; to be read and not to be changed."""
        return self._desk.book

    def observe(self, commit: CommitRecord) -> None:
        """Look at a commit before it is asked whether it makes a checkpoint; once for each, in order."""
        self._desk.observe(commit)

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
        self._check_market()
        known = self._read_account(account)
        caller = Caller(account, known.sequence, Grains(max(0, known.balance - fee)), known.stake)
        return self.market.copy().apply(operation, caller, self.get_moment())

    def try_staking(self, body: TransactionBody, operation: StakingOperation, account: Account) -> Account:
        """What an operation on stakes would make of its issuer's account; nothing changes.

        :param account: the issuer's, the fee paid.
        :raises StakingFault: it would be refused.
        """
        return self._desk.copy().call(body, operation, account, self.state.epoch)

    def is_checkpoint_due(
        self, commit: CommitRecord, ordered: int, ballots: int = 0, bundles: int = 0
    ) -> bool:
        """Whether ``commit``, with so many transactions, verdicts and bundles, makes a checkpoint."""
        age_ms = commit.timestamp_ms - self.state.timestamp_ms
        is_age_due = age_ms >= self._parameters.checkpoint_interval_ms
        is_forced = self._desk.has_news or self._ends_epoch(commit.timestamp_ms)
        return ordered > 0 or ballots > 0 or bundles > 0 or is_age_due or is_forced

    def process_commit(
        self,
        commit: CommitRecord,
        transactions: Sequence[Transaction],
        ballots: Sequence[CastBallot] = (),
        bundles: Sequence[Bundle] = (),
    ) -> CheckpointOutcome:
        """Execute the transactions of a commit and make its checkpoint.

        :param ballots: the verdicts in the commit's blocks, in order.
        :param bundles: what the commit's blocks name of other shards, in order, each once and verified.
        :raises SupplyBroken: the books do not balance: the node must stop.
        """
        moment = self._make_moment(commit)
        crossing = take_bundles(bundles, self._shard, self.state, self._parameters)
        context = self._make_context(commit, moment, crossing)
        opened = self._board.begin(self.market.list_jobs(), moment.now_ms)
        execution = execute(transactions, self.state, self._read_account, context)
        self._book(execution, self._marketplace.count_votes(ballots, moment))
        self._desk.settle_commit(commit, self.committee, moment.epoch, execution.changes, self._read_account)
        counted = self._count(execution)
        closing = self._close_generations(execution, moment)
        leading = find_leading_end((bundle.checkpoint for bundle in bundles), self.committee.epoch)
        is_epoch_end = leading is not None or self._ends_epoch(commit.timestamp_ms)
        elected = self._elect(execution, moment, leading) if is_epoch_end else ()
        market = self._close_market(execution, moment, elected)
        self._desk.fine_refuted(list_refuted(market), execution.changes, self._read_account)
        self._board.end(self.market.list_jobs())
        staking = self._desk.close()
        payments = _add_up(
            ((each.account, each.amount) for each in closing.emission),
            ((each.owner, each.amount) for each in staking.rewards),
        )
        if moment.epoch != self.state.epoch:
            self._send_home(execution, crossing)
        crossed = crossing.close()
        finished = finish_checkpoint(
            self.state, execution, self._read_account, context, payments, market, staking, crossed
        )
        fees = Earning(context.leader, Grains(execution.fees.leader), None, 0)
        effects_encoded = tuple([encode_effect(effect) for effect in execution.effects])
        if is_epoch_end:
            epoch = moment.epoch if leading is None else leading.epoch
            finished = replace(finished, state=replace(finished.state, committee_epoch=epoch))
        checkpoint = self._make_checkpoint(commit, execution, effects_encoded, finished, elected, crossed)
        digest = compute_checkpoint_digest(checkpoint)
        self.state = link_checkpoint(finished.state, digest)
        following = self._begin_epoch(checkpoint, leading) if is_epoch_end else None
        return CheckpointOutcome(
            checkpoint=checkpoint,
            digest=digest,
            state=self.state,
            transactions=tuple(transactions),
            effects=execution.effects,
            effects_encoded=effects_encoded,
            accounts=finished.accounts,
            counted=counted,
            closed=(*opened, *closing.closed),
            earnings=(
                *((fees,) if fees.amount else ()),
                *closing.emission,
                *map(_describe_credit, market.paid),
                *(Earning(each.owner, each.amount, None, 0, Purpose.COMMITTEE) for each in staking.rewards),
            ),
            market=market,
            staking=staking,
            next_committee=following,
            crossing=crossed,
        )

    def _begin_epoch(self, checkpoint: Checkpoint, leading: Checkpoint | None) -> Committee:
        self.committee = make_next_committee(self.committee, checkpoint, leading)
        self._desk.forget_commits()
        return self.committee

    def _ends_epoch(self, timestamp_ms: int) -> bool:
        """Whether a commit at this time is the last one of the committee; other shards follow the leading."""
        epoch = compute_epoch(self.state, timestamp_ms, self._parameters)
        return self._shard == LEADING_SHARD and epoch > self.committee.epoch

    def _elect(
        self, execution: Execution, moment: Moment, leading: Checkpoint | None
    ) -> tuple[Validator, ...]:
        if leading is not None:
            return leading.next_committee or self.committee.validators
        elected = self._desk.end_epoch(
            self.compute_pool(), self.committee, moment.epoch, execution.changes, self._read_account
        )
        if self._election is not None:
            elected = self._election(self.state, self._parameters, self.committee, moment.epoch)
        members = () if elected == self.committee.validators else elected
        self._desk.note_committee(moment.epoch, members)
        return members

    def _make_moment(self, commit: CommitRecord) -> Moment:
        state = self.state
        now_ms = max(state.timestamp_ms, commit.timestamp_ms)
        epoch = compute_epoch(state, now_ms, self._parameters)
        return self._marketplace.make_moment(state.checkpoint_index + 1, now_ms, epoch, commit.leader.digest)

    def _close_market(
        self, execution: Execution, moment: Moment, elected: Sequence[Validator]
    ) -> MarketClosing:
        changes, read_account = execution.changes, self._read_account

        def read_stake(key: PublicKey) -> Grains:
            return (changes.get(key) or read_account(key)).stake

        self._book(execution, self._marketplace.advance(moment, read_stake))
        if elected:
            places = find_places(self.committee.validators, elected)
            weights = [validator.weight for validator in elected]
            self._book(execution, self._marketplace.change_validators(places, weights, moment))
        return self._marketplace.close()

    def _book(self, execution: Execution, movements: Iterable[Movement]) -> None:
        book_movements(execution.changes, self._read_account, movements)

    def _make_context(self, commit: CommitRecord, moment: Moment, crossing: Crossing) -> ExecutionContext:
        return ExecutionContext(
            parameters=self._parameters,
            shard=self._shard,
            checkpoint_index=CheckpointIndex(self.state.checkpoint_index + 1),
            timestamp_ms=commit.timestamp_ms,
            leader=self.committee.validators[commit.leader.author].public_key,
            evaluation_macs=self.get_evaluation_macs,
            is_work_counted=self._board.is_counted,
            call_market=lambda transaction, account, fee: self._call_market(
                transaction, account, fee, moment
            ),
            call_staking=lambda transaction, operation, account: self._desk.call(
                transaction.body, operation, account, self.state.epoch
            ),
            crossing=crossing,
        )

    def _call_market(
        self, transaction: Transaction, account: Account, fee: int, moment: Moment
    ) -> tuple[Movement, ...]:
        self._check_market()
        return self._marketplace.call(transaction, account, fee, moment)

    def _check_market(self) -> None:
        if self._shard != MARKET_SHARD:
            raise MarketElsewhere(self._shard, MARKET_SHARD)

    def _count(self, execution: Execution) -> tuple[CountedRow, ...]:
        index = self.state.ordered_total
        places = {effect.transaction: index + place for place, effect in enumerate(execution.effects)}
        rows = []
        for transaction in execution.counted:
            work = transaction.body.work
            self._board.count(transaction)
            self._desk.record_work(work.worker, len(work.results))
            rows.append(CountedRow(places[transaction.id], work.job, work.generation))
        return tuple(rows)

    def _close_generations(self, execution: Execution, moment: Moment) -> ClosedWork:
        closing = self._board.close_generations(moment.now_ms, self.state.emission, self.count_issued())
        for finding in closing.findings:
            # A generation that closes after the job's deadline is not paid: the customer was promised a time.
            with suppress(MarketFault):
                self._book(execution, self._marketplace.close_generation(finding, moment))
        return closing

    def _send_home(self, execution: Execution, crossing: Crossing) -> None:
        """Empty accounts of other shards: a leader is paid where it leads, and could spend nothing there."""
        bits = self._parameters.shard_bits
        if not bits:
            return
        for key, account in sorted((dict(self._list_accounts()) | execution.changes).items()):
            home = compute_home_shard(key, bits)
            if home != self._shard and account.balance and not crossing.is_congested(home):
                crossing.send(home, key, account.balance)
                execution.changes[key] = Account(Grains(0), account.sequence, account.stake)

    def compute_pool(self) -> int:
        """What the committee is paid at most if its epoch ends with the next checkpoint."""
        return compute_pool(self.state.emission, self.count_issued(), self._parameters)

    def count_issued(self) -> int:
        """Grains issued if every shard had emitted as much as this one: all together stay within 63 bits."""
        share = (INTEGER_MAX - self._allocated) >> self._parameters.shard_bits
        return INTEGER_MAX - share + self.state.supply.emitted

    def _make_checkpoint(
        self,
        commit: CommitRecord,
        execution: Execution,
        effects_encoded: Sequence[bytes],
        finished: FinishedCheckpoint,
        elected: tuple[Validator, ...],
        crossed: CrossingClosing,
    ) -> Checkpoint:
        is_epoch_end = finished.state.epoch != self.state.epoch
        return build_checkpoint(
            chain=self._chain,
            shard=self._shard,
            committee_epoch=self.committee.epoch,
            previous=self.state.previous,
            leader=commit.leader,
            state=finished.state,
            effects=execution.effects,
            effects_encoded=effects_encoded,
            receipts_root=compute_receipts_root(crossed.batches),
            accounts_root=self._compute_accounts_root(finished.accounts) if is_epoch_end else NO_ROOT,
            models=tuple(entry.model for entry in self.board),
            next_committee=elected,
        )

    def _compute_accounts_root(self, changed: Mapping[PublicKey, Account]) -> Digest:
        accounts = dict(self._list_accounts()) | dict(changed)
        live = (item for item in accounts.items() if item[1] != EMPTY_ACCOUNT)
        return compute_merkle_root([encode_account_entry(key, account) for key, account in sorted(live)])


def _add_up(*payments: Iterable[tuple[PublicKey, Grains]]) -> dict[PublicKey, Grains]:
    sums: dict[PublicKey, Grains] = {}
    for account, amount in chain(*payments):
        sums[account] = Grains(sums.get(account, 0) + amount)
    return sums


def _describe_credit(credit: Credit) -> Earning:
    return Earning(credit.account, credit.amount, JobId(credit.about), 0, credit.purpose)


def make_genesis_checkpoint(
    chain: ChainId, shard: Shard, state: LedgerState, board: Sequence[StandingEntry]
) -> Checkpoint:
    """Checkpoint 0: the state before anything was ordered. Nobody signs it; it follows from the genesis."""
    return build_checkpoint(
        chain=chain,
        shard=shard,
        committee_epoch=state.committee_epoch,
        previous=state.previous,
        leader=BlockReference(GENESIS_ROUND, 0, NO_ROOT),
        state=state,
        effects=(),
        effects_encoded=(),
        receipts_root=compute_receipts_root(make_batches(state.sent, {})),
        accounts_root=NO_ROOT,
        models=tuple(entry.model for entry in board),
        next_committee=(),
    )
