"""Many points: over nodes and shards at a load that is borne, and over loads up to saturation and beyond."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from simnet.errors import ImpossiblePlan
from simnet.scale.claims import Claim, judge_claims
from simnet.scale.costs import StepCosts
from simnet.scale.model import ScalePoint, run_point
from simnet.scale.plan import ScalePlan, check_plan

NODES: Final = (100, 300, 1_000, 3_000, 10_000)
"""Of the grid unless told otherwise."""

SHARDS: Final = (1, 4, 16, 64)
"""Of the grid unless told otherwise."""

PROBE_LOAD: Final = 100.0
"""Transactions a second at which the capacity is looked for first."""

SHARE: Final = 0.7
"""Of the capacity: the load of the grid's points, when none is given."""

SHARES: Final = (0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.97, 1.2)
"""Of the capacity: loads of the curve."""

POINTS_MAX: Final = 200
"""Most points of a grid: some minutes."""


class Sweep(Struct, frozen=True):
    """Everything that one command computes."""

    costs: StepCosts
    grid: tuple[ScalePoint, ...]
    """Over nodes and shards."""

    curve: tuple[ScalePoint, ...]
    """Over loads, at the grid's largest network."""

    claims: tuple[Claim, ...]


def make_grid(base: ScalePlan, nodes: Sequence[int], shards: Sequence[int]) -> tuple[ScalePlan, ...]:
    """Plans of all pairs that can be.

    :raises ImpossiblePlan: none can, one is out of bounds, or there are too many.
    """
    pairs = [(each, parts) for each in sorted(set(nodes)) for parts in sorted(set(shards))]
    possible = [(each, parts) for each, parts in pairs if parts <= each]
    if len(possible) > POINTS_MAX:
        raise ImpossiblePlan(f"{len(possible)} points; choose at most {POINTS_MAX}")
    chosen = possible or pairs[:1]  # the first refusal says what to change
    plans = tuple(replace(base, nodes=each, shards=parts) for each, parts in chosen)
    for plan in plans:
        check_plan(plan)
    if not plans:
        raise ImpossiblePlan("no nodes or no shards are named; name at least one of each")
    return plans


def run_borne(plan: ScalePlan, costs: StepCosts, share: float = SHARE) -> ScalePoint:
    """The point at a share of what the network can bear."""
    probed = run_point(replace(plan, load=PROBE_LOAD * plan.shards), costs)
    return run_point(replace(plan, load=max(share * probed.capacity, 0.001)), costs)


def run_sweep(
    plans: Sequence[ScalePlan],
    costs: StepCosts,
    load: float | None = None,
    on_point: Callable[[ScalePoint], None] = lambda _: None,
) -> Sweep:
    """Compute the grid, and the curve of its largest network.

    :param load: of every point; a share of its capacity when left out.
    :param on_point: told each point.
    """
    grid = []
    for plan in plans:
        point = run_borne(plan, costs) if load is None else run_point(replace(plan, load=load), costs)
        grid.append(point)
        on_point(point)
    curve = []
    for point in iterate_curve(plans[-1], costs):
        curve.append(point)
        on_point(point)
    return Sweep(costs, tuple(grid), tuple(curve), judge_claims(grid, costs))


def iterate_curve(plan: ScalePlan, costs: StepCosts) -> Iterator[ScalePoint]:
    """Points over loads, from a few transactions to more than can be borne."""
    probed = run_point(replace(plan, load=PROBE_LOAD * plan.shards), costs)
    for share in SHARES:
        yield run_point(replace(plan, load=max(share * probed.capacity, 0.001)), costs)


def count_points(plans: Sequence[ScalePlan]) -> int:
    """Points that ``run_sweep`` tells of."""
    return len(plans) + len(SHARES)
