"""Answers about what a transaction would do and cost."""

from msgspec import Struct

from tangle.api.wire import HexDigest, Quantity
from tangle.node.views import TransactionStatus


class FeeLevelAnswer(Struct, frozen=True):
    """A fee limit and how long it holds."""

    name: str
    """``now``, ``likely``, ``safe`` or ``sure``."""

    intervals: int
    """Price intervals of full load that it outlives."""

    price: Quantity
    """Grains per weight after them, at worst."""

    transfer_fee: Quantity
    """What a transfer costs at that price: a limit of this much holds as long."""


class FeesAnswer(Struct, frozen=True):
    """Fees and load of a shard."""

    shard: int
    """The shard."""

    checkpoint: Quantity
    """Executed checkpoint that this was read at."""

    price: Quantity
    """Grains per weight now."""

    price_floor: Quantity
    """Below this the price never falls."""

    difficulty: int
    """Evaluations that a transaction carries."""

    transfer_weight: Quantity
    """Weight of an ordinary transfer with its work."""

    weight_ordered: Quantity
    """Weight ordered in the current price interval so far."""

    weight_target: Quantity
    """Weight of an interval above which the price rises, and below which it falls."""

    interval_ms: Quantity
    """Length of an interval."""

    levels: tuple[FeeLevelAnswer, ...]
    """Fee limits from the least to the most certain."""


class SimulatedAnswer(Struct, frozen=True):
    """What a transaction would do if it were ordered next."""

    id: HexDigest
    """Its id."""

    known: TransactionStatus | None
    """Where it is already; none when this node never saw it."""

    would_apply: bool
    """Whether it would do what it says."""

    reason: str | None
    """Why it would conflict."""

    reason_code: str | None
    """The same for machines."""

    fee: Quantity
    """What it costs at the present price; a conflict costs nothing in the end."""

    max_fee: Quantity
    """The most that its issuer pays."""

    is_work_counted: bool
    """Whether its work would be paid."""

    balance_after: Quantity | None
    """The issuer's balance afterwards; none for a conflict."""

    pending_before: int
    """Pending transactions of the issuer that were applied before it."""

    parents_missing: tuple[HexDigest, ...]
    """Parents that this node does not have: until they come it would wait."""
