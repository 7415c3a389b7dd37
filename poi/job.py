"""Standing jobs: models that the ledger trains, described by their parameters alone.

A job's id is the hash of its parameters, so whoever knows the id can check every number below. Source: the
project's intelligence plan, section 3; evolution strategies after Salimans et al. 2017, rank-one
perturbations after EGGROLL (arXiv 2511.16652), one number per evaluation after FeedSign (arXiv 2501.17610).
"""

from functools import lru_cache
from typing import Final

from msgspec import Struct

from aivm.errors import AccumulatorOverflow, InvalidModel
from aivm.layered import EvaluationShape, LayeredShape
from poi.errors import InvalidJob
from tangle.core.encoding import decode
from tangle.core.hashing import JOB, compute_record_hash
from tangle.core.types import Digest, JobId, Milliseconds, Natural

FIXED_POINT_BITS_MAX: Final = 16
"""Most fractional bits of a master weight: 127 * 2**16 fits well in 32 bits."""

STEP_MAX: Final = 2**16
"""Largest step: with 2**31 evaluations a fold still fits in 64 bits."""

POPULATION_MAX: Final = 2**20
"""Most evaluations that a generation may wait for."""

WORK_WINDOW_MAX: Final = 1024
"""Most generations whose weights every node keeps."""

SHAPES_MAX: Final = 256
"""Shapes kept ready: those of all jobs on a board, a few hundred bytes each."""

JOB_SIZE_MAX: Final = 1024
"""Longest encoded parameters in bytes: nine widths, eight shifts, three hashes and a dozen numbers."""


class StandingJob(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Everything that a standing job is. Impossible ones cannot be constructed.

    :raises InvalidJob: a limit of this module or of the arithmetic is broken.
    """

    sizes: tuple[int, ...]
    """Widths ``d_0 ... d_L`` of the model's layers."""

    shifts: tuple[int, ...]
    """Right shift after each hidden layer, in bits."""

    fixed_point_bits: Natural
    """Fractional bits *Q* of a master weight."""

    sigma: Natural
    """Size of a perturbation, in units of effective weights."""

    step: Natural
    """Step *eta* of a fold: what one generation of agreeing signs moves a master weight by, over P."""

    population: Natural
    """Evaluations *P* that a generation waits for."""

    rows: Natural
    """Rows *B* of a generation's batch."""

    margin_low: Natural
    """A row's margin is clipped from below at minus this."""

    margin_high: Natural
    """A row's margin is clipped from above at this."""

    dataset: Digest
    """Root of the training rows and labels."""

    holdout: Digest
    """Root of the rows and labels that a generation's score is counted on."""

    init_seed: Digest
    """Makes the initial weights of jobs that are otherwise equal different."""

    generation_interval_ms: Milliseconds
    """Commit time that a generation lasts at least, so that work does not go stale under load."""

    staleness: Natural
    """Work of this many generations back still counts when it is ordered."""

    work_window: Natural
    """Work older than this many generations is refused."""

    def __post_init__(self) -> None:
        ranges = {
            "fixed_point_bits": (self.fixed_point_bits, 0, FIXED_POINT_BITS_MAX),
            "step": (self.step, 1, STEP_MAX),
            "population": (self.population, 1, POPULATION_MAX),
            "work_window": (self.work_window, self.staleness, WORK_WINDOW_MAX),
        }
        for name, (value, low, high) in ranges.items():
            if not low <= value <= high:
                raise InvalidJob(f"{name} {value} is not within {low} to {high}")
        try:
            self.make_shape()
        except (InvalidModel, AccumulatorOverflow) as error:
            raise InvalidJob(str(error)) from error

    def make_shape(self) -> EvaluationShape:
        """What an evaluation of this job computes."""
        return _make_shape(self.sizes, self.shifts, self.sigma, self.rows, self.margin_low, self.margin_high)


@lru_cache(maxsize=SHAPES_MAX)
def _make_shape(
    sizes: tuple[int, ...], shifts: tuple[int, ...], sigma: int, rows: int, margin_low: int, margin_high: int
) -> EvaluationShape:
    """An immutable shape: its checks cost more than a look at what it is made of."""
    return EvaluationShape(LayeredShape(sizes, shifts), sigma, rows, margin_low, margin_high)


def compute_job_id(job: StandingJob) -> JobId:
    """Id of a job: ``H_job`` of its parameters."""
    return JobId(compute_record_hash(JOB, job))


def decode_job(data: bytes) -> StandingJob:
    """Decode a job's parameters strictly.

    :raises OversizeEncoding, MalformedEncoding: too long, or not the canonical encoding of a possible job.
    """
    return decode(StandingJob, data, limit=JOB_SIZE_MAX)
