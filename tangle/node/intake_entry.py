"""A transaction on its way through the intake, those who wait for what becomes of it, and the shares of those
who bring it.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import anyio
from msgspec import Struct, field

from tangle.core.transactions import TRANSACTION_SIZE_MAX, Transaction
from tangle.ledger.fair_queue import FairLimits
from tangle.node.peer import Peer
from tangle.node.views import SubmitOutcome

VALIDATOR_SHARE: Final = 2
"""Weight of a validator's session among those who bring news. No more: what blocks need of it goes before all
turns anyhow, and a flood that other nodes let in must not keep out who sends through this one."""

PEER_SHARE: Final = 1
"""The same of another node's, and of a wallet's host."""

SOURCE_PARTS: Final = 4
"""One source may fill one part in so many of the room before the check."""


class Submission(Struct, eq=False):
    """One call of ``submit`` that waits: one event for all of its transactions."""

    done: anyio.Event
    open: int = 0
    """Transactions without an answer yet."""


class Entry(Struct, eq=False):
    """A transaction on its way through the intake."""

    transaction: Transaction
    source: Peer | None
    """The peer that brought it first; none for a wallet."""

    flow: bytes | str
    """Who brought it, as far as turns go: a peer's key, or the host or connection of a wallet."""

    is_requested: bool
    """Asked for because a committee block or a descendant needs it: policy does not apply."""

    is_stored: bool = False
    """It comes from this node's own store."""

    submissions: list[Submission] = field(default_factory=list)
    """Calls that wait for the answer; the same bytes may be submitted twice at once."""

    answer: SubmitOutcome | None = None

    @property
    def is_free(self) -> bool:
        """Whether it passes without waiting for a turn."""
        return self.is_requested or self.is_stored


class HandIn(Protocol):
    """Puts transactions on their way to the disk; returns once its queue has room."""

    def __call__(
        self, transactions: Sequence[Transaction], on_durable: Callable[[], None], *, is_awaited: bool
    ) -> Awaitable[None]:
        """:param on_durable: called when they are durable.
        :param is_awaited: a wallet waits for that.
        """


def make_limits(capacity: int) -> FairLimits:
    """Of the queue before the check, in an intake of ``capacity``: half of it, since the rest is further."""
    items = max(1, capacity // 2)
    own = max(1, items // SOURCE_PARTS)
    return FairLimits(
        items, items * TRANSACTION_SIZE_MAX, own, own * TRANSACTION_SIZE_MAX, TRANSACTION_SIZE_MAX
    )


def get_share(source: Peer | None) -> int:
    """Weight of those who bring news."""
    if source is None:
        return 1
    return VALIDATOR_SHARE if source.is_validator else PEER_SHARE
