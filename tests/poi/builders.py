"""A small job on the shipped digits, and works of it."""

from collections.abc import Sequence

from msgspec.structs import replace

from aivm.backends.numpy_backend import NumpyBackend
from aivm.backends.protocol import Backend
from aivm.batch import Weights
from poi.events import Assignment, ClosedGeneration, CountedWork
from poi.evolution import OpenJob, compute_results, open_job
from poi.presets import DIGITS
from poi.state import JobState
from tangle.core.types import Milliseconds, PublicKey
from tangle.core.types import Sequence as Number

SMALL = replace(
    DIGITS, population=6, rows=8, generation_interval_ms=Milliseconds(100), staleness=2, work_window=5
)
BACKEND = NumpyBackend()
START_MS = Milliseconds(1_000)


def make_issuer(number: int) -> PublicKey:
    return PublicKey(number.to_bytes(32, "big"))


def make_assignments(count: int, evaluations: int = 1, first: int = 0) -> list[Assignment]:
    return [Assignment(make_issuer(place % 3), Number(first + place), evaluations) for place in range(count)]


def make_works(
    opened: OpenJob,
    generation: int,
    weights: Weights,
    assignments: Sequence[Assignment],
    backend: Backend = BACKEND,
) -> list[CountedWork]:
    results = compute_results(opened, generation, weights, assignments, backend)
    return [
        CountedWork(generation, assignment.issuer, assignment.sequence, found)
        for assignment, found in zip(assignments, results, strict=True)
    ]


def start_small() -> JobState:
    return JobState.start(open_job(SMALL), START_MS)


def work_on(state: JobState, count: int, evaluations: int = 1, first: int = 0) -> list[CountedWork]:
    """Honest works of the state's current generation."""
    assignments = make_assignments(count, evaluations, first)
    return make_works(state.opened, state.generation, state.weights, assignments)


def close_next(state: JobState, now_ms: int, first: int = 0) -> ClosedGeneration:
    """Count a population of honest works and close."""
    for work in work_on(state, state.opened.job.population, first=first):
        state.count(work)
    closed = state.close_if_due(Milliseconds(now_ms), BACKEND)
    assert closed is not None
    return closed
