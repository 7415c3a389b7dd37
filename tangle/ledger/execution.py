"""Execution: ordered transactions in, effects and changed accounts out.

A pure function of the ordered prefix. ``execute`` judges each transaction in white-flag order,
``finish_checkpoint`` closes the checkpoint: emission is paid, the digest and the books are brought up to
date, price, difficulty and epoch move. Between the two, the work that counted is folded elsewhere, which
tells what emission is due.
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from poi.errors import WrongSeal
from poi.market.entries import Change
from poi.market.errors import MarketFault
from poi.market.outcomes import Movement
from poi.market.refusals import get_refusal_number
from shards.checkpoints import SupplyTotals, check_supply
from tangle.core.multiset import MultisetHash
from tangle.core.parameters import Parameters
from tangle.core.transactions import MarketCall, StakingOperation, Transaction, Transfer, get_outgoing
from tangle.core.types import (
    INTEGER_MAX,
    CheckpointIndex,
    Grains,
    JobId,
    Milliseconds,
    PublicKey,
    Sequence,
    Shard,
)
from tangle.ledger.accounts import EMPTY_ACCOUNT, Account, AccountReader, encode_account_entry
from tangle.ledger.effects import AccountChange, Effect, Status
from tangle.ledger.fees import FeeSplit, Market, compute_market, compute_weight, decay_emission, split_fees
from tangle.ledger.marketplace import MarketClosing, book_movements, compute_market_entry
from tangle.ledger.receipts import Crossing, CrossingClosing, find_target
from tangle.ledger.staking.desk import StakingClosing
from tangle.ledger.staking.errors import StakingFault, get_staking_refusal_number
from tangle.ledger.staking.records import StakingChange, compute_staking_entry
from tangle.ledger.state import LedgerState, compute_epoch


class ExecutionContext(Struct, frozen=True):
    """What execution must know beyond the state and the transactions."""

    parameters: Parameters
    """The protocol's numbers."""

    shard: Shard
    """The shard that executes."""

    checkpoint_index: CheckpointIndex
    """The checkpoint that is being made."""

    timestamp_ms: Milliseconds
    """Its commit time."""

    leader: PublicKey
    """Account of the author of the committed leader block."""

    evaluation_macs: Callable[[JobId], int]
    """Multiply-accumulates of one evaluation of a job; 0 for an unknown one."""

    is_work_counted: Callable[[Transaction], bool]
    """Whether the work of an applied transaction is paid (its generation is not too far back)."""

    call_market: Callable[[Transaction, Account, int], tuple[Movement, ...]]
    """Asks the market for what a transaction wants, its issuer's account and the fee being these; raises
    ``MarketFault`` or ``WrongSeal`` where it refuses."""

    call_staking: Callable[[Transaction, StakingOperation, Account], Account]
    """Asks the book of stakes for what a transaction wants, its issuer's account being this, the fee paid.
    Answers the account then; raises ``StakingFault`` where it refuses."""

    crossing: Crossing
    """What goes to other shards and comes from them. It has taken the commit's bundles before."""


class Execution(Struct, frozen=True):
    """What the transactions of one checkpoint did."""

    effects: tuple[Effect, ...]
    """One for each transaction, in order."""

    changes: dict[PublicKey, Account]
    """Accounts as they are now, those only that changed; the leader's fees included."""

    fees: FeeSplit
    """Where the fees went."""

    weight: int
    """Weight of all ordered transactions, conflicts included: they used the room as well."""

    counted: tuple[Transaction, ...]
    """Applied transactions whose work is paid, in order."""


class FinishedCheckpoint(Struct, frozen=True):
    """What the shell stores."""

    state: LedgerState
    """The new state; ``link_checkpoint`` completes it."""

    accounts: dict[PublicKey, Account]
    """Every account that differs from the last checkpoint."""


def execute(
    transactions: Iterable[Transaction],
    state: LedgerState,
    read_account: AccountReader,
    context: ExecutionContext,
) -> Execution:
    """Judge and apply ``transactions`` in order, at the price of ``state``.

    A conflict costs nothing and leaves the issuer's sequence as it is. Fees are split once, over their sum,
    and the leader is paid after the last transaction. What bundles brought is credited before the first.
    """
    run = _Run(state.price, read_account, context)
    for receipt in context.crossing.list_credited():
        _credit(run.changes, read_account, receipt.account, receipt.amount)
    effects = tuple([run.process(transaction) for transaction in transactions])
    fees = split_fees(run.fees, context.parameters)
    if fees.leader:
        _credit(run.changes, read_account, context.leader, fees.leader)
    return Execution(effects, run.changes, fees, run.weight, tuple(run.counted))


