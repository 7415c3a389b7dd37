"""Receipts: grains on their way from one shard to another, and the root that a checkpoint binds them by.

A transfer to an account of another shard leaves a receipt. Those of one checkpoint to one target are a batch;
every target has one, and it counts receipts from the first of all, so a batch without any proves that there
are none and how many there were before. Source: protocol 4.11.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from tangle.core.encoding import decode, encode
from tangle.core.merkle import (
    InclusionProof,
    compute_inclusion_proof,
    compute_merkle_root,
    verify_inclusion,
)
from tangle.core.types import Digest, Grains, Natural, PublicKey, Shard

RECEIPT_SIZE_MAX: Final = 64
"""Longest encoded receipt in bytes: it has at most 59."""


class Receipt(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Grains that left one shard and are to be credited in another, once."""

    source: Shard
    """Shard that the grains left."""

    target: Shard
    """Home of the account."""

    sequence: Natural
    """Number among the receipts from ``source`` to ``target``, from 0 without gaps."""

    account: PublicKey
    """Who is credited."""

    amount: Grains
    """How much."""


class ReceiptBatch(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The receipts of one checkpoint to one target; a leaf under its ``receipts_root``."""

    target: Shard
    """Where they go; its place among the leaves."""

    first_sequence: Natural
    """Number of the first; of the next one to come when there is none."""

    count: Natural
    """How many."""

    root: Digest
    """Merkle root over their encodings."""


def encode_receipt(receipt: Receipt) -> bytes:
    """The canonical bytes of a receipt: a leaf under its batch's root."""
    return encode(receipt)


def decode_receipt(data: bytes) -> Receipt:
    """Decode a receipt strictly.

    :raises MalformedEncoding, OversizeEncoding: see each.
    """
    return decode(Receipt, data, limit=RECEIPT_SIZE_MAX)


def make_batch(target: Shard, first_sequence: int, receipts: Sequence[Receipt]) -> ReceiptBatch:
    """The batch of these receipts, which follow each other from ``first_sequence`` on."""
    root = compute_merkle_root([encode_receipt(receipt) for receipt in receipts])
    return ReceiptBatch(target, first_sequence, len(receipts), root)


def make_batches(
    sent: Sequence[int], outgoing: Mapping[Shard, Sequence[Receipt]]
) -> tuple[ReceiptBatch, ...]:
    """The batches of one checkpoint, one for each shard in order.

    :param sent: receipts sent to every shard before this checkpoint; empty where there is one shard.
    :param outgoing: what it sends, by target.
    """
    return tuple(
        make_batch(Shard(target), first, outgoing.get(Shard(target), ())) for target, first in enumerate(sent)
    )


def compute_receipts_root(batches: Sequence[ReceiptBatch]) -> Digest:
    """What a checkpoint says of its batches."""
    return compute_merkle_root([encode(batch) for batch in batches])


def get_batch_path(batches: Sequence[ReceiptBatch], target: Shard) -> tuple[Digest, ...]:
    """Siblings of a target's batch on the way to the root.

    :raises InvalidProof: there is no such shard.
    """
    return compute_inclusion_proof([encode(batch) for batch in batches], target).path


def verify_batch(root: Digest, batch: ReceiptBatch, path: tuple[Digest, ...], shards: int) -> None:
    """Check that ``batch`` is that of its target under a checkpoint's ``receipts_root``.

    :param shards: how many the network has: the number of leaves.
    :raises InvalidProof: it is not.
    """
    verify_inclusion(root, encode(batch), InclusionProof(batch.target, shards, path))
