"""Commit records: the hash chain of everything that a committee has ordered."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from shards.blocks import BlockReference
from shards.committee import Committee
from tangle.core.encoding import decode, encode
from tangle.core.hashing import COMMIT, compute_hash, compute_record_hash
from tangle.core.types import ChainId, Digest, Milliseconds, Shard

COMMIT_SIZE_MAX: Final = 4_194_304
"""Longest encoded record in bytes: 256 authors with a commit depth of 256 rounds, once each."""


class CommitRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One committed leader with the blocks that it brings into the order."""

    index: Annotated[int, Meta(ge=1)]
    """Number within the epoch and shard, from 1."""

    previous: Digest
    """Digest of the record before; of the first, the digest that names chain, epoch, shard and origin."""

    timestamp_ms: Milliseconds
    """Commit time: the leader's, never before the previous commit's."""

    leader: BlockReference
    """The committed leader."""

    blocks: tuple[BlockReference, ...]
    """Newly ordered blocks in linear order, the leader last."""


def encode_commit(record: CommitRecord) -> bytes:
    """The canonical bytes of a record."""
    return encode(record)


def decode_commit(data: bytes) -> CommitRecord:
    """Decode a stored record.

    :raises MalformedEncoding, OversizeEncoding: see each.
    """
    return decode(CommitRecord, data, limit=COMMIT_SIZE_MAX)


def compute_commit_digest(record: CommitRecord) -> Digest:
    """Hash of a record; the next one names it."""
    return compute_hash(COMMIT, encode(record))


def compute_first_commit_digest(committee: Committee, chain: ChainId, shard: Shard) -> Digest:
    """What the first record of a committee names as the one before it."""
    return compute_record_hash(COMMIT, chain, committee.epoch, shard, committee.origin)
