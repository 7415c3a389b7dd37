"""The looking-ahead half of the node in memory: it really decodes and checks, at a price that never moves."""

from collections.abc import Callable
from typing import Protocol

from tangle.core.genesis import Genesis
from tangle.core.transactions import (
    Transaction,
    Transfer,
    check_transaction,
    decode_transaction,
    verify_transaction_signature,
)
from tangle.core.types import ChainId, PublicKey, TransactionId
from tangle.node.forecast import LEVELS, TRANSFER_SIZE, FeeLevel, FeesView, RehearsalView
from tangle.node.views import AccountView, TransactionView


class Forecasted(Protocol):
    """What the double reads of the node that it belongs to."""

    chain: ChainId
    genesis: Genesis
    price: int
    views: dict[TransactionId, TransactionView]

    @property
    def get_account(self) -> Callable[[PublicKey], AccountView]: ...


class ForecastDouble:
    """Looks ahead over a node in memory."""

    def __init__(self, node: Forecasted) -> None:
        self._node = node

    def get_fees(self) -> FeesView:
        price, parameters = self._node.price, self._node.genesis.parameters
        levels = [FeeLevel(name, intervals, price, TRANSFER_SIZE * price) for name, intervals in LEVELS]
        return FeesView(
            shard=0,
            checkpoint=0,
            price=price,
            price_floor=parameters.price_floor,
            difficulty=1,
            transfer_weight=TRANSFER_SIZE,
            weight_ordered=0,
            weight_target=parameters.weight_target,
            interval_ms=parameters.price_interval_ms,
            levels=tuple(levels),
        )

    async def rehearse(self, encoded: bytes) -> RehearsalView:
        transaction = decode_transaction(encoded)
        check_transaction(transaction, self._node.chain, self._node.genesis.parameters.shard_bits)
        verify_transaction_signature(transaction)
        known = self._node.views.get(transaction.id)
        fee = len(encoded) * self._node.price
        reason, balance = self._judge(transaction, fee)
        return RehearsalView(
            id=transaction.id,
            known=None if known is None else known.status,
            would_apply=reason is None,
            reason=None if reason is None else f"the {reason} does not fit",
            reason_code=reason,
            fee=fee,
            max_fee=transaction.body.max_fee,
            is_work_counted=reason is None,
            balance_after=balance if reason is None else None,
            pending_before=0,
            parents_missing=(),
        )

    def _judge(self, transaction: Transaction, fee: int) -> tuple[str | None, int]:
        body = transaction.body
        account = self._node.get_account(body.issuer)
        amount = body.operation.amount if isinstance(body.operation, Transfer) else 0
        left = account.balance - amount - fee
        if body.sequence != account.sequence:
            return "sequence", left
        if left < 0:
            return "funds", left
        return ("fee", left) if fee > body.max_fee else (None, left)
