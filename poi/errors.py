"""Faults of jobs, data sets and work."""

from tangle.core.errors import TangleError
from tangle.core.types import Digest, JobId, PublicKey


class InvalidJob(TangleError):
    """Parameters of a standing job that contradict themselves or leave the arithmetic's limits."""

    code = "job-invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the standing job is refused: {reason}")


class InvalidDataset(TangleError):
    """Rows or labels that are not what their root says, or not what the job's model reads."""

    code = "dataset-invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the data set is refused: {reason}")


class UnknownDataset(TangleError):
    """A root that names no data set of this node."""

    code = "dataset-unknown"

    def __init__(self, root: Digest) -> None:
        self.root = root
        super().__init__(f"no data set with root {root.hex()} ships with this version")


class InvalidWeights(TangleError):
    """Weights of the wrong length or outside their range."""

    code = "weights-invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the weights are refused: {reason}")


class EmptyBoard(TangleError):
    """Work cannot be drawn because no job has a budget."""

    code = "board-empty"

    def __init__(self) -> None:
        super().__init__("no standing job has a budget")


class WrongJob(TangleError):
    """Work of another job than the one drawn for this transaction."""

    code = "work-job"

    def __init__(self, found: JobId, expected: JobId) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f"the work is of job {found.hex()}, this transaction was drawn job {expected.hex()}")


class WrongDifficulty(TangleError):
    """Fewer or more evaluations than the difficulty at the anchor asks for."""

    code = "work-difficulty"

    def __init__(self, found: int, expected: int) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f"the work carries {found} evaluations, the difficulty is {expected}")


class WrongGeneration(TangleError):
    """Work of a generation that does not exist yet."""

    code = "work-generation"

    def __init__(self, found: int, current: int) -> None:
        self.found = found
        self.current = current
        super().__init__(f"the work is of generation {found}, the job is at generation {current}")


class StaleWork(TangleError):
    """Work of a generation so old that its weights are no longer kept."""

    code = "work-stale"

    def __init__(self, found: int, current: int, window: int) -> None:
        self.found = found
        self.current = current
        self.window = window
        super().__init__(
            f"the work is of generation {found}, more than {window} before the current generation {current}"
        )


class ForgedWork(TangleError):
    """A result that recomputation does not give."""

    code = "work-forged"

    def __init__(self, issuer: PublicKey, sequence: int, index: int, claimed: int, recomputed: int) -> None:
        self.issuer = issuer
        self.sequence = sequence
        self.index = index
        self.claimed = claimed
        self.recomputed = recomputed
        super().__init__(
            f"evaluation {index} of transaction {sequence} of {issuer.hex()} claims {claimed}; "
            f"recomputed it is {recomputed}"
        )


class ReplayMismatch(TangleError):
    """A generation that the ledger states otherwise than its own data give."""

    code = "replay-mismatch"

    def __init__(self, generation: int, stated: Digest, replayed: Digest) -> None:
        self.generation = generation
        self.stated = stated
        self.replayed = replayed
        super().__init__(
            f"generation {generation} is stated as {stated.hex()}; replayed it is {replayed.hex()}"
        )


class InvalidReplication(TangleError):
    """A replication whose numbers or workers make no sense."""

    code = "replication-invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the replication is refused: {reason}")


class WrongSeal(TangleError):
    """A result shown by a worker that had sealed another, or had copied somebody's seal."""

    code = "seal-wrong"

    def __init__(self, worker: PublicKey) -> None:
        self.worker = worker
        super().__init__(f"the result of {worker.hex()} is not the one that it sealed")
