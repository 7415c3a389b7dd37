"""The plain solver: always feasible, and not far from the best on problems small enough to try everything."""

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from poi.market.problems import (
    Answer,
    Distances,
    Packing,
    Points,
    Problem,
    compute_value,
    encode_answer,
)
from poi.market.solving import solve

points = st.lists(
    st.tuples(st.integers(0, 1_000), st.integers(0, 1_000)), min_size=2, max_size=7, unique=True
).map(lambda places: Points(tuple(places)))
distances = st.integers(2, 6).flatmap(
    lambda count: st.lists(
        st.lists(st.integers(0, 100), min_size=count, max_size=count).map(tuple),
        min_size=count,
        max_size=count,
    ).map(lambda rows: Distances(tuple(rows)))
)
packings = st.lists(st.integers(1, 50), min_size=1, max_size=30).map(lambda sizes: Packing(50, tuple(sizes)))


def value(problem: Problem, answer: Answer) -> int:
    """What the exact checker says."""
    return compute_value(problem, encode_answer(answer))


def find_best(problem: Points | Distances) -> int:
    """The shortest tour, by trying all."""
    count = len(problem.points) if isinstance(problem, Points) else len(problem.rows)
    return min(value(problem, Answer((0, *rest))) for rest in permutations(range(1, count)))


@settings(max_examples=60)
@given(points)
def test_tours_of_points_are_close_to_the_best(problem: Points) -> None:
    assert value(problem, solve(problem)) <= find_best(problem) * 1.3 + 3


@settings(max_examples=60)
@given(distances)
def test_tours_of_distances_are_feasible_and_never_beat_the_best(problem: Distances) -> None:
    assert value(problem, solve(problem)) >= find_best(problem)


@given(packings)
def test_bins_are_few(problem: Packing) -> None:
    least = -(-sum(problem.sizes) // problem.capacity)
    assert least <= value(problem, solve(problem)) <= 2 * least


def test_a_square_is_walked_around() -> None:
    square = Points(((0, 0), (10, 10), (0, 10), (10, 0)))
    assert value(square, solve(square)) == 40


def test_a_grid_is_walked_well() -> None:
    grid = Points(tuple((10 * column, 10 * row) for row in range(10) for column in range(10)))
    assert value(grid, solve(grid)) <= 1_060, "the best is 1,000"
    assert solve(grid) == solve(grid)
