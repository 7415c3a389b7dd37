"""Honest nodes that see different parts of one DAG, in different orders, never decide a slot differently."""

from itertools import takewhile

import pytest

from shards.commit_rule import FIRST_SLOT, Status, Undecided, make_commit_rule
from shards.committer import Committer
from shards.errors import FaultBoundBroken
from tests.drawing.committee import make_dag, rotate
from tests.shards.mutants import AnchorStepsOverOpen, CountsBlocks, VotesByAuthor, VotesThroughHistory
from tests.shards.random_dags import (
    Dice,
    Divergence,
    RandomDag,
    check_agreement,
    check_prefixes,
    decide_as_blocks_arrive,
)

VIEWS = 4


def check_one(seed: int, kind: type[Committer] = Committer, extra_liars: int = 0) -> int:
    """One random DAG; returns how many slots the best informed view has decided in sequence."""
    dice = Dice(seed)
    count = 7 if dice.chance(35) else 4
    faulty = (count - 1) // 3
    liars = faulty + extra_liars if extra_liars else faulty - dice.chance(20)
    dag = RandomDag(dice, count, liars, rounds=9)
    leaders = 1 + dice.below(count)
    rule = make_commit_rule(dag.committee, leaders)
    schedule = rotate(count, leaders)
    sequences, all_statuses = [], []
    for _ in range(VIEWS):
        emitted, statuses = decide_as_blocks_arrive(dag.committee, dag.view(dice), schedule, rule, kind)
        sequences.append(emitted)
        all_statuses.append(statuses)
    whole = kind(make_dag(dag.committee, dag.blocks), dag.committee, rule, schedule)
    all_statuses.append(list(whole.compute_statuses(FIRST_SLOT)))
    sequences.append(list(whole.decide(FIRST_SLOT)))
    check_agreement(all_statuses)
    check_prefixes(sequences)
    return len(sequences[-1])


def count_failures(seeds: range, kind: type[Committer] = Committer, extra_liars: int = 0) -> int:
    failures = 0
    for seed in seeds:
        try:
            check_one(seed, kind, extra_liars)
        except (Divergence, FaultBoundBroken):
            failures += 1
    return failures


def test_views_agree() -> None:
    decided = sum(check_one(seed) for seed in range(60))
    assert decided > 60 * 3, "the DAGs decide too little to test anything"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_views_agree_on_many_dags() -> None:
    for seed in range(10_000, 13_000):
        check_one(seed)


def test_random_dags_notice_votes_for_the_wrong_twin() -> None:
    assert count_failures(range(60), VotesByAuthor) > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", [AnchorStepsOverOpen, CountsBlocks, VotesThroughHistory])
def test_many_random_dags_notice_finer_mistakes(kind: type[Committer]) -> None:
    assert count_failures(range(1_000), kind) > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_liar_more_than_the_bound_is_noticed() -> None:
    assert count_failures(range(20_000, 21_000), extra_liars=1) > 0


def test_looking_at_what_is_new_decides_what_looking_at_everything_decides() -> None:
    decided = 0
    for seed in range(60):
        dice = Dice(seed)
        dag = RandomDag(dice, 4, 1, rounds=9)
        leaders = 1 + dice.below(4)
        rule, schedule = make_commit_rule(dag.committee, leaders), rotate(4, leaders)
        grown = make_dag(dag.committee, ())
        committer, last = Committer(grown, dag.committee, rule, schedule), FIRST_SLOT
        emitted: list[Status] = []
        for block in dag.view(dice):
            grown.add(block)
            for status in committer.decide(last):
                emitted.append(status)
                last = status.slot
            committer.forget(last)
            whole = Committer(grown, dag.committee, rule, schedule).compute_statuses(FIRST_SLOT)
            assert emitted == list(takewhile(lambda status: not isinstance(status, Undecided), whole))
        decided += len(emitted)
    assert decided > 40, "the DAGs decide too little to test anything"
