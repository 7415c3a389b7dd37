"""Prices, fees and emission: integer rules that every node computes alike.

The price of a weight follows EIP-1559; difficulty follows the same load; a fee is burned in part, kept for
the sustainability fund in part, and paid to the committee; verified work is paid from an emission that
decays.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from tangle.core.parameters import SHARE_WHOLE, Parameters
from tangle.core.types import INTEGER_MAX, Grains, Milliseconds, Natural, PublicKey

PRICE_MAX: Final = 10**10
"""Highest price, 10 tokens per byte: fees at it still fit in 63 bits."""

PRICE_STEPS_MAX: Final = 64
"""Most steps at one checkpoint: they move a price by a factor of 1,000, and bound the work after a long
silence."""

EPOCH_STEPS_MAX: Final = 1_024
"""Most epochs that decay at one checkpoint; a commit time that jumps by more than that is no reason to
stall."""

DECAY_BITS: Final = 32
"""Fractional bits of the decay."""


class FeeSplit(Struct, frozen=True):
    """Where fees go; the three add up to what was paid."""

    burned: Grains
    """Taken out of supply."""

    fund: Grains
    """Kept for the sustainability fund."""

    leader: Grains
    """Paid to the leader of the commit."""


class Market(Struct, frozen=True):
    """What moves with load."""

    price: Grains
    """Grains per weight."""

    difficulty: Natural
    """Evaluations that a transaction must carry."""

    window_start_ms: Milliseconds
    """Commit time at which the current price interval began."""

    window_weight: Natural
    """Weight ordered since then."""


def compute_weight(size: int, macs: int, parameters: Parameters, *, is_abroad: bool = False) -> int:
    """Weight of a transaction of ``size`` bytes whose work takes ``macs`` multiply-accumulates. Protocol
    6.

    :param is_abroad: it sends to an account of another shard, where its receipt is credited.
    """
    weight = size + parameters.operation_weight + macs // parameters.macs_per_weight
    return weight + parameters.receipt_weight if is_abroad else weight


def compute_price(price: int, weight: int, parameters: Parameters) -> Grains:
    """The price after one interval in which ``weight`` was ordered.

    Source: EIP-1559, with ``weight_target`` as the gas target; never below ``price_floor``.
    """
    target = parameters.weight_target
    denominator = parameters.price_change_denominator
    if weight > target:
        # Elasticity 2: as a block cannot be more than twice the target, load beyond that moves the price no
        # faster.
        excess = min(weight - target, target)
        price += max(1, price * excess // target // denominator)
    elif weight < target:
        price -= price * (target - weight) // target // denominator
    return Grains(min(max(price, parameters.price_floor), PRICE_MAX))


def compute_difficulty(difficulty: int, weight: int, parameters: Parameters) -> int:
    """Difficulty after one interval: up above twice the target, down at or below it, from 1 to
    ``difficulty_max``.
    """
    if weight > 2 * parameters.weight_target:
        return min(difficulty + 1, parameters.difficulty_max)
    if weight <= parameters.weight_target:
        return max(difficulty - 1, 1)
    return difficulty


def compute_market(market: Market, weight: int, timestamp_ms: int, parameters: Parameters) -> Market:
    """The market after a checkpoint at ``timestamp_ms`` that ordered ``weight``.

    Nothing moves within an interval. When n intervals have passed, the weight of the window counts as spread
    evenly over them, and price and difficulty take n steps (at most ``PRICE_STEPS_MAX``).
    """
    total = market.window_weight + weight
    intervals = max(timestamp_ms - market.window_start_ms, 0) // parameters.price_interval_ms
    if intervals == 0:
        return Market(market.price, market.difficulty, market.window_start_ms, total)
    price, difficulty = market.price, market.difficulty
    average = total // intervals
    for _ in range(min(intervals, PRICE_STEPS_MAX)):
        price = compute_price(price, average, parameters)
        difficulty = compute_difficulty(difficulty, average, parameters)
    start = market.window_start_ms + intervals * parameters.price_interval_ms
    return Market(price, difficulty, Milliseconds(start), 0)


def split_fees(total: int, parameters: Parameters) -> FeeSplit:
    """Split the fees of one checkpoint; what rounding leaves goes to the leader, so nothing is lost."""
    burned = total * parameters.burn_share // SHARE_WHOLE
    fund = total * parameters.fund_share // SHARE_WHOLE
    return FeeSplit(Grains(burned), Grains(fund), Grains(total - burned - fund))


def decay_emission(emission: int, epochs: int, parameters: Parameters) -> Grains:
    """Emission after ``epochs`` more epochs: ``e <- e * (2**32 - d) >> 32`` for each. Protocol 6."""
    factor = (1 << DECAY_BITS) - parameters.emission_decay
    for _ in range(min(epochs, EPOCH_STEPS_MAX)):
        emission = emission * factor >> DECAY_BITS
    return Grains(emission)


def pay_emission(emission: int, evaluations: Mapping[PublicKey, int], issued: int) -> dict[PublicKey, Grains]:
    """What each worker gets when a generation closes: ``emission // n`` for each of its evaluations, nothing
    else.

    :param evaluations: counted evaluations by worker; n is their sum.
    :param issued: grains ever issued (genesis and emitted); emission ends where supply would leave 63 bits.
    """
    count = sum(evaluations.values())
    if not count:
        return {}
    share = min(emission, INTEGER_MAX - issued) // count
    return {worker: Grains(share * number) for worker, number in evaluations.items() if share * number}
