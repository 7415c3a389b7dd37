"""Keys and small values of the tables. Integers are big-endian, so that the order of bytes is the order of
numbers.
"""

from struct import Struct as Layout
from typing import Final

from msgspec import Struct

from tangle.core.types import Digest, JobId, PublicKey

UNORDERED: Final = 2**64 - 1
"""Ordered index of a transaction that has none yet, on disk only."""

_PLACE: Final = Layout(">QQ")
_SLOT: Final = Layout(">QQH")
_COMMIT: Final = Layout(">QQ")
_SEQUENCE: Final = Layout(">Q")
_RECEIPT: Final = Layout(">HQ")
_CREDIT: Final = Layout(">QI")

RECEIPT_KEY_SIZE: Final = _RECEIPT.size
"""Bytes of a key that is a shard and a receipt's number."""

CREDIT_KEY_SIZE: Final = 32 + _CREDIT.size
"""Bytes of a key of ``CREDITS``."""


class TransactionPlace(Struct, frozen=True):
    """Where a transaction is; the value of ``TRANSACTION_INDEX``."""

    arrival: int
    """Its key in ``TRANSACTIONS``."""

    ordered: int | None
    """Its key in ``ORDERED``, none while the committee has not ordered it."""


def encode_place(place: TransactionPlace) -> bytes:
    """16 bytes."""
    return _PLACE.pack(place.arrival, UNORDERED if place.ordered is None else place.ordered)


def decode_place(value: bytes) -> TransactionPlace:
    """The inverse of ``encode_place``."""
    arrival, ordered = _PLACE.unpack(value)
    return TransactionPlace(arrival, None if ordered == UNORDERED else ordered)


def compute_sequence_key(number: int) -> bytes:
    """Key of ``TRANSACTIONS``, ``ORDERED``, ``CHECKPOINTS``, ``CERTIFICATES``, ``EPOCHS``, ``EVENTS``: 8
    bytes.
    """
    return _SEQUENCE.pack(number)


def parse_sequence_key(key: bytes) -> int:
    """The inverse of ``compute_sequence_key``."""
    (number,) = _SEQUENCE.unpack(key)
    return int(number)


def compute_commit_key(epoch: int, index: int) -> bytes:
    """Key of ``COMMITS``: 16 bytes."""
    return _COMMIT.pack(epoch, index)


def parse_commit_key(key: bytes) -> tuple[int, int]:
    """The inverse of ``compute_commit_key``: epoch, index."""
    epoch, index = _COMMIT.unpack(key)
    return epoch, index


def compute_round_key(epoch: int, round_number: int) -> bytes:
    """The start of all keys of one round in ``BLOCKS``: 16 bytes."""
    return _COMMIT.pack(epoch, round_number)


def compute_slot_key(epoch: int, round_number: int, author: int) -> bytes:
    """Key of ``EVIDENCE``, and the start of all keys of one slot in ``BLOCKS``: 18 bytes."""
    return _SLOT.pack(epoch, round_number, author)


def parse_slot_key(key: bytes) -> tuple[int, int, int]:
    """The inverse of ``compute_slot_key``: epoch, round, author."""
    epoch, round_number, author = _SLOT.unpack(key)
    return epoch, round_number, author


def compute_block_key(epoch: int, round_number: int, author: int, digest: Digest) -> bytes:
    """Key of ``BLOCKS``: 50 bytes."""
    return _SLOT.pack(epoch, round_number, author) + digest


def parse_block_key(key: bytes) -> tuple[int, int, int, Digest]:
    """The inverse of ``compute_block_key``: epoch, round, author, digest."""
    return *parse_slot_key(key[: _SLOT.size]), Digest(key[_SLOT.size :])


def compute_history_range(
    account: PublicKey, position: int | None, *, is_oldest_first: bool
) -> tuple[bytes, bytes | None]:
    """Where a page of an account's history lies: above ``position``, or below it.

    The whole history for none.
    """
    start, stop = account, compute_prefix_stop(account)
    if position is None:
        return start, stop
    if is_oldest_first:
        return compute_account_history_key(account, position + 1), stop
    return start, compute_account_history_key(account, position)


def compute_account_history_key(account: PublicKey, ordered: int) -> bytes:
    """Key of ``ACCOUNT_HISTORY``: 40 bytes."""
    return account + _SEQUENCE.pack(ordered)


def compute_earning_key(account: PublicKey, position: int) -> bytes:
    """Key of ``EARNINGS``: 40 bytes."""
    return account + _SEQUENCE.pack(position)


def compute_receipt_key(shard: int, sequence: int) -> bytes:
    """Key of ``RECEIPTS_OUT`` (by target) and ``RECEIPTS_IN`` (by source): 10 bytes."""
    return _RECEIPT.pack(shard, sequence)


def compute_credit_key(account: PublicKey, checkpoint: int, place: int) -> bytes:
    """Key of ``CREDITS``: 44 bytes."""
    return account + _CREDIT.pack(checkpoint, place)


def parse_credit_key(key: bytes) -> tuple[PublicKey, int, int]:
    """The inverse of ``compute_credit_key``."""
    checkpoint, place = _CREDIT.unpack(key[-_CREDIT.size :])
    return PublicKey(key[: -_CREDIT.size]), checkpoint, place


def compute_generation_key(job: JobId, generation: int) -> bytes:
    """Key of ``GENERATIONS`` and ``WEIGHTS``: 40 bytes."""
    return job + _SEQUENCE.pack(generation)


def compute_prefix_stop(prefix: bytes) -> bytes | None:
    """The ``stop`` of a scan over all keys that start with ``prefix``; none when nothing lies behind them."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes([trimmed[-1] + 1]) if trimmed else None
