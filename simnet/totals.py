"""What many runs did together: how each ended, and how often everything that can go wrong did.

What never happened is counted too, as 0: a fault that no seed reached is one that nothing was tested against.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, get_args

from msgspec import Struct

from poi.market.outcomes import Event
from simnet.adversaries import Strategy
from simnet.fail_points import FailPoint
from simnet.faults import POINTS, Fault
from simnet.run import Report
from simnet.store import Torn
from simnet.tampering import TRICKS
from simnet.verdicts import Verdict
from tangle.ledger.staking.events import StakingEvent

_TRAINED: Final = {"DataConfirmed", "GenerationPaid"}

MARKET_EVENTS: Final = sorted({each.__name__ for each in get_args(Event)} - _TRAINED)
"""Whatever can happen in the market without training, of which simulations have none."""

STAKE_EVENTS: Final = ("Changed", *(kind.__name__ for kind in get_args(StakingEvent)))
"""Whatever can happen to stakes; an election is a change when others go on."""


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

    sharded: int
    """Runs of more than one shard."""

    virtual_s: float
    ordered: int
    """Transactions."""

    caught: int
    """Adversaries of whose equivocation honest nodes keep evidence."""

    faults: dict[str, int]
    """Carried out, by the name of the kind."""

    tampering: dict[str, int]
    """How often somebody on a path did each of his tricks."""

    torn: dict[str, int]
    """How often a crash in the middle of a write left what of it."""

    market: dict[str, int]
    """What happened in the market, by the name of the event."""

    stakes: dict[str, int]
    """What happened to stakes and committees, by the name of the event."""

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
        sharded=sum(len(report.shards) > 1 for report in runs),
        virtual_s=round(sum(report.virtual_s for report in runs), 3),
        ordered=sum(report.ordered for report in runs),
        caught=sum(report.caught for report in runs),
        faults={kind.__name__: faults[kind.__name__] for kind in get_args(Fault)},
        tampering=_add_up((report.tampering for report in runs), TRICKS),
        torn=_add_up((report.torn for report in runs), [each.value for each in Torn]),
        market=_add_up((report.market for report in runs), MARKET_EVENTS),
        stakes=_add_up((report.stakes for report in runs), STAKE_EVENTS),
        strategies={each.value: StrategyTotal(played[each.value], actions[each.value]) for each in Strategy},
        fail_points={each.value: PointTotal(reached[each.value], faults[each.value]) for each in FailPoint},
    )


def find_unmet(totals: Totals) -> tuple[str, ...]:
    """What never happened in all runs, by name: nothing was tested against it."""
    counts = {
        "several shards": totals.sharded,
        **{f"fault {name}": count for name, count in totals.faults.items()},
        **{f"tampering {name}": count for name, count in totals.tampering.items()},
        **{f"market {name}": count for name, count in totals.market.items()},
        **{f"stakes {name}": count for name, count in totals.stakes.items()},
        **{f"adversary {name}": each.actions for name, each in totals.strategies.items()},
        **{f"fail point {name}": each.reached for name, each in totals.fail_points.items()},
    }
    return tuple(name for name, count in counts.items() if not count)


def find_unmet_crashes(totals: Totals) -> tuple[str, ...]:
    """Moments at which no crash came, by name: rarer than the rest, so that it takes hundreds of runs."""
    counts = {
        **{f"kill at {point.value}": totals.fail_points[point.value].killed for point in POINTS},
        **{f"crash that {name}": count for name, count in totals.torn.items()},
    }
    return tuple(name for name, count in counts.items() if not count)


def _add_up(counts: Iterable[Mapping[str, int]], names: Sequence[str]) -> dict[str, int]:
    total = sum(map(Counter, counts), Counter[str]())
    return {name: total[name] for name in names}
