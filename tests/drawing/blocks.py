"""Blocks by hand: committees, keys and the fields of a block, for drawings and for tests without one."""

from collections.abc import Sequence

from shards.blocks import BLOCK_VERSION, Block, BlockBody, BlockReference
from shards.committee import Committee
from tangle.core.encoding import encode
from tangle.core.genesis import Validator
from tangle.core.hashing import BLOCK, compute_hash
from tangle.core.signing import SigningKey
from tangle.core.transactions import SignedEnvelope
from tangle.core.types import ChainId, Milliseconds, PublicKey, Shard, Signature

CHAIN = ChainId(b"drawings")
SHARD = Shard(0)
UNSIGNED = Signature(bytes(64))


def make_keys(count: int) -> tuple[SigningKey, ...]:
    """Keys of ``count`` validators, the same in every run."""
    return tuple(SigningKey(bytes([index + 1]) * 32) for index in range(count))


def make_committee(count: int, weights: Sequence[int] | None = None) -> Committee:
    """A committee with real keys, each of weight 1 unless told otherwise."""
    chosen = weights or [1] * count
    keys = make_keys(count)
    return Committee(0, tuple(Validator(key.public_key, chosen[i]) for i, key in enumerate(keys)))


def make_bare_committee(count: int) -> Committee:
    """A committee without real keys, for drawings that nobody signs."""
    return Committee(0, tuple(Validator(PublicKey(bytes([i]) * 32), 1) for i in range(count)))


def make_body(committee: Committee, author: int, ancestors: Sequence[BlockReference]) -> BlockBody:
    """Fields of a block without payload, one round above its highest ancestor."""
    round_number = max(ancestor.round for ancestor in ancestors) + 1
    return BlockBody(
        version=BLOCK_VERSION,
        chain=CHAIN,
        epoch=committee.epoch,
        shard=SHARD,
        round=round_number,
        author=author,
        timestamp_ms=Milliseconds(1_000 * round_number + author),
        ancestors=tuple(ancestors),
        tips=(),
        attestations=(),
        votes=(),
        bundles=(),
    )


def make_unsigned(body: BlockBody) -> Block:
    """A block with an empty signature: the commit rule does not look at signatures."""
    envelope = SignedEnvelope(encode(body), UNSIGNED)
    encoded = encode(envelope)
    reference = BlockReference(body.round, body.author, compute_hash(BLOCK, encoded))
    return Block(reference, encoded, envelope.body, body, UNSIGNED)
