"""The standing jobs of a snapshot, followed through its history.

Checkpoints say which generation of which job they opened, by the digest of its weights. What was counted for
the open generation is in no checkpoint: it is counted again from the work of the transactions in between.
"""

from collections.abc import Mapping

from msgspec import Struct

from poi.events import CountedWork, JobSnapshot
from poi.evolution import OpenJob
from poi.folding import make_zero_direction
from poi.state import JobState
from poi.weights import compute_weights_digest, decode_master, encode_matrices
from shards.checkpoints import Checkpoint, ModelState
from tangle.core.errors import TangleError
from tangle.core.transactions import Transaction
from tangle.core.types import JobId, Milliseconds
from tangle.node.snapshots.errors import SnapshotFalse


class OpenedGeneration(Struct, frozen=True):
    """A generation that a checkpoint opened, with its weights."""

    model: ModelState
    """What the checkpoint says of it."""

    checkpoint: int
    """Which one."""

    timestamp_ms: Milliseconds
    """Its commit time."""

    evaluations: int
    """Folded into it, as far as they are known."""

    master: bytes
    """Its weights."""


class _Followed:
    def __init__(self, opened: OpenedGeneration | None) -> None:
        self.opened = opened
        self.works: list[CountedWork] = []

    def count_evaluations(self) -> int:
        return sum(len(work.results) for work in self.works)


class ModelFollower:
    """Goes from checkpoint to checkpoint."""

    def __init__(self, jobs: Mapping[JobId, OpenJob]) -> None:
        """:param jobs: all that a checkpoint may name, with their data."""
        self._jobs = jobs
        self._masters: dict[tuple[JobId, int], bytes] = {}
        self._followed: dict[JobId, _Followed] = {}
        self._last: dict[JobId, int] = {}
        self._witnessed: list[OpenedGeneration] = []

    def add_master(self, job: JobId, generation: int, master: bytes, witness: Checkpoint | None) -> None:
        """Weights that some checkpoint will name, or that a certified one names.

        :raises SnapshotFalse: that one names others.
        """
        self._masters[job, generation] = master
        if witness is None:
            return
        for model in witness.models:
            if (model.job, model.generation) == (job, generation):
                self._witnessed.append(self._open(witness, model))
                return
        raise SnapshotFalse(
            f"generation {generation} of model {job.hex()[:16]}", "nothing certified names it"
        )

    def start(self, checkpoint: Checkpoint) -> list[OpenedGeneration]:
        """The first checkpoint; answers its generations, and older ones.

        Those of the genesis are opened by it; of others nobody knows when.
        """
        found = [self._open(checkpoint, model) for model in checkpoint.models]
        is_genesis = checkpoint.index == 0
        for each in found:
            self._followed[each.model.job] = _Followed(each if is_genesis else None)
            self._last[each.model.job] = each.model.generation
        return self._witnessed + found

    def count(self, transaction: Transaction) -> None:
        """Work that a checkpoint's effects say was counted."""
        body, work = transaction.body, transaction.body.work
        followed = self._followed.get(work.job)
        if followed is None:
            raise SnapshotFalse(
                f"transaction {transaction.id.hex()[:16]}", "its work is of no job of the board"
            )
        followed.works.append(CountedWork(work.generation, body.issuer, body.sequence, work.results))

    def advance(self, checkpoint: Checkpoint) -> list[OpenedGeneration]:
        """The next checkpoint, whose work was counted; answers generations that it opened."""
        found = []
        for model in checkpoint.models:
            if self._last.get(model.job) == model.generation:
                continue
            each = self._open(checkpoint, model)
            found.append(each)
            self._followed[model.job] = _Followed(each)
            self._last[model.job] = model.generation
        present = {model.job for model in checkpoint.models}
        for job in [job for job in self._followed if job not in present]:
            del self._followed[job], self._last[job]
        return found

    def finish(self, checkpoint: Checkpoint) -> dict[JobId, JobSnapshot]:
        """State of every job on the board at the last checkpoint.

        :raises SnapshotFalse: the opening of its generation is not inside, or weights that nobody names are.
        """
        if self._masters:
            raise SnapshotFalse("the models", "there are weights that no checkpoint names")
        return {model.job: self._count_again(model.job) for model in checkpoint.models if model.budget}

    def _count_again(self, identity: JobId) -> JobSnapshot:
        followed, job = self._followed[identity], self._jobs[identity]
        if followed.opened is None:
            raise SnapshotFalse(
                f"model {identity.hex()[:16]}", "its open generation is older than the history"
            )
        nothing = encode_matrices(make_zero_direction(job.shape.layers))
        opened = followed.opened
        first = JobSnapshot(opened.model.generation, opened.master, nothing, 0, opened.timestamp_ms)
        state = JobState(job, first, {})
        try:
            for work in followed.works:
                state.count(work)
        except TangleError as error:
            raise SnapshotFalse(f"model {identity.hex()[:16]}", str(error)) from error
        return state.get_snapshot()

    def _open(self, checkpoint: Checkpoint, model: ModelState) -> OpenedGeneration:
        place = f"generation {model.generation} of model {model.job.hex()[:16]}"
        job = self._jobs.get(model.job)
        master = self._masters.pop((model.job, model.generation), None)
        if job is None or master is None:
            raise SnapshotFalse(place, "it, or its weights, are missing")
        try:
            digest = compute_weights_digest(job.job, job.id, model.generation, decode_master(job.job, master))
        except TangleError as error:
            raise SnapshotFalse(place, str(error)) from error
        if digest != model.weights_digest:
            raise SnapshotFalse(place, "its weights are not those of the checkpoint")
        before = self._followed.get(model.job)
        evaluations = 0 if before is None else before.count_evaluations()
        return OpenedGeneration(model, checkpoint.index, checkpoint.timestamp_ms, evaluations, master)
