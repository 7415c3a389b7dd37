"""What a transaction would do and cost, before anybody sends it: fees at several degrees of certainty, and a
rehearsal that checks, computes and executes a signed transaction, and keeps nothing.

A rehearsal runs the very code that a submission and an execution run, on the accounts as they are now with
the issuer's own pending transactions applied first. What others send meanwhile may still change the outcome.
"""

from typing import Final, Protocol

from msgspec import Struct

from poi.market.outcomes import Movement
from tangle.core.transactions import StakingOperation, Transaction, decode_transaction
from tangle.core.types import CheckpointIndex, TransactionId
from tangle.ledger.accounts import Account
from tangle.ledger.effects import Effect, Status, describe_effect
from tangle.ledger.errors import AnchorAhead
from tangle.ledger.execution import ExecutionContext, execute
from tangle.ledger.fees import compute_price, compute_weight
from tangle.ledger.marketplace import read_call
from tangle.ledger.receipts import Crossing, find_target
from tangle.node.ingest import find_fault
from tangle.node.node import Node
from tangle.node.views import TransactionStatus

TRANSFER_SIZE: Final = 400
"""Bytes that a transfer is reckoned with before it exists; a real one takes some 320."""

LEVELS: Final = (("now", 0), ("likely", 1), ("safe", 4), ("sure", 16))
"""Degrees of certainty, and price intervals of full load that a fee limit of that degree outlives. Sixteen
make a price at least four times as high, which is what wallets are told to allow when they prepare."""


class FeeLevel(Struct, frozen=True):
    """A fee limit and how long it holds."""

    name: str
    """``now``, ``likely``, ``safe`` or ``sure``."""

    intervals: int
    """Price intervals of full load that it outlives."""

    price: int
    """Grains per weight after them, at worst."""

    transfer_fee: int
    """What a transfer costs at that price."""


class FeesView(Struct, frozen=True):
    """Fees and load of this shard."""

    shard: int
    checkpoint: int
    """Executed checkpoint that this was read at."""

    price: int
    """Grains per weight now."""

    price_floor: int
    """Below this the price never falls."""

    difficulty: int
    """Evaluations to carry."""

    transfer_weight: int
    """Weight of an ordinary transfer with its work."""

    weight_ordered: int
    """Weight ordered in the current price interval so far."""

    weight_target: int
    """Weight of an interval above which the price rises."""

    interval_ms: int
    """Length of an interval."""

    levels: tuple[FeeLevel, ...]
    """Fee limits from the least to the most certain."""


class RehearsalView(Struct, frozen=True):
    """What a transaction would do if it were ordered next."""

    id: TransactionId
    known: TransactionStatus | None
    """Where it is already; none when this node never saw it."""

    would_apply: bool
    """Whether it would do what it says."""

    reason: str | None
    """Why it would conflict, for people."""

    reason_code: str | None
    """The same for machines."""

    fee: int
    """What it would cost; what it would have cost for a conflict, which costs nothing."""

    max_fee: int
    """The most that its issuer pays."""

    is_work_counted: bool
    """Whether its work would be paid."""

    balance_after: int | None
    """The issuer's balance afterwards; none for a conflict."""

    pending_before: int
    """The issuer's pending transactions that were applied before it."""

    parents_missing: tuple[TransactionId, ...]
    """Parents that this node does not have: until they come it would wait."""


class Forecast(Protocol):
    """The looking-ahead half of a node."""

    def get_fees(self) -> FeesView:
        """Fees and load now."""

    async def rehearse(self, encoded: bytes) -> RehearsalView:
        """Check and execute a signed transaction, and keep nothing.

        :raises TangleError: what submitting it would raise.
        """


