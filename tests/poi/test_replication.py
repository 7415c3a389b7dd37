"""Replication: enough equal results, sealed so that none is copied."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poi.errors import InvalidReplication, WrongSeal
from poi.replication import Agreed, Hopeless, Undecided, compute_seal, judge_replicas, verify_seal
from tangle.core.types import Digest, PublicKey

WORKERS = [PublicKey(bytes([number]) * 32) for number in range(7)]
RESULTS = [Digest(bytes([100 + number]) * 32) for number in range(3)]
TASK = Digest(b"\x01" * 32)
SALT = Digest(b"\x02" * 32)


@given(st.integers(1, 7), st.data())
def test_verdicts_are_those_of_counting(count: int, data: st.DataObject) -> None:
    assigned = WORKERS[:count]
    needed = data.draw(st.integers(count // 2 + 1, count))
    answers = data.draw(st.lists(st.sampled_from([None, *RESULTS]), min_size=count, max_size=count))
    results = {worker: answer for worker, answer in zip(assigned, answers, strict=True) if answer is not None}
    verdict = judge_replicas(frozenset(assigned), needed, results)
    most = max(answers.count(result) for result in RESULTS)
    if most >= needed:
        assert isinstance(verdict, Agreed)
        assert len(verdict.agreeing) == most
        assert {results[worker] for worker in verdict.agreeing} == {verdict.result}
        assert verdict.result not in {results[worker] for worker in verdict.dissenting}
        everybody = verdict.agreeing + verdict.dissenting + verdict.abstaining
        assert sorted(everybody) == sorted(assigned)
    elif most + answers.count(None) >= needed:
        assert verdict == Undecided(needed - most)
    else:
        assert isinstance(verdict, Hopeless)
        assert dict(verdict.results) == {each: answers.count(each) for each in set(results.values())}


def test_abstaining_is_not_dissenting() -> None:
    verdict = judge_replicas(frozenset(WORKERS[:3]), 2, {WORKERS[0]: RESULTS[0], WORKERS[1]: RESULTS[0]})
    assert isinstance(verdict, Agreed)
    assert (verdict.dissenting, verdict.abstaining) == ((), (WORKERS[2],))


@pytest.mark.parametrize(("count", "needed"), [(4, 2), (3, 1), (3, 4), (1, 0), (0, 0)])
def test_no_majority_no_replication(count: int, needed: int) -> None:
    with pytest.raises(InvalidReplication):
        judge_replicas(frozenset(WORKERS[:count]), needed, {})


def test_strangers_do_not_count() -> None:
    with pytest.raises(InvalidReplication):
        judge_replicas(frozenset(WORKERS[:3]), 2, {WORKERS[5]: RESULTS[0]})


def test_a_copied_result_has_no_seal_of_its_own() -> None:
    seal = compute_seal(TASK, WORKERS[0], RESULTS[0], SALT)
    verify_seal(seal, TASK, WORKERS[0], RESULTS[0], SALT)
    for task, worker, result, salt in (
        (TASK, WORKERS[1], RESULTS[0], SALT),
        (TASK, WORKERS[0], RESULTS[1], SALT),
        (SALT, WORKERS[0], RESULTS[0], SALT),
        (TASK, WORKERS[0], RESULTS[0], TASK),
    ):
        with pytest.raises(WrongSeal):
            verify_seal(seal, task, worker, result, salt)
