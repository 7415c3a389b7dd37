"""Numbers of a standing job chosen from its data: how wide, how far, how many.

The digits' numbers were found by trying (ADR 16). What carries over to other shapes is their proportion:
initial activations of the same size, margins as multiples of the initial logits, the same step of a
weight per vote. A batch is as large as an evaluation of bounded cost allows. `docs/market.md` has the scores
reached.
"""

from math import log2, sqrt
from typing import Final

import numpy as np

from poi.dataset import Dataset, compute_dataset_root
from poi.job import StandingJob
from poi.seeds import INITIAL_RANGE
from poi.tables.errors import BudgetTooSmall
from poi.training import NO_SEED, SCORE_MACS_MAX, TRAINING_WEIGHTS_MAX
from tangle.core.types import Milliseconds

HIDDEN_FEW: Final = 32
"""Hidden units for up to ``CLASSES_FEW`` classes."""

HIDDEN_MANY: Final = 64
"""Hidden units for more; fewer where the table is so wide that there would be too many weights."""

CLASSES_FEW: Final = 4
"""Up to here margins are symmetric; with more classes mistakes weigh more than safe answers."""

BATCH_ROWS_MAX: Final = 128
"""Rows of a batch where they cost little: votes are then less noisy than with the digits' 64."""

BATCH_ROWS_MIN: Final = 32
"""Rows of a batch however wide the model is."""

MACS_MAX: Final = 2**21
"""Multiply-accumulates of an evaluation up to which the batch grows: some six evaluations of the
digits, which weigh as much as two transfers."""

POPULATION: Final = 48
"""Evaluations of a generation."""

SIGMA: Final = 8
"""Size of a perturbation."""

STEP: Final = 16
"""Step of a fold: a quarter of a weight for each agreeing vote, at 6 fractional bits."""

FIXED_POINT_BITS: Final = 6
"""Fractional bits of a master weight."""

INTERVAL: Final = Milliseconds(250)
"""Least time of a generation; half of the digits', because somebody waits for this model."""

STALENESS: Final = 4
"""Generations by which counted work may be late."""

WORK_WINDOW: Final = 64
"""Older work is refused."""

GENERATIONS_DEFAULT: Final = 200
"""Generations bought where nobody says how many: small tables are learnt by then, and it takes a minute."""


def choose_job(training: Dataset, holdout: Dataset, classes: int) -> StandingJob:
    """Parameters with which a model of this data is trained.

    :param classes: how many labels there are.
    """
    inputs = training.rows.shape[1]
    hidden = _choose_hidden(inputs, classes)
    activation, low, high = (40, 2, 2) if classes <= CLASSES_FEW else (20, 3, 1)
    # Sums of independent terms. Initial weights are uniform, so they deviate by their range over sqrt(12).
    weight = INITIAL_RANGE / sqrt(12)
    values = sqrt(float(np.square(training.rows, dtype=np.float64).mean()))
    sum_size = sqrt(inputs) * max(values, 1.0) * weight
    shift = max(0, round(log2(sum_size / activation)))
    # Half of the activations are clipped to zero, so their mean square is half of the sums'.
    logit = max(1, round(sqrt(hidden / 2) * (sum_size / 2**shift) * weight))
    return StandingJob(
        sizes=(inputs, hidden, classes),
        shifts=(shift,),
        fixed_point_bits=FIXED_POINT_BITS,
        sigma=SIGMA,
        step=STEP,
        population=POPULATION,
        rows=_choose_rows((inputs, hidden, classes)),
        margin_low=low * logit,
        margin_high=high * logit,
        dataset=compute_dataset_root(training),
        holdout=compute_dataset_root(holdout),
        init_seed=NO_SEED,
        generation_interval_ms=INTERVAL,
        staleness=STALENESS,
        work_window=WORK_WINDOW,
    )


def count_holdout_rows(inputs: int, classes: int) -> int:
    """Most rows that a score may take for such a table."""
    hidden = _choose_hidden(inputs, classes)
    return max(1, SCORE_MACS_MAX // (hidden * (inputs + classes)))


def choose_generations(budget: int, price: int, wanted: int | None = None) -> int:
    """How many generations to buy.

    :param budget: grains to be spent at most.
    :param price: grains of one generation now.
    :param wanted: what the customer asks for; ``GENERATIONS_DEFAULT`` for none.
    :raises BudgetTooSmall: it does not pay for one, or not for those that were asked for.
    """
    count = min(budget // price, GENERATIONS_DEFAULT if wanted is None else wanted)
    if count < (1 if wanted is None else wanted):
        raise BudgetTooSmall(budget, price * (1 if wanted is None else wanted))
    return count


def _choose_hidden(inputs: int, classes: int) -> int:
    wanted = HIDDEN_FEW if classes <= CLASSES_FEW else HIDDEN_MANY
    return min(wanted, TRAINING_WEIGHTS_MAX // (inputs + classes))


def _choose_rows(sizes: tuple[int, int, int]) -> int:
    inputs, hidden, classes = sizes
    macs = 2 * (inputs * hidden + hidden * classes + inputs + 2 * hidden + classes)
    return min(BATCH_ROWS_MAX, max(BATCH_ROWS_MIN, MACS_MAX // macs))