def finish_checkpoint(
    state: LedgerState,
    execution: Execution,
    read_account: AccountReader,
    context: ExecutionContext,
    payments: Mapping[PublicKey, Grains],
    market: MarketClosing,
    staking: StakingClosing,
    crossing: CrossingClosing,
) -> FinishedCheckpoint:
    """The state after the checkpoint that ``execution`` fills.

    :param read_account: the same as for ``execute``: accounts as of the last checkpoint.
    :param payments: emission that is due, from ``pay_emission`` at ``state.emission``; usually empty.
    :param market: what the checkpoint did there; its movements are booked in ``execution``.
    :param staking: the same of stakes.
    :param crossing: what the checkpoint did between shards; booked likewise.
    :raises SupplyBroken: grains were made or lost; the node must stop.
    """
    parameters = context.parameters
    accounts = dict(execution.changes)
    for worker, amount in payments.items():
        _credit(accounts, read_account, worker, amount)
    live = MultisetHash(state.accounts)
    balances, stakes = 0, 0
    for key, account in accounts.items():
        before = read_account(key)
        balances += account.balance - before.balance
        stakes += account.stake - before.stake
        if before != EMPTY_ACCOUNT:
            live.remove(encode_account_entry(key, before))
        if account != EMPTY_ACCOUNT:
            live.add(encode_account_entry(key, account))
    _update_entries(live, market.changes)
    _update_stakes(live, staking.changes)
    old = state.supply
    supply = SupplyTotals(
        genesis=old.genesis,
        emitted=Grains(old.emitted + sum(payments.values())),
        burned=Grains(old.burned + execution.fees.burned + market.burned + staking.burned),
        balances=Grains(old.balances + balances),
        stakes=Grains(old.stakes + stakes),
        escrow=market.held,
        fund=Grains(old.fund + execution.fees.fund),
        inflow=old.inflow + crossing.inflow,
    )
    check_supply(supply)
    timestamp_ms = max(state.timestamp_ms, context.timestamp_ms)  # commit times never go back
    load = Market(state.price, state.difficulty, state.window_start_ms, state.window_weight)
    load = compute_market(load, execution.weight, timestamp_ms, parameters)
    epoch = compute_epoch(state, timestamp_ms, parameters)
    finished = replace(
        state,
        ordered_total=state.ordered_total + len(execution.effects),
        checkpoint_index=context.checkpoint_index,
        timestamp_ms=timestamp_ms,
        epoch=epoch,
        price=load.price,
        difficulty=load.difficulty,
        window_start_ms=load.window_start_ms,
        window_weight=load.window_weight,
        emission=decay_emission(state.emission, epoch - state.epoch, parameters),
        supply=supply,
        accounts=live.get_state(),
        market=market.head,
        sent=crossing.sent,
        acknowledged=crossing.acknowledged,
        received=crossing.received,
    )
    return FinishedCheckpoint(finished, accounts)


def _update_entries(live: MultisetHash, changes: Iterable[Change]) -> None:
    for change in changes:
        if change.before is not None:
            live.remove(compute_market_entry(change.shelf, change.before))
        if change.after is not None:
            live.add(compute_market_entry(change.shelf, change.after))


def _update_stakes(live: MultisetHash, changes: Iterable[StakingChange]) -> None:
    for change in changes:
        if change.before is not None:
            live.remove(compute_staking_entry(change.before))
        if change.after is not None:
            live.add(compute_staking_entry(change.after))


def _credit(
    changes: dict[PublicKey, Account], read_account: AccountReader, key: PublicKey, amount: Grains
) -> None:
    account = changes.get(key) or read_account(key)
    changes[key] = Account(Grains(account.balance + amount), account.sequence, account.stake)


