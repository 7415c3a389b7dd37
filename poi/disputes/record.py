"""What a dispute is at any moment. A frozen record, so that a ledger can keep it and every node has the
same.
"""

from enum import IntEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from aivm.verification.trace import Commitment
from aivm.verification.traced import TracedProgram, count_chunks
from aivm.verification.tree import FRONTIER_MAX, compute_steps
from poi.disputes.outcomes import Outcome
from tangle.core.parameters import SHARE_WHOLE
from tangle.core.types import Digest, Grains, Milliseconds, Natural, PublicKey

CLOCK_MAX_MS: Final = 30 * 24 * 3_600_000
"""Longest clock: a month. A dispute lasts at most twice its clock."""

GAME_SIZE_MAX: Final = 16_384
"""Longest encoded game in bytes: a commitment, a row of 16 hashes and some numbers."""

Pair = Annotated[tuple[Digest, ...], Meta(min_length=2, max_length=2)]
"""The defender's hash and the challenger's, of the same place; they differ."""


class Side(IntEnum):
    """The parties. Codes are part of the record."""

    DEFENDER = 0
    """Who made the claim."""

    CHALLENGER = 1
    """Who says that it is wrong."""


class Terms(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is disputed, and for how much."""

    commitment: Commitment
    """The claim."""

    challenger: PublicKey
    """Who disputes it."""

    rival_root: Digest
    """Root of the challenger's trace of the same program, rows and inputs."""

    defender_bond: Grains
    """What the defender may lose."""

    challenger_bond: Grains
    """What the challenger may lose."""

    winner_share: Annotated[int, Meta(ge=0, le=SHARE_WHOLE)]
    """Part of the loser's bond that the winner gets, in millionths; the rest is burned."""

    clock_ms: Milliseconds
    """Time that each party may use for all its moves together."""


class NarrowTrace(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """Both split the same subtree of their traces; all leaves before it are equal."""

    first: Natural
    """First leaf of the subtree."""

    last: Natural
    """The one after its last."""

    nodes: Pair
    """Its hashes."""


class CompareTensor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """Both show the first leaf in which their traces differ."""

    number: Natural
    """The tensor."""

    nodes: Pair
    """The leaf's hashes."""


class NarrowTensor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """Both split the same subtree of that tensor; all chunks before it are equal."""

    number: Natural
    """The tensor."""

    first: Natural
    """First chunk of the subtree."""

    last: Natural
    """The one after its last."""

    nodes: Pair
    """Its hashes."""


class DecideChunk(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """The defender shows the operands of the first chunk that differs; the operator decides."""

    number: Natural
    """The tensor."""

    chunk: Natural
    """The chunk."""

    nodes: Pair
    """The chunk's hashes."""


class Decided(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    """It is over."""

    outcome: Outcome
    """How it ended."""


Phase = NarrowTrace | CompareTensor | NarrowTensor | DecideChunk | Decided
"""What is expected next."""


class Reveal(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What one party has shown while the other's is waited for."""

    side: Side
    """Whose it is."""

    parts: Annotated[tuple[Digest, ...], Meta(min_length=1, max_length=FRONTIER_MAX)]
    """The hashes: parts of a subtree, or one chunk root."""


class Game(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A dispute at one moment."""

    terms: Terms
    """What is disputed."""

    phase: Phase
    """What is expected next."""

    shown: Annotated[tuple[Reveal, ...], Meta(max_length=1)]
    """What one party has shown in this phase, if the other has not."""

    since_ms: Milliseconds
    """When this phase began: the clocks of all who are waited for run from here."""

    left_ms: Annotated[tuple[Milliseconds, ...], Meta(min_length=2, max_length=2)]
    """Time left to the defender and to the challenger when the phase began, less what a move has taken
    since.
    """

    rounds: Natural
    """Phases that are done."""


def compute_rounds_max(program: TracedProgram) -> int:
    """Most phases of a dispute: steps down the trace, one tensor, steps down its chunks, one chunk."""
    chunks = max(count_chunks(tensor) for tensor in program.types[program.first :])
    return compute_steps(len(program.types) - program.first) + 1 + compute_steps(chunks) + 1
