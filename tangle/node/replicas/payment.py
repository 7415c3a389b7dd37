"""Whether a job would be opened and paid, as one node sees the ledger now.

Before a program is run the job is tried at the node's own state: price, level, times, funds. Before the
result is shown its transaction must have been taken in, with every number of the account before it, and what
those cost taken off. So an answer is given for money that the ledger is going to move; only an account that
spends the same money elsewhere at the very same moment can still get one for nothing, once.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from poi.market.errors import LacksFunds, ProgramUnconfirmed, UnknownProgram
from poi.market.limits import DURATION_MAX_MS
from poi.market.operations import AnnounceCapacity, OpenJob, decode_operation
from poi.market.pricing import quote
from poi.market.records import ProgramEntry
from tangle.core.transactions import MarketCall, Register, Retire, Stake, Transaction, Transfer, Unstake
from tangle.core.types import Grains, TransactionId
from tangle.ledger.accounts import Account
from tangle.node.replicas.errors import Unpaid
from tangle.node.replicas.orders import Order

AHEAD_MAX: Final = 64
"""Most transactions of an account that may wait before this one: each is looked at."""


class Terms(Struct, frozen=True):
    """What a node knows when it is asked."""

    account: Account
    """The customer, as of the latest executed checkpoint."""

    entry: ProgramEntry | None
    """The program, as registered."""

    unit_price: Grains
    """Grains per unit of inference."""

    now_ms: int
    """Commit time of that checkpoint."""

    is_open: bool
    """Whether the ledger has opened the very job already, and holds its escrow."""


def verify_terms(order: Order, terms: Terms) -> ProgramEntry:
    """Whether the ledger would open the job now; the program that it runs.

    :raises UnknownProgram, ProgramUnconfirmed: nothing can be run.
    :raises LevelNotOffered, PriceAboveLimit, UnfundedJob, InvalidTask, LacksFunds: the market would refuse.
    :raises Unpaid: its number has been used, is far ahead, or its times cannot be kept.
    """
    body, operation, entry = order.transaction.body, order.operation, terms.entry
    if entry is None:
        raise UnknownProgram(order.task.program)
    if not entry.confirmed:
        raise ProgramUnconfirmed(order.task.program)
    if terms.is_open:
        return entry
    ahead = body.sequence - terms.account.sequence
    if not 0 <= ahead <= AHEAD_MAX:
        raise Unpaid(f"the account's next number is {terms.account.sequence}, not {body.sequence}")
    quote(order.task, entry, terms.unit_price, operation.price_limit, operation.escrow)
    span_ms = operation.deadline_ms - terms.now_ms
    if not 1 <= operation.result_ms <= span_ms <= DURATION_MAX_MS:
        raise Unpaid(f"its deadline is in {span_ms} ms, a worker gets {operation.result_ms} ms")
    needed = operation.escrow + body.max_fee
    if terms.account.balance < needed:
        raise LacksFunds(terms.account.balance, needed)
    return entry


def verify_paid(
    order: Order,
    account: Account,
    find_pending: Callable[[int], TransactionId | None],
    get_transaction: Callable[[TransactionId], Transaction | None],
) -> None:
    """Whether an order whose transaction was taken in will be paid for.

    :param find_pending: the transaction with some number of this account that waits to be ordered.
    :raises Unpaid: an earlier number is missing, or takes the money.
    """
    body = order.transaction.body
    spent = order.operation.escrow + body.max_fee
    for number in range(account.sequence, body.sequence):
        identity = find_pending(number)
        earlier = None if identity is None else get_transaction(identity)
        if earlier is None:
            raise Unpaid(f"number {number} of the account is missing, so {body.sequence} cannot be next")
        spent += compute_outlay(earlier)
    if find_pending(body.sequence) != order.transaction.id:
        raise Unpaid("another transaction has its number")
    if spent > account.balance:
        raise Unpaid(f"with what comes before it costs {spent}, the account has {account.balance}")


def compute_outlay(transaction: Transaction) -> int:
    """Most that a transaction can take from its account."""
    body = transaction.body
    match body.operation:
        case Transfer(amount=amount) | Stake(amount=amount):
            return body.max_fee + amount
        case Unstake() | Register() | Retire():
            return body.max_fee
        case MarketCall(data=data):
            operation = decode_operation(data)
            match operation:
                case OpenJob(escrow=escrow):
                    return body.max_fee + escrow
                case AnnounceCapacity(bond=bond):
                    return body.max_fee + bond
                case _:
                    return body.max_fee
