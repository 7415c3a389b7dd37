"""Spot checks: chunks drawn after the commitment, opened, and computed again from their opened operands.

If a fraction f of all chunks is wrong, s chunks miss all of them with probability at most ``(1 - f)^s``. This
catches lazy and invented work; one wrong element in a million it practically never sees: that is what
``chain`` is for.
"""

from typing import Final

from aivm.verification.challenges import compute_seed, draw_places
from aivm.verification.errors import InvalidRequest, WrongTensor
from aivm.verification.trace import (
    Commitment,
    TensorOpening,
    Trace,
    collect_shown,
    compute_commitment_id,
)
from aivm.verification.traced import TracedProgram, compute_chunk, count_chunks, find_needed

LEVEL: Final = 2
"""Rung of the ladder; keeps its seeds apart from those of other checks."""

DRAWN_MAX: Final = 4096
"""Most chunks of one check; 459 find a hundredth of wrong chunks with 99%."""

Place = tuple[int, int]
"""A tensor and one of its chunks."""


def count_all_chunks(program: TracedProgram) -> int:
    """Chunks of all tensors that operators give."""
    return sum(count_chunks(tensor) for tensor in program.types[program.first :])


def draw_chunks(
    program: TracedProgram, commitment: Commitment, beacon: bytes, count: int
) -> tuple[Place, ...]:
    """Which chunks are looked at: different ones, all sets equally likely.

    :param beacon: randomness from after the commitment; empty only where a new commitment costs the whole
        work.
    :raises InvalidRequest: none, more than ``DRAWN_MAX`` or more than there are.
    """
    if count > DRAWN_MAX:
        raise InvalidRequest(f"{count} chunks, over the limit of {DRAWN_MAX}")
    seed = compute_seed(compute_commitment_id(commitment), beacon, LEVEL)
    drawn = []
    places = iter(draw_places(seed, count_all_chunks(program), count))
    place = next(places, None)
    passed = 0
    for number in range(program.first, len(program.types)):
        chunks = count_chunks(program.types[number])
        while place is not None and place < passed + chunks:
            drawn.append((number, place - passed))
            place = next(places, None)
        passed += chunks
    return tuple(drawn)


def list_wanted(program: TracedProgram, drawn: tuple[Place, ...]) -> dict[int, tuple[int, ...]]:
    """The drawn chunks and all that computing them needs, by tensor."""
    wanted: dict[int, set[int]] = {}
    for number, chunk in drawn:
        wanted.setdefault(number, set()).add(chunk)
        for operand, chunks in find_needed(program, number, chunk):
            wanted.setdefault(operand, set()).update(chunks)
    return {number: tuple(sorted(chunks)) for number, chunks in sorted(wanted.items())}


def answer_spot_check(trace: Trace, drawn: tuple[Place, ...]) -> tuple[TensorOpening, ...]:
    """What a worker shows: one opening per tensor, in rising order."""
    wanted = list_wanted(trace.program, drawn)
    return tuple(trace.open(number, chunks) for number, chunks in wanted.items())


def verify_spot_check(
    program: TracedProgram,
    commitment: Commitment,
    drawn: tuple[Place, ...],
    openings: tuple[TensorOpening, ...],
) -> None:
    """Check a worker's answer. ``verify_context`` comes first.

    :raises WrongCommitment: something shown is not what was committed to, or was not asked for.
    :raises MissingData: something needed is not shown.
    :raises WrongTensor: a drawn chunk differs from what its operator gives.
    """
    shown = collect_shown(program, commitment, list_wanted(program, drawn), openings)
    for number, chunk in drawn:
        if compute_chunk(program, number, chunk, shown) != shown[number, chunk]:
            raise WrongTensor(number, f"chunk {chunk} differs when it is computed again")
