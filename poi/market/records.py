"""What the market knows: programs, workers, jobs and prices, as frozen records with one encoding."""

from enum import IntEnum
from typing import Annotated, Final, assert_never

from msgspec import Meta, Struct

from aivm.verification.trace import Commitment
from poi.job import JOB_SIZE_MAX
from poi.market.limits import (
    ANSWER_SIZE_MAX,
    ATTEMPTS_MAX,
    CAPACITIES_MAX,
    GENERATIONS_MAX,
    INSTANCE_SIZE_MAX,
    JOBS_MAX,
    MOVES_MAX,
    PROGRAMS_MAX,
    ROWS_MAX,
    SEALS_MAX,
    SLOTS_MAX,
    SNAPSHOT_SIZE_MAX,
    VERDICT_MAX,
    VERIFIERS_MAX,
)
from tangle.core.blob_id import BLOB_ID_SIZE_MAX
from tangle.core.encoding import decode, encode
from tangle.core.types import CheckpointIndex, Digest, Grains, Milliseconds, Natural, PublicKey

VERSION: Final = 1
"""Version of the encoded state."""


class Kind(IntEnum):
    """What a job is. Codes are part of the record; each kind has its own price."""

    INFERENCE = 1
    """Few rows through a registered program."""

    TRANSFORMATION = 2
    """A program over a data set."""

    OPTIMISATION = 3
    """The best checked answer to a problem."""

    TRAINING = 4
    """A model trained on the customer's data by the evolution machinery."""


