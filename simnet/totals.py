"""What many runs did together: how each ended, and how often everything that can go wrong did.

What never happened is counted too, as 0: a fault that no seed reached is one that nothing was tested against.
"""

from collections import Counter
from collections.abc import Iterable
from typing import get_args

from msgspec import Struct

from simnet.adversaries import Strategy
from simnet.fail_points import FailPoint
from simnet.faults import Fault
from simnet.run import Report
from simnet.verdicts import Verdict


class PointTotal(Struct, frozen=True):
    """One fail point."""

    reached: int
    """How often a node came by."""

    killed: int
    """How often one was killed there."""


class StrategyTotal(Struct, frozen=True):
    """One kind of adversary."""

    runs: int
    """Those in which it played."""

    actions: int
    """How often it did what no honest node does."""


class Totals(Struct, frozen=True):
    """Sums over runs."""

    runs: int
    verdicts: dict[str, int]
    """By the name of the verdict."""

    virtual_s: float
    ordered: int
    """Transactions."""

    caught: int
    """Adversaries of whose equivocation honest nodes keep evidence."""

    faults: dict[str, int]
    """Carried out, by the name of the kind."""

    strategies: dict[str, StrategyTotal]
    fail_points: dict[str, PointTotal]


def compute_totals(reports: Iterable[Report]) -> Totals:
    """Add up what runs report."""
    runs = list(reports)
    verdicts = Counter(type(report.verdict).__name__ for report in runs)
    faults = sum((Counter(report.faults) for report in runs), Counter[str]())
    actions = sum((Counter(report.adversaries) for report in runs), Counter[str]())
    played = Counter(name for report in runs for name in report.adversaries)
    reached = sum((Counter(report.fail_points) for report in runs), Counter[str]())
    return Totals(
        runs=len(runs),
        verdicts={kind.__name__: verdicts[kind.__name__] for kind in get_args(Verdict)},
        virtual_s=round(sum(report.virtual_s for report in runs), 3),
        ordered=sum(report.ordered for report in runs),
        caught=sum(report.caught for report in runs),
        faults={kind.__name__: faults[kind.__name__] for kind in get_args(Fault)},
        strategies={each.value: StrategyTotal(played[each.value], actions[each.value]) for each in Strategy},
        fail_points={each.value: PointTotal(reached[each.value], faults[each.value]) for each in FailPoint},
    )
