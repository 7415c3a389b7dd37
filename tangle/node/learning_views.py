"""What a node shows of its standing jobs: models, their generations, and the work that made them."""

from msgspec import Struct

from tangle.core.types import Digest, JobId, PublicKey, TransactionId


class GenerationView(Struct, frozen=True):
    """One generation of a standing job's model."""

    generation: int
    score: int
    """Correct answers on the holdout."""

    evaluations: int
    """Evaluations folded into it (0 for the initial weights)."""

    weights_digest: Digest
    checkpoint: int
    """Checkpoint that closed the generation before it (0 for the initial weights)."""

    timestamp_ms: int


class ModelView(Struct, frozen=True):
    """A standing job and how far its model has come."""

    job: JobId
    name: str
    layer_sizes: tuple[int, ...]
    budget: int
    holdout_rows: int
    population: int
    current: GenerationView
    counted_total: int
    """Evaluations counted since genesis."""

    counted_open: int
    """Evaluations counted for the generation that is open now."""

    paid_by: Digest | None
    """Job of the market that pays for it; none for a job of the genesis. It has ended where ``budget`` is 0.
    """


class LineageItem(Struct, frozen=True):
    """One counted evaluation."""

    ordered_index: int
    checkpoint: int
    """Checkpoint that ordered it; with its commit time, what ``poi.replay`` needs to group evaluations."""

    timestamp_ms: int
    """Commit time of that checkpoint."""

    transaction: TransactionId
    issuer: PublicKey
    sequence: int
    generation: int
    """Generation that was evaluated (folds into a later one when it was late)."""

    results: tuple[int, ...]
