"""Why the ledger refuses: faults of a transaction in its context, of a full node, and of a broken supply.

A transaction that conflicts at execution is no error: it keeps its place in history with a reason
(``tangle.ledger.effects``).
"""

from tangle.core.errors import TangleError


class AnchorGap(TangleError):
    """A parent's anchor is out of reach of the child's: ``0 <= anchor - parent.anchor <= anchor_gap`` fails.

    Raised as one of its two subclasses. The same on every node, so the transaction can never become valid.
    """

    code = "parent-ancient"

    def __init__(self, parent: bytes, parent_anchor: int, anchor: int, anchor_gap: int) -> None:
        self.parent = parent
        self.parent_anchor = parent_anchor
        self.anchor = anchor
        self.anchor_gap = anchor_gap
        super().__init__(
            f"anchor {anchor} must be from 0 to {anchor_gap} checkpoints after anchor {parent_anchor} "
            f"of parent {parent.hex()}; choose other parents"
        )


class ParentAncient(AnchorGap):
    """The parent's anchor is more than ``anchor_gap`` checkpoints before the child's."""

    code = "parent-ancient"


class ParentNewer(AnchorGap):
    """The parent's anchor is after the child's."""

    code = "parent-newer"


class AnchorAhead(TangleError):
    """The anchor is not executed here yet; the same bytes may be sent again later."""

    code = "anchor-ahead"

    def __init__(self, anchor: int, executed: int) -> None:
        self.anchor = anchor
        self.executed = executed
        super().__init__(
            f"anchor {anchor} is after checkpoint {executed}, the latest executed here; send it again later"
        )


class ParentRefused(TangleError):
    """A parent turned out to be invalid, so what builds on it can never attach."""

    code = "parent-refused"

    def __init__(self, parent: bytes) -> None:
        self.parent = parent
        super().__init__(f"parent {parent.hex()} is invalid; build on other parents")


class ParentsMissing(TangleError):
    """The parents could not be found for so long that the transaction no longer waits for them."""

    code = "parents-missing"

    def __init__(self, missing: tuple[bytes, ...]) -> None:
        self.missing = missing
        super().__init__(
            f"parents {', '.join(parent.hex() for parent in missing)} were not found; send them first"
        )


class Overloaded(TangleError):
    """The node holds as much as it may; the same bytes may be sent again later."""

    code = "overloaded"

    def __init__(self, what: str, limit: int) -> None:
        self.limit = limit
        super().__init__(f"{what} are at their limit of {limit}; send it again later")


class WaitingRoomFull(Overloaded):
    """Too many transactions wait for their parents, in all or from one source."""


class SubDagFull(Overloaded):
    """Too many attached transactions are not ordered yet."""


class NotAttached(TangleError):
    """An operation on a transaction that this sub-DAG does not hold."""

    code = "not-attached"

    def __init__(self, transaction: bytes) -> None:
        self.transaction = transaction
        super().__init__(f"transaction {transaction.hex()} is not attached; fetch it first")
