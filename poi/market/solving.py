"""A plain way to answer an optimisation problem: good enough to take part, and the same on every machine.

Tours begin with the nearest neighbour and are improved by reversing stretches (2-opt, Croes 1958) and moving
single places (or-opt) as long as that helps. Items go into the first bin with room, largest first (first-fit
decreasing, Johnson 1973: never more than 11/9 of the best, and a bin). Who wants to win should do better.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, assert_never

from poi.market.problems import Answer, Distances, Packing, Points, Problem, compute_distance

PASSES_MAX: Final = 40
"""Most passes over a tour; each takes time in the square of its places; most tours need a few."""

Rows = Sequence[Sequence[int]]
"""``rows[start][end]``: how far it is."""


def solve(problem: Problem) -> Answer:
    """Some answer to a problem, always feasible."""
    match problem:
        case Points(points=points):
            rows = [[compute_distance(start, end) for end in points] for start in points]
            return Answer(_solve_tour(rows, is_symmetric=True))
        case Distances(rows=rows):
            count = range(len(rows))
            is_symmetric = all(rows[start][end] == rows[end][start] for start in count for end in count)
            return Answer(_solve_tour(rows, is_symmetric=is_symmetric))
        case Packing(capacity=capacity, sizes=sizes):
            return Answer(_pack(capacity, sizes))
        case _:
            assert_never(problem)


def _solve_tour(rows: Rows, *, is_symmetric: bool) -> tuple[int, ...]:
    tour = _visit_nearest(rows)
    for _ in range(PASSES_MAX):
        is_better = is_symmetric and _reverse_stretches(tour, rows)
        is_better = _move_places(tour, rows) or is_better
        if not is_better:
            break
    return tuple(tour)


def _visit_nearest(rows: Rows) -> list[int]:
    """Always on to the nearest place that was not visited, from place 0."""
    tour, left = [0], set(range(1, len(rows)))
    while left:
        here = rows[tour[-1]]
        following = min(left, key=lambda place: (here[place], place))
        tour.append(following)
        left.remove(following)
    return tour


def _reverse_stretches(tour: list[int], rows: Rows) -> bool:
    """One pass of 2-opt: wherever two legs cross, go the stretch between them the other way round."""
    is_better, count = False, len(tour)
    for first in range(count - 1):
        for last in range(first + 2, count):
            before, start = tour[first], tour[first + 1]
            end, after = tour[last], tour[(last + 1) % count]
            if before == after:
                continue
            gain = rows[before][start] + rows[end][after] - rows[before][end] - rows[start][after]
            if gain > 0:
                tour[first + 1 : last + 1] = tour[first + 1 : last + 1][::-1]
                is_better = True
    return is_better


def _move_places(tour: list[int], rows: Rows) -> bool:
    """One pass of or-opt: take each place out and put it where it makes the smallest detour."""
    is_better = False
    for place in range(len(rows)):
        at = tour.index(place)
        rest = tour[at + 1 :] + tour[:at]  # from the place after it around to the one before it
        if len(rest) < 3:
            return is_better
        saved = rows[rest[-1]][place] + rows[place][rest[0]] - rows[rest[-1]][rest[0]]
        detours = [rows[start][place] + rows[place][end] - rows[start][end] for start, end in pairwise(rest)]
        cheapest = min(detours)
        if cheapest < saved:
            gap = detours.index(cheapest) + 1
            tour[:] = [*rest[:gap], place, *rest[gap:]]
            is_better = True
    return is_better


def _pack(capacity: int, sizes: Sequence[int]) -> tuple[int, ...]:
    order = sorted(range(len(sizes)), key=lambda item: (-sizes[item], item))
    rooms: list[int] = []
    bins = [0] * len(sizes)
    for item in order:
        chosen = next((number for number, room in enumerate(rooms) if room >= sizes[item]), len(rooms))
        if chosen == len(rooms):
            rooms.append(capacity)
        rooms[chosen] -= sizes[item]
        bins[item] = chosen
    return tuple(bins)
