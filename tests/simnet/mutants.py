"""Commit rules with one mistake, in nodes of a simulation; and a play in which mistakes show.

A mistake shows only where validators see different parts of the DAG while an equivocator shows different
faces. The play has both: one of four validators runs twice with one key, and every moment another two of the
five nodes are cut off, so that twins have different parents and few leaders get everybody's vote.
"""

from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from shards.commit_rule import Commit, CommitRule, Skip, Slot
from shards.committer import Committer
from shards.core import CommitteeCore
from shards.errors import FaultBoundBroken
from simnet.chance import make_chance
from simnet.faults import Direction, Partition
from simnet.options import SimulationOptions
from simnet.run import Report, run_simulation
from simnet.verdicts import Diverged, Invariant, Violated
from simnet.world import World
from tangle.core.types import Digest
from tangle.node.node import Node
from tests.shards import mutants
from tests.simnet.builders import make_options

TIME_S: Final = 8.0
"""Virtual seconds of a play: some thirty rounds."""

CUT_EVERY_S: Final = 0.4
"""Another partition begins."""

CUT_S: Final = 0.35
"""How long it lasts: one round or two."""

TWO_FACED: Final = 3
"""The validator that runs twice."""


class Mutant(Struct, frozen=True):
    """A rule with a mistake."""

    kind: type[Committer] = Committer
    lowered: tuple[str, ...] = ()
    """Thresholds that are one too low."""

    def make(self, core: CommitteeCore) -> Committer:
        """It, over the DAG of a node."""
        rule: CommitRule = core._committer.rule
        changed = replace(rule, **{name: getattr(rule, name) - 1 for name in self.lowered})
        return self.kind(core._dag, core._committee, changed, core.get_leaders)


MUTANTS: Final = {
    "anchor-too-early": Mutant(mutants.AnchorTooEarly),
    "anchor-steps-over-open": Mutant(mutants.AnchorStepsOverOpen),
    "anchor-needs-no-certificate": Mutant(mutants.AnchorNeedsNoCertificate),
    "anchor-ignores-its-past": Mutant(mutants.AnchorIgnoresItsPast),
    "votes-by-author": Mutant(mutants.VotesByAuthor),
    "votes-through-history": Mutant(mutants.VotesThroughHistory),
    "counts-blocks": Mutant(mutants.CountsBlocks),
    "commits-on-votes": Mutant(mutants.CommitsOnVotes),
    "votes-lowered": Mutant(lowered=("votes",)),
    "certificates-lowered": Mutant(lowered=("certificates",)),
    "blames-lowered": Mutant(lowered=("blames",)),
    "all-lowered": Mutant(lowered=("votes", "certificates", "blames")),
}
"""Every mutant that the tests of the rule know."""


def make_play(seed: int) -> SimulationOptions:
    """One two-faced validator of four, and partitions that never end."""
    chance = make_chance(seed, "mutants")
    options = replace(
        make_options(seed, time_s=TIME_S, rate=1.0), twins=(TWO_FACED,), jitter_ms=150.0, loss=0.1
    )
    cuts = []
    for number in range(1, int((TIME_S - 1) / CUT_EVERY_S)):
        at_s = round(number * CUT_EVERY_S, 3)
        group = tuple(sorted(chance.sample(range(options.members), 2)))
        cuts.append(Partition(at_s, round(at_s + CUT_S, 3), group, chance.choice(list(Direction))))
    return replace(options, faults=tuple(cuts))


def run_mutant(mutant: Mutant, seed: int, nodes: Iterable[int] = (0,)) -> Report:
    """Play with the mutant in these nodes."""

    def plant(node: Node) -> None:
        node.driver.core._committer = mutant.make(node.driver.core)

    return run_simulation(
        make_play(seed), prepare=lambda world: _on_opened(world, dict.fromkeys(nodes, plant))
    )


def is_caught(report: Report) -> bool:
    """Whether honest nodes are seen to disagree, or one stopped because its rule contradicts itself."""
    match report.verdict:
        case Diverged():
            return True
        case Violated(invariant, _, detail):
            return invariant is Invariant.NODE_SOUND and FaultBoundBroken.__name__ in detail
        case _:
            return False


def scout(seed: int, names: Iterable[str]) -> tuple[Report, set[str]]:
    """Play with the right rule, and with these mutants beside it in node 0; those that decide otherwise.

    They change nothing, so all are tried at the price of one run. That the checkers see it too is shown by
    ``run_mutant`` with the same seed.
    """
    found: set[str] = set()

    def watch(node: Node) -> None:
        core = node.driver.core
        core._committer = _Scout(core, {name: MUTANTS[name] for name in names}, found)

    return run_simulation(make_play(seed), prepare=lambda world: _on_opened(world, {0: watch})), found


class _Scout(Committer):
    """The right rule, which has mutants decide beside it."""

    def __init__(self, core: CommitteeCore, tried: dict[str, Mutant], found: set[str]) -> None:
        right = core._committer
        super().__init__(right.dag, right.committee, right.rule, right.get_leaders)
        self._others = {name: mutant.make(core) for name, mutant in tried.items()}
        self._last: dict[str, Slot] = {}
        self._outcomes: dict[Slot, Digest | None] = {}
        self._otherwise: dict[str, dict[Slot, Digest | None]] = {name: {} for name in tried}
        self._found = found

    def decide(self, last_decided: Slot) -> tuple[Commit | Skip, ...]:
        decided = super().decide(last_decided)
        self._outcomes |= {status.slot: _get_outcome(status) for status in decided}
        for name, other in self._others.items():
            if name not in self._found and self._is_otherwise(name, other, last_decided):
                self._found.add(name)
        return decided

    def _is_otherwise(self, name: str, other: Committer, last_decided: Slot) -> bool:
        last = self._last.setdefault(name, last_decided)
        try:
            decided = other.decide(last)
        except FaultBoundBroken:
            return True
        outcomes = self._otherwise[name]
        outcomes |= {status.slot: _get_outcome(status) for status in decided}
        if decided:
            self._last[name] = decided[-1].slot
            other.forget(decided[-1].slot)
        common = outcomes.keys() & self._outcomes.keys()
        return any(outcomes[slot] != self._outcomes[slot] for slot in common)


def _get_outcome(status: Commit | Skip) -> Digest | None:
    return status.block.reference.digest if isinstance(status, Commit) else None


def _on_opened(world: World, planted: dict[int, Callable[[Node], None]]) -> None:
    for index, bug in planted.items():
        world.members[index].on_opened = bug
