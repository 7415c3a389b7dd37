"""The board of one ledger: the standing jobs of its genesis, and models that customers pay for.

A paid job comes and goes. Its place on the board follows from the state of the market and from the checkpoint
before, so every node has the same board at every checkpoint:

- it is opened at the checkpoint after the one in which a quorum had its data, if there is room;
- it stays as long as the market says that it is live;
- the checkpoint in which it ends lists it once more, with its last weights and a budget of 0, so that nobody
  is drawn for it any more; the next one does not list it.

Its ``init_seed`` is the name of the market's job, so equal parameters never make equal jobs.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from aivm.backends.protocol import Backend
from poi.assignment import BOARD_JOBS_MAX
from poi.errors import StaleWork
from poi.events import ClosedGeneration, Counted, CountedWork
from poi.evolution import OpenJob, make_open_job, open_job
from poi.job import StandingJob, decode_job
from poi.market.limits import GENERATION_WORKERS_MAX
from poi.market.operations import GenerationClosed
from poi.market.outcomes import Purpose
from poi.market.pricing import decode_training
from poi.market.records import Job, Learning, Training
from poi.state import JobState
from poi.training import verify_training_data
from shards.checkpoints import ModelState
from tangle.core.genesis import Genesis
from tangle.core.transactions import Transaction
from tangle.core.types import Digest, Grains, JobId, Milliseconds, PublicKey
from tangle.ledger.fees import pay_emission

PAID_JOBS_MAX: Final = 8
"""Most paid jobs on the board at a time: each adds a fold and a score to a checkpoint, and its weights to
every write. Others wait for their turn, in the order in which they were opened."""


class StandingEntry(Struct):
    """A standing job on the board, and who is to be paid for its open generation."""

    budget: int
    """Its share of draws; 0 once it has ended."""

    state: JobState
    """What was counted and folded."""

    workers: dict[PublicKey, int]
    """Evaluations counted since the last closing, by worker."""

    model: ModelState
    """What checkpoints say of it now."""

    paid_by: Digest | None = None
    """The market's job whose escrow pays; none for a job of the genesis, which emission pays."""


class Earning(Struct, frozen=True):
    """What an account got without a transfer to it."""

    account: PublicKey
    amount: Grains
    job: JobId | None
    """Whose work was paid, or a job or program of the market; none for the fees of the commit's leader."""

    generation: int
    """Generation that the work was counted for; 0 for fees and the market."""

    purpose: Purpose | None = None
    """What the market paid for; none for fees and for work that emission pays."""


class ClosedWork(Struct, frozen=True):
    """What the closing of generations at a checkpoint led to."""

    closed: tuple[ClosedGeneration, ...]
    """Generations that are now current."""

    emission: tuple[Earning, ...]
    """Pay by emission."""

    findings: tuple[GenerationClosed, ...]
    """What the market is to pay."""


def make_standing_job(job: Job) -> StandingJob:
    """The standing job that the ledger trains for a customer: its parameters, seeded with the job's name.

    :raises InvalidTask: the task has no possible parameters; opening it would have been refused.
    """
    assert isinstance(job.task, Training), "only training jobs are on the board"
    return replace(decode_training(job.task), init_seed=job.id)


def open_paid_job(job: StandingJob, content: bytes) -> OpenJob:
    """A paid job with its data.

    :param content: the blob that the customer named.
    :raises OversizeEncoding, MalformedEncoding, InvalidDataset: it is not what a quorum must have seen.
    """
    parts = verify_training_data(job, content)
    return make_open_job(job, parts.training, parts.holdout)


def compute_paid_budget(genesis: Genesis) -> int:
    """Budget of every paid job: that of all jobs of the genesis together. Paid work goes first."""
    return sum(entry.budget for entry in genesis.board)


