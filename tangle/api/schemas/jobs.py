"""Answers about jobs: where each stands, what happened to it, and why."""

from msgspec import Struct

from tangle.api.schemas.market import JobKind
from tangle.api.wire import HexBytes, HexDigest, Quantity
from tangle.node.market_views import JobPhase


class TensorSourceAnswer(Struct, frozen=True):
    """A tensor, and how to find its bytes: the program says its size, and size and root name the blob."""

    tensor: HexDigest
    """Its id."""

    chunk_root: HexDigest
    """Root over the chunks of its bytes."""


class ProgramTaskAnswer(Struct, frozen=True, tag_field="of", tag="program"):
    """Rows through a registered program."""

    program: HexDigest
    """The program."""

    rows: int
    """How many rows."""

    level: int
    """Level of verification that is paid for."""

    inputs: tuple[TensorSourceAnswer, ...]
    """What it reads."""


class ProblemTaskAnswer(Struct, frozen=True, tag_field="of", tag="problem"):
    """A problem for whoever has the best answer."""

    problem: HexBytes
    """Its encoding."""

    problem_kind: str
    """``points``, ``distances`` or ``packing``."""

    parts: int
    """Its places or items."""


class TrainingTaskAnswer(Struct, frozen=True, tag_field="of", tag="training"):
    """A standing job that the customer pays for."""

    standing_job: HexDigest
    """Id of the standing job, under which its model is found."""

    parameters: HexBytes
    """Its encoded parameters."""

    generations: int
    """How many generations are paid."""

    data: str
    """Content id of the training data."""


TaskAnswer = ProgramTaskAnswer | ProblemTaskAnswer | TrainingTaskAnswer
"""What is to be done."""


class ClaimAnswer(Struct, frozen=True):
    """A worker's word on a whole run."""

    commitment: HexBytes
    """Its encoding."""

    root: HexDigest
    """Root of the trace."""

    outputs: tuple[TensorSourceAnswer, ...]
    """What the run gave."""

    served: str | None
    """Content id of the tensors that a verifier may ask for; null where there are none."""

    end_ms: Quantity
    """Last moment for a challenge."""

    approved_by: tuple[int, ...]
    """Validators that found it right."""

    rejected_by: tuple[int, ...]
    """Validators that rejected it."""


class BestAnswer(Struct, frozen=True):
    """The best answer shown so far."""

    worker: str
    """Whose it is."""

    value: Quantity
    """What it costs; less is better."""

    answer: HexBytes
    """Its encoding."""


class JobAnswer(Struct, frozen=True):
    """A job as it is, or as it was when it ended."""

    id: HexDigest
    """Its name."""

    kind: JobKind
    """What it is."""

    phase: JobPhase
    """Where it stands."""

    is_live: bool
    """Whether it has not ended."""

    customer: str
    """Address that pays."""

    order: Quantity
    """Jobs opened before it."""

    task: TaskAnswer
    """What is to be done."""

    units: Quantity
    """How much that is."""

    unit_price: Quantity
    """Grains per unit when it opened."""

    price: Quantity
    """What it costs if it is done."""

    escrow: Quantity
    """What is held for it, or was held last."""

    refunded: Quantity | None
    """What the customer got back at the end; null while it is live."""

    deadline_ms: Quantity
    """Last moment for a result, a sealed answer or a generation."""

    result_ms: Quantity
    """Time that a worker has; 0 where nobody is assigned."""

    worker: str | None
    """Who has it, or whose result stands."""

    failed_workers: tuple[str, ...]
    """Who had it before and did not do it."""

    due_ms: Quantity | None
    """When the worker's result is due."""

    claim: ClaimAnswer | None
    """The result that stands, or was paid."""

    challenger: str | None
    """Who disputes it."""

    sealed_answers: int
    """Sealed answers to a problem."""

    best: BestAnswer | None
    """The best one shown."""

    closed_generations: Quantity
    """Generations of a training that were paid."""


class JobEventAnswer(Struct, frozen=True):
    """Something that happened to a job."""

    number: int
    """Its place among the job's events, from 0."""

    name: str
    """What happened, for machines: ``job-opened``, ``result-claimed``, ..."""

    text: str
    """The same for people, in one sentence."""

    checkpoint: Quantity
    """Checkpoint in which it happened."""

    timestamp_ms: Quantity
    """That checkpoint's commit time."""

    transaction: HexDigest | None
    """The transaction that made it happen; null where time or votes did."""


class ExplanationLineAnswer(Struct, frozen=True):
    """One step of a story."""

    timestamp_ms: Quantity
    """When."""

    checkpoint: Quantity
    """In which checkpoint."""

    text: str
    """What happened and why."""


class ExplanationAnswer(Struct, frozen=True):
    """What happened to something and why, on one page."""

    title: str
    """What it is."""

    summary: str
    """How it stands, in one or two sentences."""

    lines: tuple[ExplanationLineAnswer, ...]
    """What happened, oldest first."""

    money: tuple[str, ...]
    """Where every grain is or went."""

    outlook: str | None
    """What comes next and by when; null when nothing does."""
