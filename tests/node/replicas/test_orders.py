"""What is asked is read strictly, and tried at the node's own ledger before anything is run."""

from typing import Any

import pytest
from msgspec.structs import replace

from poi.market.errors import (
    LacksFunds,
    LevelNotOffered,
    PriceAboveLimit,
    ProgramUnconfirmed,
    UnfundedJob,
    UnknownProgram,
)
from poi.market.operations import DeclineJob, encode_operation
from poi.market.problems import Packing, encode_problem
from poi.market.records import Optimisation
from tangle.core.errors import MalformedEncoding
from tangle.core.transactions import MarketCall, Transaction, Transfer
from tangle.core.types import Digest, Grains, Milliseconds, PublicKey, Sequence, TransactionId
from tangle.ledger.accounts import Account
from tangle.net.replica_messages import INLINE_MAX
from tangle.node.replicas import orders
from tangle.node.replicas.errors import NotAJob, TooHeavy, Unpaid, WrongInputs
from tangle.node.replicas.orders import Order, bind_inputs, read_order
from tangle.node.replicas.payment import AHEAD_MAX, compute_outlay, verify_paid, verify_terms
from tests.node.replicas.builders import (
    BOUND,
    CUSTOMER,
    DATA,
    ESCROW,
    FEE,
    NOW_MS,
    PRICE,
    ROWS,
    WIDTH,
    get_job,
    make_call,
    make_entry,
    make_open,
    make_order,
    make_rows,
    make_task,
    make_terms,
    make_transaction,
    make_transfer,
)


def test_an_order_names_the_job_that_the_ledger_will_open() -> None:
    order = make_order(7)
    assert order.job == get_job(order)
    assert order.task == make_task()
    (tensor,) = bind_inputs(order, BOUND)
    assert (tensor.shape, tensor.tobytes()) == ((ROWS, WIDTH), DATA)


@pytest.mark.parametrize(
    "operation",
    [
        Transfer(PublicKey(bytes(32)), Grains(1)),
        MarketCall(encode_operation(DeclineJob(Digest(bytes(32))))),
        MarketCall(
            encode_operation(make_open(Optimisation(encode_problem(Packing(3, (1, 2)))), result_ms=0))
        ),
    ],
    ids=["transfer", "decline", "optimisation"],
)
def test_what_opens_no_inference_job_is_refused(operation: Any) -> None:
    with pytest.raises(NotAJob):
        read_order(make_transaction(operation).encoded, (DATA,))


def test_what_is_no_transaction_or_operation_is_refused() -> None:
    for data in (b"", b"\x80", make_call().encoded + b"\0"):
        with pytest.raises(MalformedEncoding):
            read_order(data, (DATA,))
    with pytest.raises(MalformedEncoding):
        read_order(make_transaction(MarketCall(b"\x81\x80")).encoded, (DATA,))


@pytest.mark.parametrize("inputs", [(), (DATA, DATA), (bytes(INLINE_MAX + 1),)], ids=["none", "two", "long"])
def test_inputs_must_be_as_many_as_named_and_short(inputs: tuple[bytes, ...]) -> None:
    with pytest.raises(WrongInputs):
        read_order(make_call().encoded, inputs)


@pytest.mark.parametrize(
    ("task", "data"),
    [
        (make_task(), make_rows(1)),
        (make_task(), DATA[:-1]),
        (make_task(rows=ROWS + 1), DATA),
        (replace(make_task(), sources=(Digest(bytes(32)),)), DATA),
        (replace(make_task(), inputs=make_task(make_rows(1)).inputs), DATA),
    ],
    ids=["other", "short", "rows", "source", "name"],
)
def test_inputs_must_be_those_that_the_job_names(task: Any, data: bytes) -> None:
    order = read_order(make_call(make_open(task)).encoded, (data,))
    with pytest.raises(WrongInputs):
        bind_inputs(order, BOUND)


