"""What a transaction asks of the ledger, as people read it: one sentence an operation."""

from typing import assert_never

from msgspec import Struct

from poi.market.jobs import compute_job_name
from poi.market.operations import (
    AnnounceCapacity,
    CancelJob,
    ChallengeResult,
    DeclineJob,
    MakeMove,
    OpenJob,
    Operation,
    RegisterProgram,
    RetireProgram,
    SealAnswer,
    ShowAnswer,
    SubmitResult,
    WithdrawCapacity,
)
from poi.market.records import Inference, Optimisation, Task, Training, Transformation, get_kind
from tangle.api.kind_names import compute_kind_name
from tangle.core.amounts import format_amount
from tangle.core.types import Digest, PublicKey


class OperationStory(Struct, frozen=True):
    """An operation of the market for people."""

    name: str
    """Stable name of its kind: ``open-job`` and so on."""

    text: str
    """What it asks for."""

    job: Digest | None = None
    """The job that it opens or is about."""

    program: Digest | None = None
    """The program that it is about."""

    held: int = 0
    """Grains that it says itself it puts up; deposits and bonds follow from the network's rules."""


def get_operation_name(operation: Operation) -> str:
    """Stable name of an operation's kind: ``open-job`` and so on."""
    return compute_kind_name(operation)


def tell_operation(  # noqa: C901 -- one case for each operation
    operation: Operation, issuer: PublicKey, sequence: int
) -> OperationStory:
    """An operation of the market for people.

    :param sequence: of the transaction that carries it, which names the job that it opens.
    """
    name = get_operation_name(operation)
    match operation:
        case RegisterProgram(program=program):
            return OperationStory(name, f"register program {_shorten(program)}", program=program)
        case RetireProgram(program=program):
            return OperationStory(name, f"retire program {_shorten(program)}", program=program)
        case AnnounceCapacity(bond=bond, speed=speed):
            text = f"announce capacity: {speed} units a second, with a bond of {format_amount(bond)}"
            return OperationStory(name, text, held=bond)
        case WithdrawCapacity():
            return OperationStory(name, "take no further jobs")
        case OpenJob(task=task, escrow=escrow):
            job = compute_job_name(issuer, sequence)
            text = f"open {describe_task(task)} with an escrow of {format_amount(escrow)}"
            return OperationStory(name, text, job, get_program(task), escrow)
        case CancelJob(job=job):
            return OperationStory(name, f"take back job {_shorten(job)}", job)
        case SubmitResult(job=job):
            return OperationStory(name, f"commit to a result of job {_shorten(job)}", job)
        case DeclineJob(job=job):
            return OperationStory(name, f"give back job {_shorten(job)}", job)
        case ChallengeResult(job=job):
            return OperationStory(name, f"dispute the result of job {_shorten(job)}", job)
        case SealAnswer(job=job):
            return OperationStory(name, f"seal an answer to job {_shorten(job)}", job)
        case ShowAnswer(job=job):
            return OperationStory(name, f"show the answer to job {_shorten(job)}", job)
        case MakeMove(job=job):
            return OperationStory(name, f"move in the dispute about job {_shorten(job)}", job)
        case _:
            assert_never(operation)


def describe_task(task: Task) -> str:
    """What is to be done, for people."""
    kind = get_kind(task).name.lower()
    match task:
        case Inference() | Transformation():
            rows = f"{task.rows} row{'s' if task.rows > 1 else ''}"
            program = _shorten(task.program)
            return f"{_article(kind)} job: {rows} through program {program}, verified at V{task.level}"
        case Optimisation(problem=problem):
            return f"{_article(kind)} job: the best answer to a problem of {len(problem)} bytes"
        case Training(generations=generations):
            return f"{_article(kind)} job: {generations} generations"
        case _:
            assert_never(task)


def get_program(task: Task) -> Digest | None:
    """The program that a task runs."""
    match task:
        case Inference(program=program) | Transformation(program=program):
            return program
        case Optimisation() | Training():
            return None
        case _:
            assert_never(task)


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _shorten(identity: bytes) -> str:
    return identity.hex()[:16]
