"""Receipts in the store: what went to other shards, what came from them, and bundles made of it again.

==================  ================================  =====================================================
table               key                               value
==================  ================================  =====================================================
receipts_out        target (2), sequence              checkpoint, ordered index if any, receipt
receipt_batches     checkpoint index                  batches for all shards
bundles             bundle id                         encoded bundle
receipts_in         source (2), sequence              checkpoint, receipt
credits             public key, checkpoint, place (4) source, sequence
==================  ================================  =====================================================

All of it is history. A network of one shard writes none of these rows.
"""

from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct

from shards.blocks import compute_bundle_id
from shards.bundles import Bundle, decode_bundle, encode_bundle, get_bundle_reference, make_bundle
from shards.certificates import Certificate
from shards.checkpoints import SHARDS_MAX, Checkpoint
from shards.receipts import Receipt, ReceiptBatch
from tangle.core.encoding import decode, encode
from tangle.core.types import BundleId, CheckpointIndex, Natural, PublicKey, Shard
from tangle.ledger.effects import Status
from tangle.ledger.machine import CheckpointOutcome
from tangle.store.keys import (
    compute_credit_key,
    compute_prefix_stop,
    compute_receipt_key,
    compute_sequence_key,
    parse_credit_key,
    parse_sequence_key,
)
from tangle.store.store import Store, Table, WriteBatch

RECORD_SIZE_MAX: Final = 16_384
"""Longest record in bytes: 256 batches of 55."""

Batches = Annotated[tuple[ReceiptBatch, ...], Meta(max_length=SHARDS_MAX)]
"""The batches of one checkpoint."""


