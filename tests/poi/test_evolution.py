"""Proving, verifying and every way in which work is refused."""

import pytest
from msgspec.structs import replace

from aivm.backends.numpy_backend import NumpyBackend
from aivm.batch import EvaluationBatch
from aivm.oracle.layered import compute_results as compute_oracle_results
from poi.errors import ForgedWork, InvalidWeights, StaleWork, WrongDifficulty, WrongGeneration, WrongJob
from poi.events import EvaluateRequest
from poi.evolution import (
    compute_results,
    compute_score,
    get_batch,
    open_job,
    verify_drawn,
    verify_generation,
    verify_results,
    verify_work,
)
from poi.job import compute_job_id
from poi.presets import DIGITS
from poi.seeds import compute_signs
from poi.shelf import JobShelf
from poi.weights import compute_effective, compute_initial_master, encode_effective
from poi.worker import evaluate, prepare
from tests.poi.builders import BACKEND, SMALL, make_assignments, make_works

OPENED = open_job(SMALL)
WEIGHTS = compute_effective(SMALL, compute_initial_master(SMALL, OPENED.id))


def test_results_are_those_of_the_oracle() -> None:
    assignments = make_assignments(4, evaluations=3)
    rows, labels = get_batch(OPENED, 7)
    left, right = compute_signs(OPENED.shape, OPENED.id, 7, assignments)
    flat = compute_oracle_results(EvaluationBatch(OPENED.shape, WEIGHTS, rows, labels, left, right)).tolist()
    results = compute_results(OPENED, 7, WEIGHTS, assignments, BACKEND)
    assert [number for group in results for number in group] == flat
    assert [len(group) for group in results] == [3] * 4


def test_batching_changes_nothing() -> None:
    assignments = make_assignments(5, evaluations=2)
    together = compute_results(OPENED, 0, WEIGHTS, assignments, BACKEND)
    alone = tuple(compute_results(OPENED, 0, WEIGHTS, [each], BACKEND)[0] for each in assignments)
    assert together == alone
    assert compute_results(OPENED, 0, WEIGHTS, [], BACKEND) == ()


def test_a_lower_difficulty_is_a_prefix_of_a_higher_one() -> None:
    few = compute_results(OPENED, 0, WEIGHTS, make_assignments(3, evaluations=1), BACKEND)
    many = compute_results(OPENED, 0, WEIGHTS, make_assignments(3, evaluations=4), BACKEND)
    assert [group[:1] for group in many] == list(few)


def test_honest_work_verifies() -> None:
    works = make_works(OPENED, 2, WEIGHTS, make_assignments(6, evaluations=2))
    verify_work(OPENED, 2, WEIGHTS, works, BACKEND)


@pytest.mark.parametrize("step", [1, -1])
def test_a_result_off_by_one_is_forged_and_named(step: int) -> None:
    works = make_works(OPENED, 0, WEIGHTS, make_assignments(5, evaluations=2))
    honest = works[3]
    works[3] = replace(honest, results=(honest.results[0], honest.results[1] + step))
    with pytest.raises(ForgedWork) as caught:
        verify_work(OPENED, 0, WEIGHTS, works, BACKEND)
    error = caught.value
    assert (error.issuer, error.sequence, error.index) == (honest.issuer, honest.sequence, 1)
    assert (error.claimed, error.recomputed) == (honest.results[1] + step, honest.results[1])


def test_someone_elses_result_is_forged() -> None:
    works = make_works(OPENED, 0, WEIGHTS, make_assignments(2))
    assert works[0].results != works[1].results
    with pytest.raises(ForgedWork):
        verify_work(OPENED, 0, WEIGHTS, [replace(works[0], results=works[1].results)], BACKEND)


def test_results_of_another_generation_or_job_are_forged() -> None:
    (work,) = make_works(OPENED, 0, WEIGHTS, make_assignments(1, evaluations=3))
    with pytest.raises(ForgedWork):
        verify_work(OPENED, 1, WEIGHTS, [replace(work, generation=1)], BACKEND)
    other = open_job(replace(SMALL, init_seed=DIGITS.dataset))
    with pytest.raises(ForgedWork):
        verify_work(other, 0, WEIGHTS, [work], BACKEND)
    with pytest.raises(WrongGeneration):
        verify_work(OPENED, 1, WEIGHTS, [work], BACKEND)


def test_too_few_and_too_many_results_are_refused() -> None:
    (work,) = make_works(OPENED, 0, WEIGHTS, make_assignments(1, evaluations=2))
    with pytest.raises(WrongDifficulty):
        verify_results(work, work.results[:1])
    verify_drawn(OPENED.id, OPENED.id, 2, 2)
    with pytest.raises(WrongDifficulty):
        verify_drawn(OPENED.id, OPENED.id, 1, 2)
    with pytest.raises(WrongJob):
        verify_drawn(compute_job_id(DIGITS), OPENED.id, 2, 2)


def test_generations_outside_the_window_are_refused() -> None:
    verify_generation(SMALL, 3, 3)
    verify_generation(SMALL, 3, 3 + SMALL.work_window)
    with pytest.raises(WrongGeneration):
        verify_generation(SMALL, 4, 3)
    with pytest.raises(StaleWork):
        verify_generation(SMALL, 3, 4 + SMALL.work_window)


def test_workers_answer_the_same() -> None:
    assignments = tuple(make_assignments(3, evaluations=2))
    prepare(SMALL, BACKEND)
    request = EvaluateRequest(SMALL, 4, encode_effective(WEIGHTS), assignments)
    expected = compute_results(OPENED, 4, WEIGHTS, assignments, BACKEND)
    assert evaluate(request, NumpyBackend(), JobShelf()).results == expected
    with pytest.raises(InvalidWeights):
        evaluate(replace(request, weights=request.weights[1:]), BACKEND, JobShelf())


def test_an_untrained_model_answers_about_one_in_ten() -> None:
    assert 10 <= compute_score(OPENED, WEIGHTS, BACKEND) <= 110
