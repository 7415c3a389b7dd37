"""Blocks of the committee's DAG: what a validator signs, and what every node checks first.

A block names blocks of earlier rounds (its own previous one first), transactions that its author has
verified, and the author's attestations of checkpoints. It travels as ``[body, signature]`` like a
transaction, and is decoded once. Source: protocol 4; Mysticeti (arXiv 2310.14821).
``check_block`` judges by the block alone; the signatures go to the batched verifier as claims.

That a block is no older than its ancestors is left to the proposer and not enforced: a node that has pruned
an ancestor could not agree with one that still has it. Commit times are monotone by themselves.
"""

from itertools import pairwise
from typing import Annotated, Final

from msgspec import Meta, Struct

from shards.committee import Committee
from shards.errors import (
    BelowThreshold,
    InvalidAncestors,
    InvalidBlock,
    InvalidPayload,
    UnknownAuthor,
    WrongEpoch,
)
from tangle.core.encoding import decode, encode
from tangle.core.errors import UnsupportedVersion, WrongChain, WrongShard
from tangle.core.genesis import VALIDATORS_MAX
from tangle.core.hashing import ATTESTATION, BLOCK, BUNDLE, compute_hash, compute_record_hash
from tangle.core.parameters import Parameters
from tangle.core.signing import SigningKey
from tangle.core.transactions import SignedEnvelope
from tangle.core.types import (
    BundleId,
    ChainId,
    CheckpointIndex,
    Digest,
    Milliseconds,
    Natural,
    PublicKey,
    Shard,
    Signature,
    TransactionId,
)

BLOCK_VERSION: Final = 1
"""The only version so far."""

BLOCK_SIZE_MAX: Final = 65_536
"""Longest encoded block in bytes: 768 ancestors, 512 tips, 64 attestations, 64 votes and 16 bundles fit."""

TIPS_MAX: Final = 512
"""Most tips in any preset; the decoder's bound. The preset's own limit is checked after it."""

ATTESTATIONS_MAX: Final = 64
"""Most attestations in any preset; the decoder's bound."""

VOTES_MAX: Final = 64
"""Most votes of a block; at 44 bytes each they take a twentieth of it."""

BUNDLES_MAX: Final = 16
"""Most bundles of a block: at half a mebibyte each, what one faulty author can make others fetch. Ten blocks
a second of four validators bring 640, more than 255 other shards make."""

GENESIS_ROUND: Final = 0
"""Round of the fixed blocks that the first real blocks build on."""

ANCESTORS_PER_VALIDATOR: Final = 3
"""Ancestors of a block for each member of the committee. With f of 3f + 1 members faulty, each with four
twins that its next block must name too, 7f + 1 are enough."""

PayloadId = TransactionId | BundleId
"""What a block can wait for beside its ancestors."""

AuthorIndex = Annotated[int, Meta(ge=0, lt=VALIDATORS_MAX)]
"""Place of a validator in its committee."""


class BlockReference(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, order=True):
    """Name of one block; several blocks of one round and author differ in their digest."""

    round: Natural
    """Round of the block."""

    author: AuthorIndex
    """Who signed it."""

    digest: Digest
    """Hash of the encoded block."""


