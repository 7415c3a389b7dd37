"""Why a fast answer is not given."""

from tangle.core.errors import TangleError
from tangle.core.types import Digest


class ReplicaFault(TangleError):
    """A fast answer that is refused; the subclasses say why."""

    code = "replica-fault"


class NotAJob(ReplicaFault):
    """A transaction that opens no inference job."""

    code = "replica-not-a-job"

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(f"the transaction must open an inference job, it is {found}")


class WrongInputs(ReplicaFault):
    """Inputs that are not those the job names, or too long for this door."""

    code = "replica-inputs"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the inputs are refused: {reason}")


class TooHeavy(ReplicaFault):
    """More work than is done while somebody waits."""

    code = "replica-too-heavy"

    def __init__(self, what: str, size: int, limit: int) -> None:
        self.what = what
        self.size = size
        self.limit = limit
        super().__init__(f"the job has {size} {what}, over {limit}; open it as an ordinary job and wait")


class ProgramAbsent(ReplicaFault):
    """A registered program that this node is still fetching."""

    code = "program-absent"
    retry_after_s = 2.0

    def __init__(self, program: Digest) -> None:
        self.program = program
        super().__init__(f"program {program.hex()} is not here yet; it is being fetched, try again")


class Unpaid(ReplicaFault):
    """A job that the ledger would not open, as far as this node can see."""

    code = "replica-unpaid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the job is not paid for: {reason}")


class Taken(ReplicaFault):
    """A job that somebody else has this node run, or that another transaction opened."""

    code = "replica-taken"

    def __init__(self, job: Digest) -> None:
        self.job = job
        super().__init__(f"job {job.hex()} was asked for before, by somebody else or in another form")


class UnknownRun(ReplicaFault):
    """A result that was never sealed here, or long ago."""

    code = "replica-unknown"

    def __init__(self, job: Digest) -> None:
        self.job = job
        super().__init__(f"no result of job {job.hex()} is sealed here")


class WrongSeals(ReplicaFault):
    """A list of seals on which this worker's is missing, or another one than it has signed."""

    code = "replica-seals"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the result is not shown: {reason}")


class ReplicaFailed(ReplicaFault):
    """A program that failed in the sandbox."""

    code = "replica-failed"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the program failed: {reason}")


class NotOffered(ReplicaFault):
    """A node that runs no programs."""

    code = "replica-not-offered"

    def __init__(self) -> None:
        super().__init__("this node runs no programs")


class ReplicasSilent(ReplicaFault):
    """Too few validators gave a result in time."""

    code = "replicas-silent"
    retry_after_s = 2.0

    def __init__(self, found: int, needed: int, reasons: tuple[str, ...]) -> None:
        self.found = found
        self.needed = needed
        self.reasons = reasons
        why = f" ({', '.join(reasons)})" if reasons else ""
        super().__init__(
            f"{found} validators gave a result, {needed} are needed{why}; send the same transaction again, "
            "or wait for the ledger to settle the job"
        )


class ReplicasWithheld(ReplicaFault):
    """Too few validators showed what they had sealed; a sealed result is shown for one list of seals only, so
    asking again is in vain.
    """

    code = "replicas-withheld"

    def __init__(self, found: int, needed: int, reasons: tuple[str, ...]) -> None:
        self.found = found
        self.needed = needed
        self.reasons = reasons
        why = f" ({', '.join(reasons)})" if reasons else ""
        super().__init__(
            f"{found} validators showed their result, {needed} are needed{why}; the ledger settles the job"
        )


class ReplicasDisagree(ReplicaFault):
    """Validators that gave different results: none is taken."""

    code = "replicas-disagree"

    def __init__(self, results: int) -> None:
        self.results = results
        super().__init__(f"{results} different results and no majority; the ledger settles the job")
