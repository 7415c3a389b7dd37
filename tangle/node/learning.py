"""Questions about the standing jobs: generations, weights, and the work that made them."""

from poi.presets import get_job_name
from tangle.core.types import JobId
from tangle.node.archive import GenerationRecord
from tangle.node.node import Node
from tangle.node.views import GenerationView, LineageItem, ModelView, NotFound


class LearningQueries:
    """Reads a node's archive."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._totals: dict[JobId, tuple[int, int]] = {}

    def get_models(self) -> tuple[ModelView, ...]:
        """Standing jobs in the order of the board."""
        return tuple(self.get_model(entry.state.opened.id) for entry in self._node.executor.machine.board)

    def get_model(self, job: JobId) -> ModelView:
        """One standing job at the latest executed checkpoint."""
        for entry in self._node.executor.machine.board:
            opened = entry.state.opened
            if opened.id == job:
                current = self._find_durable(job, entry.model.generation)
                return ModelView(
                    job=job,
                    name=get_job_name(opened),
                    layer_sizes=opened.job.sizes,
                    budget=entry.budget,
                    holdout_rows=len(opened.holdout.rows),
                    population=opened.job.population,
                    current=_make_view(current),
                    counted_total=self._count_folded(job, current.generation) + entry.state.evaluations,
                    counted_open=entry.state.evaluations,
                )
        raise NotFound("standing job", job.hex())

    def get_generations(self, job: JobId, first: int, limit: int) -> tuple[GenerationView, ...]:
        """Score curve from generation ``first`` on."""
        self.get_model(job)
        return tuple(_make_view(record) for record in self._node.archive.get_generations(job, first, limit))

    def get_weights(self, job: JobId, generation: int | None) -> bytes:
        """Master weights of a generation, the current one for none."""
        model = self.get_model(job)
        wanted = model.current.generation if generation is None else generation
        weights = self._node.archive.get_master(job, wanted)
        if weights is None:
            raise NotFound("generation", str(wanted))
        return weights

    def get_lineage(self, job: JobId, after: int, limit: int) -> tuple[LineageItem, ...]:
        """Counted evaluations with ordered index >= ``after``, in order."""
        self.get_model(job)
        archive = self._node.archive
        items = []
        for index, record in archive.get_evaluations(job, after, limit):
            row = archive.get_ordered(index)
            assert row is not None, "counted work is ordered"
            checkpoint = archive.get_checkpoint(row.checkpoint)
            transaction = archive.get_transaction(row.effect.transaction)
            assert checkpoint is not None, "history is written with its checkpoint"
            assert transaction is not None, "what is ordered is stored"
            body = transaction.body
            items.append(
                LineageItem(
                    ordered_index=index,
                    checkpoint=row.checkpoint,
                    timestamp_ms=checkpoint.timestamp_ms,
                    transaction=transaction.id,
                    issuer=body.issuer,
                    sequence=body.sequence,
                    generation=record.generation,
                    results=body.work.results,
                )
            )
        return tuple(items)

    def _find_durable(self, job: JobId, generation: int) -> GenerationRecord:
        # The machine is a moment ahead of the disk; then the generation before is the latest to be shown.
        records = self._node.archive.get_generations(job, max(0, generation - 1), 2)
        return records[-1]

    def _count_folded(self, job: JobId, generation: int) -> int:
        """Evaluations folded into all generations up to ``generation``; each record is read once."""
        upto, total = self._totals.get(job, (0, 0))
        for record in self._node.archive.get_generations(job, upto, generation - upto + 1):
            total += record.evaluations
            upto = record.generation + 1
        self._totals[job] = (upto, total)
        return total


def _make_view(record: GenerationRecord) -> GenerationView:
    return GenerationView(
        generation=record.generation,
        score=record.score,
        evaluations=record.evaluations,
        weights_digest=record.weights_digest,
        checkpoint=record.checkpoint,
        timestamp_ms=record.timestamp_ms,
    )
