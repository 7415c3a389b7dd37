"""Whoever breaks the rules of the market: twins of the honest parts, put into a node's room for jobs."""

from collections.abc import Callable

import numpy as np
from msgspec.structs import replace

from aivm.program.binding import Tensor
from aivm.verification.graph import GraphProgram
from aivm.verification.trace import Trace
from poi.disputes.moves import Move
from poi.disputes.record import Side
from poi.market.operations import MakeMove, SubmitResult
from poi.market.records import Assigned, Disputed, Job, ProgramEntry
from poi.market.votes import Verdict
from tangle.core.blob_id import make_blob_id
from tangle.core.types import Digest, PublicKey
from tangle.node.jobs.court import Court
from tangle.node.jobs.deeds import Crew
from tangle.node.jobs.errors import JobDataMissing
from tangle.node.jobs.examiner import Examiner
from tangle.node.jobs.names import RunTask, get_run_task
from tangle.node.jobs.opening import JobsParts, make_crew
from tangle.node.jobs.programs import Library
from tangle.node.jobs.shelf import RunShelf
from tangle.node.jobs.validating import ClaimMatter, Finding, Found, Matter
from tangle.node.jobs.workshop import Run, Workshop
from tangle.node.node import Node
from tests.aivm.verification.builders import change, continue_wrongly
from tests.node.jobs.bazaar import MakeCrew

Bend = Callable[[GraphProgram, tuple[Tensor, ...]], tuple[Tensor, ...]]
"""Changes the tensors of a run."""

Alter = Callable[[SubmitResult], SubmitResult]
"""Changes what is handed in."""

NOWHERE = make_blob_id(Digest(b"nobody has this".ljust(32)))
"""A blob that nobody can give."""


def keep_tensors(_: GraphProgram, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tensors


def keep_submission(submission: SubmitResult) -> SubmitResult:
    return submission


class LyingWorkshop(Workshop):
    """Commits to other tensors than the program gives, or hands in something else than it has."""

    bend: Bend
    alter: Alter

    async def compute(self, program: GraphProgram, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return self.bend(program, await super().compute(program, inputs))

    async def store(self, job: Job, run: Run) -> SubmitResult:
        return self.alter(await super().store(job, run))


class IdleWorkshop(Workshop):
    """Never does a job that it was given."""

    async def perform(self, job: Job, phase: Assigned, entry: ProgramEntry) -> tuple[Run, SubmitResult]:
        raise JobDataMissing("the will", "it is somewhere else")


class SilentCourt(Court):
    """Makes no move."""

    async def play(
        self, job: Job, task: RunTask, phase: Disputed, entry: ProgramEntry, side: Side, run: Run, now_ms: int
    ) -> MakeMove | None:
        return None


class HidingCourt(Court):
    """Says that its moves are in blobs which nobody has."""

    async def write(self, job: Digest, move: Move) -> MakeMove:
        return MakeMove(job, b"", NOWHERE)


class Slanderer(Examiner):
    """Finds every result wrong, and has a trace of its own that says so."""

    shelf: RunShelf
    workshop: Workshop

    async def examine(self, subject: Digest, matter: Matter, now_ms: int) -> Finding:
        finding = await super().examine(subject, matter, now_ms)
        if not isinstance(matter, ClaimMatter) or finding != Found(Verdict.RIGHT):
            return finding
        task = get_run_task(matter.job)
        entry = self._find_program(task.program)
        assert entry is not None
        right = await self._workshop.retrace(task, entry, matter.claim.commitment.context)
        program = right.trace.program
        wrong = continue_wrongly(program, right.tensors, program.first, 5)
        trace = Trace(program, wrong, matter.claim.commitment.context)
        self._shelf.put(subject, Run(wrong, trace))
        return Found(Verdict.WRONG)


# ── what liars commit to ────────────────────────────────────────────────────────────────────────────────────


def lie_about_the_answer(program: GraphProgram, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """One element of the last operator's."""
    return change(tensors, program.outputs[0], 77)


def lie_from_the_beginning(program: GraphProgram, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """One sum is wrong, and everything after it follows from there."""
    return continue_wrongly(program, tensors, program.first, 3)


def lie_in_between(program: GraphProgram, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The answer is right, the trace is not."""
    return change(tensors, program.first, 3)


def do_nothing(program: GraphProgram, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Zeros instead of work."""
    zeros = [np.zeros_like(tensor) for tensor in tensors[program.first :]]
    return (*tensors[: program.first], *zeros)


# ── nodes with such people ──────────────────────────────────────────────────────────────────────────────────


def make_liar(bend: Bend = keep_tensors, alter: Alter = keep_submission) -> MakeCrew:
    """A node whose worker lies, and whose validator is honest all the same."""

    def make(node: Node, parts: JobsParts) -> Crew:
        crew = make_crew(node, parts)
        workshop = LyingWorkshop(crew.workshop.programs, crew.stock, parts.runner, parts.bench)
        workshop.bend, workshop.alter = bend, alter
        return replace(crew, workshop=workshop)

    return make


def make_idler(node: Node, parts: JobsParts) -> Crew:
    """A node that takes jobs and does none."""
    crew = make_crew(node, parts)
    return replace(crew, workshop=IdleWorkshop(crew.workshop.programs, crew.stock, parts.runner, parts.bench))


def make_silent(make: MakeCrew, court: type[Court] = SilentCourt) -> MakeCrew:
    """The same node, but it shows nothing of what it committed to."""

    def silence(node: Node, parts: JobsParts) -> Crew:
        crew = make(node, parts)
        rules = node.executor.machine.market.rules
        programs: Library = crew.workshop.programs
        events = node.archive.market.list_job_events
        return replace(crew, court=court(programs, crew.stock, parts.bench, rules, events))

    return silence


def make_slanderer(node: Node, parts: JobsParts) -> Crew:
    """A node that challenges what is right."""
    crew = make_crew(node, parts)
    examiner = Slanderer(
        config=node.parts.config.jobs,
        rules=node.executor.machine.market.rules,
        workshop=crew.workshop,
        court=crew.court,
        stock=crew.stock,
        bench=parts.bench,
        shelf=crew.shelf,
        randomness=node.parts.randomness,
        find_program=node.executor.machine.market.get_program,
    )
    return replace(crew, examiner=examiner)


def claim_as(worker: PublicKey) -> Alter:
    """Hand in what somebody else committed to."""

    def alter(submission: SubmitResult) -> SubmitResult:
        commitment = submission.commitment
        context = replace(commitment.context, worker=worker)
        return replace(submission, commitment=replace(commitment, context=context))

    return alter


def serve(blob: bytes) -> Alter:
    """Name another blob, or none, as what is served."""
    return lambda submission: replace(submission, served=blob)


def claim_outputs(submission: SubmitResult) -> SubmitResult:
    """A right trace under outputs that are not its own."""
    commitment = submission.commitment
    return replace(submission, commitment=replace(commitment, outputs=(Digest(b"\x09" * 32),)))
