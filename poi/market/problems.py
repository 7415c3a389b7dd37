"""Optimisation problems, and what exactly an answer is worth.

Everything is in integers, so every node gets the same value. A value is a cost: less is better. Both problems
always have some answer, and checking one takes time linear in its length.
"""

from itertools import pairwise
from math import isqrt
from typing import Annotated, Final, assert_never

from msgspec import Meta, Struct

from poi.market.errors import InfeasibleAnswer, InvalidProblem
from poi.market.limits import ANSWER_SIZE_MAX, INSTANCE_SIZE_MAX, PARTS_MAX
from tangle.core.encoding import decode, encode
from tangle.core.errors import MalformedEncoding, OversizeEncoding
from tangle.core.types import Natural

COORDINATE_MAX: Final = 2**20
"""Largest coordinate: squared distances stay far below 2^63."""

DISTANCE_MAX: Final = 2**40
"""Longest stated distance: a whole tour stays below 2^63."""

ITEM_SIZE_MAX: Final = 2**40
"""Largest bin, so that sums stay below 2^63."""

Coordinate = Annotated[int, Meta(ge=0, le=COORDINATE_MAX)]
"""A coordinate."""

Places = Annotated[tuple[Natural, ...], Meta(max_length=PARTS_MAX)]
"""One number for each part of a problem."""


class Points(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """Travelling salesman in the plane: visit every point once and return; the way should be short.

    The distance of two points is Euclid's rounded to the nearest integer, ``EUC_2D`` of TSPLIB 95.
    """

    points: tuple[tuple[Coordinate, Coordinate], ...]
    """The places."""


class Distances(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """Travelling salesman with stated distances, which need not be the same there and back."""

    rows: tuple[tuple[Annotated[int, Meta(ge=0, le=DISTANCE_MAX)], ...], ...]
    """``rows[i][j]`` leads from place i to place j; the diagonal is not used."""


class Packing(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """Bin packing: put every item into a bin; few bins should be used."""

    capacity: Annotated[int, Meta(ge=1, le=ITEM_SIZE_MAX)]
    """Most that one bin holds."""

    sizes: tuple[Annotated[int, Meta(ge=1, le=ITEM_SIZE_MAX)], ...]
    """Size of each item."""


Problem = Points | Distances | Packing
"""What can be asked."""


class WrittenProblem(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A problem as it is sent and kept: an array of one."""

    problem: Problem
    """The problem."""


class Answer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An answer to any of them."""

    places: Places
    """The order in which places are visited, or the bin of each item, bins counted from 0 without gaps."""


def encode_problem(problem: Problem) -> bytes:
    """Canonical bytes: an array of one, the problem with its tag."""
    return encode(WrittenProblem(problem))


def decode_problem(data: bytes) -> Problem:
    """Read a problem and check that it has an answer.

    :raises InvalidProblem: no canonical encoding, too long, or without an answer.
    """
    try:
        problem = decode(WrittenProblem, data, limit=INSTANCE_SIZE_MAX).problem
    except (MalformedEncoding, OversizeEncoding) as fault:
        raise InvalidProblem(str(fault)) from None
    if count_parts(problem) > PARTS_MAX:
        raise InvalidProblem(f"it has {count_parts(problem)} parts, more than {PARTS_MAX}")
    match problem:
        case Points(points=points):
            _verify_count(len(points), "points")
        case Distances(rows=rows):
            _verify_count(len(rows), "places")
            if any(len(row) != len(rows) for row in rows):
                raise InvalidProblem("the distances are not square")
        case Packing(capacity=capacity, sizes=sizes):
            if not sizes:
                raise InvalidProblem("there are no items")
            if max(sizes) > capacity:
                raise InvalidProblem("an item is larger than a bin")
        case _:
            assert_never(problem)
    return problem


def encode_answer(answer: Answer) -> bytes:
    """Canonical bytes of an answer."""
    return encode(answer)


def count_parts(problem: Problem) -> int:
    """Places or items of a problem: the length of every answer to it."""
    match problem:
        case Points(points=points):
            return len(points)
        case Distances(rows=rows):
            return len(rows)
        case Packing(sizes=sizes):
            return len(sizes)
        case _:
            assert_never(problem)


def compute_value(problem: Problem, data: bytes) -> int:
    """What an encoded answer costs: the length of the tour, or the number of bins.

    :raises InfeasibleAnswer: no canonical encoding, no permutation, an unknown or an overfull bin.
    """
    try:
        places = decode(Answer, data, limit=ANSWER_SIZE_MAX).places
    except (MalformedEncoding, OversizeEncoding) as fault:
        raise InfeasibleAnswer(str(fault)) from None
    count = count_parts(problem)
    if len(places) != count:
        raise InfeasibleAnswer(f"it has {len(places)} entries, the problem {count} parts")
    match problem:
        case Points(points=points):
            _verify_permutation(places)
            return sum(
                compute_distance(points[start], points[end]) for start, end in pairwise((*places, places[0]))
            )
        case Distances(rows=rows):
            _verify_permutation(places)
            return sum(rows[start][end] for start, end in pairwise((*places, places[0])))
        case Packing(capacity=capacity, sizes=sizes):
            return _count_bins(capacity, sizes, places)
        case _:
            assert_never(problem)


def compute_distance(start: tuple[int, int], end: tuple[int, int]) -> int:
    """``floor(sqrt(dx^2 + dy^2) + 1/2)``, exactly: ``(isqrt(4 (dx^2 + dy^2)) + 1) >> 1``."""
    return isqrt(4 * ((start[0] - end[0]) ** 2 + (start[1] - end[1]) ** 2)) + 1 >> 1


def _verify_count(count: int, what: str) -> None:
    if count < 2:
        raise InvalidProblem(f"{count} {what} are no tour")


def _verify_permutation(places: tuple[int, ...]) -> None:
    if sorted(places) != list(range(len(places))):
        raise InfeasibleAnswer("it does not visit every place exactly once")


def _count_bins(capacity: int, sizes: tuple[int, ...], bins: tuple[int, ...]) -> int:
    filled = [0] * len(sizes)
    for size, number in zip(sizes, bins, strict=True):
        if number >= len(filled):
            raise InfeasibleAnswer(f"there are never more than {len(filled)} bins; it names bin {number}")
        filled[number] += size
        if filled[number] > capacity:
            raise InfeasibleAnswer(f"bin {number} holds more than {capacity}")
    used = max(bins) + 1
    if not all(filled[:used]):
        raise InfeasibleAnswer("it leaves out a bin's number")
    return used
