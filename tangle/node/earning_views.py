"""What an account earned, as the node shows it."""

from msgspec import Struct

from tangle.core.types import JobId


class EarningView(Struct, frozen=True):
    """Fees or pay for work that an account got."""

    checkpoint: int
    timestamp_ms: int
    """The checkpoint's commit time."""

    amount: int
    job: JobId | None
    """Whose work was paid; none for the fees of a commit that the account led."""

    generation: int | None
    """Generation that the work was counted for."""


class EarningsPage(Struct, frozen=True):
    """One page of what an account earned, newest first."""

    items: tuple[EarningView, ...]
    next_before: int | None
    """Pass it as ``before`` for the next page; none at the end."""
