"""Routes about accounts, checkpoints, shards and the genesis."""

from collections.abc import Awaitable
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from tangle.api.convert_ledger import make_checkpoint_answer, make_credit_answer, make_earning_answer
from tangle.api.convert_transactions import make_transaction_answer
from tangle.api.cursors import CREDITS, EARNINGS, HISTORY, HISTORY_OLDEST_FIRST, decode_cursor, encode_cursor
from tangle.api.registry import CBOR, Call, NoInputs, RawReply, Reply, RouteTable
from tangle.api.schemas.ledger import (
    AccountAnswer,
    CheckpointAnswer,
    CreditAnswer,
    EarningAnswer,
    ShardAnswer,
)
from tangle.api.schemas.transactions import TransactionAnswer
from tangle.api.wire import HexDigest, Quantity
from tangle.core.encoding import encode
from tangle.core.genesis import compute_shard_genesis_id, encode_genesis
from tangle.core.types import PublicKey, Shard
from tangle.node.views import CheckpointView

routes: Final = RouteTable("ledger")

PAGE_MAX: Final = 200
"""Most transactions of one page of an account's history: about 200 kB of JSON."""

ShardIndex = Annotated[int, Meta(ge=0, le=255)]


class AccountInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """An account, read after a checkpoint."""

    address: str
    """The account: an address, or its public key in hex."""

    min_checkpoint: Quantity | None = None
    """Wait until this checkpoint is executed, so that a client reads its own writes."""

    timeout_s: Annotated[float, Meta(ge=0, le=60)] = 10.0
    """Longest wait in seconds."""


class EarningsInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """One page of an account's earnings."""

    address: str
    """The account: an address, or its public key in hex."""

    cursor: str | None = None
    """``next_cursor`` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 50
    """Most entries to return."""

    min_checkpoint: Quantity | None = None
    """Wait until this checkpoint is executed, so that a client reads its own writes."""

    timeout_s: Annotated[float, Meta(ge=0, le=60)] = 10.0
    """Longest wait in seconds."""


class HistoryInputs(EarningsInputs, frozen=True, forbid_unknown_fields=True):
    """One page of an account's history."""

    order: Literal["newest", "oldest"] = "newest"
    """Which end comes first; a cursor holds for the order that it came with."""


class AccountPath(Struct, frozen=True, forbid_unknown_fields=True):
    """An account."""

    address: str
    """The account: an address, or its public key in hex."""


class ShardInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """A shard."""

    shard: ShardIndex
    """Its index."""


class CheckpointInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """A checkpoint of a shard."""

    shard: ShardIndex
    """The shard."""

    index: Quantity
    """The checkpoint's number."""


@routes.get("/v1/accounts/{address}", AccountInputs, answer=AccountAnswer, is_long=True)
def get_account(call: Call[AccountInputs, None]) -> Reply | Awaitable[Reply]:
    """Balance, sequence and stake of an account; zeros for one that never held a grain."""
    account = call.context.accounts.decode(call.inputs.address)
    if call.inputs.min_checkpoint is None:
        return _reply_account(call, account)
    return _wait_account(call, account)


@routes.get(
    "/v1/accounts/{address}/transactions", HistoryInputs, answer=tuple[TransactionAnswer, ...], is_long=True
)
async def get_account_transactions(call: Call[HistoryInputs, None]) -> Reply:
    """Ordered transactions that touched an account; pages are stable under new transactions."""
    context, inputs = call.context, call.inputs
    is_oldest_first = inputs.order == "oldest"
    kind = HISTORY_OLDEST_FIRST if is_oldest_first else HISTORY
    account, position = context.accounts.decode(inputs.address), decode_cursor(kind, inputs.cursor)
    await _wait_checkpoint(call, inputs.min_checkpoint, inputs.timeout_s)
    page = context.service.get_account_history(
        account, position, inputs.limit, is_oldest_first=is_oldest_first
    )
    answers = tuple(make_transaction_answer(view, context.accounts) for view in page.items)
    return Reply(answers, next_cursor=encode_cursor(kind, page.next_before))


@routes.get("/v1/accounts/{address}/pending", AccountPath, answer=tuple[TransactionAnswer, ...])
def get_account_pending(call: Call[AccountPath, None]) -> Reply:
    """Transactions that an account issued and that are attached and not ordered, by their numbers."""
    context = call.context
    views = context.service.get_account_pending(context.accounts.decode(call.inputs.address))
    return Reply(tuple(make_transaction_answer(view, context.accounts) for view in views))


