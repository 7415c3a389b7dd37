"""What a node knows of money: ``Payments`` over its ledger, intake and pending transactions."""

from typing import Final

import anyio

from poi.market.errors import UnknownJob
from poi.market.records import Kind, ProgramEntry
from tangle.core.transactions import verify_transaction_signature
from tangle.node.node import Node
from tangle.node.replicas.errors import Unpaid
from tangle.node.replicas.orders import Order
from tangle.node.replicas.payment import Terms, verify_paid, verify_terms
from tangle.node.views import TransactionStatus, WaitTimeout

PAY_WAIT_S: Final = 4.0
"""How long the transaction may take to be taken in here: parents may have to be fetched."""

LOOK_S: Final = 0.02
"""Pause between two looks at what comes before it."""


class NodePayments:
    """See ``Payments``."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def examine(self, order: Order) -> ProgramEntry:
        """Whether the ledger would open the job now."""
        node, transaction = self._node, order.transaction
        node.board.check_home(transaction)
        node.board.check_policy(transaction)
        verify_transaction_signature(transaction)
        self._check_refused(order)
        machine = node.executor.machine
        terms = Terms(
            account=node.archive.get_account(transaction.body.issuer),
            entry=machine.market.get_program(order.task.program),
            unit_price=machine.market.get_price(Kind.INFERENCE),
            now_ms=machine.state.timestamp_ms,
            is_open=self._is_open(order),
        )
        return verify_terms(order, terms)

    async def settle(self, order: Order) -> None:
        """Wait until the transaction was taken in here with everything before it."""
        node, transaction = self._node, order.transaction
        deadline_s = anyio.current_time() + PAY_WAIT_S
        try:
            await node.finality.wait_transaction(
                transaction.id, TransactionStatus.ATTACHED, lambda: self._look(order), PAY_WAIT_S
            )
        except WaitTimeout:
            raise Unpaid("its transaction was not taken in here in time") from None
        while True:
            try:
                self._verify_paid(order)
            except Unpaid:
                # What comes before it may still be on its way here, or be executed here a moment later.
                if anyio.current_time() >= deadline_s:
                    raise
                await anyio.sleep(LOOK_S)
            else:
                return

    def _verify_paid(self, order: Order) -> None:
        node, body = self._node, order.transaction.body
        if self._is_open(order):
            return
        self._look(order)
        account = node.archive.get_account(body.issuer)
        if account.sequence > body.sequence:
            raise Unpaid("the ledger ordered its transaction and opened no such job")
        verify_paid(
            order, account, lambda number: node.book.find_pending(body.issuer, number), node.subdag.get
        )

    def _look(self, order: Order) -> tuple[TransactionStatus, bool]:
        self._check_refused(order)
        found = self._node.find_status(order.transaction.id)
        if found in (TransactionStatus.CONFLICTING, TransactionStatus.EXPIRED):
            raise Unpaid(f"its transaction is {found}")
        return found or TransactionStatus.WAITING, False

    def _check_refused(self, order: Order) -> None:
        if self._node.intake.is_refused(order.transaction.id):
            raise Unpaid("its transaction was refused here")

    def _is_open(self, order: Order) -> bool:
        try:
            job = self._node.executor.machine.market.get_job(order.job)
        except UnknownJob:
            return False
        return job.task == order.task
