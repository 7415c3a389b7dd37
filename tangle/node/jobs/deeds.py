"""What takes time: examining, doing a job, making a run again, moving in a dispute. What comes of each is
remembered here until the market has no more use for it.
"""

from collections.abc import Callable

import structlog
from msgspec import Struct

from poi.disputes.moves import Resign
from poi.disputes.record import Side
from poi.market.operations import MakeMove
from poi.market.records import Assigned, Claimed, Disputed, Job
from poi.market.votes import Verdict, compute_claim_subject
from tangle.core.errors import TangleError
from tangle.core.types import Digest
from tangle.node.jobs.court import Court
from tangle.node.jobs.errors import JobDataMissing
from tangle.node.jobs.examiner import Examiner, FindProgram
from tangle.node.jobs.names import get_run_task
from tangle.node.jobs.shelf import RunShelf
from tangle.node.jobs.stock import Stock
from tangle.node.jobs.validating import Examine, Finding, Found
from tangle.node.jobs.working import Obstacle, Result, WorkNote
from tangle.node.jobs.workshop import Run, Workshop
from tangle.node.sandbox.runner import SandboxBusy

log = structlog.get_logger("jobs")


class Crew(Struct, frozen=True):
    """Who does the work."""

    workshop: Workshop
    court: Court
    examiner: Examiner
    stock: Stock
    shelf: RunShelf


class Deeds:
    """Does it, and remembers what came of it."""

    def __init__(self, crew: Crew, find_program: FindProgram, get_commit_ms: Callable[[], int]) -> None:
        """:param get_commit_ms: commit time of the latest executed checkpoint."""
        self.crew = crew
        self.findings: dict[Digest, Finding] = {}
        self.notes: dict[Digest, WorkNote] = {}
        self.done_total = 0
        self.examined_total = 0
        self._find_program = find_program
        self._get_commit_ms = get_commit_ms

    async def examine(self, action: Examine) -> bool:
        """Find out what is true about something; answers that a new look needs no pause."""
        finding = await self.crew.examiner.examine(action.subject, action.matter, self._get_commit_ms())
        self.findings[action.subject] = finding
        if isinstance(finding, Found):
            self.examined_total += 1
            if finding.verdict == Verdict.WRONG:
                log.warning("found-wrong", subject=action.subject.hex()[:16])
        return True

    async def perform(self, job: Job, phase: Assigned) -> bool:
        """Do a job; answers whether there is nothing to try again."""
        entry = self._find_program(get_run_task(job).program)
        try:
            if entry is None:
                raise JobDataMissing("the program", "it is no longer registered")
            run, submission = await self.crew.workshop.perform(job, phase, entry)
        except (JobDataMissing, SandboxBusy) as error:
            self.notes[job.id] = Obstacle(str(error), is_final=False)
            return False
        except TangleError as error:
            log.warning("job-impossible", job=job.id.hex()[:16], code=error.code, reason=str(error))
            self.notes[job.id] = Obstacle(str(error), is_final=True)
            return True
        self.crew.shelf.put(job.id, run)
        self.notes[job.id] = Result(submission)
        self.done_total += 1
        return True

    async def retrace(self, key: Digest, job: Job, claim: Claimed) -> Run | None:
        """An own run of a claimed one, from memory or made again; none without the program.

        :param key: where it is on the shelf: the job for its worker, the claim's subject for everybody else.
        :raises TangleError: it cannot be made now.
        """
        run = self.crew.shelf.get(key)
        task = get_run_task(job)
        entry = self._find_program(task.program)
        if run is None and entry is not None:
            run = await self.crew.workshop.retrace(task, entry, claim.commitment.context)
            self.crew.shelf.put(key, run)
        return run

    async def choose(self, side: Side, job: Job, phase: Disputed) -> MakeMove | None:
        """The next move of this node in a dispute; none while it is not its turn.

        :raises TangleError: it cannot be found now.
        """
        claim = phase.claim
        is_worker = side is Side.DEFENDER
        key = job.id if is_worker else compute_claim_subject(job.id, claim.worker)
        run = await self.retrace(key, job, claim)
        task = get_run_task(job)
        entry = self._find_program(task.program)
        if run is None or entry is None:
            return None
        committed = claim.commitment.root if is_worker else phase.rival_root
        if run.trace.commitment.root != committed:
            # What was committed to cannot be shown: this machine computes otherwise today.
            log.error("dispute-resigned", job=job.id.hex()[:16], side=side.name.lower())
            return await self.crew.court.write(job.id, Resign())
        return await self.crew.court.play(job, task, phase, entry, side, run, self._get_commit_ms())
