"""The format of a receipt: a claim, and evidence of one level.

The tag of the evidence is the level (but for a second form of level 4, whose tag is 8), so a receipt has one
level and one encoding. Evidence holds what cannot be had elsewhere; the program, its inputs and served
tensors are fetched by the ids in the claim.
"""

from enum import IntEnum
from typing import Annotated, Any, Final, get_args

from msgspec import Meta, Struct

from aivm.verification.challenges import VECTORS_MAX
from aivm.verification.field import ZERO_BITS
from aivm.verification.proving import RunProof
from aivm.verification.spot import DRAWN_MAX
from aivm.verification.trace import Commitment, TensorOpening
from poi.countersigning import PANEL_MAX, Seals
from poi.disputes.moves import MOVE_SIZE_MAX
from poi.disputes.record import Side, Terms
from poi.receipts.errors import ReservedLevel
from tangle.core.encoding import decode, encode
from tangle.core.errors import MalformedEncoding
from tangle.core.types import Digest, Milliseconds, PublicKey, Signature

VERSION: Final = 1
"""Version of this format."""

RECEIPT_SIZE_MAX: Final = 2**25
"""Longest receipt in bytes: 4,096 opened chunks of 4 KiB, and their operands; most are a few kilobytes."""

REPLICAS_MAX: Final = 64
"""Most replicas of one task."""

MOVES_MAX: Final = 64
"""Most moves of a dispute: two in each of at most 14 rounds; the rest is room."""

EVIDENCE_FIELD: Final = 3
"""Place of ``evidence`` in the encoded array."""


class Level(IntEnum):
    """Rungs of the ladder."""

    ADMITTED = 0
    BOUND = 1
    SPOT_CHECKED = 2
    PROJECTED = 3
    REPLICATED = 4
    DISPUTED = 5
    PROVEN = 6
    ZERO_KNOWLEDGE = 7


class Admitted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=0):
    """V0: the claim has the right form and is for this task."""


class Bound(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """V1: the outputs are those of the committed trace."""


class SpotChecked(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """V2: chunks drawn after the commitment were computed again."""

    beacon: Annotated[bytes, Meta(min_length=1, max_length=64)]
    """Ledger randomness from after the commitment."""

    count: Annotated[int, Meta(ge=1, le=DRAWN_MAX)]
    """How many chunks were drawn."""

    openings: tuple[TensorOpening, ...]
    """The drawn chunks and their operands."""


class Projected(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """V3: every large product was projected, everything else computed again."""

    beacon: Annotated[bytes, Meta(max_length=64)]
    """Ledger randomness from after the commitment; empty if the vectors follow from the commitment alone."""

    error_bits: Annotated[int, Meta(ge=1, le=ZERO_BITS * VECTORS_MAX)]
    """Each product errs with probability at most 2^-this."""


class Replica(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Another worker's result of the same task."""

    commitment: Commitment
    """Its claim; for equal work its outputs and its trace are equal."""

    salt: Digest
    """With which the worker had sealed it."""


class Replicated(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """V4: enough workers, sealed off from each other, gave the same result."""

    assigned: Annotated[tuple[PublicKey, ...], Meta(min_length=1, max_length=REPLICAS_MAX)]
    """Who was asked, in rising order."""

    needed: Annotated[int, Meta(ge=1, le=REPLICAS_MAX)]
    """How many equal results are enough."""

    replicas: Annotated[tuple[Replica, ...], Meta(min_length=1, max_length=REPLICAS_MAX)]
    """What they gave, in rising order of workers; this receipt's own claim is among them."""


class RecordedMove(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A move as the ledger took it."""

    side: Side
    """Who moved."""

    at_ms: Milliseconds
    """When."""

    move: Annotated[bytes, Meta(max_length=MOVE_SIZE_MAX)]
    """The encoded move."""


class Disputed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    """V5: somebody disputed the claim, and lost."""

    terms: Terms
    """What was disputed."""

    began_ms: Milliseconds
    """When."""

    moves: Annotated[tuple[RecordedMove, ...], Meta(max_length=MOVES_MAX)]
    """Every move that was taken, in order."""

    ended_ms: Milliseconds
    """When the ledger found it decided."""


class Proven(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=6):
    """V6: every large product has a sumcheck proof, everything else was computed again."""

    proofs: RunProof
    """The proofs."""


class SignedReplica(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A worker's result with its own word for it."""

    commitment: Commitment
    """Its claim."""

    salt: Digest
    """With which it had sealed it."""

    signature: Signature
    """Over all seals, commitment id and salt (``poi.countersigning``)."""


class Countersigned(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=8):
    """V4 without a ledger's record: workers sealed towards each other, and signed what they showed."""

    seals: Seals
    """Whose results were fixed before any was shown, in rising order of workers."""

    needed: Annotated[int, Meta(ge=1, le=PANEL_MAX)]
    """How many equal results are enough."""

    replicas: Annotated[tuple[SignedReplica, ...], Meta(min_length=1, max_length=PANEL_MAX)]
    """What they showed, in rising order of workers; this receipt's own claim is among them."""


Evidence = Admitted | Bound | SpotChecked | Projected | Replicated | Disputed | Proven | Countersigned
"""What supports a claim."""


LEVELS: Final[dict[type[Evidence], Level]] = {
    **{kind: Level(kind.__struct_config__.tag) for kind in get_args(Evidence) if kind is not Countersigned},
    Countersigned: Level.REPLICATED,
}
"""The level of every kind of evidence: its tag, but for the second form of level 4."""


class Receipt(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A claim and its evidence."""

    version: Annotated[int, Meta(ge=VERSION, le=VERSION)]
    """Version of this record."""

    commitment: Commitment
    """The claim."""

    outputs: Annotated[tuple[TensorOpening, ...], Meta(max_length=64)]
    """Shows that the claimed outputs are those of the trace: without chunks; empty at level 0."""

    evidence: Evidence
    """What supports it."""

    @property
    def level(self) -> Level:
        """How far the claim is verified, if the evidence holds."""
        return LEVELS[type(self.evidence)]


def encode_receipt(receipt: Receipt) -> bytes:
    """Canonical bytes of a receipt."""
    return encode(receipt)


def decode_receipt(data: bytes) -> Receipt:
    """Read a receipt; nothing in it is verified yet.

    :raises OversizeEncoding: longer than ``RECEIPT_SIZE_MAX``.
    :raises ReservedLevel: its evidence is of level 7.
    :raises MalformedEncoding: not the canonical encoding of a receipt.
    """
    try:
        return decode(Receipt, data, limit=RECEIPT_SIZE_MAX)
    except MalformedEncoding:
        if _find_level(data) == Level.ZERO_KNOWLEDGE:
            raise ReservedLevel from None
        raise


def _find_level(data: bytes) -> object:
    plain: Any = decode(tuple, data, limit=RECEIPT_SIZE_MAX)
    try:
        return plain[EVIDENCE_FIELD][0]
    except (IndexError, TypeError):
        return None
