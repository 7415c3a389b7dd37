"""Proofs of receipts: that grains left one shard for an account of another, and that they arrived.

A wallet whose transfer left a receipt keeps it with the checkpoint that sent it; once a checkpoint of the
target says that it has received it, the proof says so too. Committees are handed in: whoever follows the ends
of epochs knows those of any checkpoint. Source: protocol 4.11 and 5.18.
"""

from collections.abc import Callable
from typing import Annotated, Final

from msgspec import Meta, Struct

from shards.bundles import PATH_MAX
from shards.certificates import Certificate, verify_certificate
from shards.checkpoints import CHECKPOINT_VERSION, Checkpoint, compute_checkpoint_digest
from shards.committee import Committee
from shards.receipts import (
    Receipt,
    ReceiptBatch,
    encode_receipt,
    get_batch_path,
    verify_batch,
)
from tangle.core.encoding import decode, encode
from tangle.core.errors import InvalidProof, UnsupportedVersion, WrongChain
from tangle.core.merkle import InclusionProof, compute_inclusion_proof, verify_inclusion
from tangle.core.types import ChainId, Digest, Natural, Shard

RECEIPT_PROOF_VERSION: Final = 1
"""The only version so far."""

RECEIPT_PROOF_SIZE_MAX: Final = 131_072
"""Longest encoded proof in bytes: the longest checkpoint and certificate twice, and two paths."""

CommitteeFinder = Callable[[Shard, int], Committee]
"""The committee of a shard in an epoch; raises a ``TangleError`` where it is not known."""


class CertifiedCheckpoint(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A checkpoint with its quorum."""

    checkpoint: Checkpoint
    """What was executed."""

    certificate: Certificate
    """The signatures under it."""


class ReceiptProof(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Evidence that a receipt was sent, and that it was credited once it was."""

    version: Natural
    """Format version, ``RECEIPT_PROOF_VERSION``."""

    receipt: Receipt
    """The receipt."""

    place: InclusionProof
    """Where it stands in its batch."""

    batch: ReceiptBatch
    """The receipts of its checkpoint to its target."""

    path: Annotated[tuple[Digest, ...], Meta(max_length=PATH_MAX)]
    """Siblings of the batch under the checkpoint's ``receipts_root``."""

    sent: CertifiedCheckpoint
    """The checkpoint of the source that sent it."""

    delivered: Annotated[tuple[CertifiedCheckpoint, ...], Meta(max_length=1)]
    """A checkpoint of the target that has received it; nothing as long as there is none."""


def make_receipt_proof(
    batches: tuple[ReceiptBatch, ...],
    receipts: tuple[Receipt, ...],
    receipt: Receipt,
    sent: CertifiedCheckpoint,
    delivered: CertifiedCheckpoint | None = None,
) -> ReceiptProof:
    """The proof of a receipt.

    :param batches: all of the checkpoint that sent it.
    :param receipts: those of its batch.
    :raises InvalidProof: it is not among them.
    """
    batch = batches[receipt.target]
    leaves = [encode_receipt(each) for each in receipts]
    return ReceiptProof(
        version=RECEIPT_PROOF_VERSION,
        receipt=receipt,
        place=compute_inclusion_proof(leaves, receipt.sequence - batch.first_sequence),
        batch=batch,
        path=get_batch_path(batches, receipt.target),
        sent=sent,
        delivered=() if delivered is None else (delivered,),
    )


def encode_receipt_proof(proof: ReceiptProof) -> bytes:
    """The canonical bytes of a proof."""
    return encode(proof)


def verify_receipt_proof(
    data: bytes, chain: ChainId, shard_bits: int, find_committee: CommitteeFinder
) -> ReceiptProof:
    """Check a proof in full. Whoever changes a byte of it is refused.

    :raises MalformedEncoding, OversizeEncoding, UnsupportedVersion, WrongChain: not a proof of this version
        and network.
    :raises InvalidCertificate, InvalidSignature: no quorum signed one of the checkpoints.
    :raises InvalidProof: the receipt is not what the checkpoint sent, or was not received.
    """
    proof = decode(ReceiptProof, data, limit=RECEIPT_PROOF_SIZE_MAX)
    if proof.version != RECEIPT_PROOF_VERSION:
        raise UnsupportedVersion("receipt proof", proof.version, RECEIPT_PROOF_VERSION)
    receipt, batch, checkpoint = proof.receipt, proof.batch, proof.sent.checkpoint
    _check_certified(proof.sent, receipt.source, chain, find_committee)
    if batch.target != receipt.target:
        raise InvalidProof("the batch is for another shard")
    verify_batch(checkpoint.receipts_root, batch, proof.path, 1 << shard_bits)
    place = receipt.sequence - batch.first_sequence
    if (proof.place.index, proof.place.size) != (place, batch.count):
        raise InvalidProof("the receipt stands at another place than its number says")
    verify_inclusion(batch.root, encode_receipt(receipt), proof.place)
    for delivered in proof.delivered:
        _check_certified(delivered, receipt.target, chain, find_committee)
        received = delivered.checkpoint.received
        if receipt.source >= len(received) or received[receipt.source] <= receipt.sequence:
            raise InvalidProof("the checkpoint of the target has not received it")
    return proof


def _check_certified(
    certified: CertifiedCheckpoint, shard: Shard, chain: ChainId, find_committee: CommitteeFinder
) -> None:
    checkpoint, certificate = certified.checkpoint, certified.certificate
    if checkpoint.version != CHECKPOINT_VERSION:
        raise UnsupportedVersion("checkpoint", checkpoint.version, CHECKPOINT_VERSION)
    if checkpoint.chain != chain:
        raise WrongChain(checkpoint.chain, chain)
    if checkpoint.shard != shard:
        raise InvalidProof(f"a checkpoint of shard {checkpoint.shard} where one of {shard} is needed")
    digest = compute_checkpoint_digest(checkpoint)
    if (certificate.index, certificate.digest) != (checkpoint.index, digest):
        raise InvalidProof("the certificate is for another checkpoint")
    committee = find_committee(shard, checkpoint.committee_epoch)
    verify_certificate(certificate, committee, chain, shard)
