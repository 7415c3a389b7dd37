"""What an account may ask of the market, and what the ledger itself hands in."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from aivm.program.planning import plan_program
from aivm.program.record import compute_program_id, decode_program
from aivm.verification.trace import Commitment
from poi.market.limits import (
    ANSWER_SIZE_MAX,
    GENERATION_WORKERS_MAX,
    MOVE_SIZE_MAX,
    OPERATION_SIZE_MAX,
    SLOTS_MAX,
)
from poi.market.records import Blob, BlobOrNone, Kind, Task
from tangle.core.blob_id import BlobId
from tangle.core.encoding import decode, encode
from tangle.core.types import CheckpointIndex, Digest, Grains, Milliseconds, Natural, PublicKey


class RegisterProgram(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """Makes a program known with its cost; holds a deposit."""

    program: Digest
    """Its id."""

    macs: Natural
    """Multiply-accumulates of one row."""

    steps: Natural
    """Other elementary steps of one row."""

    bytes_moved: Natural
    """Bytes that its operators read and write for one row."""

    package: Blob
    """The blob that holds the program with all its constants."""


class RetireProgram(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """Takes a program off the list; the owner gets the deposit back."""

    program: Digest
    """Its id."""


class AnnounceCapacity(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """Offers to work; holds a bond."""

    kinds: Annotated[tuple[Kind, ...], Meta(min_length=1, max_length=2)]
    """What it takes, in rising order: inference, transformation or both."""

    speed: Annotated[int, Meta(ge=1, le=2**40)]
    """Units that it does in a second."""

    units_max: Annotated[int, Meta(ge=1, le=2**40)]
    """Largest job that it takes."""

    price_min: Natural
    """Least grains per unit for which it works."""

    slots: Annotated[int, Meta(ge=1, le=SLOTS_MAX)]
    """Jobs that it does at a time."""

    bond: Grains
    """What it puts up."""


class WithdrawCapacity(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """Takes no further jobs; the bond comes back when none is in hand."""


class OpenJob(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    """Asks for work and puts up the money."""

    task: Task
    """What is to be done."""

    price_limit: Grains
    """Most grains per unit that the customer pays."""

    escrow: Grains
    """What is put up; what is not paid comes back."""

    deadline_ms: Milliseconds
    """Last moment."""

    result_ms: Milliseconds
    """Time that a worker has from its assignment; 0 where nobody is assigned."""


class CancelJob(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=6):
    """Takes a job back that nobody works on."""

    job: Digest
    """The job."""


class SubmitResult(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=7):
    """Commits to a whole run."""

    job: Digest
    """The job."""

    commitment: Commitment
    """The claim."""

    sources: Annotated[tuple[Digest, ...], Meta(min_length=1, max_length=64)]
    """Chunk roots of the outputs, in their order."""

    served: BlobOrNone
    """The blob with the tensors of the trace that a verifier may ask for; empty where none is served."""


class DeclineJob(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=8):
    """Gives an assigned job back in time: inputs cannot be had, a program does not run."""

    job: Digest
    """The job."""


class ChallengeResult(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=9):
    """Says that a result is wrong; holds a bond as high as the worker's."""

    job: Digest
    """The job."""

    rival_root: Digest
    """Root of the challenger's trace."""


class SealAnswer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=10):
    """Publishes the seal of an answer to an optimisation job; holds a bond."""

    job: Digest
    """The job."""

    seal: Digest
    """``H(tangle/replica, [job, worker, H(tangle/market, [answer]), salt])``."""


class ShowAnswer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=11):
    """Shows a sealed answer; the bond comes back."""

    job: Digest
    """The job."""

    answer: Annotated[bytes, Meta(max_length=ANSWER_SIZE_MAX)]
    """The encoded answer."""

    salt: Digest
    """With which it was sealed."""


class MakeMove(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=12):
    """A move of a party in the dispute about a result; the ledger orders and times it and judges nothing."""

    job: Digest
    """The job."""

    move: Annotated[bytes, Meta(max_length=MOVE_SIZE_MAX)]
    """The encoded move (``poi.disputes.moves``); empty if it is a blob."""

    blob: BlobOrNone
    """The blob that holds a longer move; empty if it is here."""


Operation = (
    RegisterProgram
    | RetireProgram
    | AnnounceCapacity
    | WithdrawCapacity
    | OpenJob
    | CancelJob
    | SubmitResult
    | DeclineJob
    | ChallengeResult
    | SealAnswer
    | ShowAnswer
    | MakeMove
)
"""Whatever an account may ask."""


class CastVote(Struct, frozen=True):
    """A validator's verdict on one subject, as a committed block carries it."""

    subject: Digest
    """What it is about; ``poi.market.votes`` computes it."""

    verdict: Natural
    """What it says."""

    validator: Natural
    """Number of the validator in the committee."""


class GenerationClosed(Struct, frozen=True):
    """The evolution machinery closed a generation of a training job."""

    job: Digest
    """The job."""

    generation: Natural
    """The generation that ended, from 0."""

    evaluations: Annotated[tuple[tuple[PublicKey, int], ...], Meta(max_length=GENERATION_WORKERS_MAX)]
    """Counted evaluations of each worker, in rising order of workers."""


Finding = CastVote | GenerationClosed
"""What follows from the ledger's own prefix; nobody sends it as an operation."""


class Caller(Struct, frozen=True):
    """Who asks, as the accounts say at this moment."""

    account: PublicKey
    """The account."""

    sequence: Natural
    """Number of the transaction, which makes the names of jobs."""

    balance: Grains
    """What it can spend, the transaction's fee taken off."""

    stake: Grains
    """What it has bound as stake."""


class Moment(Struct, frozen=True):
    """The checkpoint in which a step is taken."""

    index: CheckpointIndex
    """Its number."""

    now_ms: Milliseconds
    """Its commit time; never goes back."""

    epoch: Natural
    """Its epoch."""

    beacon: Digest
    """Randomness that nobody knew when the checkpoint before it was made."""

    weights: Sequence[int]
    """Weight of each validator."""


class WrittenOperation(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An operation as it is sent: an array of one."""

    operation: Operation
    """The operation."""


def encode_operation(operation: Operation) -> bytes:
    """Canonical bytes: an array of one, the operation with its tag."""
    return encode(WrittenOperation(operation))


def decode_operation(data: bytes) -> Operation:
    """Read an operation.

    :raises OversizeEncoding, MalformedEncoding: no canonical encoding of one.
    """
    return decode(WrittenOperation, data, limit=OPERATION_SIZE_MAX).operation


def describe_program(encoded: bytes, package: BlobId) -> RegisterProgram:
    """The one true registration of a program. Whoever judges one compares it with this.

    :param package: the blob that holds it with its constants.
    :raises TangleError: the program cannot be read or planned; the subclasses say why.
    """
    program = decode_program(encoded)
    cost = plan_program(program).cost
    return RegisterProgram(compute_program_id(program), cost.macs, cost.steps, cost.bytes_moved, package)
