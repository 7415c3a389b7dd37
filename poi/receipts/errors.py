"""Why a receipt is not believed. Faults of the result itself are raised by the check that found them."""

from tangle.core.errors import TangleError


class ReceiptFault(TangleError):
    """A receipt that is refused; the subclasses say why."""

    code = "receipt-invalid"


class ReservedLevel(ReceiptFault):
    """Level V7, zero knowledge: its place in the format is kept, no evidence is defined yet."""

    code = "receipt-level-reserved"

    def __init__(self) -> None:
        super().__init__("level 7 (zero knowledge) is reserved; this version defines levels 0 to 6")


class MissingMaterial(ReceiptFault):
    """Something that the reader must bring for this level and has not brought."""

    code = "receipt-material-missing"

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"this receipt cannot be checked without {what}")


class UnrecordedFact(ReceiptFault):
    """A beacon, replica or dispute that the reader's ledger does not know."""

    code = "receipt-unrecorded"

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"the ledger has not recorded {what}")


class UnsupportedClaim(ReceiptFault):
    """Evidence that, even if all of it is true, does not support the result."""

    code = "receipt-unsupported"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the evidence does not support the result: {reason}")
