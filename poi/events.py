"""Records that go in and out of this package; all of them can be pickled and sent to a worker process."""

from msgspec import Struct

from poi.job import StandingJob
from tangle.core.types import Digest, JobId, Milliseconds, Natural, PublicKey, Sequence, Signed


class Assignment(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Evaluations that one transaction has to carry."""

    issuer: PublicKey
    """Issuer of the transaction."""

    sequence: Sequence
    """Its number."""

    evaluations: Natural
    """How many, at least 1: the difficulty."""


class CountedWork(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Verified work of one ordered transaction."""

    generation: Natural
    """Generation that was evaluated; it may be older than the current one."""

    issuer: PublicKey
    """Issuer of the transaction."""

    sequence: Sequence
    """Its number."""

    results: tuple[Signed, ...]
    """One ``d`` per evaluation."""


class EvaluateRequest(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Compute evaluations of one generation: to prove one's own, or to verify others' by comparing."""

    job: StandingJob
    """The job."""

    generation: Natural
    """Generation evaluated."""

    weights: bytes
    """Effective weights of that generation: int8, layer by layer, row-major."""

    assignments: tuple[Assignment, ...]
    """What to evaluate."""

    data: bytes = b""
    """The blob of the job's training data; empty where the data ship with this version, or were sent before.
    """


class EvaluateAnswer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What an ``EvaluateRequest`` computed."""

    results: tuple[tuple[Signed, ...], ...]
    """Per assignment, one ``d`` per evaluation."""


class ClosedGeneration(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A generation came into being: by closing the one before, or, as generation 0, with the job."""

    job: JobId
    """The job."""

    generation: Natural
    """Number of the generation that is now current."""

    digest: Digest
    """Hash that names job, generation and weights."""

    score: Natural
    """Right answers on the holdout."""

    evaluations: Natural
    """Evaluations folded; 0 for generation 0."""

    closed_ms: Milliseconds
    """Commit time of the checkpoint that closed the one before."""

    master: bytes
    """Master weights: int32 little-endian, layer by layer, row-major."""


class JobSnapshot(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A job's state between two checkpoints, small enough to be stored with each."""

    generation: Natural
    """Current generation."""

    master: bytes
    """Its master weights."""

    direction: bytes
    """Sum of ``sign(d) a bT`` over what was counted since the last closing: int32, encoded like ``master``.
    """

    evaluations: Natural
    """Evaluations counted since the last closing."""

    closed_ms: Milliseconds
    """Commit time of the last closing, or of the job's start."""


class Counted(Struct, frozen=True):
    """The work counts and is paid."""

    evaluations: int
    """How many evaluations it adds."""


class TooLate(Struct, frozen=True):
    """The transaction applies; its work came too many generations late and is not paid."""

    generations_late: int
    """How many."""


CountDecision = Counted | TooLate
"""What ordering a transaction's work leads to."""


class ReplayStep(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One checkpoint as far as a standing job is concerned."""

    timestamp_ms: Milliseconds
    """Commit time of the checkpoint."""

    works: tuple[CountedWork, ...]
    """Work of its transactions in order, whether it counted or not."""
