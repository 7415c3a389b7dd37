"""Why something that a job needs could not be had or done here, now."""

from tangle.core.errors import TangleError
from tangle.node.sandbox.outcomes import Failure


class JobDataMissing(TangleError):
    """A blob that a job needs did not come in time."""

    code = "job-data-missing"

    def __init__(self, what: str, reason: str) -> None:
        self.what = what
        self.reason = reason
        super().__init__(f"{what} is not here: {reason}")


class JobDataOversize(TangleError):
    """A blob that a job names is longer than what it should hold may be."""

    code = "job-data-oversize"

    def __init__(self, what: str, limit: int) -> None:
        self.what = what
        self.limit = limit
        super().__init__(f"{what} is longer than {limit} bytes")


class RunFailed(TangleError):
    """A program did not run to its end in the sandbox."""

    code = "job-run-failed"

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.describe())


class RunImpossible(TangleError):
    """A task that no run can answer: the program does not take these rows or inputs."""

    code = "job-run-impossible"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"no run answers the task: {reason}")
