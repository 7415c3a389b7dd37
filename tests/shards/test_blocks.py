"""Blocks: encoding, every context-free rule, and the signatures that they claim."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shards.blocks import (
    ANCESTORS_PER_VALIDATOR,
    ATTESTATIONS_MAX,
    BLOCK_SIZE_MAX,
    BUNDLES_MAX,
    TIPS_MAX,
    VOTES_MAX,
    Attestation,
    Block,
    BlockBody,
    BlockReference,
    BundleReference,
    Vote,
    check_block,
    compute_bundle_id,
    compute_genesis_references,
    decode_block,
    get_signature_claims,
    sign_block,
)
from shards.committee import Committee
from shards.errors import (
    BelowThreshold,
    InvalidAncestors,
    InvalidBlock,
    InvalidPayload,
    UnknownAuthor,
    WrongEpoch,
)
from tangle.core.encoding import encode
from tangle.core.errors import (
    InvalidSignature,
    MalformedEncoding,
    OversizeEncoding,
    TangleError,
    UnsupportedVersion,
    WrongChain,
    WrongShard,
)
from tangle.core.genesis import VALIDATORS_MAX
from tangle.core.hashing import ATTESTATION, BLOCK, compute_hash
from tangle.core.parameters import MINIMAL
from tangle.core.signing import verify_signature
from tangle.core.types import INTEGER_MAX, ChainId, CheckpointIndex, Digest, Shard, Signature, TransactionId
from tests.drawing.blocks import make_body, make_committee, make_keys, make_unsigned
from tests.shards.samples import CHAIN, SHARD, make_block

COMMITTEE = make_committee(4)
GENESIS = compute_genesis_references(COMMITTEE, CHAIN, SHARD)
FIRST = make_block(COMMITTEE)
ROUND_1 = [BlockReference(1, author, Digest(bytes([author]) * 32)) for author in range(4)]
BODY = replace(FIRST.body, round=2, ancestors=tuple(ROUND_1))


def check(body: BlockBody) -> None:
    check_block(make_unsigned(body), COMMITTEE, CHAIN, SHARD, MINIMAL)


def verify_block_signatures(block: Block, committee: Committee) -> None:
    """What the batched verifier does with a block's claims.

    :raises InvalidSignature: the first that does not verify.
    """
    for claim in get_signature_claims(block, committee):
        verify_signature(claim.purpose, block.body.chain, claim.body, claim.signature, claim.public_key)


def test_a_signed_block_passes_every_check() -> None:
    check_block(FIRST, COMMITTEE, CHAIN, SHARD, MINIMAL)
    check(BODY)
    check(replace(BODY, ancestors=tuple(ROUND_1[:3])))
    verify_block_signatures(FIRST, COMMITTEE)


def test_a_block_decodes_to_what_was_signed() -> None:
    decoded = decode_block(FIRST.encoded)
    assert decoded.reference == FIRST.reference
    assert decoded.body == FIRST.body
    assert (decoded.body_encoded, decoded.signature) == (FIRST.body_encoded, FIRST.signature)


def attest(index: int) -> Attestation:
    return Attestation(CheckpointIndex(index), Digest(bytes(32)), Signature(bytes(64)))


A, B, C, D = ROUND_1
TWINS = [replace(C, digest=Digest(bytes([100 + number]) * 32)) for number in range(10)]
TIPS = tuple(TransactionId(bytes([number]) * 32) for number in range(5))
OLD_OWN = GENESIS[0]
WRONG_GENESIS = replace(GENESIS[3], digest=Digest(bytes(32)))

REFUSED: list[tuple[dict[str, Any], type[TangleError]]] = [
    ({"version": 2}, UnsupportedVersion),
    ({"chain": ChainId(b"another!")}, WrongChain),
    ({"shard": Shard(1)}, WrongShard),
    ({"epoch": 1}, WrongEpoch),
    ({"author": 4}, UnknownAuthor),
    ({"round": 0}, InvalidBlock),
    ({"ancestors": (A, B, C, C)}, InvalidAncestors),
    ({"ancestors": (A, B, C, *TWINS)}, InvalidAncestors),
    ({"ancestors": (B, A, C)}, InvalidAncestors),
    ({"ancestors": (B, C, D)}, InvalidAncestors),
    ({"ancestors": (A, B, C, replace(D, round=2))}, InvalidAncestors),
    ({"ancestors": (A, B, C, WRONG_GENESIS)}, InvalidAncestors),
    ({"ancestors": (A, B, C, replace(D, author=4))}, UnknownAuthor),
    ({"ancestors": (A, B)}, BelowThreshold),
    ({"ancestors": (A, B, GENESIS[2], GENESIS[3])}, BelowThreshold),
    ({"ancestors": (OLD_OWN, B, C)}, BelowThreshold),
    ({"round": 3}, BelowThreshold),
    ({"tips": TIPS}, InvalidPayload),
    ({"tips": (TIPS[0], TIPS[0])}, InvalidPayload),
    ({"attestations": (attest(1), attest(1))}, InvalidPayload),
    ({"attestations": (attest(2), attest(1))}, InvalidPayload),
    ({"attestations": tuple(map(attest, range(5)))}, InvalidPayload),
]


@pytest.mark.parametrize(("changes", "error"), REFUSED)
def test_a_block_that_breaks_a_rule_is_refused(changes: dict[str, Any], error: type[TangleError]) -> None:
    with pytest.raises(error) as caught:
        check(replace(BODY, **changes))
    assert type(caught.value) is error


def test_twins_can_both_be_ancestors() -> None:
    check(replace(BODY, ancestors=(A, B, C, *TWINS[:8])))


def test_twins_are_one_author_for_the_threshold() -> None:
    with pytest.raises(BelowThreshold):
        check(replace(BODY, ancestors=(A, C, *TWINS[:8])))


def test_an_own_block_of_an_older_round_can_come_first() -> None:
    check(replace(BODY, ancestors=(OLD_OWN, B, C, D)))


def test_votes_are_one_for_each_subject_and_not_more_than_a_block_may_hold() -> None:
    votes = tuple(Vote(compute_hash(BLOCK, bytes([number])), number) for number in range(VOTES_MAX + 1))
    block = make_unsigned(replace(BODY, votes=votes[:-1]))
    assert decode_block(block.encoded).body.votes == votes[:-1]
    check(replace(BODY, votes=votes[:-1]))
    with pytest.raises(MalformedEncoding):
        decode_block(make_unsigned(replace(BODY, votes=votes)).encoded)
    with pytest.raises(InvalidPayload, match="twice"):
        check(replace(BODY, votes=(votes[1], replace(votes[1], verdict=7))))


def test_bundles_are_of_other_shards_and_named_once() -> None:
    sharded = replace(MINIMAL, shard_bits=2)
    names = tuple(
        BundleReference(Shard(source), CheckpointIndex(5), Digest(bytes([source]) * 32))
        for source in range(5)
    )

    def check_bundles(*bundles: BundleReference) -> None:
        check_block(make_unsigned(replace(BODY, bundles=bundles)), COMMITTEE, CHAIN, SHARD, sharded)

    check_bundles(*names[1:4], replace(names[1], index=CheckpointIndex(6)))
    genesis = replace(names[1], index=CheckpointIndex(0))
    for refused in ((names[0],), (names[4],), (names[1], names[1]), (genesis,)):
        with pytest.raises(InvalidPayload):
            check_bundles(*refused)
    with pytest.raises(InvalidPayload):
        check(replace(BODY, bundles=names[1:2]))
    many = tuple(replace(names[1], index=CheckpointIndex(1 + number)) for number in range(BUNDLES_MAX + 1))
    with pytest.raises(MalformedEncoding):
        decode_block(make_unsigned(replace(BODY, bundles=many)).encoded)


def test_the_fullest_block_fits() -> None:
    digest = Digest(b"d" * 32)
    reference = BlockReference(INTEGER_MAX, VALIDATORS_MAX - 1, digest)
    index = CheckpointIndex(INTEGER_MAX)
    body = replace(
        BODY,
        round=INTEGER_MAX,
        ancestors=(reference,) * (ANCESTORS_PER_VALIDATOR * VALIDATORS_MAX),
        tips=(TransactionId(digest),) * TIPS_MAX,
        attestations=(Attestation(index, digest, Signature(bytes(64))),) * ATTESTATIONS_MAX,
        votes=(Vote(digest, INTEGER_MAX),) * VOTES_MAX,
        bundles=(BundleReference(Shard(255), index, digest),) * BUNDLES_MAX,
    )
    assert len(make_unsigned(body).encoded) <= BLOCK_SIZE_MAX


def test_the_id_of_a_bundle_covers_its_reference_and_the_target() -> None:
    name = BundleReference(Shard(1), CheckpointIndex(5), Digest(b"d" * 32))
    names = (
        name,
        replace(name, source=Shard(2)),
        replace(name, index=CheckpointIndex(6)),
        replace(name, digest=Digest(b"e" * 32)),
    )
    assert len({compute_bundle_id(each, Shard(target)) for each in names for target in (0, 3)}) == 8


def test_weights_count_and_not_heads() -> None:
    heavy = make_committee(4, weights=[7, 1, 1, 1])
    genesis = compute_genesis_references(heavy, CHAIN, SHARD)
    body = make_body(heavy, 0, genesis[:1])
    block = make_unsigned(replace(body, chain=CHAIN))
    check_block(block, heavy, CHAIN, SHARD, MINIMAL)
    light = make_unsigned(replace(body, chain=CHAIN, author=1, ancestors=(genesis[1], *genesis[2:])))
    with pytest.raises(BelowThreshold):
        check_block(light, heavy, CHAIN, SHARD, MINIMAL)


def test_an_oversize_block_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(OversizeEncoding):
        decode_block(bytes(BLOCK_SIZE_MAX + 1))


def test_claims_cover_the_block_and_each_attestation() -> None:
    claims = get_signature_claims(FIRST, COMMITTEE)
    assert [claim.purpose for claim in claims] == [BLOCK, ATTESTATION]
    for claim in claims:
        verify_signature(claim.purpose, CHAIN, claim.body, claim.signature, claim.public_key)


@pytest.mark.parametrize("field", ["signature", "attestation"])
def test_a_forged_signature_is_noticed(field: str) -> None:
    key = make_keys(4)[0]
    forged = Signature(bytes(64))
    if field == "attestation":
        fake = replace(FIRST.body.attestations[0], signature=forged)
        block = sign_block(replace(FIRST.body, attestations=(fake,)), key)
    else:
        block = Block(FIRST.reference, FIRST.encoded, FIRST.body_encoded, FIRST.body, forged)
    with pytest.raises(InvalidSignature):
        verify_block_signatures(block, COMMITTEE)


def test_a_block_signed_by_another_validator_is_noticed() -> None:
    block = sign_block(FIRST.body, make_keys(4)[1])
    with pytest.raises(InvalidSignature):
        verify_block_signatures(block, COMMITTEE)


@given(st.data())
def test_a_changed_byte_is_refused_or_changes_the_name(data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(FIRST.encoded) - 1))
    flipped = bytearray(FIRST.encoded)
    flipped[position] ^= data.draw(st.integers(1, 255))
    try:
        block = decode_block(bytes(flipped))
    except MalformedEncoding:
        return
    assert block.reference.digest != FIRST.reference.digest
    try:
        check_block(block, COMMITTEE, CHAIN, SHARD, MINIMAL)
    except TangleError:
        return
    with pytest.raises(InvalidSignature):
        verify_block_signatures(block, COMMITTEE)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(TangleError):
        decode_block(data)


def test_genesis_references_differ_by_author_epoch_shard_chain_and_origin() -> None:
    others = [
        compute_genesis_references(COMMITTEE, ChainId(b"another!"), SHARD),
        compute_genesis_references(COMMITTEE, CHAIN, Shard(1)),
        compute_genesis_references(type(COMMITTEE)(1, COMMITTEE.validators), CHAIN, SHARD),
        compute_genesis_references(type(COMMITTEE)(0, COMMITTEE.validators, Digest(b"o" * 32)), CHAIN, SHARD),
    ]
    digests = {reference.digest for references in [GENESIS, *others] for reference in references}
    assert len(digests) == 20
    assert encode(GENESIS[0])
