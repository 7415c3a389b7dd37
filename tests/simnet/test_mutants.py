"""Every mutant of the commit rule is caught by a simulation, not only by the tests of the rule."""

import pytest

from simnet.verdicts import Diverged, Pass, Violated
from tests.simnet.mutants import MUTANTS, is_caught, run_mutant, scout

pytestmark = [pytest.mark.sim, pytest.mark.timeout(120)]

COMMON = (
    "anchor-too-early",
    "anchor-needs-no-certificate",
    "votes-by-author",
    "votes-through-history",
    "commits-on-votes",
    "votes-lowered",
    "all-lowered",
)
"""Those that show in most plays."""

COMMON_SEEDS = 4
"""Plays in which each of them must show."""

RARE = tuple(sorted(set(MUTANTS) - set(COMMON)))

RARE_SEEDS = 500
"""Plays in which each of the others must show; how often they do is said in docs/simulation.md."""


@pytest.mark.parametrize("name", COMMON)
def test_a_mutant_is_caught_in_a_few_plays(name: str) -> None:
    for seed in range(1, COMMON_SEEDS + 1):
        report = run_mutant(MUTANTS[name], seed)
        if is_caught(report):
            verdict = report.verdict
            assert isinstance(verdict, Diverged | Violated)
            assert "node0" in (verdict.nodes if isinstance(verdict, Diverged) else (verdict.node,))
            return
    pytest.fail(f"{name} is not caught in {COMMON_SEEDS} plays")


def test_without_a_mistake_these_plays_pass() -> None:
    report, otherwise = scout(1, COMMON)
    assert isinstance(report.verdict, Pass), report.verdict
    assert len(otherwise) > len(COMMON) / 2
    assert report.checkpoints > 5
    assert report.caught == 1, "there is an equivocator"


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_every_rare_mutant_is_caught_in_many_plays() -> None:
    wanted, caught = set(RARE), dict[str, int]()
    for seed in range(1, RARE_SEEDS + 1):
        report, otherwise = scout(seed, wanted)
        assert isinstance(report.verdict, Pass), (seed, report.verdict)
        for name in sorted(otherwise):
            if is_caught(run_mutant(MUTANTS[name], seed)):
                caught[name] = seed
        wanted -= caught.keys()
        if not wanted:
            return
    pytest.fail(f"not caught in {RARE_SEEDS} plays: {sorted(wanted)}; caught with seeds {caught}")
