"""Routes about transactions: prepare, submit one or many, wait, look up, prove; and the devnet's faucet."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import cbor2
from msgspec import Meta, Struct

from poi.market.operations import decode_operation
from tangle.api.convert_transactions import (
    make_batch_item_answer,
    make_prepared_answer,
    make_transaction_answer,
)
from tangle.api.errors import NoFaucet, OversizeBatch
from tangle.api.registry import (
    CBOR,
    JSON_BODY_MAX,
    BodyRule,
    Call,
    NoInputs,
    RawReply,
    Reply,
    RouteTable,
)
from tangle.api.schemas.transactions import (
    BatchItemAnswer,
    FaucetAnswer,
    FaucetRequest,
    PreparedAnswer,
    PrepareRequest,
    SubmitRequest,
    SubmittedAnswer,
    TransactionAnswer,
)
from tangle.api.shard_choice import ShardChoice, check_shard
from tangle.api.wire import HexDigest
from tangle.core.encoding import NO_TAGS, encode
from tangle.core.errors import MalformedEncoding
from tangle.core.transactions import TRANSACTION_SIZE_MAX
from tangle.core.types import TransactionId
from tangle.node.views import SubmitOutcome, TransactionStatus, TransactionView

routes: Final = RouteTable("transactions")

BATCH_BODY_MAX: Final = 1_000 * (TRANSACTION_SIZE_MAX + 3) + 3
"""Longest batch in bytes: 1,000 of the longest transactions, each with its CBOR head, in one array."""

RECENT_MAX: Final = 500
"""Most transactions of one look at the DAG."""

Wait = Literal["attached", "ordered", "checkpointed", "delivered"]
WAITED: Final[dict[Wait, TransactionStatus]] = {
    "attached": TransactionStatus.ATTACHED,
    "ordered": TransactionStatus.ORDERED,
    "checkpointed": TransactionStatus.CHECKPOINTED,
    "delivered": TransactionStatus.CHECKPOINTED,  # a node of one shard sees no further; the front does
}
"""How far a node waits."""

Timeout = Annotated[float, Meta(ge=0, le=60)]


class TransactionInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """One transaction, as it is or once it has come further."""

    id: HexDigest
    """The transaction."""

    wait: Wait | None = None
    """Answer once it has come this far, or failed, or the time is up."""

    timeout_s: Timeout = 10.0
    """Longest wait in seconds."""


class TransactionPath(Struct, frozen=True, forbid_unknown_fields=True):
    """One transaction."""

    id: HexDigest
    """The transaction."""


class NeighbourInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """One transaction and how far around it to look."""

    id: HexDigest
    """The transaction."""

    depth: Annotated[int, Meta(ge=1, le=3)] = 1
    """Steps away."""


class RecentInputs(ShardChoice, frozen=True, forbid_unknown_fields=True):
    """How many of the latest transactions."""

    limit: Annotated[int, Meta(ge=1, le=RECENT_MAX)] = 100
    """Most transactions to return."""


class SubmitInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether to wait after submitting."""

    wait: Wait | None = None
    """Answer once it has come this far, or failed, or the time is up."""

    timeout_s: Timeout = 10.0
    """Longest wait in seconds."""


@routes.post("/v1/prepare", NoInputs, BodyRule(PrepareRequest, False, JSON_BODY_MAX), answer=PreparedAnswer)
async def prepare(call: Call[NoInputs, PrepareRequest]) -> Reply:
    """Everything that a wallet needs to build its next transaction, with the AI work done when asked for."""
    context, body = call.context, call.body
    issuer = context.accounts.decode(body.issuer)
    if body.operation is not None:
        operation = decode_operation(bytes(body.operation))
        if body.is_tried:
            context.service.market.try_operation(operation, issuer)
    prepared = await context.service.prepare(
        issuer,
        with_work=body.work,
        worker=None if body.worker is None else context.accounts.decode(body.worker),
        # A plain integer: what the core hashes is encoded by its exact type.
        sequence=None if body.sequence is None else int(body.sequence),
        operation_size=0 if body.operation is None else len(body.operation),
    )
    return Reply(make_prepared_answer(prepared, context.accounts))


@routes.get("/v1/transactions", RecentInputs, answer=tuple[TransactionAnswer, ...])
def list_transactions(call: Call[RecentInputs, None]) -> Reply:
    """The transactions attached last, oldest first."""
    check_shard(call)
    views = call.context.service.get_recent(call.inputs.limit)
    return Reply(_make_answers(views, call))


@routes.post(
    "/v1/transactions",
    SubmitInputs,
    BodyRule(SubmitRequest, True, JSON_BODY_MAX),
    answer=SubmittedAnswer,
    statuses=(202, 200),
    is_long=True,
)
async def submit_transaction(call: Call[SubmitInputs, SubmitRequest | bytes]) -> Reply:
    """Take one signed transaction in: 202 when it is new, 200 when it was known already."""
    body = call.body
    with call.context.limit_answer():
        outcomes = await call.context.service.submit(
            (bytes(body.transaction) if isinstance(body, SubmitRequest) else body,), call.source
        )
    outcome = outcomes[0]
    if outcome.error is not None:
        raise outcome.error
    assert outcome.id is not None
    assert outcome.status is not None
    status, answer = outcome.status, None
    if call.inputs.wait is not None:
        view = await _wait(call, outcome.id, call.inputs.wait, call.inputs.timeout_s)
        status, answer = view.status, make_transaction_answer(view, call.context.accounts)
    submitted = SubmittedAnswer(HexDigest(outcome.id), outcome.is_new, status, answer)
    return Reply(submitted, status=202 if outcome.is_new else 200)