class Attestation(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A validator's signature under a checkpoint; the validator is the author of the block around it."""

    index: CheckpointIndex
    """Which checkpoint of this shard."""

    digest: Digest
    """Hash of the checkpoint."""

    signature: Signature
    """Over shard, index and digest, for the purpose of attesting."""


class Vote(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A validator's verdict on one matter of the job market; the validator is the author of the block around
    it. What a subject is and what a verdict means is the market's affair.
    """

    subject: Digest
    """What it is about."""

    verdict: Natural
    """What the validator says of it."""


class BundleReference(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, order=True):
    """Name of what one checkpoint of another shard brings to this one: receipts and an acknowledgement."""

    source: Shard
    """Shard that it comes from."""

    index: CheckpointIndex
    """The checkpoint there."""

    digest: Digest
    """Digest of that checkpoint."""


class BlockBody(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The signed fields."""

    version: Natural
    """Format version, ``BLOCK_VERSION``."""

    chain: ChainId
    """Chain that this block is for."""

    epoch: Natural
    """Epoch of the committee."""

    shard: Shard
    """Shard that the committee orders."""

    round: Natural
    """Round, from 1."""

    author: AuthorIndex
    """Who signs."""

    timestamp_ms: Milliseconds
    """The author's clock, no earlier than its ancestors'."""

    ancestors: Annotated[
        tuple[BlockReference, ...], Meta(min_length=1, max_length=ANCESTORS_PER_VALIDATOR * VALIDATORS_MAX)
    ]
    """Earlier blocks whose pasts hold all that the author has accepted, its own previous one first. Of two
    blocks of one slot the block votes for the one that comes first."""

    tips: Annotated[tuple[TransactionId, ...], Meta(max_length=TIPS_MAX)]
    """Transactions to order, each with its unordered past."""

    attestations: Annotated[tuple[Attestation, ...], Meta(max_length=ATTESTATIONS_MAX)]
    """The author's signatures under checkpoints, by ascending index."""

    votes: Annotated[tuple[Vote, ...], Meta(max_length=VOTES_MAX)]
    """The author's verdicts on matters of the job market, one for each subject."""

    bundles: Annotated[tuple[BundleReference, ...], Meta(max_length=BUNDLES_MAX)]
    """Bundles from other shards that the author has verified, each once."""


class Block(Struct, frozen=True, eq=False):
    """A decoded block beside the exact bytes that it came from."""

    reference: BlockReference
    """Its name."""

    encoded: bytes
    """The bytes on the wire and on disk."""

    body_encoded: bytes
    """The signed part of ``encoded``."""

    body: BlockBody
    """The decoded fields."""

    signature: Signature
    """The author's signature over ``body_encoded``."""


class SignatureClaim(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One signature to be verified, whatever record it came from."""

    purpose: bytes
    """Purpose that is signed."""

    body: bytes
    """Signed bytes after purpose and chain."""

    signature: Signature
    """Claimed signature."""

    public_key: PublicKey
    """Who is said to have signed."""


def decode_block(encoded: bytes) -> Block:
    """Decode a block strictly.

    :raises OversizeEncoding: over ``BLOCK_SIZE_MAX``.
    :raises MalformedEncoding: not canonical, or a field out of its range.
    """
    envelope = decode(SignedEnvelope, encoded, limit=BLOCK_SIZE_MAX)
    body = decode(BlockBody, envelope.body, limit=BLOCK_SIZE_MAX)
    return _make_block(body, envelope, encoded)


def sign_block(body: BlockBody, key: SigningKey) -> Block:
    """Sign ``body``. The caller makes sure that ``key`` is its author's and that the slot is signed once."""
    body_encoded = encode(body)
    envelope = SignedEnvelope(body_encoded, key.sign(BLOCK, body.chain, body_encoded))
    return _make_block(body, envelope, encode(envelope))


def check_block(
    block: Block, committee: Committee, chain: ChainId, shard: Shard, parameters: Parameters
) -> None:
    """Every rule that needs the block alone, but for signatures: the same verdict on every honest node.

    :raises UnsupportedVersion, WrongChain, WrongShard, WrongEpoch, UnknownAuthor: not a block of this
        committee.
    :raises InvalidAncestors, BelowThreshold: it does not stand on the round before as it must.
    :raises InvalidPayload: over a limit or repeated.
    """
    body = block.body
    if body.version != BLOCK_VERSION:
        raise UnsupportedVersion("block", body.version, BLOCK_VERSION)
    if body.chain != chain:
        raise WrongChain(body.chain, chain)
    if body.shard != shard:
        raise WrongShard(body.shard, shard)
    if body.epoch != committee.epoch:
        raise WrongEpoch(body.epoch, committee.epoch)
    if body.author >= len(committee):
        raise UnknownAuthor(body.author, len(committee))
    if body.round <= GENESIS_ROUND:
        raise InvalidBlock(f"round {body.round} holds only the fixed genesis blocks")
    _check_ancestors(body, committee)
    _check_payload(body, parameters)
    _check_bundles(body, parameters)


def get_signature_claims(block: Block, committee: Committee) -> tuple[SignatureClaim, ...]:
    """The block's own signature and those of its attestations, for the batched verifier.

    The block has passed ``check_block``: its author is in the committee.
    """
    body = block.body
    public_key = committee.validators[body.author].public_key
    own = SignatureClaim(BLOCK, block.body_encoded, block.signature, public_key)
    return (
        own,
        *(
            SignatureClaim(
                ATTESTATION,
                compute_attestation_body(body.shard, attestation.index, attestation.digest),
                attestation.signature,
                public_key,
            )
            for attestation in body.attestations
        ),
    )


def compute_ancestors_max(committee: Committee) -> int:
    """How many ancestors a block of this committee may name."""
    return ANCESTORS_PER_VALIDATOR * len(committee)


def compute_attestation_body(shard: Shard, index: CheckpointIndex, digest: Digest) -> bytes:
    """The bytes that a validator signs to attest a checkpoint."""
    return encode((shard, index, digest))


def compute_bundle_id(reference: BundleReference, target: Shard) -> BundleId:
    """What blocks of ``target`` wait by for a bundle: it does not depend on who certified the checkpoint."""
    return BundleId(compute_record_hash(BUNDLE, reference.source, reference.index, reference.digest, target))


def compute_genesis_references(
    committee: Committee, chain: ChainId, shard: Shard
) -> tuple[BlockReference, ...]:
    """Names of the unsigned blocks of round 0, one of each author, fixed by chain, epoch and shard, and by
    the checkpoint that ended the epoch before: whoever builds on them has that checkpoint in common.
    """
    return tuple(
        BlockReference(GENESIS_ROUND, author, _compute_genesis_digest(chain, committee, shard, author))
        for author in range(len(committee))
    )


def _compute_genesis_digest(chain: ChainId, committee: Committee, shard: Shard, author: int) -> Digest:
    return compute_record_hash(BLOCK, chain, committee.epoch, shard, author, committee.origin)


def _make_block(body: BlockBody, envelope: SignedEnvelope, encoded: bytes) -> Block:
    reference = BlockReference(body.round, body.author, compute_hash(BLOCK, encoded))
    return Block(reference, encoded, envelope.body, body, envelope.signature)


def _check_ancestors(body: BlockBody, committee: Committee) -> None:
    limit = compute_ancestors_max(committee)
    if len(body.ancestors) > limit:
        raise InvalidAncestors(f"{len(body.ancestors)} ancestors, the limit is {limit}")
    if len(set(body.ancestors)) != len(body.ancestors):
        raise InvalidAncestors("an ancestor is named twice")
    if body.ancestors[0].author != body.author:
        raise InvalidAncestors("the first ancestor is not the author's own previous block")
    previous = set()
    for ancestor in body.ancestors:
        if ancestor.author >= len(committee):
            raise UnknownAuthor(ancestor.author, len(committee))
        if ancestor.round >= body.round:
            raise InvalidAncestors(f"an ancestor of round {ancestor.round} in a block of round {body.round}")
        if ancestor.round == GENESIS_ROUND and ancestor.digest != _compute_genesis_digest(
            body.chain, committee, body.shard, ancestor.author
        ):
            raise InvalidAncestors(f"an unknown genesis block of author {ancestor.author}")
        if ancestor.round == body.round - 1:
            previous.add(ancestor.author)
    weight = committee.compute_weight(previous)
    if weight < committee.quorum:
        raise BelowThreshold(body.round, weight, committee.quorum)


def _check_payload(body: BlockBody, parameters: Parameters) -> None:
    if len(body.tips) > parameters.tips_per_block:
        raise InvalidPayload(f"{len(body.tips)} tips, the limit is {parameters.tips_per_block}")
    if len(set(body.tips)) != len(body.tips):
        raise InvalidPayload("a tip is named twice")
    if len(body.attestations) > parameters.attestations_per_block:
        raise InvalidPayload(
            f"{len(body.attestations)} attestations, the limit is {parameters.attestations_per_block}"
        )
    indices = [attestation.index for attestation in body.attestations]
    if any(left >= right for left, right in pairwise(indices)):
        raise InvalidPayload("attestations are not in ascending order of their checkpoints")
    if len({vote.subject for vote in body.votes}) != len(body.votes):
        raise InvalidPayload("a subject is voted on twice")


def _check_bundles(body: BlockBody, parameters: Parameters) -> None:
    if len(set(body.bundles)) != len(body.bundles):
        raise InvalidPayload("a bundle is named twice")
    for bundle in body.bundles:
        if bundle.source == body.shard or bundle.source >> parameters.shard_bits:
            raise InvalidPayload(f"a bundle of shard {bundle.source}, which is none of the others")
        if bundle.index == 0:
            raise InvalidPayload("a bundle of a genesis checkpoint, which brings nothing")
