"""Questions about the standing jobs: generations, weights, and the work that made them."""

from typing import Final

from poi.job import compute_job_id, decode_job
from poi.presets import get_job_name
from poi.training import decode_training_data
from tangle.core.blob_id import BlobId
from tangle.core.types import JobId
from tangle.node.archive import PAGE, GenerationRecord
from tangle.node.learning_views import GenerationView, LineageItem, ModelView
from tangle.node.node import Node
from tangle.node.training_archive import PaidJob
from tangle.node.views import NotFound

ENDED_MAX: Final = 64
"""Paid jobs that are listed; older ones are found by their ids."""

NAME_LENGTH: Final = 8
"""Digits of a job's id that people call it by."""


class LearningQueries:
    """Reads a node's archive."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._totals: dict[JobId, tuple[int, int]] = {}

    def get_models(self) -> tuple[ModelView, ...]:
        """Standing jobs in the order of the board, and then paid ones that ended, the latest first."""
        archive = self._node.archive
        board = [entry.state.opened.id for entry in self._node.executor.machine.board]
        # The machine is a moment ahead of the disk: a job that it just opened is shown in a moment.
        shown = [job for job in board if archive.get_generations(job, 0, 1)]
        ended = [job for job in archive.training.list_latest(ENDED_MAX) if job not in board]
        return tuple(self.get_model(job) for job in (*shown, *ended))

    def get_model(self, job: JobId) -> ModelView:
        """One standing job at the latest executed checkpoint, or as it ended.

        :raises NotFound: it never was on the board.
        """
        for entry in self._node.executor.machine.board:
            opened = entry.state.opened
            if opened.id == job and self._node.archive.get_generations(job, 0, 1):
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
                    paid_by=entry.paid_by,
                )
        return self._get_ended(job)

    def get_parameters(self, job: JobId) -> bytes:
        """The encoded parameters of a standing job, live or ended; its id is their hash.

        :raises NotFound: it never was on the board.
        """
        for entry in self._node.genesis.board:
            if compute_job_id(decode_job(entry.parameters)) == job:
                return entry.parameters
        return self._get_paid(job).parameters

    def get_data(self, job: JobId) -> bytes:
        """The training data of a paid job, whose parameters name their roots.

        :raises NotFound: it has none, or the data ship with this software.
        """
        content = self._node.archive.training.get_content(BlobId(self._get_paid(job).data))
        assert content is not None, "a job and its data are written together"
        return content

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

    def _get_paid(self, job: JobId) -> PaidJob:
        record = self._node.archive.training.get_job(job)
        if record is None:
            raise NotFound("paid standing job", job.hex())
        return record

    def _get_ended(self, job: JobId) -> ModelView:
        archive = self._node.archive
        record = archive.training.get_job(job)
        if record is None:
            raise NotFound("standing job", job.hex())
        standing = decode_job(record.parameters)
        last = self._find_last(job)
        return ModelView(
            job=job,
            name=job.hex()[:NAME_LENGTH],
            layer_sizes=standing.sizes,
            budget=0,
            holdout_rows=len(decode_training_data(self.get_data(job)).holdout_labels),
            population=standing.population,
            current=_make_view(last),
            counted_total=self._count_folded(job, last.generation),
            counted_open=0,
            paid_by=record.name,
        )

    def _find_last(self, job: JobId) -> GenerationRecord:
        # What was folded was counted up to some generation; from there on it is not far.
        first = max(0, self._totals.get(job, (0, 0))[0] - 1)
        found = self._node.archive.get_generations(job, first, PAGE)
        last = found[-1]
        while len(found) == PAGE:
            found = self._node.archive.get_generations(job, last.generation + 1, PAGE)
            last = found[-1] if found else last
        return last

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
