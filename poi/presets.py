"""The standing job that a development network trains: handwritten digits.

The numbers were tuned by trying; `docs/learning.md` shows the curve and says what it does and does not prove.
"""

from typing import Final

from poi.dataset import DIGITS_HOLDOUT_ROOT, DIGITS_TRAINING_ROOT
from poi.evolution import OpenJob
from poi.job import StandingJob, compute_job_id
from tangle.core.types import Digest, Milliseconds

DIGITS: Final = StandingJob(
    sizes=(64, 32, 10),
    shifts=(8,),
    fixed_point_bits=6,
    sigma=8,
    step=16,
    population=48,
    rows=64,
    margin_low=8_000,
    margin_high=1_000,
    dataset=DIGITS_TRAINING_ROOT,
    holdout=DIGITS_HOLDOUT_ROOT,
    init_seed=Digest(bytes(32)),
    generation_interval_ms=Milliseconds(500),
    staleness=4,
    work_window=64,
)
"""64 pixels, 32 hidden units, 10 digits; real handwriting, 2,368 weights."""

_NAMES: Final = {compute_job_id(DIGITS): "digits"}


def get_job_name(opened: OpenJob) -> str:
    """What people call a job: the name of a preset, else the beginning of its id."""
    return _NAMES.get(opened.id, opened.id.hex()[:8])
