"""What a sub-DAG answers: the closed set of events that a shell acts on, in the order in which they
happened.
"""

from msgspec import Struct

from tangle.core.errors import TangleError
from tangle.core.transactions import Transaction
from tangle.core.types import TransactionId


class Attached(Struct, frozen=True):
    """All parents are present and the contextual checks hold; store it, tell peers, offer it to the
    committee.
    """

    transaction: Transaction
    """The transaction, after all of its parents."""


class Waiting(Struct, frozen=True):
    """Parents are missing; the transaction waits for them."""

    transaction_id: TransactionId
    """The one that waits."""

    missing: tuple[TransactionId, ...]
    """Parents to look up in the store, then to fetch; empty when all missing parents are waiting here
    themselves. Of a needed one also what those lack that nobody needed before."""

    is_needed: bool
    """A committee block or a descendant that one needs lacks it; else it is news, and so are its parents."""


class Dropped(Struct, frozen=True):
    """A waiting transaction was given up."""

    transaction_id: TransactionId
    """The one that no longer waits."""

    error: TangleError
    """``AnchorGap`` and ``ParentRefused`` are final; after ``ParentsMissing`` it may come again."""


class Expired(Struct, frozen=True):
    """Attached transactions that no block named until long after their expiry; they are forgotten."""

    transaction_ids: tuple[TransactionId, ...]
    """Children before parents."""


SubDagEvent = Attached | Waiting | Dropped | Expired
"""The closed union."""