@pytest.mark.parametrize("limit", ["STEPS_MAX", "TRACE_BYTES_MAX", "INLINE_MAX", "INLINE_TENSORS_MAX"])
def test_more_than_is_done_while_somebody_waits_is_refused(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = make_order()
    monkeypatch.setattr(orders, limit, 0)
    with pytest.raises(TooHeavy):
        bind_inputs(order, BOUND)


def test_good_terms_are_taken() -> None:
    assert verify_terms(make_order(), make_terms()) == make_entry()
    spent = Account(Grains(0), Sequence(5))
    # The ledger has opened it meanwhile: the escrow is held already.
    assert verify_terms(make_order(), make_terms(account=spent, is_open=True)) == make_entry()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"entry": None}, UnknownProgram),
        ({"entry": make_entry(confirmed=0)}, ProgramUnconfirmed),
        ({"unit_price": Grains(PRICE + 1)}, PriceAboveLimit),
        ({"account": Account(Grains(ESCROW + FEE - 1), Sequence(0))}, LacksFunds),
        ({"account": Account(Grains(ESCROW + FEE), Sequence(1))}, Unpaid),
        ({"now_ms": NOW_MS + 60_000}, Unpaid),
        ({"now_ms": NOW_MS + 56_000}, Unpaid),
    ],
    ids=["unknown", "unconfirmed", "price", "poor", "used", "over", "late"],
)
def test_what_the_ledger_would_not_open_is_refused(changes: dict[str, Any], fault: type[Exception]) -> None:
    with pytest.raises(fault):
        verify_terms(make_order(), make_terms(**changes))


def test_a_number_far_ahead_is_refused() -> None:
    verify_terms(make_order(AHEAD_MAX), make_terms())
    with pytest.raises(Unpaid):
        verify_terms(make_order(AHEAD_MAX + 1), make_terms())


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        (make_open(escrow=Grains(9)), UnfundedJob),
        (make_open(replace(make_task(), level=4)), LevelNotOffered),
        (make_open(result_ms=Milliseconds(0)), Unpaid),
        (make_open(deadline_ms=Milliseconds(2**50)), Unpaid),
    ],
    ids=["escrow", "level", "result", "deadline"],
)
def test_terms_of_the_job_itself_are_checked(operation: Any, fault: type[Exception]) -> None:
    order = read_order(make_call(operation).encoded, (DATA,))
    with pytest.raises(fault):
        verify_terms(order, make_terms())


class Pending:
    """Transactions of the customer that wait."""

    def __init__(self, *transactions: Transaction) -> None:
        self.by_id = {each.id: each for each in transactions}
        self.by_number = {each.body.sequence: each.id for each in transactions}

    def verify(self, order: Order, balance: int) -> None:
        verify_paid(order, Account(Grains(balance), Sequence(0)), self.find, self.by_id.get)

    def find(self, number: int) -> TransactionId | None:
        return self.by_number.get(Sequence(number))


def test_what_comes_before_counts() -> None:
    order = make_order(2)
    waiting = Pending(make_transfer(0, 70), make_call(sequence=1), order.transaction)
    whole = 70 + FEE + ESCROW + FEE + ESCROW + FEE
    waiting.verify(order, whole)
    with pytest.raises(Unpaid, match="costs"):
        waiting.verify(order, whole - 1)


def test_a_gap_or_another_transaction_with_the_number_pays_nothing() -> None:
    order = make_order(1)
    with pytest.raises(Unpaid, match="missing"):
        Pending(order.transaction).verify(order, 10**9)
    with pytest.raises(Unpaid, match="another"):
        Pending(make_transfer(0, 1), make_transfer(1, 1)).verify(order, 10**9)
    with pytest.raises(Unpaid, match="another"):
        Pending(make_transfer(0, 1)).verify(order, 10**9)


def test_outlays() -> None:
    assert compute_outlay(make_transfer(0, 5)) == 5 + FEE
    assert compute_outlay(make_call()) == ESCROW + FEE
    decline = MarketCall(encode_operation(DeclineJob(Digest(bytes(32)))))
    assert compute_outlay(make_transaction(decline, key=CUSTOMER)) == FEE
