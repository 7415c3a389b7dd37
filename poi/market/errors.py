"""Why the market refuses. A refused step changes nothing and moves nothing."""

from tangle.core.errors import TangleError
from tangle.core.types import Digest, Grains, Milliseconds, PublicKey


class MarketFault(TangleError):
    """An operation that the market refuses; the subclasses say why."""

    code = "market-refused"


class UnknownProgram(MarketFault):
    """A program that nobody registered, or that was retired."""

    code = "program-unknown"

    def __init__(self, program: Digest) -> None:
        self.program = program
        super().__init__(f"program {program.hex()} is not registered")


class ProgramUnconfirmed(MarketFault):
    """A program of which validators have not yet said that they have it and that it is as described."""

    code = "program-unconfirmed"

    def __init__(self, program: Digest) -> None:
        self.program = program
        super().__init__(f"program {program.hex()} is not confirmed yet; try again later")


class ProgramTaken(MarketFault):
    """A program that is registered already."""

    code = "program-taken"

    def __init__(self, program: Digest) -> None:
        self.program = program
        super().__init__(f"program {program.hex()} is registered already")


class ProgramInUse(MarketFault):
    """Retiring a program while jobs run it."""

    code = "program-in-use"

    def __init__(self, program: Digest) -> None:
        self.program = program
        super().__init__(f"a job still runs program {program.hex()}")


class NotTheOwner(MarketFault):
    """An operation that only another account may ask for."""

    code = "market-not-owner"

    def __init__(self, account: PublicKey, owner: PublicKey) -> None:
        self.account = account
        self.owner = owner
        super().__init__(f"only {owner.hex()} may do that, not {account.hex()}")


class ListFull(MarketFault):
    """A list of the market that is at its limit."""

    code = "market-full"

    def __init__(self, what: str, limit: int) -> None:
        self.what = what
        self.limit = limit
        super().__init__(f"there are {limit} {what} already, which is the limit; try again later")


class TooManyJobs(MarketFault):
    """More live jobs of one customer than it may have."""

    code = "jobs-too-many"

    def __init__(self, customer: PublicKey, limit: int) -> None:
        self.customer = customer
        self.limit = limit
        super().__init__(f"{customer.hex()} has {limit} live jobs, which is the limit")


class LacksFunds(MarketFault):
    """An account that cannot put up what the operation holds."""

    code = "market-funds"

    def __init__(self, balance: Grains, needed: int) -> None:
        self.balance = balance
        self.needed = needed
        super().__init__(f"the operation holds {needed} grains, the account has {balance}")


class UnfundedJob(MarketFault):
    """An escrow below the price."""

    code = "job-unfunded"

    def __init__(self, escrow: Grains, price: int) -> None:
        self.escrow = escrow
        self.price = price
        super().__init__(f"the job costs {price} grains, its escrow is {escrow}")


class PriceAboveLimit(MarketFault):
    """A unit costs more now than the customer would pay."""

    code = "job-price"

    def __init__(self, price: Grains, limit: Grains) -> None:
        self.price = price
        self.limit = limit
        super().__init__(f"a unit costs {price} grains now, the limit is {limit}")


class InvalidTask(MarketFault):
    """A task that cannot be done, or times that cannot be kept."""

    code = "job-task-invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the job is refused: {reason}")


class LevelNotOffered(MarketFault):
    """A level of verification at which the market takes no jobs."""

    code = "job-level"

    def __init__(self, level: int) -> None:
        self.level = level
        super().__init__(f"jobs are not offered at level V{level}; V2 and V3 are")


class UnknownJob(MarketFault):
    """A job that does not exist, or that has ended."""

    code = "job-not-live"

    def __init__(self, job: Digest) -> None:
        self.job = job
        super().__init__(f"there is no live job {job.hex()}; it may have ended")


class WrongPhase(MarketFault):
    """An operation that the job's phase has no place for."""

    code = "job-phase"

    def __init__(self, job: Digest, phase: str, operation: str) -> None:
        self.job = job
        self.phase = phase
        self.operation = operation
        super().__init__(f"job {job.hex()} is {phase}; {operation} does not apply to it")


class WrongWorker(MarketFault):
    """A result by somebody to whom the job is not assigned."""

    code = "result-worker"

    def __init__(self, worker: PublicKey, assigned: PublicKey) -> None:
        self.worker = worker
        self.assigned = assigned
        super().__init__(f"the job is assigned to {assigned.hex()}, not to {worker.hex()}")


class AttemptOver(MarketFault):
    """A result by a worker that had the job and lost it: its time ran out, it declined, or it was wrong."""

    code = "result-attempt-over"

    def __init__(self, job: Digest, worker: PublicKey) -> None:
        self.job = job
        self.worker = worker
        super().__init__(f"{worker.hex()} had job {job.hex()} and has it no longer; its attempt failed")