class NodeForecast:
    """``Forecast`` over a running node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def get_fees(self) -> FeesView:
        """Fees and load now."""
        node = self._node
        state, parameters = node.executor.machine.state, node.genesis.parameters
        facts = node.board.get_facts(node.board.latest)
        macs = max(node.board.get_job(entry.job).macs for entry in facts.board)
        weight = compute_weight(TRANSFER_SIZE, macs * state.difficulty, parameters)
        levels = []
        price, intervals = state.price, 0
        for name, outlived in LEVELS:
            while intervals < outlived:
                price = compute_price(price, 2 * parameters.weight_target, parameters)
                intervals += 1
            levels.append(FeeLevel(name, outlived, price, weight * price))
        return FeesView(
            shard=node.shard,
            checkpoint=node.finality.executed,
            price=state.price,
            price_floor=parameters.price_floor,
            difficulty=state.difficulty,
            transfer_weight=weight,
            weight_ordered=state.window_weight,
            weight_target=parameters.weight_target,
            interval_ms=parameters.price_interval_ms,
            levels=tuple(levels),
        )

    async def rehearse(self, encoded: bytes) -> RehearsalView:
        """Check and execute a signed transaction, and keep nothing."""
        node = self._node
        transaction = decode_transaction(encoded)
        known = node.find_status(transaction.id)
        await self._check(transaction)
        pending = node.book.list_pending(transaction.body.issuer, transaction.body.sequence)
        before = [found for identity in pending if (found := node.subdag.get(identity)) is not None]
        effect, fee = self._execute([*before, transaction])
        is_applied = effect.status is Status.APPLIED
        return RehearsalView(
            id=transaction.id,
            known=known,
            would_apply=is_applied,
            reason=None if is_applied else describe_effect(effect, transaction.body),
            reason_code=None if is_applied else effect.status.name.lower(),
            fee=fee,
            max_fee=transaction.body.max_fee,
            is_work_counted=bool(effect.work_counted),
            balance_after=effect.changes[0].balance if is_applied else None,
            pending_before=len(before),
            parents_missing=tuple(
                parent
                for parent in transaction.body.parents
                if not node.subdag.is_attached(parent) and node.archive.find_transaction(parent) is None
            ),
        )

    async def _check(self, transaction: Transaction) -> None:
        board = self._node.board
        board.check_home(transaction)
        board.check_policy(transaction)
        if transaction.body.anchor > board.latest:
            raise AnchorAhead(transaction.body.anchor, board.latest)  # its work cannot be told yet
        board.check_work(transaction)
        verdicts = await self._node.parts.computer.verify_transactions(board.build_batch([transaction]))
        fault = find_fault(transaction, verdicts[0])
        if fault is not None:
            raise fault

    def _execute(self, transactions: list[Transaction]) -> tuple[Effect, int]:
        """The effect of the last, and the fee at today's price."""
        node = self._node
        machine, parameters = node.executor.machine, node.genesis.parameters
        context = ExecutionContext(
            parameters=parameters,
            shard=node.shard,
            checkpoint_index=CheckpointIndex(machine.state.checkpoint_index + 1),
            timestamp_ms=machine.state.timestamp_ms,
            leader=node.genesis.validators[0].public_key,
            evaluation_macs=machine.get_evaluation_macs,
            is_work_counted=machine.is_work_counted,
            call_market=self._try_market,
            call_staking=self._try_staking,
            crossing=Crossing(node.shard, machine.state, parameters),
        )
        effects = execute(transactions, machine.state, node.executor.read_account, context).effects
        last = transactions[-1]
        macs = context.evaluation_macs(last.body.work.job) * len(last.body.work.results)
        is_abroad = find_target(last.body.operation, node.shard, parameters.shard_bits) != node.shard
        weight = compute_weight(len(last.encoded), macs, parameters, is_abroad=is_abroad)
        return effects[-1], weight * machine.state.price

    def _try_market(self, transaction: Transaction, account: Account, fee: int) -> tuple[Movement, ...]:
        del account  # the market looks at the issuer as it is now
        machine = self._node.executor.machine
        return machine.try_operation(read_call(transaction), transaction.body.issuer, fee).movements

    def _try_staking(
        self, transaction: Transaction, operation: StakingOperation, account: Account
    ) -> Account:
        return self._node.executor.machine.try_staking(transaction.body, operation, account)
