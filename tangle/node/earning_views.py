"""What an account earned, as the node shows it."""

from msgspec import Struct

from poi.market.outcomes import Purpose
from tangle.core.types import JobId


class EarningView(Struct, frozen=True):
    """Fees or pay for work that an account got."""

    checkpoint: int
    timestamp_ms: int
    """The checkpoint's commit time."""

    amount: int
    job: JobId | None
    """Whose work was paid, or the job or program of the market; none for fees, and for a worker's bond."""

    generation: int | None
    """Generation that the work was counted for; none for fees and the market."""

    purpose: Purpose | None = None
    """What the market paid it for; none for fees and for work that emission pays."""


class EarningsPage(Struct, frozen=True):
    """One page of what an account earned, newest first."""

    items: tuple[EarningView, ...]
    next_before: int | None
    """Pass it as ``before`` for the next page; none at the end."""
