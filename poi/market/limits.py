"""Limits of the market, and the numbers that a network may choose."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from tangle.core.errors import InvalidParameters
from tangle.core.parameters import SHARE_WHOLE
from tangle.core.transactions import MARKET_CALL_SIZE_MAX
from tangle.core.types import Grains, Milliseconds, Natural

PROGRAMS_MAX: Final = 4_096
"""Most registered programs; a deposit is held for each, so filling the list costs what it holds."""

CAPACITIES_MAX: Final = 1_024
"""Most announced workers: a draw walks all of them."""

JOBS_MAX: Final = 1_024
"""Most live jobs: a checkpoint walks all of them, and its draws all workers for each."""

DRAWS_FIRST: Final = 64
"""Jobs at the head of the queue that are tried at every checkpoint: each costs a walk over all workers."""

DRAWS_OTHERS: Final = 64
"""Jobs behind them that are tried, others at each checkpoint: a head that nobody can do blocks nobody."""

JOBS_PER_CUSTOMER_MAX: Final = 64
"""Most live jobs of one customer, so that nobody fills the list alone with little money."""

SLOTS_MAX: Final = 64
"""Most jobs that one worker does at a time."""

ATTEMPTS_MAX: Final = 3
"""Most workers that try one job one after the other; then the customer gets the money back."""

SEALS_MAX: Final = 64
"""Most answers to one optimisation job; each holds a bond."""

VERIFIERS_MAX: Final = 256
"""Most validators whose votes are counted."""

GENERATION_WORKERS_MAX: Final = 1_024
"""Most workers that one generation pays; as many as a checkpoint can hold evaluations of with ease."""

INFERENCE_ROWS_MAX: Final = 1_024
"""Most rows of an inference job; more are a transformation."""

ROWS_MAX: Final = 2**20
"""Most rows of any job."""

GENERATIONS_MAX: Final = 2**20
"""Most generations of a training job."""

UNITS_MAX: Final = 2**40
"""Largest job: 2^56 multiply-accumulates. With ``UNIT_PRICE_MAX`` a price stays within integers of any size
that a node handles at once."""

UNIT_PRICE_MAX: Final = 10**10
"""Highest price of a unit."""

DURATION_MAX_MS: Final = 30 * 24 * 3_600_000
"""Longest time that a job may stay open: a month."""

PARTS_MAX: Final = 1_000
"""Most places or items of a problem: any answer then fits in ``ANSWER_SIZE_MAX``, at 3 bytes a number."""

INSTANCE_SIZE_MAX: Final = 2_944
"""Longest encoded optimisation problem in bytes; it travels in the operation, so every node can check."""

ANSWER_SIZE_MAX: Final = 2_944
"""Longest encoded answer in bytes; it travels in the operation as well."""

PRICE_STEPS_MAX: Final = 64
"""Most price steps at one checkpoint: a factor of 1,000, and a bound on the work after a long silence."""

OPERATION_SIZE_MAX: Final = MARKET_CALL_SIZE_MAX
"""Longest encoded operation in bytes: what a transaction has room for; a result with 30 outputs fits."""

MOVE_SIZE_MAX: Final = 2_048
"""Longest move of a dispute in bytes that travels in the operation; longer ones are blobs."""

MOVES_MAX: Final = 32
"""Most moves of one party of a dispute: a game over the largest trace and tensor takes fewer than 20."""

VERDICT_MAX: Final = 15
"""Largest verdict of any subject, with room for one more reason of a dispute's end."""

SNAPSHOT_SIZE_MAX: Final = 2**25
"""Longest encoded state in bytes: 1,024 jobs of at most 11 KB each, and the other lists, take about 12 MB."""

Share = Annotated[int, Meta(ge=0, le=SHARE_WHOLE)]
"""A part in millionths."""


class MarketRules(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a network chooses.

    :raises InvalidParameters: a number with which the market cannot run.
    """

    price_floor: Grains
    """Least price of a unit."""

    units_target: Natural
    """Units per kind and interval at which the price stays where it is."""

    price_change_denominator: Natural
    """An interval at twice the target or at nothing moves the price by 1/this."""

    price_interval_ms: Milliseconds
    """Time between two steps of a price."""

    burn_share: Share
    """Part of every payment that is destroyed."""

    bond_share: Natural
    """A worker's bond for a job as part of its price, in millionths; may be more than the whole."""

    late_share: Share
    """Part of the bond for a job that is burned when no result comes in time."""

    winner_share: Share
    """Part of the loser's bond that the winner of a dispute gets; the rest is burned."""

    challenge_window_ms: Milliseconds
    """How long a result must stay unchallenged before it is paid."""

    dispute_clock_ms: Milliseconds
    """Time that each party of a dispute has for all its moves."""

    verdict_ms: Milliseconds
    """Time that validators have for their verdicts once both clocks of a dispute have run out."""

    confirm_ms: Milliseconds
    """Time that validators have to confirm a registered program."""

    reveal_ms: Milliseconds
    """Time to show sealed answers, after the deadline."""

    program_deposit: Grains
    """Held for a registered program."""

    capacity_bond_min: Grains
    """Least bond of an announced worker."""

    answer_bond: Grains
    """Held for a sealed answer, burned if it is not shown."""

    stake_unit: Grains
    """Stake that doubles the weight of a worker without any."""

    stake_max: Grains
    """Stake beyond this adds no weight."""

    def __post_init__(self) -> None:
        positive = (
            "price_floor",
            "units_target",
            "price_change_denominator",
            "price_interval_ms",
            "bond_share",
            "challenge_window_ms",
            "dispute_clock_ms",
            "verdict_ms",
            "confirm_ms",
            "reveal_ms",
            "program_deposit",
            "capacity_bond_min",
            "answer_bond",
            "stake_unit",
        )
        for name in positive:
            if getattr(self, name) < 1:
                raise InvalidParameters(f"{name} must be at least 1")
        if self.price_floor > UNIT_PRICE_MAX:
            raise InvalidParameters(f"price_floor is above {UNIT_PRICE_MAX}")
        if self.winner_share == SHARE_WHOLE:
            raise InvalidParameters("winner_share must burn something, or playing both sides were free")


DEVNET_RULES: Final = MarketRules(
    price_floor=Grains(1_000),
    units_target=10_000,
    price_change_denominator=8,
    price_interval_ms=Milliseconds(1_000),
    burn_share=50_000,
    bond_share=2_000_000,
    late_share=100_000,
    winner_share=500_000,
    challenge_window_ms=Milliseconds(10_000),
    dispute_clock_ms=Milliseconds(60_000),
    verdict_ms=Milliseconds(30_000),
    confirm_ms=Milliseconds(600_000),
    reveal_ms=Milliseconds(30_000),
    program_deposit=Grains(10**9),
    capacity_bond_min=Grains(10**9),
    answer_bond=Grains(10**7),
    stake_unit=Grains(10**12),
    stake_max=Grains(10**14),
)
"""For four nodes on one machine. With a bond of twice the price, cheating loses as soon as more than one
result in three is checked by somebody honest."""
