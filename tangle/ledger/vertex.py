"""What the sub-DAG remembers of each transaction: a vertex until it is ordered, a short record afterwards."""

from typing import Final, NamedTuple

from tangle.core.transactions import Transaction
from tangle.core.types import CheckpointIndex

NEVER: Final = -1
"""Round of a vertex that no block has named."""


class Vertex:
    """An attached transaction that is not ordered yet. Mutable, never leaves this package."""

    __slots__ = ("children", "named_round", "oldest", "scored_at", "transaction", "youngest")

    def __init__(self, transaction: Transaction, youngest: int, oldest: int, scored_at: int) -> None:
        self.transaction = transaction
        self.children = 0
        """Attached transactions that name this one as a parent."""
        self.named_round = NEVER
        """Latest round whose block named it."""
        self.youngest = youngest
        """A lower bound of the youngest checkpoint that its unordered past builds on."""
        self.oldest = oldest
        """A lower bound of the oldest checkpoint that its unordered past builds on."""
        self.scored_at = scored_at
        """Executed checkpoint as of which the two bounds are exact."""


class Ordered(NamedTuple):
    """An ordered transaction, as far as its children need it."""

    anchor: CheckpointIndex
    """Its anchor, for the gap rule."""

    checkpoint: CheckpointIndex
    """Checkpoint that ordered it, for scores."""
