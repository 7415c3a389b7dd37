"""Bundles: what one certified checkpoint brings to another shard.

A bundle holds the checkpoint with its quorum, the receipts for the one target, and the path that proves that
these are all of them. The checkpoint acknowledges what it has received, so a bundle without receipts is of
use too. What a bundle brings is bound by the checkpoint's digest; only the choice of signatures is free.
Source: protocol 4.11 and 5.18.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from shards.blocks import BundleReference
from shards.certificates import Certificate, verify_certificate
from shards.checkpoints import CHECKPOINT_VERSION, Checkpoint, compute_checkpoint_digest
from shards.committee import Committee
from shards.errors import InvalidBundle, WrongEpoch
from shards.receipts import Receipt, ReceiptBatch, get_batch_path, make_batch, verify_batch
from tangle.core.encoding import decode, encode
from tangle.core.errors import InvalidProof, UnsupportedVersion, WrongChain
from tangle.core.parameters import RECEIPTS_MAX
from tangle.core.types import ChainId, Digest, Natural, Shard

BUNDLE_SIZE_MAX: Final = 540_672
"""Longest encoded bundle in bytes: 8,192 receipts of 59 bytes, the longest checkpoint and certificate, and a
path of eight hashes."""

PATH_MAX: Final = 8
"""Longest path: 256 shards."""


class Bundle(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A certified checkpoint of one shard and all its receipts for another one."""

    checkpoint: Checkpoint
    """The checkpoint of the source."""

    certificate: Certificate
    """The quorum's signatures under it."""

    first_sequence: Natural
    """Number of the first receipt; of the next one to come when there is none."""

    receipts: Annotated[tuple[Receipt, ...], Meta(max_length=RECEIPTS_MAX)]
    """The receipts of this checkpoint for the target, in order."""

    path: Annotated[tuple[Digest, ...], Meta(max_length=PATH_MAX)]
    """Siblings of the target's batch under ``receipts_root``."""


def encode_bundle(bundle: Bundle) -> bytes:
    """The canonical bytes of a bundle."""
    return encode(bundle)


def decode_bundle(data: bytes) -> Bundle:
    """Decode a bundle strictly; ``verify_bundle`` tells whether it holds.

    :raises MalformedEncoding, OversizeEncoding: see each.
    """
    return decode(Bundle, data, limit=BUNDLE_SIZE_MAX)


def get_bundle_reference(bundle: Bundle) -> BundleReference:
    """What blocks of the target name it by."""
    checkpoint = bundle.checkpoint
    return BundleReference(checkpoint.shard, checkpoint.index, compute_checkpoint_digest(checkpoint))


def make_bundle(
    checkpoint: Checkpoint,
    certificate: Certificate,
    batches: tuple[ReceiptBatch, ...],
    receipts: tuple[Receipt, ...],
    target: Shard,
) -> Bundle:
    """The bundle for ``target``.

    :param batches: all of the checkpoint.
    :param receipts: those for ``target``.
    :raises InvalidProof: there is no such shard.
    """
    path = get_batch_path(batches, target)
    return Bundle(checkpoint, certificate, batches[target].first_sequence, receipts, path)


def verify_bundle(
    bundle: Bundle, committee: Committee, chain: ChainId, target: Shard, shard_bits: int
) -> BundleReference:
    """Check a bundle for ``target`` in full. The same verdict on every node that knows the committee.

    :param committee: of the source, in the epoch that the checkpoint was signed in.
    :returns: the name that it holds for; the caller compares it with the one that was asked for.
    :raises UnsupportedVersion, WrongChain, WrongEpoch: of another version or network, or the committee of
        another epoch signed it.
    :raises InvalidCertificate, InvalidSignature: no quorum signed the checkpoint.
    :raises InvalidBundle: not from another shard, or other receipts than the checkpoint's for ``target``.
    """
    checkpoint, certificate = bundle.checkpoint, bundle.certificate
    if checkpoint.version != CHECKPOINT_VERSION:
        raise UnsupportedVersion("checkpoint", checkpoint.version, CHECKPOINT_VERSION)
    if checkpoint.chain != chain:
        raise WrongChain(checkpoint.chain, chain)
    reference = get_bundle_reference(bundle)
    if checkpoint.committee_epoch != committee.epoch:
        raise WrongEpoch(checkpoint.committee_epoch, committee.epoch)
    if reference.source == target or reference.source >> shard_bits:
        raise InvalidBundle(
            reference.source, reference.index, f"shard {reference.source} is none of the others"
        )
    if (certificate.index, certificate.digest) != (reference.index, reference.digest):
        raise InvalidBundle(reference.source, reference.index, "the certificate is for another checkpoint")
    _check_receipts(bundle, reference, target, shard_bits)
    verify_certificate(certificate, committee, chain, reference.source)
    return reference


def _check_receipts(bundle: Bundle, reference: BundleReference, target: Shard, shard_bits: int) -> None:
    for sequence, receipt in enumerate(bundle.receipts, bundle.first_sequence):
        if (receipt.source, receipt.target, receipt.sequence) != (reference.source, target, sequence):
            raise InvalidBundle(
                reference.source, reference.index, f"receipt {sequence} for shard {target} is not there"
            )
    batch = make_batch(target, bundle.first_sequence, bundle.receipts)
    try:
        verify_batch(bundle.checkpoint.receipts_root, batch, bundle.path, 1 << shard_bits)
    except InvalidProof as fault:
        raise InvalidBundle(
            reference.source, reference.index, f"these are not its receipts for shard {target}: {fault}"
        ) from None
