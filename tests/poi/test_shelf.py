"""Jobs on data that were handed in: computed like all others, and only with the right data."""

import pytest
from msgspec.structs import replace

from poi import shelf as shelf_module
from poi.errors import InvalidDataset, UnknownDataset
from poi.events import EvaluateRequest
from poi.evolution import compute_results, open_job
from poi.presets import DIGITS
from poi.shelf import JobShelf
from poi.weights import compute_effective, compute_initial_master, encode_effective
from poi.worker import evaluate
from tangle.core.types import Digest
from tests.poi.builders import BACKEND, make_assignments
from tests.poi.tables.builders import FLOWERS_BLOB, FLOWERS_JOB, FLOWERS_PREPARED, open_prepared

PREPARED, JOB, BLOB = FLOWERS_PREPARED, FLOWERS_JOB, FLOWERS_BLOB


def test_data_that_ship_need_not_be_handed_in() -> None:
    assert JobShelf().open(DIGITS) is open_job(DIGITS)


def test_data_are_handed_in_once() -> None:
    shelf = JobShelf()
    with pytest.raises(UnknownDataset):
        shelf.open(JOB)
    opened = shelf.open(JOB, BLOB)
    assert shelf.open(JOB) is opened
    assert opened.holdout.rows.shape == PREPARED.holdout.rows.shape


def test_other_data_are_refused() -> None:
    with pytest.raises(InvalidDataset, match="have the root"):
        JobShelf().open(replace(JOB, holdout=JOB.dataset), BLOB)


def test_the_job_used_longest_ago_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module, "SHELF_JOBS_MAX", 2)
    shelf = JobShelf()
    jobs = [replace(JOB, init_seed=Digest(bytes([place]) * 32)) for place in range(3)]
    shelf.open(jobs[0], BLOB)
    shelf.open(jobs[1], BLOB)
    shelf.open(jobs[0])
    shelf.open(jobs[2], BLOB)
    shelf.open(jobs[0])
    with pytest.raises(UnknownDataset):
        shelf.open(jobs[1])


def test_work_on_handed_in_data_is_that_of_the_opened_job() -> None:
    opened = open_prepared(JOB, PREPARED)
    weights = compute_effective(JOB, compute_initial_master(JOB, opened.id))
    assignments = tuple(make_assignments(4))
    request = EvaluateRequest(JOB, 0, encode_effective(weights), assignments, BLOB)
    shelf = JobShelf()
    expected = compute_results(opened, 0, weights, assignments, BACKEND)
    assert evaluate(request, BACKEND, shelf).results == expected
    assert evaluate(replace(request, data=b""), BACKEND, shelf).results == expected
    with pytest.raises(UnknownDataset):
        evaluate(replace(request, data=b""), BACKEND, JobShelf())
