"""Answers about standing jobs and their models."""

from msgspec import Struct

from tangle.api.wire import HexDigest, Quantity, SignedQuantity


class GenerationAnswer(Struct, frozen=True):
    """One generation of a model."""

    generation: Quantity
    """Its number, from 0."""

    score: int
    """Correct answers on the holdout."""

    evaluations: Quantity
    """Evaluations folded into it; 0 for the initial weights."""

    weights_digest: HexDigest
    """Digest of its weights."""

    checkpoint: Quantity
    """Checkpoint that closed the generation before it."""

    timestamp_ms: Quantity
    """Commit time of that checkpoint."""


class ModelAnswer(Struct, frozen=True):
    """A standing job and how far its model has come."""

    job: HexDigest
    """The job's id."""

    name: str
    """Its name."""

    layer_sizes: tuple[int, ...]
    """Neurons of each layer, input first."""

    budget: Quantity
    """Share of the transactions' work, relative to other jobs."""

    holdout_rows: int
    """Rows that the score counts over."""

    population: int
    """Evaluations that a generation needs."""

    current: GenerationAnswer
    """The generation that is evaluated now."""

    counted_total: Quantity
    """Evaluations counted since the job began."""

    counted_open: Quantity
    """Evaluations counted for the open generation."""

    paid_by: HexDigest | None
    """Job of the market that pays for it; none for a job of the genesis. It has ended where ``budget`` is 0.
    """


class ModelDetailAnswer(Struct, frozen=True):
    """A standing job with a piece of its learning curve."""

    model: ModelAnswer
    """The job."""

    curve: tuple[GenerationAnswer, ...]
    """Generations from ``first`` on, in order."""


class LineageItemAnswer(Struct, frozen=True):
    """One counted evaluation."""

    ordered_index: Quantity
    """Place of its transaction in the history."""

    checkpoint: Quantity
    """Checkpoint that ordered it."""

    timestamp_ms: Quantity
    """Commit time of that checkpoint; a replay groups evaluations by it."""

    transaction: HexDigest
    """Transaction that carried it."""

    issuer: str
    """Address of the issuer."""

    sequence: Quantity
    """The issuer's number; with the issuer it seeds the evaluation."""

    generation: Quantity
    """Generation that was evaluated."""

    results: tuple[SignedQuantity, ...]
    """What was found."""