class ResultLate(MarketFault):
    """A result, a seal or an answer after its time."""

    code = "result-late"

    def __init__(self, now_ms: Milliseconds, due_ms: Milliseconds) -> None:
        self.now_ms = now_ms
        self.due_ms = due_ms
        super().__init__(f"it was due at {due_ms} ms, it is {now_ms} ms")


class AnswerEarly(MarketFault):
    """An answer shown while others may still seal theirs."""

    code = "answer-early"

    def __init__(self, now_ms: Milliseconds, deadline_ms: Milliseconds) -> None:
        self.now_ms = now_ms
        self.deadline_ms = deadline_ms
        super().__init__(f"answers are shown after {deadline_ms} ms, it is {now_ms} ms")


class WrongResult(MarketFault):
    """A claim that is not about this job."""

    code = "result-wrong"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the result is refused: {reason}")


class ChallengeLate(MarketFault):
    """A challenge after the window of the result."""

    code = "challenge-late"

    def __init__(self, now_ms: Milliseconds, end_ms: Milliseconds) -> None:
        self.now_ms = now_ms
        self.end_ms = end_ms
        super().__init__(f"the result could be challenged until {end_ms} ms, it is {now_ms} ms")


class ChallengeEmpty(MarketFault):
    """A challenge with the very trace of the claim."""

    code = "challenge-empty"

    def __init__(self) -> None:
        super().__init__("the challenger's trace is the worker's; there is nothing to decide")


class AlreadyAnnounced(MarketFault):
    """A worker that has announced capacity."""

    code = "capacity-announced"

    def __init__(self, worker: PublicKey) -> None:
        self.worker = worker
        super().__init__(f"{worker.hex()} has announced capacity; it must withdraw that first")


class NoCapacity(MarketFault):
    """A worker that has announced none."""

    code = "capacity-none"

    def __init__(self, worker: PublicKey) -> None:
        self.worker = worker
        super().__init__(f"{worker.hex()} has announced no capacity")


class InvalidCapacity(MarketFault):
    """Numbers with which nobody can work."""

    code = "capacity-invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the capacity is refused: {reason}")


class AlreadySealed(MarketFault):
    """A second answer of one worker to one job."""

    code = "answer-sealed"

    def __init__(self, worker: PublicKey) -> None:
        self.worker = worker
        super().__init__(f"{worker.hex()} has sealed an answer to this job")


class NotSealed(MarketFault):
    """An answer that was not sealed before the deadline, or was shown already."""

    code = "answer-not-sealed"

    def __init__(self, worker: PublicKey) -> None:
        self.worker = worker
        super().__init__(f"no answer of {worker.hex()} waits to be shown")


class InvalidProblem(MarketFault):
    """An optimisation problem without any answer, or beyond a limit."""

    code = "problem-invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the problem is refused: {reason}")


class InfeasibleAnswer(MarketFault):
    """An answer that breaks a rule of its problem."""

    code = "answer-infeasible"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the answer is refused: {reason}")


class InvalidBlob(MarketFault):
    """A content id that names nothing this network can verify."""

    code = "blob-invalid"

    def __init__(self, blob: bytes, reason: str) -> None:
        self.blob = blob
        self.reason = reason
        super().__init__(f"the content id {blob.hex()} cannot be used: {reason}")


class NotAParty(MarketFault):
    """A move by somebody who is no party of the dispute."""

    code = "move-party"

    def __init__(self, account: PublicKey) -> None:
        self.account = account
        super().__init__(f"{account.hex()} is neither the worker nor the challenger")


class InvalidMove(MarketFault):
    """A move that is neither here nor in a blob, or both."""

    code = "move-invalid"

    def __init__(self) -> None:
        super().__init__("a move is either in the operation or in a blob")


class MoveLate(MarketFault):
    """A move after both clocks of the dispute have run out."""

    code = "move-late"

    def __init__(self, now_ms: Milliseconds, end_ms: Milliseconds) -> None:
        self.now_ms = now_ms
        self.end_ms = end_ms
        super().__init__(f"moves were taken until {end_ms} ms, it is {now_ms} ms")


class TooManyMoves(MarketFault):
    """More moves than a party may make."""

    code = "moves-too-many"

    def __init__(self, account: PublicKey, limit: int) -> None:
        self.account = account
        self.limit = limit
        super().__init__(f"{account.hex()} has made {limit} moves, which is the limit")


class InvalidFinding(MarketFault):
    """A vote or a generation that the ledger may not hand in like this; nothing is counted."""

    code = "finding-invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the finding is refused: {reason}")


class MarketElsewhere(MarketFault):
    """An operation in a shard that has no market."""

    code = "market-elsewhere"

    def __init__(self, shard: int, market_shard: int) -> None:
        self.shard = shard
        self.market_shard = market_shard
        super().__init__(
            f"the market is in shard {market_shard}, not in {shard}: send the money to an account there first"
        )
