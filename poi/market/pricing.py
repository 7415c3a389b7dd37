"""What a job costs: units counted from the work, times a price that follows demand.

A unit is 2^16 elementary steps or 4 KiB of moved bytes. Everything is known before anything runs.
Source of the price rule: EIP-1559.
"""

from typing import Final, assert_never

from msgspec import Struct

from poi.errors import InvalidJob
from poi.job import StandingJob, decode_job
from poi.market.errors import InvalidTask, LevelNotOffered, PriceAboveLimit, UnfundedJob
from poi.market.limits import (
    INFERENCE_ROWS_MAX,
    PRICE_STEPS_MAX,
    UNIT_PRICE_MAX,
    UNITS_MAX,
    MarketRules,
)
from poi.market.problems import count_parts, decode_problem
from poi.market.records import (
    Inference,
    KindPrice,
    Optimisation,
    ProgramEntry,
    Task,
    Training,
    Transformation,
)
from poi.receipts.record import Level
from poi.training import verify_training_job
from tangle.core.errors import MalformedEncoding, OversizeEncoding
from tangle.core.parameters import SHARE_WHOLE
from tangle.core.types import Grains, Milliseconds

STEPS_PER_UNIT: Final = 2**16
"""Multiply-accumulates and other steps in a unit: about the evaluation of a small network."""

BYTES_PER_UNIT: Final = 2**12
"""Bytes moved in a unit: a chunk of a tensor."""

LEVEL_SHARES: Final = {Level.SPOT_CHECKED: 0, Level.PROJECTED: 100_000}
"""Offered levels, and what each adds to the units, in millionths: at V3 a worker serves the sums of all large
products."""


class Quote(Struct, frozen=True):
    """What a job costs now."""

    units: int
    """How much it is."""

    price: Grains
    """What it costs in all."""


def compute_units(task: Task, program: ProgramEntry | None) -> int:
    """Units of a task, at least 1.

    :param program: the registered program of an inference or transformation job.
    :raises InvalidTask, InvalidProblem, LevelNotOffered: it cannot be done.
    """
    match task:
        case Inference() | Transformation():
            if program is None:
                raise InvalidTask("its program is not registered")
            units = _count_run(task, program)
        case Optimisation(problem=data):
            # Nobody knows what a search takes; a sweep over all pairs is the least that deserves the name.
            units = _count(count_parts(decode_problem(data)) ** 2, len(data))
        case Training(generations=generations):
            units = count_generation(decode_training(task)) * generations
        case _:
            assert_never(task)
    if units > UNITS_MAX:
        raise InvalidTask(f"it has {units} units, more than {UNITS_MAX}")
    return units


def count_generation(job: StandingJob) -> int:
    """Units of one generation of a training job: a population of evaluations, and weights to keep."""
    shape = job.make_shape()
    kept = 4 * shape.layers.weight_count
    return _count(shape.multiply_accumulates * job.population, kept)


def decode_training(task: Training) -> StandingJob:
    """The standing job of a training task.

    :raises InvalidTask: there is none with these parameters.
    """
    try:
        job = decode_job(task.parameters)
        verify_training_job(job)
    except (InvalidJob, MalformedEncoding, OversizeEncoding) as fault:
        raise InvalidTask(str(fault)) from None
    return job


def quote(
    task: Task, program: ProgramEntry | None, unit_price: Grains, limit: Grains, escrow: Grains
) -> Quote:
    """What a job costs with this escrow.

    An optimisation job pays out its whole escrow, everything else units times price.

    :raises PriceAboveLimit: a unit costs more than the customer's limit.
    :raises UnfundedJob: the escrow does not cover the price.
    """
    units = compute_units(task, program)
    if unit_price > limit:
        raise PriceAboveLimit(unit_price, limit)
    price = units * unit_price
    if escrow < price:
        raise UnfundedJob(escrow, price)
    return Quote(units, escrow if isinstance(task, Optimisation) else Grains(price))


def compute_unit_price(price: int, units: int, rules: MarketRules) -> Grains:
    """Price after one interval in which ``units`` were sold; never below the floor.

    As in EIP-1559: up by ``max(1, price * excess // target // denominator)`` where the excess over the target
    counts at most once the target, down by ``price * missing // target // denominator``.
    """
    target, denominator = rules.units_target, rules.price_change_denominator
    if units > target:
        price += max(1, price * min(units - target, target) // target // denominator)
    elif units < target:
        price -= price * (target - units) // target // denominator
    return Grains(min(max(price, rules.price_floor), UNIT_PRICE_MAX))


def move_price(kind: KindPrice, now_ms: Milliseconds, rules: MarketRules) -> KindPrice:
    """The price at a later time.

    Nothing moves within an interval. After n of them the units sold count as spread evenly, and the price
    takes n steps, at most ``PRICE_STEPS_MAX``.
    """
    intervals = max(now_ms - kind.start_ms, 0) // rules.price_interval_ms
    if not intervals:
        return kind
    price = kind.price
    for _ in range(min(intervals, PRICE_STEPS_MAX)):
        price = compute_unit_price(price, kind.units // intervals, rules)
    return KindPrice(price, Milliseconds(kind.start_ms + intervals * rules.price_interval_ms), 0)


def compute_bond(price: int, rules: MarketRules) -> Grains:
    """What a worker, and who challenges it, may lose for a job, rounded up."""
    return Grains(-(-price * rules.bond_share // SHARE_WHOLE))


def _count_run(task: Inference | Transformation, program: ProgramEntry) -> int:
    if isinstance(task, Inference) and task.rows > INFERENCE_ROWS_MAX:
        raise InvalidTask(f"{task.rows} rows are no inference; {INFERENCE_ROWS_MAX} are")
    share = next((share for level, share in LEVEL_SHARES.items() if level == task.level), None)
    if share is None:
        raise LevelNotOffered(task.level)
    units = _count((program.macs + program.steps) * task.rows, program.bytes_moved * task.rows)
    return -(-units * (SHARE_WHOLE + share) // SHARE_WHOLE)


def _count(steps: int, moved: int) -> int:
    return max(1, -(-steps // STEPS_PER_UNIT) + -(-moved // BYTES_PER_UNIT))
