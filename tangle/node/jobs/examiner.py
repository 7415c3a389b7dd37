"""How a validator finds out what is true: about programs, results, games and training data.

A result is computed again where that costs no more than this node's settings allow. A larger one is checked
from what its worker serves, large products by projections with vectors that only this node knows. Whether a
run fails here or its data is missing is this node's trouble first of all, so it is no verdict at once.
"""

from collections.abc import Callable
from typing import Final, assert_never

from aivm.program.binding import Tensor
from aivm.verification.chain import Private, verify_run, verify_trace
from aivm.verification.errors import VerificationFailure
from aivm.verification.graph import GraphProgram
from aivm.verification.serving import count_served_bytes, decode_served
from aivm.verification.trace import Commitment, verify_context
from poi.market.limits import MarketRules
from poi.market.pricing import decode_training
from poi.market.records import Claimed, Job, ProgramEntry, Training
from poi.market.votes import Verdict, get_dispute_verdict
from poi.training import TRAINING_DATA_SIZE_MAX, verify_training_data
from tangle.core.blob_id import BlobId
from tangle.core.errors import TangleError
from tangle.core.types import Digest
from tangle.node.jobs.bench import Bench
from tangle.node.jobs.court import Court, DisputeUnwritten
from tangle.node.jobs.errors import JobDataMissing, JobDataOversize, RunFailed, RunImpossible
from tangle.node.jobs.names import WrongSources, get_run_task, list_outputs
from tangle.node.jobs.programs import Library, ProgramDiffers
from tangle.node.jobs.refereeing import Ended
from tangle.node.jobs.settings import JobsConfig
from tangle.node.jobs.shelf import RunShelf
from tangle.node.jobs.stock import Stock
from tangle.node.jobs.validating import (
    ClaimMatter,
    DataMatter,
    DisputeMatter,
    Finding,
    Found,
    Matter,
    Missing,
    ProgramMatter,
)
from tangle.node.jobs.workshop import Workshop
from tangle.node.randomness import Randomness
from tangle.node.sandbox.runner import SandboxBusy

SECRET_SIZE: Final = 32
"""Bytes of a secret for projections."""

FindProgram = Callable[[Digest], ProgramEntry | None]
"""A registered program."""


class Examiner:
    """Finds out what is true."""

    def __init__(
        self,
        *,
        config: JobsConfig,
        rules: MarketRules,
        workshop: Workshop,
        court: Court,
        stock: Stock,
        bench: Bench,
        shelf: RunShelf,
        randomness: Randomness,
        find_program: FindProgram,
    ) -> None:
        """:param shelf: takes this node's own runs of results that it found wrong."""
        self._config = config
        self._rules = rules
        self._workshop = workshop
        self._court = court
        self._stock = stock
        self._bench = bench
        self._shelf = shelf
        self._randomness = randomness
        self._find_program = find_program

    @property
    def programs(self) -> Library:
        """The programs."""
        return self._workshop.programs

    async def examine(self, subject: Digest, matter: Matter, now_ms: int) -> Finding:
        """Look at something that can be voted on."""
        try:
            match matter:
                case ProgramMatter(entry):
                    return await self._examine_program(entry)
                case ClaimMatter(job, claim):
                    return await self._examine_claim(subject, job, claim)
                case DisputeMatter():
                    return await self._examine_dispute(matter, now_ms)
                case DataMatter(job):
                    return await self._examine_data(job)
                case _:
                    assert_never(matter)
        except JobDataMissing as error:
            return Missing(str(error), is_withheld=True)
        except (SandboxBusy, RunFailed, DisputeUnwritten) as error:
            return Missing(str(error), is_withheld=False)

    async def _examine_program(self, entry: ProgramEntry) -> Finding:
        try:
            await self.programs.get(entry)
        except (ProgramDiffers, JobDataOversize):
            return Found(Verdict.WRONG)
        return Found(Verdict.RIGHT)

    async def _examine_data(self, job: Job) -> Finding:
        task = job.task
        assert isinstance(task, Training), "only training gathers data"
        try:
            data = await self._stock.get(BlobId(task.data), "the training data", TRAINING_DATA_SIZE_MAX)
            await self._bench.run(lambda: verify_training_data(decode_training(task), data))
        except JobDataMissing:
            raise
        except TangleError:
            return Found(Verdict.WRONG)
        return Found(Verdict.RIGHT)

    async def _examine_dispute(self, matter: DisputeMatter, now_ms: int) -> Finding:
        job, task = matter.job, get_run_task(matter.job)
        entry = self._find_program(task.program)
        if entry is None:
            return Missing("the program is no longer registered", is_withheld=False)
        stands = await self._court.judge(job, task, matter.phase, entry, now_ms)
        if isinstance(stands, Ended):
            return Found(get_dispute_verdict(stands.outcome))
        return Missing("the game goes on", is_withheld=False)

    async def _examine_claim(self, subject: Digest, job: Job, claim: Claimed) -> Finding:
        task = get_run_task(job)
        entry = self._find_program(task.program)
        if entry is None:
            return Missing("the program is no longer registered", is_withheld=False)
        commitment = claim.commitment
        try:
            program = await self.programs.get_run(entry, task.rows)
            verify_context(program, commitment, commitment.context)
            list_outputs(program, commitment, claim.sources)
            inputs = await self._workshop.fetch_inputs(program, task)
            if job.units <= self._config.check_units_max:
                await self._recompute(subject, program, inputs, commitment)
            else:
                await self._project(program, inputs, claim)
        except (VerificationFailure, WrongSources, RunImpossible, ProgramDiffers, JobDataOversize):
            return Found(Verdict.WRONG)
        return Found(Verdict.RIGHT)

    async def _recompute(
        self, subject: Digest, program: GraphProgram, inputs: tuple[Tensor, ...], commitment: Commitment
    ) -> None:
        """:raises VerificationFailure: the result is wrong; the right run is on the shelf then."""
        run = await self._workshop.run(program, inputs, commitment.context)
        try:
            await self._bench.run(lambda: verify_trace(program, commitment, run.tensors))
        except VerificationFailure:
            self._shelf.put(subject, run)
            raise
        await self._workshop.keep_outputs(program, run.tensors)

    async def _project(self, program: GraphProgram, inputs: tuple[Tensor, ...], claim: Claimed) -> None:
        """:raises VerificationFailure: the result is wrong, or nothing is served of it."""
        data = b""
        if claim.served:
            data = await self._stock.get(
                BlobId(claim.served), "what a worker serves", count_served_bytes(program)
            )
        judge = Private(self._randomness.get_bytes(SECRET_SIZE))
        tensors, _ = await self._bench.run(
            lambda: verify_run(program, claim.commitment, inputs, decode_served(program, data), judge)
        )
        await self._workshop.keep_outputs(program, tensors)
