"""Why a result is not believed. Each names the tensor, counted as in its program, or the place in a proof."""

from tangle.core.errors import TangleError


class VerificationFailure(TangleError):
    """A result that is refuted or not supported; the subclasses say how."""

    code = "verification-failed"


class WrongProduct(VerificationFailure):
    """A matrix that is not the product it is said to be."""

    code = "product-wrong"

    def __init__(self, shape: tuple[int, int, int], row: int) -> None:
        self.shape = shape
        self.row = row
        size = " x ".join(map(str, shape))
        super().__init__(f"row {row} is not that of the product, m x k x n = {size}")


class InvalidProduct(VerificationFailure):
    """Matrices that cannot be checked: shapes that do not fit, or values over the bounds of exactness."""

    code = "product-invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the product cannot be checked: {reason}")


class WrongTensor(VerificationFailure):
    """A tensor that differs from what its operator gives for the stated operands."""

    code = "tensor-wrong"

    def __init__(self, number: int, reason: str) -> None:
        self.number = number
        self.reason = reason
        super().__init__(f"tensor {number} is wrong: {reason}")


class WrongCommitment(VerificationFailure):
    """Data that is not what was committed to, or a commitment to another task, program or form."""

    code = "commitment-wrong"

    def __init__(self, what: str, reason: str) -> None:
        self.what = what
        self.reason = reason
        super().__init__(f"{what} does not fit its commitment: {reason}")


class MissingData(VerificationFailure):
    """A committed chunk or tensor that was asked for and not shown: a fault, not an excuse."""

    code = "data-missing"

    def __init__(self, number: int, chunk: int | None) -> None:
        self.number = number
        self.chunk = chunk
        place = f"chunk {chunk} of tensor {number}" if chunk is not None else f"tensor {number}"
        super().__init__(f"{place} was committed to and is not shown")


class InvalidProofOfProduct(VerificationFailure):
    """A sumcheck proof that does not hold."""

    code = "sumcheck-wrong"

    def __init__(self, run: int, round_: int | None, reason: str) -> None:
        self.run = run
        self.round = round_
        self.reason = reason
        place = f"round {round_} of run {run}" if round_ is not None else f"run {run}"
        super().__init__(f"the proof fails in {place}: {reason}")


class InvalidRequest(VerificationFailure):
    """A check that cannot be made as asked: no such tensor, more chunks than there are, no such bound."""

    code = "verification-request-wrong"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the check cannot be made: {reason}")