class SentReceipt(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A receipt that this shard has sent, as kept."""

    checkpoint: CheckpointIndex
    """The checkpoint that sent it."""

    ordered: Annotated[tuple[Natural, ...], Meta(max_length=1)]
    """Ordered index of the transfer that it came from; nothing where it came from none."""

    receipt: Receipt
    """The receipt."""


class CreditedReceipt(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A receipt that this shard has credited, as kept."""

    checkpoint: CheckpointIndex
    """The checkpoint that credited it."""

    receipt: Receipt
    """The receipt."""


class CreditRow(Struct, frozen=True):
    """A line of an account's history: grains that came from another shard."""

    position: tuple[int, int]
    """Checkpoint and place in it; where the next page begins."""

    credited: CreditedReceipt
    """What came."""


def read_batches(key: bytes, value: bytes) -> tuple[ReceiptBatch, ...]:
    """Read a row of batches.

    :raises MalformedEncoding, OversizeEncoding: it is none.
    """
    parse_sequence_key(key)
    return decode(Batches, value, limit=RECORD_SIZE_MAX)


class ReceiptArchive:
    """Reads and writes these tables."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put_crossing(self, batch: WriteBatch, outcome: CheckpointOutcome) -> None:
        """Add what a checkpoint did between shards."""
        crossing, index = outcome.crossing, outcome.checkpoint.index
        if crossing.batches:
            batch.put(Table.RECEIPT_BATCHES, compute_sequence_key(index), encode(crossing.batches))
        if crossing.outgoing:
            self._put_outgoing(batch, outcome)
        for place, receipt in enumerate(crossing.credited):
            key = compute_receipt_key(receipt.source, receipt.sequence)
            batch.put(Table.RECEIPTS_IN, key, encode(CreditedReceipt(index, receipt)))
            batch.put(Table.CREDITS, compute_credit_key(receipt.account, index, place), key)

    def put_bundles(self, batch: WriteBatch, bundles: Iterable[Bundle], target: Shard) -> None:
        """Keep what a commit ordered: a shard's history can be executed again without its sources."""
        for bundle in bundles:
            identity = compute_bundle_id(get_bundle_reference(bundle), target)
            batch.put(Table.BUNDLES, identity, encode_bundle(bundle))

    def get_bundle(self, identity: BundleId) -> Bundle | None:
        """A bundle that was kept."""
        value = self._store.get(Table.BUNDLES, identity)
        return None if value is None else decode_bundle(value)

    def find_sent(self, target: Shard, sequence: int) -> SentReceipt | None:
        """A receipt that was sent, by its number."""
        value = self._store.get(Table.RECEIPTS_OUT, compute_receipt_key(target, sequence))
        return None if value is None else decode(SentReceipt, value, limit=RECORD_SIZE_MAX)

    def find_credited(self, source: Shard, sequence: int) -> CreditedReceipt | None:
        """A receipt that was credited, by its number."""
        value = self._store.get(Table.RECEIPTS_IN, compute_receipt_key(source, sequence))
        return None if value is None else decode(CreditedReceipt, value, limit=RECORD_SIZE_MAX)

    def list_credits(
        self,
        account: PublicKey,
        position: tuple[int, int] | None,
        limit: int,
        *,
        is_oldest_first: bool = False,
    ) -> list[CreditRow]:
        """What ``account`` got from other shards: before ``position``, or behind it, oldest first."""
        start, stop = bytes(account), compute_prefix_stop(account)
        if position is not None and is_oldest_first:
            start = compute_credit_key(account, *position) + b"\x00"
        elif position is not None:
            stop = compute_credit_key(account, *position)
        rows = self._store.scan(Table.CREDITS, start, stop, limit=limit, reverse=not is_oldest_first)
        return [CreditRow(parse_credit_key(key)[1:], self._get_credited(value)) for key, value in rows]

    def list_sent(self, target: Shard, first_sequence: int, count: int) -> tuple[Receipt, ...]:
        """So many receipts to a shard from a number on, as far as there are."""
        start = compute_receipt_key(target, first_sequence)
        stop = compute_receipt_key(target, first_sequence + count)
        rows = self._store.scan(Table.RECEIPTS_OUT, start, stop, limit=count) if count else ()
        return tuple(decode(SentReceipt, value, limit=RECORD_SIZE_MAX).receipt for _, value in rows)

    def list_batches(self, index: CheckpointIndex) -> tuple[ReceiptBatch, ...]:
        """The batches of a checkpoint; those of checkpoint 0, and of one that is not here, are not kept."""
        value = self._store.get(Table.RECEIPT_BATCHES, compute_sequence_key(index))
        return () if value is None else decode(Batches, value, limit=RECORD_SIZE_MAX)

    def make_bundle(self, checkpoint: Checkpoint, certificate: Certificate, target: Shard) -> Bundle | None:
        """What a stored checkpoint brings to ``target``; none where history does not hold it.

        Anybody who holds the source's history can make it, at any time.
        """
        batches = self.list_batches(checkpoint.index)
        if target >= len(batches):
            return None
        receipts = self.list_sent(target, batches[target].first_sequence, batches[target].count)
        return make_bundle(checkpoint, certificate, batches, receipts, target)

    def _put_outgoing(self, batch: WriteBatch, outcome: CheckpointOutcome) -> None:
        index = outcome.checkpoint.index
        first = outcome.checkpoint.ordered_total - outcome.checkpoint.ordered_count
        places = {
            effect.figures: first + place
            for place, effect in enumerate(outcome.effects)
            if effect.status is Status.APPLIED and effect.figures
        }
        for target, receipts in outcome.crossing.outgoing.items():
            for receipt in receipts:
                place = places.get((target, receipt.sequence))
                ordered = () if place is None else (place,)
                key = compute_receipt_key(target, receipt.sequence)
                batch.put(Table.RECEIPTS_OUT, key, encode(SentReceipt(index, ordered, receipt)))

    def _get_credited(self, key: bytes) -> CreditedReceipt:
        value = self._store.get(Table.RECEIPTS_IN, key)
        assert value is not None, "a credit and its receipt are written together"
        return decode(CreditedReceipt, value, limit=RECORD_SIZE_MAX)
