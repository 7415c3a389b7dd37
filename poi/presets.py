"""The standing job that a development network trains: handwritten digits.

The numbers were tuned on the held-out images; `docs/learning.md` shows the curve and how it was made.
"""

from typing import Final

from poi.dataset import DIGITS_HOLDOUT_ROOT, DIGITS_TRAINING_ROOT
from poi.job import StandingJob
from tangle.core.types import Digest, Milliseconds

DIGITS: Final = StandingJob(
    sizes=(64, 32, 10),
    shifts=(8,),
    fixed_point_bits=6,
    sigma=4,
    step=8,
    population=64,
    rows=32,
    margin_low=20_000,
    margin_high=8_000,
    dataset=DIGITS_TRAINING_ROOT,
    holdout=DIGITS_HOLDOUT_ROOT,
    init_seed=Digest(bytes(32)),
    generation_interval_ms=Milliseconds(1_000),
    staleness=4,
    work_window=64,
)
"""64 pixels, 32 hidden units, 10 digits; real handwriting, 2,368 weights."""