class _Run:
    """The accounts and sums of one execution while it goes on."""

    __slots__ = ("_context", "_price", "_read_account", "_shard_bits", "changes", "counted", "fees", "weight")

    def __init__(self, price: int, read_account: AccountReader, context: ExecutionContext) -> None:
        self._price = price
        self._read_account = read_account
        self._context = context
        self._shard_bits = context.parameters.shard_bits
        self.changes: dict[PublicKey, Account] = {}
        self.counted: list[Transaction] = []
        self.fees = 0
        self.weight = 0

    def process(self, transaction: Transaction) -> Effect:
        """Judge one transaction and apply it, unless it conflicts."""
        context, body = self._context, transaction.body
        work = body.work
        macs = context.evaluation_macs(work.job) * len(work.results)
        operation = body.operation
        target = find_target(operation, context.shard, self._shard_bits)
        is_abroad = target != context.shard
        weight = compute_weight(len(transaction.encoded), macs, context.parameters, is_abroad=is_abroad)
        self.weight += weight
        fee = weight * self._price
        issuer = self.changes.get(body.issuer) or self._read_account(body.issuer)
        amount = get_outgoing(operation)
        if context.checkpoint_index - body.anchor > context.parameters.expiry_gap:
            return _make_conflict(transaction, Status.EXPIRED, context.checkpoint_index)
        if body.sequence != issuer.sequence:
            return _make_conflict(transaction, Status.SEQUENCE, issuer.sequence)
        if issuer.balance < amount + fee:
            return _make_conflict(transaction, Status.FUNDS, issuer.balance, min(fee, INTEGER_MAX))
        if fee > body.max_fee:
            return _make_conflict(transaction, Status.FEE, fee)
        if isinstance(operation, MarketCall):
            return self._call_market(transaction, issuer, fee)
        if not isinstance(operation, Transfer):
            return self._call_staking(transaction, operation, issuer, fee)
        if is_abroad:
            return self._send(transaction, operation, issuer, fee, target)
        changes = self._transfer(body.issuer, issuer, operation.recipient, amount, fee)
        return self._conclude(transaction, fee, changes)

    def _conclude(
        self, transaction: Transaction, fee: int, changes: tuple[AccountChange, ...], *figures: int
    ) -> Effect:
        self.fees += fee
        is_counted = self._context.is_work_counted(transaction)
        if is_counted:
            self.counted.append(transaction)
        return Effect(transaction.id, Status.APPLIED, Grains(fee), int(is_counted), changes, figures)

    def _send(
        self, transaction: Transaction, transfer: Transfer, issuer: Account, fee: int, target: Shard
    ) -> Effect:
        crossing = self._context.crossing
        if crossing.is_congested(target):
            return _make_conflict(transaction, Status.CONGESTED, target, crossing.count_open(target))
        receipt = crossing.send(target, transfer.recipient, transfer.amount)
        key = transaction.body.issuer
        balance = Grains(issuer.balance - transfer.amount - fee)
        self.changes[key] = Account(balance, Sequence(issuer.sequence + 1), issuer.stake)
        return self._conclude(transaction, fee, (self._describe(key),), target, receipt.sequence)

    def _call_market(self, transaction: Transaction, issuer: Account, fee: int) -> Effect:
        try:
            movements = self._context.call_market(transaction, issuer, fee)
        except (MarketFault, WrongSeal) as refusal:
            return _make_conflict(transaction, Status.OPERATION, get_refusal_number(refusal))
        key = transaction.body.issuer
        balance, sequence = Grains(issuer.balance - fee), Sequence(issuer.sequence + 1)
        self.changes[key] = Account(balance, sequence, issuer.stake)
        touched = book_movements(self.changes, self._read_account, movements)
        changed = dict.fromkeys((key, *touched))
        return self._conclude(transaction, fee, tuple([self._describe(each) for each in changed]))

    def _call_staking(
        self, transaction: Transaction, operation: StakingOperation, issuer: Account, fee: int
    ) -> Effect:
        balance, sequence = Grains(issuer.balance - fee), Sequence(issuer.sequence + 1)
        try:
            after = self._context.call_staking(
                transaction, operation, Account(balance, sequence, issuer.stake)
            )
        except StakingFault as refusal:
            return _make_conflict(transaction, Status.OPERATION, get_staking_refusal_number(refusal))
        key = transaction.body.issuer
        self.changes[key] = after
        return self._conclude(transaction, fee, (self._describe(key),))

    def _describe(self, key: PublicKey) -> AccountChange:
        account = self.changes[key]
        return AccountChange(key, account.balance, account.sequence, account.stake)

    def _transfer(
        self, key: PublicKey, issuer: Account, recipient: PublicKey, amount: int, fee: int
    ) -> tuple[AccountChange, ...]:
        stake = issuer.stake
        sequence = Sequence(issuer.sequence + 1)
        if recipient == key:
            balance = Grains(issuer.balance - fee)
            self.changes[key] = Account(balance, sequence, stake)
            return (AccountChange(key, balance, sequence, stake),)
        balance = Grains(issuer.balance - amount - fee)
        self.changes[key] = Account(balance, sequence, stake)
        before = self.changes.get(recipient) or self._read_account(recipient)
        credited = Grains(before.balance + amount)
        self.changes[recipient] = Account(credited, before.sequence, before.stake)
        return (
            AccountChange(key, balance, sequence, stake),
            AccountChange(recipient, credited, before.sequence, before.stake),
        )


def _make_conflict(transaction: Transaction, status: Status, *figures: int) -> Effect:
    return Effect(transaction.id, status, Grains(0), 0, (), figures)