class Board:
    """The standing jobs of a ledger as its checkpoints move them forward."""

    def __init__(self, genesis: Genesis, entries: Sequence[StandingEntry], backend: Backend) -> None:
        """Go on from ``entries``: those of the latest checkpoint, the genesis's first.

        :param backend: counts scores when a generation closes.
        """
        self.entries = tuple(entries)
        self._budget = compute_paid_budget(genesis)
        self._room = min(PAID_JOBS_MAX, BOARD_JOBS_MAX - len(genesis.board))
        self._backend = backend
        self._ready: dict[Digest, OpenJob] = {}
        self._jobs: Mapping[JobId, StandingEntry] = {}
        self._index()

    def list_opening(self, live: Iterable[Job]) -> tuple[Job, ...]:
        """Jobs that the next checkpoint opens; their data must be handed in before.

        :param live: the market's jobs after the last checkpoint, in the order in which they were opened.
        """
        known = {entry.paid_by for entry in self.entries if entry.budget}
        learning = (job for job in live if isinstance(job.phase, Learning) and job.id not in known)
        room = self._room - sum(name is not None for name in known)
        return tuple(job for job, _ in zip(learning, range(room), strict=False))

    def hand_in(self, job: Job, content: bytes) -> None:
        """Ready a job that is going to be opened.

        :raises OversizeEncoding, MalformedEncoding, InvalidDataset: these are not its data.
        """
        self._ready[job.id] = open_paid_job(make_standing_job(job), content)

    def begin(self, live: Iterable[Job], now_ms: Milliseconds) -> tuple[ClosedGeneration, ...]:
        """Begin a checkpoint: forget what has ended, open what is to be opened. Answers first generations.

        :param live: as for ``list_opening``.
        """
        opening = self.list_opening(live)
        kept = [entry for entry in self.entries if entry.budget]
        if not opening and len(kept) == len(self.entries):
            return ()
        first = []
        for job in opening:
            opened = self._ready.pop(job.id, None)
            assert opened is not None, "the shell hands in all data before the checkpoint"
            state = JobState.start(opened, now_ms)
            generation = state.describe(0, self._backend)
            first.append(generation)
            kept.append(StandingEntry(self._budget, state, {}, _describe(generation, self._budget), job.id))
        self.entries = tuple(kept)
        self._index()
        return tuple(first)

    def get_evaluation_macs(self, job: JobId) -> int:
        """Multiply-accumulates of one evaluation; 0 for a job that is not on the board any more."""
        return self._macs.get(job, 0)

    def is_counted(self, transaction: Transaction) -> bool:
        """Whether a transaction's work would count if it were ordered now."""
        work = transaction.body.work
        entry = self._jobs.get(work.job)
        if entry is None:  # the job ended between the anchor and now
            return False
        try:
            return isinstance(entry.state.decide(work.generation), Counted)
        except StaleWork:  # it was in time at its anchor and ordered much later
            return False

    def count(self, transaction: Transaction) -> None:
        """Count the work of an ordered transaction, for which ``is_counted`` holds."""
        body, work = transaction.body, transaction.body.work
        entry = self._jobs[work.job]
        entry.state.count(CountedWork(work.generation, body.issuer, body.sequence, work.results))
        entry.workers[work.worker] = entry.workers.get(work.worker, 0) + len(work.results)

    def close_generations(self, now_ms: Milliseconds, emission: Grains, issued: int) -> ClosedWork:
        """Close what is due.

        :param emission: paid for a generation in this epoch, shared by the jobs of the genesis.
        :param issued: grains ever issued before this checkpoint.
        """
        closings: list[ClosedGeneration] = []
        pay: list[Earning] = []
        findings: list[GenerationClosed] = []
        for entry in self.entries:
            closed = entry.state.close_if_due(now_ms, self._backend)
            if closed is None:
                continue
            closings.append(closed)
            entry.model = _describe(closed, entry.budget)
            if entry.paid_by is None:
                share = emission * entry.budget // self._budget
                paid = pay_emission(share, entry.workers, issued + sum(each.amount for each in pay))
                pay.extend(
                    Earning(worker, each, closed.job, closed.generation) for worker, each in paid.items()
                )
            else:
                findings.append(_make_finding(entry.paid_by, closed, entry.workers))
            entry.workers = {}
        return ClosedWork(tuple(closings), tuple(pay), tuple(findings))

    def end(self, live: Iterable[Job]) -> None:
        """End a checkpoint: what the market no longer lists is drawn no more.

        :param live: the market's jobs after this checkpoint.
        """
        if all(entry.paid_by is None for entry in self.entries):
            return
        names = {job.id for job in live}
        for entry in self.entries:
            if entry.paid_by is not None and entry.paid_by not in names:
                entry.budget = 0
                entry.model = replace(entry.model, budget=0)

    def _index(self) -> None:
        self._jobs = {entry.state.opened.id: entry for entry in self.entries}
        # Asked for every transaction, and every answer sums over the layers.
        self._macs = {job: entry.state.opened.shape.multiply_accumulates for job, entry in self._jobs.items()}


def start_board(
    genesis: Genesis, backend: Backend
) -> tuple[tuple[StandingEntry, ...], tuple[ClosedGeneration, ...]]:
    """The standing jobs as they are before any work, and their initial generations.

    :raises InvalidJob, UnknownDataset: the genesis names a job that this node cannot run.
    """
    entries, opened = [], []
    for entry in genesis.board:
        state = JobState.start(open_job(decode_job(entry.parameters)), genesis.timestamp_ms)
        first = state.describe(0, backend)
        entries.append(StandingEntry(entry.budget, state, {}, _describe(first, entry.budget)))
        opened.append(first)
    return tuple(entries), tuple(opened)


def _describe(closed: ClosedGeneration, budget: int) -> ModelState:
    return ModelState(closed.job, closed.generation, closed.digest, closed.score, budget)


def _make_finding(
    job: Digest, closed: ClosedGeneration, workers: Mapping[PublicKey, int]
) -> GenerationClosed:
    """The market counts generations from 0: the one that closed, not the one that began."""
    most = sorted(workers.items(), key=lambda item: (-item[1], item[0]))[:GENERATION_WORKERS_MAX]
    return GenerationClosed(job, closed.generation - 1, tuple(sorted(most)))
