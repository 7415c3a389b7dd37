"""The last-signed guard: a validator never signs two blocks for one slot, whatever its database forgets.
What it signs only rises in (epoch, round).

The record lives in a small file of its own, synced before a block is sent; this module is its format and
its one rule. It holds the block too: one that nobody has could never be signed again, and with a third of the
committee silent the others would wait for that slot for ever. Source: protocol 4, architecture 7.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from shards.blocks import BLOCK_SIZE_MAX, GENESIS_ROUND
from shards.errors import WouldEquivocate
from tangle.core.encoding import decode, encode
from tangle.core.types import INTEGER_MAX, ChainId, Digest, Natural, Shard

LAST_SIGNED_SIZE_MAX: Final = BLOCK_SIZE_MAX + 128
"""Longest encoded record in bytes; its other fields need at most 78."""


class LastSigned(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The newest block that a validator signed."""

    chain: ChainId
    """Chain that the validator serves."""

    epoch: Natural
    """Epoch of the committee."""

    shard: Shard
    """Shard that the committee orders."""

    round: Natural
    """Round of the block, 0 before the first."""

    digest: Digest
    """Digest of the block; all zero before the first."""

    block: Annotated[bytes, Meta(max_length=BLOCK_SIZE_MAX)]
    """Its encoding; empty before the first."""


def make_last_signed(chain: ChainId, epoch: Natural, shard: Shard) -> LastSigned:
    """The record of a validator that has signed nothing yet."""
    return LastSigned(chain, epoch, shard, 0, Digest(bytes(32)), b"")


def advance(record: LastSigned, epoch: int, round_number: int, digest: Digest, block: bytes) -> LastSigned:
    """The record after signing a block; unchanged for the block that it names, which may be sent again.

    :param epoch: of the committee; a later one begins with round 1 again.
    :param block: its encoding.
    :raises WouldEquivocate: (epoch, round) is not above the last one, and it is another block.
    """
    if (epoch, round_number, digest) == (record.epoch, record.round, record.digest):
        return record
    if round_number <= GENESIS_ROUND or (epoch, round_number) <= (record.epoch, record.round):
        raise WouldEquivocate(epoch, round_number, record.epoch, record.round)
    return LastSigned(record.chain, epoch, record.shard, round_number, digest, block)


def get_last_round(record: LastSigned, epoch: int) -> int:
    """Highest round of ``epoch`` that may have been signed: 0 in one later than the record's, and all of one
    before it.
    """
    if epoch == record.epoch:
        return record.round
    return GENESIS_ROUND if epoch > record.epoch else INTEGER_MAX


def encode_last_signed(record: LastSigned) -> bytes:
    """The canonical bytes of a record."""
    return encode(record)


def decode_last_signed(data: bytes) -> LastSigned:
    """Decode a stored record.

    :raises MalformedEncoding, OversizeEncoding: see each.
    """
    return decode(LastSigned, data, limit=LAST_SIGNED_SIZE_MAX)
