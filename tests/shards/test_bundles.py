"""Bundles and proofs of receipts: sizes, encodings, and every way of getting one wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shards.bundles import (
    BUNDLE_SIZE_MAX,
    Bundle,
    decode_bundle,
    encode_bundle,
    get_bundle_reference,
    make_bundle,
    verify_bundle,
)
from shards.certificates import CERTIFICATE_SIZE_MAX
from shards.checkpoints import CHECKPOINT_SIZE_MAX, Checkpoint
from shards.committee import Committee
from shards.errors import InvalidBundle, InvalidCertificate, WrongEpoch
from shards.receipt_proofs import (
    CertifiedCheckpoint,
    ReceiptProof,
    encode_receipt_proof,
    make_receipt_proof,
    verify_receipt_proof,
)
from shards.receipts import (
    RECEIPT_SIZE_MAX,
    Receipt,
    compute_receipts_root,
    decode_receipt,
    encode_receipt,
    make_batches,
)
from tangle.core.encoding import encode
from tangle.core.errors import InvalidProof, OversizeEncoding, TangleError, UnsupportedVersion, WrongChain
from tangle.core.parameters import RECEIPTS_MAX
from tangle.core.types import INTEGER_MAX, ChainId, CheckpointIndex, Grains, PublicKey, Shard
from tests.drawing.blocks import make_committee
from tests.shards.samples import CHAIN, make_certificate, make_checkpoint

COMMITTEE = make_committee(4)
SOURCE, TARGET = Shard(1), Shard(2)
RECEIPTS = tuple(
    Receipt(SOURCE, TARGET, number, PublicKey(bytes([number]) * 32), Grains(number))
    for number in range(7, 10)
)
BATCHES = make_batches((4, 0, 7, 9), {TARGET: RECEIPTS})


def make_sent(**fields: object) -> Checkpoint:
    return replace(
        make_checkpoint(COMMITTEE, 5), shard=SOURCE, receipts_root=compute_receipts_root(BATCHES), **fields
    )


SENT = make_sent()
BUNDLE = make_bundle(SENT, make_certificate(COMMITTEE, SENT), BATCHES, RECEIPTS, TARGET)
RECEIVED = replace(make_checkpoint(COMMITTEE, 9), shard=TARGET, received=(0, 9, 0, 0))
PROOF = make_receipt_proof(
    BATCHES,
    RECEIPTS,
    RECEIPTS[1],
    CertifiedCheckpoint(SENT, make_certificate(COMMITTEE, SENT)),
    CertifiedCheckpoint(RECEIVED, make_certificate(COMMITTEE, RECEIVED)),
)


def check(bundle: Bundle, target: Shard = TARGET) -> None:
    verify_bundle(bundle, COMMITTEE, CHAIN, target, 2)


def check_proof(proof: ReceiptProof | bytes) -> None:
    data = proof if isinstance(proof, bytes) else encode_receipt_proof(proof)
    verify_receipt_proof(data, CHAIN, 2, lambda shard, epoch: COMMITTEE)


def test_a_bundle_holds_and_round_trips() -> None:
    assert decode_bundle(encode_bundle(BUNDLE)) == BUNDLE
    assert verify_bundle(BUNDLE, COMMITTEE, CHAIN, TARGET, 2) == get_bundle_reference(BUNDLE)


def test_a_bundle_without_receipts_says_that_there_are_none() -> None:
    empty = make_bundle(SENT, make_certificate(COMMITTEE, SENT), BATCHES, (), Shard(3))
    verify_bundle(empty, COMMITTEE, CHAIN, Shard(3), 2)
    assert empty.first_sequence == 9
    with pytest.raises(InvalidBundle):
        check(replace(BUNDLE, receipts=()))


@pytest.mark.parametrize(
    ("bundle", "error"),
    [
        (replace(BUNDLE, checkpoint=replace(SENT, version=2)), UnsupportedVersion),
        (replace(BUNDLE, checkpoint=replace(SENT, chain=ChainId(b"another!"))), WrongChain),
        (replace(BUNDLE, checkpoint=replace(SENT, committee_epoch=1)), WrongEpoch),
        (replace(BUNDLE, checkpoint=replace(SENT, shard=TARGET)), InvalidBundle),
        (replace(BUNDLE, checkpoint=replace(SENT, shard=Shard(4))), InvalidBundle),
        (replace(BUNDLE, checkpoint=replace(SENT, index=CheckpointIndex(6))), InvalidBundle),
        (replace(BUNDLE, certificate=make_certificate(COMMITTEE, SENT, (0, 1))), InvalidCertificate),
        (replace(BUNDLE, receipts=RECEIPTS[:2]), InvalidBundle),
        (replace(BUNDLE, receipts=RECEIPTS[::-1]), InvalidBundle),
        (replace(BUNDLE, receipts=(RECEIPTS[0],) * 3), InvalidBundle),
        (replace(BUNDLE, first_sequence=6), InvalidBundle),
        (replace(BUNDLE, path=BUNDLE.path[:1]), InvalidBundle),
        (replace(BUNDLE, path=(*BUNDLE.path, BUNDLE.path[0])), InvalidBundle),
    ],
)
def test_a_bundle_with_one_thing_wrong_is_refused(bundle: Bundle, error: type[TangleError]) -> None:
    with pytest.raises(error):
        check(bundle)


def test_a_bundle_is_for_one_target_and_one_committee() -> None:
    with pytest.raises(InvalidBundle):
        check(BUNDLE, Shard(3))
    with pytest.raises(TangleError):
        verify_bundle(BUNDLE, Committee(0, make_committee(5).validators[1:]), CHAIN, TARGET, 2)


def test_the_longest_receipt_and_bundle_fit() -> None:
    longest = Receipt(Shard(255), Shard(254), INTEGER_MAX, PublicKey(bytes(32)), Grains(INTEGER_MAX))
    assert len(encode_receipt(longest)) <= RECEIPT_SIZE_MAX
    assert decode_receipt(encode_receipt(longest)) == longest
    receipts = RECEIPTS_MAX * len(encode_receipt(longest))
    path = 8 * 34
    assert receipts + CHECKPOINT_SIZE_MAX + CERTIFICATE_SIZE_MAX + path + 32 <= BUNDLE_SIZE_MAX
    with pytest.raises(OversizeEncoding):
        decode_bundle(bytes(BUNDLE_SIZE_MAX + 1))


def test_a_proof_of_a_receipt_holds_before_and_after_it_arrived() -> None:
    check_proof(PROOF)
    check_proof(replace(PROOF, delivered=()))


@pytest.mark.parametrize(
    "proof",
    [
        replace(PROOF, receipt=replace(RECEIPTS[1], amount=Grains(1))),
        replace(PROOF, receipt=RECEIPTS[0]),
        replace(PROOF, receipt=replace(RECEIPTS[1], sequence=1)),
        replace(PROOF, batch=BATCHES[3]),
        replace(PROOF, path=PROOF.path[:1]),
        replace(PROOF, place=replace(PROOF.place, size=4)),
        replace(PROOF, sent=CertifiedCheckpoint(SENT, make_certificate(COMMITTEE, RECEIVED))),
        replace(PROOF, sent=PROOF.delivered[0]),
        replace(PROOF, delivered=(PROOF.sent,)),
        replace(
            PROOF,
            delivered=(
                CertifiedCheckpoint(
                    (late := replace(RECEIVED, received=(0, 8, 0, 0))), make_certificate(COMMITTEE, late)
                ),
            ),
        ),
    ],
)
def test_a_proof_with_one_thing_wrong_is_refused(proof: ReceiptProof) -> None:
    with pytest.raises(InvalidProof):
        check_proof(proof)


@given(st.data())
def test_whoever_changes_a_byte_of_a_proof_is_refused(data: st.DataObject) -> None:
    encoded = encode(PROOF)
    place = data.draw(st.integers(0, len(encoded) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = encoded[:place] + bytes([encoded[place] ^ 1 << bit]) + encoded[place + 1 :]
    with pytest.raises(TangleError):
        check_proof(changed)
