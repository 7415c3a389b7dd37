"""Counting, closing, storing and replaying generations."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from poi.errors import ForgedWork, InvalidWeights, ReplayMismatch, StaleWork, WrongGeneration
from poi.events import ClosedGeneration, Counted, CountedWork, JobSnapshot, ReplayStep, TooLate
from poi.replay import replay, verify_generation_digest
from poi.state import JobState
from poi.weights import encode_effective
from tangle.core.encoding import decode, encode
from tangle.core.types import Digest, Milliseconds
from tests.poi.builders import BACKEND, SMALL, START_MS, close_next, start_small, work_on


def test_a_generation_closes_only_when_population_and_interval_are_reached() -> None:
    state = start_small()
    works = work_on(state, SMALL.population)
    for work in works[:-1]:
        assert state.count(work) == Counted(1)
    late = Milliseconds(START_MS + SMALL.generation_interval_ms)
    assert state.close_if_due(late, BACKEND) is None
    state.count(works[-1])
    assert state.close_if_due(Milliseconds(late - 1), BACKEND) is None
    closed = state.close_if_due(late, BACKEND)
    assert closed is not None
    assert (closed.generation, closed.evaluations, closed.closed_ms) == (1, SMALL.population, late)
    assert (state.generation, state.evaluations) == (1, 0)
    assert state.close_if_due(Milliseconds(late + 10_000), BACKEND) is None


def test_the_interval_runs_from_the_last_closing() -> None:
    state = start_small()
    close_next(state, START_MS + 500)
    for work in work_on(state, SMALL.population):
        state.count(work)
    assert not state.is_due(Milliseconds(START_MS + 599))
    assert state.is_due(Milliseconds(START_MS + 600))


def test_every_evaluation_of_a_transaction_counts() -> None:
    state = start_small()
    assert [state.count(work) for work in work_on(state, 2, evaluations=3)] == [Counted(3), Counted(3)]
    assert state.is_due(Milliseconds(START_MS + 100))


def test_work_counts_up_to_the_staleness_and_is_refused_past_the_window() -> None:
    state = start_small()
    (old,) = work_on(state, 1, first=1000)
    for number in range(SMALL.work_window + 1):
        decision = state.decide(0)
        assert decision == (Counted(1) if number <= SMALL.staleness else TooLate(number))
        before = state.evaluations
        assert state.count(old) == decision
        assert state.evaluations - before == (number <= SMALL.staleness)
        close_next(state, START_MS + 100 * (number + 1), first=10 * number)
    for question in (state.decide, state.get_weights_encoded):
        with pytest.raises(StaleWork):
            question(0)
        with pytest.raises(WrongGeneration):
            question(state.generation + 1)


def test_weights_of_the_window_are_kept_and_no_more() -> None:
    state = start_small()
    kept = [state.get_weights_encoded(0)]
    for number in range(8):
        close_next(state, START_MS + 100 * (number + 1), first=10 * number)
        kept.append(encode_effective(state.weights))
    for generation in range(state.generation - SMALL.work_window, state.generation + 1):
        assert state.get_weights_encoded(generation) == kept[generation]
    assert len(set(kept)) > 1


@settings(max_examples=10)
@given(st.integers(0, 2 * SMALL.population), st.booleans())
def test_a_snapshot_goes_on_where_it_was_taken(counted: int, is_closed_before: bool) -> None:
    first = start_small()
    if is_closed_before:
        close_next(first, START_MS + 100)
    for work in work_on(first, counted, first=50):
        first.count(work)
    snapshot = decode(JobSnapshot, encode(first.get_snapshot()), limit=100_000)
    history = {
        generation: first.get_weights_encoded(generation) for generation in range(first.generation + 1)
    }
    second = JobState(first.opened, snapshot, history)
    assert second.evaluations == counted
    ends = [close_next(state, START_MS + 300, first=90) for state in (first, second)]
    assert ends[0] == ends[1]
    assert [second.get_weights_encoded(generation) for generation in history] == list(history.values())


def test_a_snapshot_of_another_shape_is_refused() -> None:
    snapshot = start_small().get_snapshot()
    with pytest.raises(InvalidWeights):
        JobState(start_small().opened, replace(snapshot, master=snapshot.master[4:]), {})
    with pytest.raises(InvalidWeights):
        JobState(start_small().opened, replace(snapshot, direction=b""), {})


def test_work_whose_history_was_not_restored_is_stale() -> None:
    state = start_small()
    close_next(state, START_MS + 100)
    restored = JobState(state.opened, state.get_snapshot(), {})
    with pytest.raises(StaleWork):
        restored.get_weights_encoded(0)


def _make_history(generations: int) -> tuple[list[ReplayStep], list[ClosedGeneration]]:
    """Checkpoints with honest work, some of it late, and what a node saw close."""
    state = start_small()
    steps, seen = [], [state.describe(0, BACKEND)]
    late: list[CountedWork] = []
    for number in range(2 * generations):
        works = work_on(state, SMALL.population - 2, first=20 * number) + late
        late = works[:3] if number % 2 else []
        now_ms = Milliseconds(START_MS + 100 * (number + 1))
        for work in works:
            state.count(work)
        closed = state.close_if_due(now_ms, BACKEND)
        seen += [closed] if closed else []
        steps.append(ReplayStep(now_ms, tuple(works)))
    return steps, seen


def test_replay_gives_every_generation_again() -> None:
    steps, seen = _make_history(4)
    assert len(seen) > 4
    for is_recomputed in (False, True):
        replayed = replay(start_small().opened, START_MS, steps, BACKEND, is_recomputed=is_recomputed)
        assert list(replayed) == seen


def test_replay_notices_changed_history() -> None:
    steps, seen = _make_history(2)
    opened = start_small().opened
    shorter = [replace(steps[0], works=steps[0].works[1:]), *steps[1:]]
    assert list(replay(opened, START_MS, shorter, BACKEND)) != seen
    work = steps[0].works[0]
    forged = replace(work, results=(-work.results[0] - 1,))
    changed = [replace(steps[0], works=(forged, *steps[0].works[1:])), *steps[1:]]
    assert list(replay(opened, START_MS, changed, BACKEND)) != seen
    with pytest.raises(ForgedWork):
        list(replay(opened, START_MS, changed, BACKEND, is_recomputed=True))


def test_a_stated_digest_is_compared() -> None:
    generation = start_small().describe(0, BACKEND)
    verify_generation_digest(generation, generation.digest)
    with pytest.raises(ReplayMismatch):
        verify_generation_digest(generation, Digest(bytes(32)))
