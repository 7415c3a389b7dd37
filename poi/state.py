"""A standing job as ordering moves it forward: count work, close a generation, go on.

Everything here is a function of the ordered prefix: which works were ordered, and the commit times of
checkpoints. A generation closes at the first checkpoint at which P evaluations have been counted since the
last closing and the interval has passed. Shells keep one ``JobState`` per job and store its snapshot with
each checkpoint.
"""

from collections.abc import Mapping
from typing import Self

from aivm.backends.protocol import Backend
from aivm.batch import Weights
from poi.errors import StaleWork
from poi.events import ClosedGeneration, CountDecision, Counted, CountedWork, JobSnapshot, TooLate
from poi.evolution import OpenJob, compute_score, verify_generation
from poi.folding import compute_direction, compute_fold, make_zero_direction
from poi.weights import (
    Matrices,
    compute_effective,
    compute_initial_master,
    compute_weights_digest,
    decode_master,
    decode_matrices,
    encode_effective,
    encode_matrices,
)
from tangle.core.types import Milliseconds


class JobState:
    """Current generation, what was counted for the next, and the weights that work may still name."""

    __slots__ = (
        "_closed_ms",
        "_direction",
        "_evaluations",
        "_generation",
        "_master",
        "_opened",
        "_pending",
        "_weights",
    )

    def __init__(self, opened: OpenJob, snapshot: JobSnapshot, history: Mapping[int, bytes]) -> None:
        """Continue from a stored snapshot.

        :param history: effective weights by generation, as ``get_weights_encoded`` gave them; those of the
            current generation are derived and need not be among them.
        :raises InvalidWeights: the snapshot's weights are not this job's.
        """
        self._opened = opened
        self._generation: int = snapshot.generation
        self._master = decode_master(opened.job, snapshot.master)
        self._direction = decode_matrices(opened.shape.layers, snapshot.direction)
        self._evaluations: int = snapshot.evaluations
        self._closed_ms = snapshot.closed_ms
        self._pending: list[CountedWork] = []
        oldest = self._generation - opened.job.work_window
        self._weights = {generation: data for generation, data in history.items() if generation >= oldest}
        self._weights[self._generation] = encode_effective(self.weights)

    @classmethod
    def start(cls, opened: OpenJob, now_ms: Milliseconds) -> Self:
        """A job at generation 0, opened at commit time ``now_ms``."""
        master = encode_matrices(compute_initial_master(opened.job, opened.id))
        nothing = encode_matrices(make_zero_direction(opened.shape.layers))
        return cls(opened, JobSnapshot(0, master, nothing, 0, now_ms), {})

    @property
    def opened(self) -> OpenJob:
        """The job."""
        return self._opened

    @property
    def generation(self) -> int:
        """Current generation."""
        return self._generation

    @property
    def evaluations(self) -> int:
        """Evaluations counted since the last closing."""
        return self._evaluations

    @property
    def master(self) -> Matrices:
        """Master weights of the current generation."""
        return self._master

    @property
    def weights(self) -> Weights:
        """Effective weights of the current generation."""
        return compute_effective(self._opened.job, self._master)

    def get_weights_encoded(self, generation: int) -> bytes:
        """Effective weights of a generation that work may still name: int8, layer by layer, row-major.

        :raises WrongGeneration, StaleWork: it does not exist yet, or its weights are no longer kept.
        """
        verify_generation(self._opened.job, generation, self._generation)
        data = self._weights.get(generation)
        if data is None:
            raise StaleWork(generation, self._generation, self._opened.job.work_window)
        return data

    def decide(self, generation: int) -> CountDecision:
        """Whether one evaluation of ``generation`` would count if it were ordered now.

        :raises WrongGeneration: it does not exist yet; verified work cannot name it.
        :raises StaleWork: it should not have been admitted.
        """
        verify_generation(self._opened.job, generation, self._generation)
        late = self._generation - generation
        return TooLate(late) if late > self._opened.job.staleness else Counted(1)

    def count(self, work: CountedWork) -> CountDecision:
        """Count the verified work of an ordered transaction, unless it comes too late.

        :raises WrongGeneration, StaleWork: see ``decide``.
        """
        decision = self.decide(work.generation)
        if isinstance(decision, TooLate):
            return decision
        self._pending.append(work)
        self._evaluations += len(work.results)
        return Counted(len(work.results))

    def is_due(self, now_ms: Milliseconds) -> bool:
        """Whether a checkpoint at commit time ``now_ms`` closes the generation."""
        job = self._opened.job
        return self._evaluations >= job.population and now_ms - self._closed_ms >= job.generation_interval_ms

    def close_if_due(self, now_ms: Milliseconds, backend: Backend) -> ClosedGeneration | None:
        """At a checkpoint: fold what was counted and open the next generation, when both conditions hold."""
        if not self.is_due(now_ms):
            return None
        self._sum_pending()
        evaluations = self._evaluations
        self._master = compute_fold(self._opened.job, self._master, self._direction, evaluations)
        self._direction = make_zero_direction(self._opened.shape.layers)
        self._evaluations = 0
        self._generation += 1
        self._closed_ms = now_ms
        self._weights[self._generation] = encode_effective(self.weights)
        self._weights.pop(self._generation - self._opened.job.work_window - 1, None)
        return self.describe(evaluations, backend)

    def describe(self, evaluations: int, backend: Backend) -> ClosedGeneration:
        """The current generation as a record, scored on the holdout.

        :param evaluations: how many were folded into it.
        """
        opened = self._opened
        return ClosedGeneration(
            job=opened.id,
            generation=self._generation,
            digest=compute_weights_digest(opened.job, opened.id, self._generation, self._master),
            score=compute_score(opened, self.weights, backend),
            evaluations=evaluations,
            closed_ms=self._closed_ms,
            master=encode_matrices(self._master),
        )

    def get_snapshot(self) -> JobSnapshot:
        """What to store with the checkpoint; ``JobState(opened, snapshot, history)`` goes on from it."""
        self._sum_pending()
        return JobSnapshot(
            self._generation,
            encode_matrices(self._master),
            encode_matrices(self._direction),
            self._evaluations,
            self._closed_ms,
        )

    def _sum_pending(self) -> None:
        if not self._pending:
            return
        # Summed in batches, because one evaluation alone costs as much as a hundred together.
        added = compute_direction(self._opened.job, self._opened.id, self._pending)
        self._direction = tuple(old + new for old, new in zip(self._direction, added, strict=True))
        self._pending = []
