"""What a party may say. Everything but giving up shows the inside of a hash that is already committed to."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from aivm.verification.trace import TensorOpening
from aivm.verification.tree import FRONTIER_MAX
from tangle.core.encoding import decode, encode
from tangle.core.types import Digest

Parts = Annotated[tuple[Digest, ...], Meta(min_length=2, max_length=FRONTIER_MAX)]
"""Hashes of the parts of a subtree, left to right."""


class Split(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """Shows the parts of the disputed subtree, four levels down."""

    parts: Parts
    """Their hashes."""


class ShowTensor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """Shows what a leaf of the trace holds."""

    chunk_root: Digest
    """Root over the tensor's chunks; type, shape and length follow from the program."""


class ShowOperands(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """Shows the chunks from which the disputed chunk is computed; both parties agree on these."""

    openings: tuple[TensorOpening, ...]
    """One per tensor, in rising order, exactly the chunks needed."""


class Resign(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """Gives up."""


MOVE_SIZE_MAX: Final = 2**24
"""Longest encoded move in bytes: the operands of one chunk, rows of at most 2^16 elements."""

Move = Split | ShowTensor | ShowOperands | Resign
"""Whatever a party may say."""


class WrittenMove(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A move as it is sent and kept: an array of one."""

    move: Move
    """The move."""


def encode_move(move: Move) -> bytes:
    """Canonical bytes of a move."""
    return encode(WrittenMove(move))


def decode_move(data: bytes) -> Move:
    """Read a move.

    :raises OversizeEncoding: longer than ``MOVE_SIZE_MAX``.
    :raises MalformedEncoding: not the canonical encoding of a move.
    """
    return decode(WrittenMove, data, limit=MOVE_SIZE_MAX).move
