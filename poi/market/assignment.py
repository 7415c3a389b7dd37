"""Who does a job: drawn by hash among the workers that can, in proportion to what they offer.

The draw takes randomness from after the job was ordered, so neither customer nor worker can choose it.
"""

from collections.abc import Callable, Iterable

from poi.market.limits import DRAWS_FIRST, DRAWS_OTHERS, MarketRules
from poi.market.operations import Moment
from poi.market.pricing import compute_bond
from poi.market.records import Capacity, Job, Waiting, get_kind
from tangle.core.hashing import MARKET, compute_record_hash
from tangle.core.types import CheckpointIndex, Grains, PublicKey

StakeReader = Callable[[PublicKey], Grains]
"""Stake of an account as of this moment."""


def list_draws(jobs: Iterable[Job], index: CheckpointIndex) -> list[tuple[Job, Waiting]]:
    """Jobs that a worker is sought for at a checkpoint, in this order, with their phases.

    The queue: jobs that wait since an earlier checkpoint, most stake of the customer first, then oldest. Its
    first ``DRAWS_FIRST`` are tried, and ``DRAWS_OTHERS`` of those behind, from place ``index * DRAWS_OTHERS``
    modulo their number on, around the end.
    """
    waiting = [(job, job.phase) for job in jobs if isinstance(job.phase, Waiting) and job.phase.since < index]
    waiting.sort(key=lambda each: (-each[0].stake, each[0].order))
    first, others = waiting[:DRAWS_FIRST], waiting[DRAWS_FIRST:]
    start = index * DRAWS_OTHERS % len(others) if others else 0
    return first + (others[start:] + others[:start])[:DRAWS_OTHERS]


def is_eligible(
    capacity: Capacity, job: Job, waiting: Waiting, index: CheckpointIndex, rules: MarketRules
) -> bool:
    """Whether a worker can take a job at this checkpoint: kind, size, price, a free slot and a free bond.

    It must have announced itself at an earlier checkpoint, before anybody could know the beacon.
    """
    return (
        not capacity.retiring
        and capacity.since < index
        and capacity.used < capacity.slots
        and get_kind(job.task) in capacity.kinds
        and job.units <= capacity.units_max
        and job.unit_price >= capacity.price_min
        and capacity.bond - capacity.locked >= compute_bond(job.price, rules)
        and capacity.worker not in waiting.failed
    )


def compute_draw_weight(capacity: Capacity, units: int, stake: Grains, rules: MarketRules) -> int:
    """``min(speed, units) * (stake_unit + min(stake, stake_max))``.

    Speed counts up to what does the job in a second: more of it brings a light job nothing, so light jobs go
    to light nodes as well. Stake adds weight and is needed for nothing.
    """
    return min(capacity.speed, units) * (rules.stake_unit + min(stake, rules.stake_max))


def draw_worker(
    job: Job,
    waiting: Waiting,
    capacities: Iterable[Capacity],
    moment: Moment,
    read_stake: StakeReader,
    rules: MarketRules,
) -> Capacity | None:
    """The worker that has to do a waiting job, or none if none can.

    ``H(tangle/market, [beacon, job, attempt])`` as a big-endian integer modulo the sum of all weights falls
    into one worker's stretch; workers stand in rising order of keys.

    :param waiting: the job's phase.
    :param capacities: all announced workers, in any order.
    """
    attempt = len(waiting.failed)
    able = [each for each in capacities if is_eligible(each, job, waiting, moment.index, rules)]
    offers = [
        (each, compute_draw_weight(each, job.units, read_stake(each.worker), rules))
        for each in sorted(able, key=lambda each: each.worker)
    ]
    total = sum(weight for _, weight in offers)
    if not total:
        return None
    drawn = int.from_bytes(compute_record_hash(MARKET, moment.beacon, job.id, attempt), "big") % total
    for capacity, weight in offers:
        if drawn < weight:
            return capacity
        drawn -= weight
    return None
