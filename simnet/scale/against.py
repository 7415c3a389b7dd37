"""The model held against the full simulator: the same committee, distances, disks and load.

The simulator runs the real node, in which computing takes no time, so the model's cores are
``COMPUTING_FREE`` here: what is compared is rounds, finality and bytes. The costs of computing are measured,
and are held against nothing but themselves.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from simnet.founding import PARAMETERS
from simnet.network import REGIONS
from simnet.options import ClockError, SimulationOptions
from simnet.run import Report, Simulation, run_simulation
from simnet.scale.costs import StepCosts
from simnet.scale.model import ScalePoint, run_point
from simnet.scale.plan import COMPUTING_FREE, MESH, ScalePlan
from simnet.verdicts import Pass
from simnet.world import World

WARM_SHARE: Final = 0.35
"""First part of what becomes final that is left out: nodes still find each other, and the first wait."""

LOAD: Final = 40.0
"""Transactions a second: enough that no round is idle."""

WALLETS: Final = 20
"""Senders."""

TIME_S: Final = 8.0
"""Virtual time of a run."""


class Comparison(Struct, frozen=True):
    """One size, both ways."""

    nodes: int
    transactions: int
    """Simulated ones that are counted."""

    simulated: "Figures"
    modelled: "Figures"

    def compute_errors(self) -> "Figures":
        """What the model says too much, as a share of what was simulated."""
        modelled, simulated = self.modelled, self.simulated
        return Figures(
            p50_ms=modelled.p50_ms / simulated.p50_ms - 1,
            p95_ms=modelled.p95_ms / simulated.p95_ms - 1,
            round_ms=modelled.round_ms / simulated.round_ms - 1,
            sent=modelled.sent / simulated.sent - 1,
        )


class Figures(Struct, frozen=True):
    """What both tell."""

    p50_ms: float
    """From sending to finality at the entry."""

    p95_ms: float
    round_ms: float
    """Time of a round."""

    sent: float
    """Bytes a second of one node."""


def compare(
    nodes: int, costs: StepCosts, *, load: float = LOAD, time_s: float = TIME_S, seed: int = 1
) -> Comparison:
    """Run both.

    :raises AssertionError: the simulator found a fault, which is worth more than a comparison.
    """
    simulated, transactions = _simulate(nodes, load, time_s, seed)
    point = run_point(make_plan(nodes, load, seed), costs)
    return Comparison(nodes, transactions, simulated, get_figures(point))


def make_plan(nodes: int, load: float, seed: int) -> ScalePlan:
    """The plan of the same network as ``make_options``."""
    return ScalePlan(
        nodes=nodes,
        load=load,
        cores=COMPUTING_FREE,
        tips_per_block=PARAMETERS.tips_per_block,
        leaders_per_round=PARAMETERS.leaders_per_round,
        rounds=96,
        seed=seed,
    )


def make_options(nodes: int, load: float, time_s: float, seed: int) -> SimulationOptions:
    """Nodes in all regions in turn, nothing wrong, right clocks."""
    return SimulationOptions(
        seed=seed,
        nodes=nodes,
        time_s=time_s,
        regions=tuple(REGIONS[index % len(REGIONS)] for index in range(nodes)),
        clocks=(ClockError(0, 0),) * nodes,
        rate=load,
        wallets=WALLETS,
    )


def get_figures(point: ScalePoint) -> Figures:
    """What is compared of a point."""
    return Figures(point.finality_p50_ms, point.finality_p95_ms, point.round_ms, point.validator_sent)


def _simulate(nodes: int, load: float, time_s: float, seed: int) -> tuple[Figures, int]:
    latencies_ms: list[float] = []
    rounds: list[tuple[float, int]] = []

    def widen(world: World) -> None:
        world.config = replace(world.config, peers_max=MESH)

    def keep(simulation: Simulation, _report: Report) -> None:
        latencies_ms.extend(simulation.shards[0].stopwatch.final_ms)
        rounds.extend(simulation.shards[0].rounds)

    report = run_simulation(make_options(nodes, load, time_s, seed), prepare=widen, on_end=keep)
    assert isinstance(report.verdict, Pass), report.verdict
    # Every node sends one probe at the end, into idle rounds.
    counted = sorted(latencies_ms[int(len(latencies_ms) * WARM_SHARE) : len(latencies_ms) - nodes])
    warm = [(at_s, number) for at_s, number in rounds if time_s * WARM_SHARE <= at_s <= time_s]
    (first_s, first), (last_s, last) = warm[0], warm[-1]
    figures = Figures(
        p50_ms=counted[len(counted) // 2],
        p95_ms=counted[int(len(counted) * 0.95)],
        round_ms=1_000 * (last_s - first_s) / (last - first),
        sent=report.bytes / report.virtual_s / nodes,
    )
    return figures, len(counted)
