"""Exact values of answers, against brute force and a checker written another way."""

from decimal import ROUND_HALF_UP, Decimal, localcontext
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poi.market.errors import InfeasibleAnswer, InvalidProblem
from poi.market.limits import ANSWER_SIZE_MAX, INSTANCE_SIZE_MAX, PARTS_MAX
from poi.market.problems import (
    Answer,
    Distances,
    Packing,
    Points,
    Problem,
    compute_distance,
    compute_value,
    decode_problem,
    encode_answer,
    encode_problem,
)
from tangle.core.encoding import encode

coordinates = st.tuples(st.integers(0, 2**20), st.integers(0, 2**20))


def value(problem: Problem, *places: int) -> int:
    return compute_value(problem, encode_answer(Answer(places)))


def find_best(problem: Problem, count: int) -> int:
    return min(value(problem, *places) for places in permutations(range(count)))


@given(coordinates, coordinates)
def test_a_distance_is_the_nearest_integer(start: tuple[int, int], end: tuple[int, int]) -> None:
    with localcontext() as context:
        context.prec = 60
        square = Decimal((start[0] - end[0]) ** 2 + (start[1] - end[1]) ** 2)
        nearest = square.sqrt().quantize(Decimal(1), ROUND_HALF_UP)
    assert compute_distance(start, end) == nearest


def test_the_best_tour_of_a_ring_goes_around() -> None:
    ring = Points(((0, 0), (30, 0), (60, 10), (60, 40), (30, 50), (0, 40)))
    around = value(ring, 0, 1, 2, 3, 4, 5)
    assert around == 30 + 32 + 30 + 32 + 32 + 40
    assert find_best(ring, 6) == around


def test_one_way_streets() -> None:
    problem = Distances(((0, 1, 9, 9), (9, 0, 1, 9), (9, 9, 0, 1), (1, 9, 9, 0)))
    assert value(problem, 0, 1, 2, 3) == 4
    assert value(problem, 3, 2, 1, 0) == 36
    assert find_best(problem, 4) == 4


@given(st.lists(st.lists(st.integers(0, 100), min_size=6, max_size=6), min_size=6, max_size=6))
def test_the_best_tour_found_by_trying_all_is_that_of_dynamic_programming(rows: list[list[int]]) -> None:
    """Held and Karp 1962."""
    count = len(rows)
    costs = {(1 << end, end): rows[0][end] for end in range(1, count)}
    for visited in range(2, 1 << count, 2):
        for end in range(1, count):
            if (visited, end) in costs or not visited >> end & 1:
                continue
            before = visited ^ 1 << end
            costs[visited, end] = min(
                costs[before, last] + rows[last][end] for last in range(1, count) if before >> last & 1
            )
    shortest = min(costs[(1 << count) - 2, end] + rows[end][0] for end in range(1, count))
    problem = Distances(tuple(tuple(row) for row in rows))
    assert min(value(problem, 0, *rest) for rest in permutations(range(1, count))) == shortest


@given(st.integers(5, 12), st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_the_best_packing_found_by_trying_all(capacity: int, sizes: list[int]) -> None:
    problem = Packing(capacity, tuple(sizes))
    found = []
    for bins in product(range(len(sizes)), repeat=len(sizes)):
        loads = [sum(size for size, each in zip(sizes, bins, strict=True) if each == n) for n in range(5)]
        used = len(set(bins))
        is_feasible = max(loads) <= capacity and max(bins) + 1 == used
        try:
            assert value(problem, *bins) == used
            assert is_feasible
            found.append(used)
        except InfeasibleAnswer:
            assert not is_feasible
    least = -(-sum(sizes) // capacity)
    assert least <= min(found) <= 2 * least, "half of all bins but one are more than half full"


def test_a_packing_that_needs_more_bins_than_its_volume() -> None:
    problem = Packing(10, (6, 6, 6))
    assert value(problem, 0, 1, 2) == 3
    with pytest.raises(InfeasibleAnswer, match="more than 10"):
        value(problem, 0, 0, 1)


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        ((0, 1), "2 entries"),
        ((0, 1, 1), "exactly once"),
        ((0, 1, 3), "exactly once"),
        ((0, 1, 2, 0), "4 entries"),
        ((), "0 entries"),
    ],
)
def test_answers_that_are_no_tour(places: tuple[int, ...], reason: str) -> None:
    with pytest.raises(InfeasibleAnswer, match=reason):
        value(Points(((0, 0), (1, 1), (2, 2))), *places)


@pytest.mark.parametrize(
    ("places", "reason"),
    [((0, 2), "never more than 2"), ((1, 1), "leaves out"), ((0, 2**62), "never more than 2")],
)
def test_answers_that_are_no_packing(places: tuple[int, ...], reason: str) -> None:
    with pytest.raises(InfeasibleAnswer, match=reason):
        value(Packing(5, (2, 2)), *places)


@pytest.mark.parametrize(
    "data", [b"", b"\x80", encode([[-1, 0]]), encode([[[0, 1, 2]]]) + b"\0", bytes(4_000)]
)
def test_answers_that_are_no_answer(data: bytes) -> None:
    with pytest.raises(InfeasibleAnswer):
        compute_value(Points(((0, 0), (1, 1), (2, 2))), data)


@pytest.mark.parametrize(
    "problem",
    [
        Points(()),
        Points(((1, 1),)),
        Distances(((0, 1), (1,))),
        Distances(((0, 1),)),
        Distances(()),
        Packing(5, ()),
        Packing(5, (6,)),
    ],
)
def test_problems_without_an_answer(problem: Problem) -> None:
    with pytest.raises(InvalidProblem):
        decode_problem(encode_problem(problem))


def test_problems_have_one_encoding_and_a_longest_one() -> None:
    for problem in (Points(((0, 0), (1, 1))), Distances(((0, 3), (4, 0))), Packing(5, (5, 1))):
        assert decode_problem(encode_problem(problem)) == problem
    for data in (b"", encode([[4, 1]]), encode([[3, 5, [-1]]]), encode([[1, [[0, 2**20 + 1], [0, 0]]]])):
        with pytest.raises(InvalidProblem):
            decode_problem(data)
    with pytest.raises(InvalidProblem, match="limit"):
        decode_problem(bytes(INSTANCE_SIZE_MAX + 1))


def test_the_longest_problem_has_an_answer_that_fits() -> None:
    sizes = (5,) * PARTS_MAX
    problem = decode_problem(encode_problem(Packing(5, sizes)))
    data = encode_answer(Answer(tuple(range(PARTS_MAX))))
    assert len(data) <= ANSWER_SIZE_MAX
    assert compute_value(problem, data) == PARTS_MAX
    with pytest.raises(InvalidProblem, match="parts"):
        decode_problem(encode_problem(Packing(5, (*sizes, 5))))
