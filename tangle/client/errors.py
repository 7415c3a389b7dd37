"""What can go wrong between a client and its node."""

from tangle.api.schemas.common import Problem
from tangle.core.errors import TangleError


class ApiProblem(TangleError):
    """The node refused. ``code`` is the node's own stable name of the fault."""

    code = "api-problem"

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.code = problem.code  # type: ignore[misc] # the class has a default, each refusal its own code
        self.status = problem.status
        self.detail = problem.detail
        self.errors = problem.errors
        self.retry_after_s = problem.retry_after_s
        super().__init__(problem.detail)


class NodeUnreachable(TangleError):
    """No answer came: nobody listens there, the connection broke, or time ran out."""

    code = "node-unreachable"

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"no answer from {url}: {reason}; is the node up?")


class UnexpectedAnswer(TangleError):
    """An answer that this client does not understand: another program, or another version."""

    code = "answer-unexpected"

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"{url} answered what a node of this version does not: {reason}")


class NotReached(TangleError):
    """A transaction has not come as far as asked in time; it may still."""

    code = "wait-timeout"

    def __init__(self, identity: bytes, status: str, found: str, timeout_s: float) -> None:
        self.identity = identity
        self.status = status
        self.found = found
        self.timeout_s = timeout_s
        super().__init__(
            f"transaction {identity.hex()} is {found}, not {status}, after {timeout_s:g} s; ask again"
        )


class JobNotReached(TangleError):
    """A job has not come as far as asked in time; it may still."""

    code = "wait-timeout"

    def __init__(self, job: bytes, phase: str, timeout_s: float) -> None:
        self.job = job
        self.phase = phase
        self.timeout_s = timeout_s
        super().__init__(
            f"job {job.hex()} is {phase} after {timeout_s:g} s; tangle job show tells how it goes on"
        )


class EventsLost(TangleError):
    """The node's event log is not the one that was followed: its ids do not go on where they were."""

    code = "events-lost"

    def __init__(self, last_id: int, reason: str) -> None:
        self.last_id = last_id
        self.reason = reason
        super().__init__(f"the event log does not go on after event {last_id}: {reason}; start anew")
