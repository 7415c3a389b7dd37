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


class SequenceTaken(TangleError):
    """The number is spent, or another transaction with it is on its way here.

    It holds at this node and for now only, as the three that follow: another node may have taken the other.
    """

    code = "sequence-taken"

    def __init__(self, sequence: int, executed: int, taken_by: bytes | None) -> None:
        self.sequence = sequence
        self.executed = executed
        self.taken_by = taken_by
        if taken_by is None:
            reason = f"is spent, the account's next is {executed}; prepare the transaction anew"
        else:
            reason = f"is taken by pending transaction {taken_by.hex()}; prepare it anew with the next number"
        super().__init__(f"number {sequence} {reason}")


class SequenceFar(TangleError):
    """The number is further ahead than one issuer may have transactions on their way."""

    code = "sequence-far"

    def __init__(self, sequence: int, executed: int, limit: int) -> None:
        self.sequence = sequence
        self.executed = executed
        self.limit = limit
        super().__init__(
            f"number {sequence} is {limit} or more after {executed}, the account's next; "
            "send the ones before and wait until some are ordered"
        )


class SequenceGap(TangleError):
    """The number before did not come in time, so that this one could not apply."""

    code = "sequence-gap"

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence
        super().__init__(f"number {sequence - 1} is missing; send it first, then number {sequence} again")


class FeeLow(TangleError):
    """Today's fee is above what the issuer allows."""

    code = "fee-low"

    def __init__(self, max_fee: int, fee: int) -> None:
        self.max_fee = max_fee
        self.fee = fee
        super().__init__(
            f"the fee is {fee} grains today, the transaction allows {max_fee}; "
            "prepare it anew, or send it again when the price has fallen"
        )


class FundsShort(TangleError):
    """The balance does not cover this transaction and those of its issuer that are on their way."""

    code = "funds-short"

    def __init__(self, balance: int, needed: int, pending: int) -> None:
        self.balance = balance
        self.needed = needed
        self.pending = pending
        super().__init__(
            f"{needed} grains are needed with fee, {pending} of them for pending transactions, "
            f"and the account holds {balance}; fund it, or wait for what is under way"
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
