"""The tree over a blob's chunks: what its id binds, and how any part of it is proven.

A blob is cut into chunks of 4 KiB, the last one shorter; the chunks are the leaves of a Merkle tree
(``tangle.core.merkle``). 64 chunks that begin at a multiple of 64 are a piece: a whole subtree, and what
peers send at once. A range is any such subtree: 2^level chunks that begin at ``index * 2^level``, from a
single chunk (level 0) to a piece (level 6). The roots of all pieces are the blob's nodes: with them every
range can be proven by whoever holds its piece, and every piece be checked without its neighbours. The id
binds the size and the root.
"""

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from tangle.core.blob_errors import OversizeBlob
from tangle.core.blob_id import BlobId, make_blob_id
from tangle.core.errors import InvalidProof
from tangle.core.hashing import BLOB, HASH_SIZE, compute_record_hash
from tangle.core.merkle import (
    InclusionProof,
    compute_leaf_hash,
    compute_node_path,
    compute_root_of_nodes,
    get_path,
    verify_node,
)
from tangle.core.types import Digest, Natural

CHUNK_SIZE: Final = 4_096
"""Bytes of a chunk: what a dispute comes down to in the end."""

PIECE_LEVEL: Final = 6
"""A piece is a subtree of this height."""

PIECE_SIZE: Final = CHUNK_SIZE << PIECE_LEVEL
"""256 KiB: large enough that a request costs little, small enough that four peers are soon busy."""

BLOB_SIZE_MAX: Final = 4 * 1024**3
"""Longest blob: the nodes of a longer one would not fit into one message."""

NODES_MAX: Final = BLOB_SIZE_MAX // PIECE_SIZE
"""Most pieces of a blob."""

Level = Annotated[int, Meta(ge=0, le=PIECE_LEVEL)]
"""Height of a range's subtree."""


class BlobShape(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a blob's id binds."""

    size: Annotated[int, Meta(ge=0, le=BLOB_SIZE_MAX)]
    """Its bytes."""

    root: Digest
    """Root over its chunks; the root of no leaves for an empty blob."""


class BlobTree(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A blob without its content."""

    size: Annotated[int, Meta(ge=0, le=BLOB_SIZE_MAX)]
    """Its bytes."""

    nodes: Annotated[tuple[Digest, ...], Meta(max_length=NODES_MAX)]
    """Roots of its pieces in order."""

    @property
    def shape(self) -> BlobShape:
        """Size and root."""
        return BlobShape(self.size, compute_root_of_nodes(self.nodes))

    @property
    def id(self) -> BlobId:
        """The id that this tree makes."""
        return compute_blob_id(self.shape)


class RangeProof(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Evidence that some bytes are one range of a blob."""

    level: Level
    """The range has 2^level chunks, fewer at the blob's end."""

    index: Natural
    """Its place among the ranges of its level."""

    path: tuple[Digest, ...]
    """Sibling hashes from the range's node up to the root."""


def compute_blob_id(shape: BlobShape) -> BlobId:
    """The id of a blob: of ``H_blob(size, root)``."""
    return make_blob_id(Digest(compute_record_hash(BLOB, shape.size, shape.root)))


def count_ranges(size: int, level: int) -> int:
    """Ranges of that level in a blob of ``size`` bytes."""
    return -(-size // (CHUNK_SIZE << level))


def get_range_size(size: int, level: int, index: int) -> int:
    """Bytes of a range; the last one is shorter.

    :raises InvalidProof: there is no such range.
    """
    span = CHUNK_SIZE << level
    if not 0 <= index < count_ranges(size, level):
        raise InvalidProof(f"range {index} of {count_ranges(size, level)} does not exist")
    return min(span, size - index * span)


def compute_node(content: bytes) -> Digest:
    """Root over the chunks of one range's content."""
    return compute_root_of_nodes(_hash_chunks(content))


def compute_tree(content: bytes) -> BlobTree:
    """The tree of a blob that is in memory.

    :raises OversizeBlob: it is too long.
    """
    hasher = TreeHasher()
    hasher.update(content)
    return hasher.finish()


def prove_range(levels: Sequence[Sequence[Digest]], piece: bytes, level: int, index: int) -> RangeProof:
    """Prove a range from the content of the piece that it lies in.

    :param levels: of the blob's nodes (``tangle.core.merkle.compute_levels``).
    :param piece: checked by the caller.
    :raises InvalidProof: there is no such range.
    """
    height = PIECE_LEVEL - level
    above = get_path(levels, index >> height)
    if not height:
        return RangeProof(level, index, above)
    span = CHUNK_SIZE << level
    nodes = [compute_node(piece[start : start + span]) for start in range(0, len(piece), span)]
    within = compute_node_path(nodes, index - (index >> height << height))
    return RangeProof(level, index, within + above)


def verify_range(shape: BlobShape, content: bytes, proof: RangeProof) -> Digest:
    """Check that ``content`` is the range; returns its node.

    :raises InvalidProof: it is not, or there is no such range.
    """
    expected = get_range_size(shape.size, proof.level, proof.index)
    if len(content) != expected:
        raise InvalidProof(f"{len(content)} bytes, the range has {expected}")
    node = compute_node(content)
    count = count_ranges(shape.size, proof.level)
    verify_node(shape.root, node, InclusionProof(proof.index, count, proof.path))
    return node


class TreeHasher:
    """Builds the tree of content that comes in parts; holds less than one piece."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes so far."""
        self._nodes: list[Digest] = []
        self._rest = bytearray()

    def update(self, data: bytes) -> None:
        """Go on with ``data``.

        :raises OversizeBlob: it is more than a blob may have.
        """
        self.size += len(data)
        if self.size > BLOB_SIZE_MAX:
            raise OversizeBlob(self.size, BLOB_SIZE_MAX)
        place = 0
        while place < len(data):
            taken = data[place : place + PIECE_SIZE - len(self._rest)]
            place += len(taken)
            self._rest += taken
            if len(self._rest) == PIECE_SIZE:
                self._nodes.append(compute_node(bytes(self._rest)))
                self._rest.clear()

    def finish(self) -> BlobTree:
        """The tree of all that came."""
        rest = (compute_node(bytes(self._rest)),) if self._rest else ()
        return BlobTree(self.size, (*self._nodes, *rest))


def split_nodes(data: bytes) -> tuple[Digest, ...]:
    """Nodes that were written one behind the other."""
    return tuple(Digest(data[start : start + HASH_SIZE]) for start in range(0, len(data), HASH_SIZE))


def _hash_chunks(content: bytes) -> list[Digest]:
    return [
        compute_leaf_hash(content[start : start + CHUNK_SIZE]) for start in range(0, len(content), CHUNK_SIZE)
    ]