@routes.get("/v1/accounts/{address}/earnings", EarningsInputs, answer=tuple[EarningAnswer, ...], is_long=True)
async def get_account_earnings(call: Call[EarningsInputs, None]) -> Reply:
    """Fees and pay for work that an account got, newest first: how it grew without a transfer."""
    context, inputs = call.context, call.inputs
    account, before = context.accounts.decode(inputs.address), decode_cursor(EARNINGS, inputs.cursor)
    await _wait_checkpoint(call, inputs.min_checkpoint, inputs.timeout_s)
    page = context.service.get_account_earnings(account, before, inputs.limit)
    return Reply(
        tuple(map(make_earning_answer, page.items)), next_cursor=encode_cursor(EARNINGS, page.next_before)
    )


@routes.get("/v1/accounts/{address}/credits", EarningsInputs, answer=tuple[CreditAnswer, ...], is_long=True)
async def get_account_credits(call: Call[EarningsInputs, None]) -> Reply:
    """Grains that came to an account from other shards, newest first; there they are transfers."""
    context, inputs = call.context, call.inputs
    account, before = context.accounts.decode(inputs.address), decode_cursor(CREDITS, inputs.cursor)
    await _wait_checkpoint(call, inputs.min_checkpoint, inputs.timeout_s)
    page = context.service.crossing.get_credits(account, before, inputs.limit)
    return Reply(
        tuple(map(make_credit_answer, page.items)), next_cursor=encode_cursor(CREDITS, page.next_before)
    )


@routes.get("/v1/checkpoints/{shard}/latest", ShardInputs, answer=CheckpointAnswer, media_types=(CBOR,))
def get_latest_checkpoint(call: Call[ShardInputs, None]) -> Reply | RawReply:
    """The latest certified checkpoint of a shard."""
    return _reply_checkpoint(call, call.context.service.get_checkpoint(call.inputs.shard, None))


@routes.get("/v1/checkpoints/{shard}/{index}", CheckpointInputs, answer=CheckpointAnswer, media_types=(CBOR,))
def get_checkpoint(call: Call[CheckpointInputs, None]) -> Reply | RawReply:
    """A checkpoint of a shard; with ``Accept: application/cbor`` the array of checkpoint and certificates."""
    inputs = call.inputs
    return _reply_checkpoint(call, call.context.service.get_checkpoint(inputs.shard, inputs.index))


@routes.get("/v1/shards", NoInputs, answer=tuple[ShardAnswer, ...])
def list_shards(call: Call[NoInputs, None]) -> Reply:
    """All shards of the chain, and how far the one that this node serves has come."""
    service = call.context.service
    latest = service.get_checkpoint(service.shard, None)
    answers = []
    for shard in range(1 << service.genesis.parameters.shard_bits):
        is_served = shard == service.shard
        answers.append(
            ShardAnswer(
                shard=shard,
                origin=HexDigest(compute_shard_genesis_id(service.chain, Shard(shard))),
                checkpoint=Quantity(latest.checkpoint.index) if is_served else None,
                checkpoint_digest=HexDigest(latest.digest) if is_served else None,
                ordered_total=Quantity(latest.checkpoint.ordered_total) if is_served else None,
            )
        )
    return Reply(tuple(answers))


@routes.get("/v1/genesis", NoInputs, media_types=(CBOR,))
def get_genesis(call: Call[NoInputs, None]) -> RawReply:
    """The genesis that names this network; its hash begins with the chain id."""
    return RawReply(encode_genesis(call.context.service.genesis), CBOR)


async def _wait_account(call: Call[AccountInputs, None], account: PublicKey) -> Reply:
    await _wait_checkpoint(call, call.inputs.min_checkpoint, call.inputs.timeout_s)
    return _reply_account(call, account)


def _reply_account(call: Call[AccountInputs, None], account: PublicKey) -> Reply:
    page = call.context.get_account(account)
    return Reply(page.answer, encoded=page.encoded)


async def _wait_checkpoint(call: Call[Any, None], index: int | None, timeout_s: float) -> None:
    if index is not None:
        context = call.context
        with context.waits.take(call.address):
            await context.service.wait_checkpoint(index, min(timeout_s, context.config.wait_timeout_s_max))


def _reply_checkpoint(call: Call[Any, None], view: CheckpointView) -> Reply | RawReply:
    if call.is_accepted(CBOR):
        certificates = [] if view.certificate is None else [view.certificate]
        return RawReply(encode([view.checkpoint, certificates]), CBOR)
    return Reply(make_checkpoint_answer(view))