@routes.post(
    "/v1/transactions/batch",
    NoInputs,
    BodyRule(None, True, BATCH_BODY_MAX),
    answer=tuple[BatchItemAnswer, ...],
    media_types=(CBOR,),
)
async def submit_batch(call: Call[NoInputs, bytes]) -> Reply | RawReply:
    """Take many transactions in: a CBOR array of byte strings, answered item by item.

    With ``Accept: application/cbor`` the answer is an array of ``[id, is_new, code]``: the id empty when the
    item did not decode, the code empty when the item was taken in.
    """
    items = _decode_batch(call.body, call.context.config.batch_items_max)
    call.context.limiter.spend(call.address, max(0, len(items) - 1))
    outcomes = await call.context.service.submit(items, call.source)
    if call.is_accepted(CBOR):
        return RawReply(encode([_make_compact(outcome) for outcome in outcomes]), CBOR)
    return Reply(tuple(map(make_batch_item_answer, outcomes)))


@routes.get(
    "/v1/transactions/{id}", TransactionInputs, answer=TransactionAnswer, media_types=(CBOR,), is_long=True
)
async def get_transaction(call: Call[TransactionInputs, None]) -> Reply | RawReply:
    """A transaction and what became of it; with ``Accept: application/cbor`` its encoded bytes."""
    inputs = call.inputs
    identity = TransactionId(inputs.id)
    if inputs.wait is None:
        view = call.context.service.get_transaction(identity)
    else:
        view = await _wait(call, identity, inputs.wait, inputs.timeout_s)
    if call.is_accepted(CBOR):
        return RawReply(view.transaction.encoded, CBOR)
    return Reply(make_transaction_answer(view, call.context.accounts))


@routes.get("/v1/transactions/{id}/proof", TransactionPath, media_types=(CBOR,))
def get_transaction_proof(call: Call[TransactionPath, None]) -> RawReply:
    """The canonical proof of a final transaction, checkable offline."""
    proof = call.context.service.get_transaction_proof(TransactionId(call.inputs.id))
    return RawReply(proof, CBOR)


@routes.get("/v1/transactions/{id}/receipt", TransactionPath, media_types=(CBOR,))
def get_receipt_proof(call: Call[TransactionPath, None]) -> RawReply:
    """What a final transfer to another shard left for it: a bundle of the certified checkpoint, all its
    receipts for that shard, and the path between them; checkable offline.
    """
    return RawReply(call.context.service.crossing.get_receipt_proof(TransactionId(call.inputs.id)), CBOR)


@routes.get("/v1/transactions/{id}/neighbours", NeighbourInputs, answer=tuple[TransactionAnswer, ...])
def get_neighbours(call: Call[NeighbourInputs, None]) -> Reply:
    """Parents and known children of a transaction."""
    views = call.context.service.get_neighbours(TransactionId(call.inputs.id), call.inputs.depth)
    return Reply(_make_answers(views, call))


@routes.post(
    "/v1/faucet",
    NoInputs,
    BodyRule(FaucetRequest, False, JSON_BODY_MAX),
    answer=FaucetAnswer,
    statuses=(202,),
    refusals=(404, 409),
)
async def ask_faucet(call: Call[NoInputs, FaucetRequest]) -> Reply:
    """Send the faucet's portion to an account; on a devnet only.

    With an ``Idempotency-Key`` a request that is sent again gets the first answer, and no second portion.
    """
    context = call.context
    if not context.service.has_faucet:
        raise NoFaucet
    account = context.accounts.decode(call.body.account)

    async def give() -> Reply:
        return Reply(FaucetAnswer(HexDigest(await context.service.faucet(account))), status=202)

    return await context.answers.answer(call.request, call.body, give)


async def _wait(
    call: Call[Any, Any], identity: TransactionId, wait: Wait, timeout_s: float
) -> TransactionView:
    context = call.context
    with context.waits.take(call.address):
        return await context.service.wait_transaction(
            identity, WAITED[wait], min(timeout_s, context.config.wait_timeout_s_max)
        )
    raise AssertionError("a place that is taken away raises")


def _decode_batch(data: bytes, items_max: int) -> Sequence[bytes]:
    # Nothing here is hashed or signed, so each item, not the array around them, must be canonical.
    try:
        items = cbor2.loads(
            data,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            max_depth=1,
            semantic_decoders=NO_TAGS,
        )
    except Exception as error:  # cbor2 leaks ValueError, OverflowError, UnicodeDecodeError on hostile bytes
        raise MalformedEncoding(
            "batch", f"not a CBOR array of byte strings ({type(error).__name__})"
        ) from None
    if not isinstance(items, list) or not all(isinstance(item, bytes) for item in items):
        raise MalformedEncoding("batch", "not a CBOR array of byte strings")
    if len(items) > items_max:
        raise OversizeBatch(len(items), items_max)
    return items


def _make_compact(outcome: SubmitOutcome) -> list[bytes | int]:
    code = b"" if outcome.error is None else outcome.error.code.encode()
    return [outcome.id or b"", int(outcome.is_new), code]


def _make_answers(views: Sequence[TransactionView], call: Call[Any, Any]) -> tuple[TransactionAnswer, ...]:
    return tuple(make_transaction_answer(view, call.context.accounts) for view in views)
