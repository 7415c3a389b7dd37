"""From the node's views of transactions to the API's answers."""

from typing import assert_never

from poi.market.operations import decode_operation
from tangle.api.accounts import AccountCodec
from tangle.api.describe_operations import tell_operation
from tangle.api.schemas.transactions import (
    BatchItemAnswer,
    BatchOutcome,
    MarketCallAnswer,
    OperationAnswer,
    PreparedAnswer,
    ReceiptAnswer,
    StakingAnswer,
    TransactionAnswer,
    TransferAnswer,
    WorkAnswer,
)
from tangle.api.wire import HexBytes, HexDigest, Quantity, SignedQuantity
from tangle.core.transactions import (
    MarketCall,
    Register,
    Retire,
    Stake,
    StakingOperation,
    TransactionBody,
    Transfer,
    Unstake,
    Work,
)
from tangle.node.crossing.receipt_view import ReceiptView
from tangle.node.views import PreparedTransaction, SubmitOutcome, TransactionView


def make_quantity(value: int | None) -> Quantity | None:
    """The wire form of a number that may be absent."""
    return None if value is None else Quantity(value)


def make_work_answer(work: Work, accounts: AccountCodec) -> WorkAnswer:
    """The answer's form of AI work."""
    return WorkAnswer(
        kind=work.kind,
        job=HexDigest(work.job),
        generation=Quantity(work.generation),
        worker=accounts.encode(work.worker),
        results=tuple(map(SignedQuantity, work.results)),
    )


def make_prepared_answer(prepared: PreparedTransaction, accounts: AccountCodec) -> PreparedAnswer:
    """The answer's form of what a wallet needs."""
    return PreparedAnswer(
        chain=HexBytes(prepared.chain),
        shard=prepared.shard,
        issuer=accounts.encode(prepared.issuer),
        sequence=Quantity(prepared.sequence),
        anchor=Quantity(prepared.anchor),
        parents=tuple(map(HexDigest, prepared.parents)),
        price=Quantity(prepared.price),
        difficulty=prepared.difficulty,
        suggested_max_fee=Quantity(prepared.suggested_max_fee),
        job=HexDigest(prepared.job),
        generation=Quantity(prepared.generation),
        work=None if prepared.work is None else make_work_answer(prepared.work, accounts),
        work_ms=prepared.work_ms,
    )


def make_transaction_answer(view: TransactionView, accounts: AccountCodec) -> TransactionAnswer:
    """The answer's form of a transaction."""
    body = view.transaction.body
    return TransactionAnswer(
        id=HexDigest(view.transaction.id),
        status=view.status,
        is_final=view.is_final,
        shard=body.shard,
        issuer=accounts.encode(body.issuer),
        sequence=Quantity(body.sequence),
        anchor=Quantity(body.anchor),
        parents=tuple(map(HexDigest, body.parents)),
        operation=make_operation_answer(body, accounts),
        work=make_work_answer(body.work, accounts),
        max_fee=Quantity(body.max_fee),
        fee=make_quantity(view.fee),
        is_work_counted=view.is_work_counted,
        ordered_index=make_quantity(view.ordered_index),
        checkpoint=make_quantity(view.checkpoint),
        reason=view.reason,
        reason_code=view.reason_code,
        receipt=None if view.receipt is None else make_receipt_answer(view.receipt),
    )


def make_receipt_answer(receipt: ReceiptView) -> ReceiptAnswer:
    """The answer's form of a receipt, of which the sending shard alone does not know whether it arrived."""
    return ReceiptAnswer(receipt.target, Quantity(receipt.sequence), is_delivered=False, checkpoint=None)


def make_operation_answer(body: TransactionBody, accounts: AccountCodec) -> OperationAnswer:
    """The answer's form of what a transaction does."""
    match body.operation:
        case Transfer(recipient=recipient, amount=amount):
            return TransferAnswer(accounts.encode(recipient), Quantity(amount))
        case MarketCall(data=data):
            story = tell_operation(decode_operation(data), body.issuer, body.sequence)
            return MarketCallAnswer(
                name=story.name,
                text=story.text,
                job=None if story.job is None else HexDigest(story.job),
                program=None if story.program is None else HexDigest(story.program),
                held=Quantity(story.held),
                data=HexBytes(data),
            )
        case Stake() | Unstake() | Register() | Retire():
            return make_staking_answer(body.operation)
        case _:
            assert_never(body.operation)


def make_staking_answer(operation: StakingOperation) -> StakingAnswer:
    """The answer's form of an operation on stakes."""
    match operation:
        case Stake(amount=amount):
            return StakingAnswer("stake", Quantity(amount), None)
        case Unstake(amount=amount):
            return StakingAnswer("unstake", Quantity(amount), None)
        case Register(validator=validator):
            return StakingAnswer("register", Quantity(0), HexDigest(validator))
        case Retire():
            return StakingAnswer("retire", Quantity(0), None)
        case _:
            assert_never(operation)


def make_batch_item_answer(outcome: SubmitOutcome) -> BatchItemAnswer:
    """The answer to one item of a batch."""
    identity = None if outcome.id is None else HexDigest(outcome.id)
    if outcome.error is not None:
        return BatchItemAnswer(BatchOutcome.REFUSED, identity, None, outcome.error.code, str(outcome.error))
    result = BatchOutcome.NEW if outcome.is_new else BatchOutcome.KNOWN
    return BatchItemAnswer(result, identity, outcome.status, None, None)
