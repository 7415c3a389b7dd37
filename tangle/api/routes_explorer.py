"""Routes for explorers: blocks of the committee, and what checkpoints ordered."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from shards.blocks import Block
from tangle.api.convert_ledger import make_checkpoint_answer
from tangle.api.convert_transactions import make_transaction_answer
from tangle.api.cursors import CHECKPOINTS, CONTENTS, decode_cursor, encode_cursor
from tangle.api.registry import Call, Reply, RouteTable
from tangle.api.schemas.explorer import (
    AttestationAnswer,
    BlockAnswer,
    BlockReferenceAnswer,
    BlockSummaryAnswer,
)
from tangle.api.schemas.ledger import CheckpointAnswer
from tangle.api.schemas.transactions import TransactionAnswer
from tangle.api.wire import HexDigest, Quantity

routes: Final = RouteTable("explorer")

BLOCKS_MAX: Final = 256
"""Most blocks of one answer: some 100 kB of JSON in a small committee, 10 MB in the largest."""

CHECKPOINTS_MAX: Final = 100
"""Most checkpoints of one page: some 200 kB of JSON."""

CONTENTS_MAX: Final = 200
"""Most transactions of one page."""

ShardIndex = Annotated[int, Meta(ge=0, le=255)]


class BlocksInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """A run of rounds."""

    shard: ShardIndex = 0
    """The shard."""

    first_round: Quantity | None = None
    """Begin with this round; with one of the latest for none."""

    limit: Annotated[int, Meta(ge=1, le=BLOCKS_MAX)] = 64
    """Most blocks to return."""

    epoch: Quantity | None = None
    """Epoch of the committee; the present one for none."""


class SlotInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """A validator's turn in a round."""

    round: Quantity
    """The round."""

    author: ShardIndex
    """Index of the validator."""

    shard: ShardIndex = 0
    """The shard."""

    epoch: Quantity | None = None
    """Epoch of the committee; the present one for none."""


class CheckpointsInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """One page of a shard's checkpoints."""

    shard: ShardIndex
    """The shard."""

    cursor: str | None = None
    """``next_cursor`` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=CHECKPOINTS_MAX)] = 20
    """Most checkpoints to return."""


class ContentsInputs(Struct, frozen=True, forbid_unknown_fields=True):
    """One page of what a checkpoint ordered."""

    shard: ShardIndex
    """The shard."""

    index: Quantity
    """The checkpoint's number."""

    cursor: str | None = None
    """``next_cursor`` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=CONTENTS_MAX)] = 50
    """Most transactions to return."""


@routes.get("/v1/blocks", BlocksInputs, answer=tuple[BlockSummaryAnswer, ...])
def list_blocks(call: Call[BlocksInputs, None]) -> Reply:
    """Accepted blocks of the committee, by round and author."""
    inputs = call.inputs
    blocks = call.context.service.explorer.get_blocks(
        inputs.shard, inputs.first_round, inputs.limit, inputs.epoch
    )
    return Reply(tuple(map(make_summary, blocks)))


@routes.get("/v1/blocks/{round}/{author}", SlotInputs, answer=tuple[BlockAnswer, ...])
def get_slot(call: Call[SlotInputs, None]) -> Reply:
    """The blocks that a validator signed for a round: one, or more where it broke the rules."""
    inputs = call.inputs
    blocks = call.context.service.explorer.get_slot(inputs.shard, inputs.round, inputs.author, inputs.epoch)
    return Reply(tuple(map(make_block_answer, blocks)))


@routes.get("/v1/checkpoints/{shard}", CheckpointsInputs, answer=tuple[CheckpointAnswer, ...])
def list_checkpoints(call: Call[CheckpointsInputs, None]) -> Reply:
    """Executed checkpoints of a shard, newest first; the newest may have no certificate yet."""
    inputs = call.inputs
    before = decode_cursor(CHECKPOINTS, inputs.cursor)
    views = call.context.service.explorer.get_checkpoints(inputs.shard, before, inputs.limit)
    last = views[-1].checkpoint.index if views else 0
    cursor = encode_cursor(CHECKPOINTS, last) if last else None
    return Reply(tuple(map(make_checkpoint_answer, views)), next_cursor=cursor)


@routes.get(
    "/v1/checkpoints/{shard}/{index}/transactions", ContentsInputs, answer=tuple[TransactionAnswer, ...]
)
def list_checkpoint_transactions(call: Call[ContentsInputs, None]) -> Reply:
    """Transactions that a checkpoint ordered, in their order."""
    inputs, context = call.inputs, call.context
    first = decode_cursor(CONTENTS, inputs.cursor) or 0
    views = context.service.explorer.get_contents(inputs.shard, inputs.index, first, inputs.limit)
    answers = tuple(make_transaction_answer(view, context.accounts) for view in views)
    is_full = len(views) == inputs.limit
    return Reply(answers, next_cursor=encode_cursor(CONTENTS, first + len(views)) if is_full else None)


def make_summary(block: Block) -> BlockSummaryAnswer:
    """The answer's short form of a block."""
    return BlockSummaryAnswer(
        round=Quantity(block.reference.round),
        author=block.reference.author,
        digest=HexDigest(block.reference.digest),
        timestamp_ms=Quantity(block.body.timestamp_ms),
        ancestors=_make_ancestors(block),
        tips=len(block.body.tips),
        attestations=len(block.body.attestations),
        size=len(block.encoded),
    )


def make_block_answer(block: Block) -> BlockAnswer:
    """The answer's form of a block."""
    body = block.body
    return BlockAnswer(
        shard=body.shard,
        epoch=Quantity(body.epoch),
        round=Quantity(body.round),
        author=body.author,
        digest=HexDigest(block.reference.digest),
        timestamp_ms=Quantity(body.timestamp_ms),
        ancestors=_make_ancestors(block),
        tips=tuple(map(HexDigest, body.tips)),
        attestations=tuple(
            AttestationAnswer(Quantity(part.index), HexDigest(part.digest)) for part in body.attestations
        ),
        size=len(block.encoded),
    )


def _make_ancestors(block: Block) -> tuple[BlockReferenceAnswer, ...]:
    return tuple(
        BlockReferenceAnswer(Quantity(one.round), one.author, HexDigest(one.digest))
        for one in block.body.ancestors
    )