class Ballot(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What one validator said of one subject, once and for all."""

    validator: Annotated[int, Meta(ge=0, lt=VERIFIERS_MAX)]
    """Its number in the committee."""

    verdict: Annotated[int, Meta(ge=1, le=VERDICT_MAX)]
    """What it said; ``poi.market.votes`` has the table."""


Ballots = Annotated[tuple[Ballot, ...], Meta(max_length=VERIFIERS_MAX)]
"""What validators said of one subject, in rising order of validators."""

Blob = Annotated[bytes, Meta(min_length=4, max_length=BLOB_ID_SIZE_MAX)]
"""A content id (``tangle.core.blob_id``)."""

BlobOrNone = Annotated[bytes, Meta(max_length=BLOB_ID_SIZE_MAX)]
"""A content id, or nothing."""

Inputs = Annotated[tuple[Digest, ...], Meta(min_length=1, max_length=16)]
"""Tensor ids of a program's inputs, in its order."""

Sources = Annotated[tuple[Digest, ...], Meta(min_length=1, max_length=16)]
"""Chunk roots of the inputs, in the same order: with a type one gives the tensor id, with a size the blob."""

Rows = Annotated[int, Meta(ge=1, le=ROWS_MAX)]
"""Rows of a run."""


class Inference(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """Few rows through a program."""

    program: Digest
    """The registered program."""

    inputs: Inputs
    """What it reads."""

    rows: Rows
    """How many rows."""

    level: Natural
    """Level of verification that is paid for."""

    sources: Sources
    """Where the inputs are."""


class Transformation(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """A program over a data set."""

    program: Digest
    """The registered program."""

    inputs: Inputs
    """What it reads."""

    rows: Rows
    """How many rows."""

    level: Natural
    """Level of verification that is paid for."""

    sources: Sources
    """Where the inputs are."""


class Optimisation(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """A problem; the best answer by the deadline is paid the whole escrow."""

    problem: Annotated[bytes, Meta(max_length=INSTANCE_SIZE_MAX)]
    """Its encoding."""


class Training(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """A standing job that the customer pays for."""

    parameters: Annotated[bytes, Meta(max_length=JOB_SIZE_MAX)]
    """The encoded ``StandingJob``."""

    generations: Annotated[int, Meta(ge=1, le=GENERATIONS_MAX)]
    """How many generations are paid."""

    data: Blob
    """The blob that holds training rows, holdout rows and labels."""


Task = Inference | Transformation | Optimisation | Training
"""Whatever is to be done."""


class ProgramEntry(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A registered program."""

    program: Digest
    """Its id."""

    owner: PublicKey
    """Who registered it."""

    deposit: Grains
    """Held until it is retired."""

    macs: Natural
    """Multiply-accumulates of one row."""

    steps: Natural
    """Other elementary steps of one row."""

    bytes_moved: Natural
    """Bytes that its operators read and write for one row."""

    package: Blob
    """The blob that holds the program with all its constants."""

    since: CheckpointIndex
    """Checkpoint in which it was registered."""

    end_ms: Milliseconds
    """Last moment for its confirmation."""

    confirmed: Annotated[int, Meta(ge=0, le=1)]
    """1: a quorum of validators has it and found it as described; jobs may run it."""

    votes: Ballots
    """What validators said of it while it was not confirmed."""


class Capacity(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A worker that takes jobs."""

    worker: PublicKey
    """Who it is."""

    kinds: Annotated[tuple[Kind, ...], Meta(min_length=1, max_length=2)]
    """What it takes, in rising order."""

    speed: Annotated[int, Meta(ge=1)]
    """Units that it does in a second, as it says."""

    units_max: Annotated[int, Meta(ge=1)]
    """Largest job that it takes."""

    price_min: Natural
    """Least grains per unit for which it works."""

    slots: Annotated[int, Meta(ge=1, le=SLOTS_MAX)]
    """Jobs that it does at a time."""

    bond: Grains
    """What it put up and has not lost."""

    locked: Grains
    """Part of ``bond`` that answers for the jobs in hand."""

    used: Annotated[int, Meta(ge=0, le=SLOTS_MAX)]
    """Jobs in hand, those included whose result may still be challenged."""

    retiring: Annotated[int, Meta(ge=0, le=1)]
    """1: it gets no further job, and its bond back once none is in hand."""

    since: CheckpointIndex
    """Checkpoint in which it was announced; it is drawn at later ones only."""


Attempted = Annotated[tuple[PublicKey, ...], Meta(max_length=ATTEMPTS_MAX)]
"""Workers that did not do a job, in the order in which they tried."""


class Waiting(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """No worker has it."""

    since: CheckpointIndex
    """Checkpoint in which it came; it is drawn at a later one, from randomness nobody knew then."""

    failed: Attempted
    """Who had it before."""


class Assigned(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """A worker has it."""

    failed: Attempted
    """Who had it before."""

    worker: PublicKey
    """Who has it."""

    bond: Grains
    """What answers for it."""

    epoch: Natural
    """Epoch in which it was assigned, which the claim must name."""

    due_ms: Milliseconds
    """Last moment for a result."""


class Claimed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """A result stands and may be challenged."""

    failed: Attempted
    """Who had it before."""

    worker: PublicKey
    """Whose result it is."""

    bond: Grains
    """What answers for it."""

    commitment: Commitment
    """The claim."""

    end_ms: Milliseconds
    """Last moment for a challenge."""

    votes: Ballots
    """What validators said of it."""

    sources: Annotated[tuple[Digest, ...], Meta(min_length=1, max_length=64)]
    """Chunk roots of the outputs, in their order."""

    served: BlobOrNone
    """The blob with the tensors of the trace that a verifier may ask for, if there is one."""


MoveCount = Annotated[int, Meta(ge=0, le=MOVES_MAX)]
"""Moves that one party of a dispute has made."""


class Disputed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """The referee has it."""

    claim: Claimed
    """The claim; votes are still counted."""

    challenger: PublicKey
    """Who says that it is wrong."""

    rival_root: Digest
    """Root of the challenger's trace."""

    end_ms: Milliseconds
    """By then the clocks of both have run out, and validators have had their time."""

    since: CheckpointIndex
    """Checkpoint of the challenge."""

    moves: tuple[MoveCount, MoveCount]
    """Moves made by the worker and by the challenger; the moves themselves are history."""

    votes: Ballots
    """What validators said of the game's end."""


class Seal(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An answer that nobody knows yet."""

    worker: PublicKey
    """Whose it is."""

    seal: Digest
    """What it published."""

    place: Natural
    """How many were sealed before it."""


class Best(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The best answer shown so far."""

    worker: PublicKey
    """Whose it is."""

    place: Natural
    """How many were sealed before it; of equal answers the earlier sealed one is better."""

    value: Natural
    """What it costs."""

    answer: Annotated[bytes, Meta(max_length=ANSWER_SIZE_MAX)]
    """It."""


class Collecting(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    """Answers to an optimisation problem come in."""

    sealed: Annotated[int, Meta(ge=0, le=SEALS_MAX)]
    """Answers sealed, shown ones included."""

    seals: Annotated[tuple[Seal, ...], Meta(max_length=SEALS_MAX)]
    """Those not shown yet, in the order in which they came."""

    best: Annotated[tuple[Best, ...], Meta(max_length=1)]
    """The best one shown, once there is one."""


class Learning(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=6):
    """A model is trained."""

    closed: Natural
    """Generations paid."""


class Gathering(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=7):
    """Training data is being fetched; it is not known yet whether it can be had."""

    since: CheckpointIndex
    """Checkpoint in which the job was opened."""

    votes: Ballots
    """What validators said of the data."""


Phase = Waiting | Assigned | Claimed | Disputed | Collecting | Learning | Gathering
"""Where a live job stands."""


class Job(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A live job. Ended ones are history."""

    id: Digest
    """Its name."""

    customer: PublicKey
    """Who pays."""

    order: Natural
    """Jobs opened before it."""

    stake: Grains
    """The customer's stake when it opened: jobs of more stake are assigned first."""

    task: Task
    """What is to be done."""

    units: Annotated[int, Meta(ge=1)]
    """How much that is."""

    unit_price: Grains
    """Grains per unit when it opened; what workers' least prices are compared with."""

    price: Grains
    """What it costs if it is done."""

    escrow: Grains
    """What is held for it now."""

    deadline_ms: Milliseconds
    """Last moment for a result or a sealed answer, or for a generation to close."""

    result_ms: Milliseconds
    """Time that a worker has from its assignment."""

    phase: Phase
    """Where it stands."""


class KindPrice(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The price of one kind."""

    price: Grains
    """Grains per unit."""

    start_ms: Milliseconds
    """When the current interval began."""

    units: Natural
    """Units sold since then."""


class MarketHead(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What of the market stands on no list."""

    opened: Natural
    """Jobs opened since the beginning."""

    prices: Annotated[tuple[KindPrice, ...], Meta(min_length=len(Kind), max_length=len(Kind))]
    """Price of each kind, in the order of ``Kind``."""


class MarketState(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The whole market at one moment; equal markets have equal bytes."""

    version: Annotated[int, Meta(ge=VERSION, le=VERSION)]
    """Version of this record."""

    opened: Natural
    """Jobs opened since the beginning."""

    prices: Annotated[tuple[KindPrice, ...], Meta(min_length=len(Kind), max_length=len(Kind))]
    """Price of each kind, in the order of ``Kind``."""

    programs: Annotated[tuple[ProgramEntry, ...], Meta(max_length=PROGRAMS_MAX)]
    """In rising order of ids."""

    capacities: Annotated[tuple[Capacity, ...], Meta(max_length=CAPACITIES_MAX)]
    """In rising order of workers."""

    jobs: Annotated[tuple[Job, ...], Meta(max_length=JOBS_MAX)]
    """In the order in which they were opened."""


def get_kind(task: Task) -> Kind:
    """Kind of a task."""
    match task:
        case Inference():
            return Kind.INFERENCE
        case Transformation():
            return Kind.TRANSFORMATION
        case Optimisation():
            return Kind.OPTIMISATION
        case Training():
            return Kind.TRAINING
        case _:
            assert_never(task)


def encode_market(state: MarketState) -> bytes:
    """Canonical bytes of a state."""
    return encode(state)


def decode_market(data: bytes) -> MarketState:
    """Read a state back.

    :raises OversizeEncoding, MalformedEncoding: no canonical encoding of one.
    """
    return decode(MarketState, data, limit=SNAPSHOT_SIZE_MAX)
