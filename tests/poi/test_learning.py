"""The standing job learns to read handwriting: real images, real work, nothing but integers."""

import os

import pytest

from aivm.backends.opening import open_backend
from aivm.backends.protocol import Backend
from poi.evolution import open_job
from poi.job import StandingJob
from poi.presets import DIGITS
from poi.state import JobState
from tangle.core.types import Milliseconds
from tests.aivm.builders import CACHE
from tests.poi.builders import BACKEND, make_assignments, make_works


def _train(job: StandingJob, evaluations: int, backend: Backend) -> tuple[JobState, float]:
    """Count honest evaluations, a population a generation; gives the state and the share of right answers."""
    opened = open_job(job)
    state, now_ms, share = JobState.start(opened, Milliseconds(0)), 0, 0.0
    for first in range(0, evaluations, job.population):
        assignments = make_assignments(job.population, first=first)
        for work in make_works(opened, state.generation, state.weights, assignments, backend):
            state.count(work)
        now_ms += job.generation_interval_ms
        closed = state.close_if_due(Milliseconds(now_ms), backend)
        assert closed is not None
        share = closed.score / len(opened.holdout.rows)
    return state, share


def test_two_thousand_evaluations_teach_more_than_guessing() -> None:
    _, share = _train(DIGITS, 2_000, BACKEND)
    assert share > 0.4  # guessing gives 0.1


@pytest.mark.slow
def test_ten_thousand_evaluations_read_85_percent_of_unseen_digits_on_every_backend() -> None:
    state, share = _train(DIGITS, 10_000, BACKEND)
    assert share >= 0.85
    compiled, compiled_share = _train(DIGITS, 10_000, open_backend("CPU", os.environ, CACHE))
    assert compiled_share == share
    assert compiled.get_snapshot() == state.get_snapshot()
