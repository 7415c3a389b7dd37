"""Where runs are made: inputs fetched, the sandbox asked, the trace hashed, the results stored."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import structlog
from msgspec import Struct

from aivm.program.binding import Tensor
from aivm.program.errors import InvalidInput
from aivm.program.types import DTYPES
from aivm.verification.graph import GraphProgram
from aivm.verification.serving import count_served_bytes, encode_served
from aivm.verification.trace import Context, Trace
from poi.market.operations import SubmitResult
from poi.market.records import Assigned, Job, ProgramEntry
from tangle.core.errors import TangleError
from tangle.core.types import Digest
from tangle.node.jobs.bench import Bench
from tangle.node.jobs.errors import JobDataOversize, RunFailed, RunImpossible
from tangle.node.jobs.names import RunTask, Source, WrongSources, get_run_task, list_inputs
from tangle.node.jobs.programs import Library
from tangle.node.jobs.stock import Stock
from tangle.node.sandbox.limits import INPUT_BYTES_MAX, MIB, TaskLimits
from tangle.node.sandbox.outcomes import Completed
from tangle.node.sandbox.runner import ProgramRunner
from tangle.node.sandbox.wire import Kind

TRACE_BYTES_MAX: Final = 256 * MIB
"""Longest trace of one run: it is held in memory until its job is settled, or computed again when that must
be."""

LIMITS: Final = TaskLimits(output_bytes=TRACE_BYTES_MAX)
"""What a run of a job may take."""


log = structlog.get_logger("jobs")


class Run(Struct, frozen=True, eq=False):
    """A run that was made here."""

    tensors: tuple[Tensor, ...]
    """All tensors by number."""

    trace: Trace
    """What can be committed to and shown."""


class Workshop:
    """Makes runs."""

    def __init__(self, programs: Library, stock: Stock, runner: ProgramRunner, bench: Bench) -> None:
        self.programs = programs
        self._stock = stock
        self._runner = runner
        self._bench = bench

    async def fetch_inputs(self, program: GraphProgram, task: RunTask) -> tuple[Tensor, ...]:
        """The inputs of a task.

        :raises RunImpossible: the task names inputs that the program does not take.
        :raises JobDataMissing: they do not come.
        """
        try:
            sources = list_inputs(program, task)
            if sum(source.type.size for source in sources) > INPUT_BYTES_MAX:
                raise RunImpossible(f"inputs of more than {INPUT_BYTES_MAX} bytes")
            inputs = await self._read(sources)
            program.verify_inputs(inputs)
        except (WrongSources, InvalidInput, JobDataOversize) as error:
            raise RunImpossible(str(error)) from None
        return inputs

    async def run(self, program: GraphProgram, inputs: tuple[Tensor, ...], context: Context) -> Run:
        """Run a program in the sandbox and hash its trace.

        :raises RunFailed: the sandbox did not run it to its end. :raises SandboxBusy: too many tasks wait.
        """
        tensors = await self.compute(program, inputs)
        return Run(tensors, await self._bench.run(lambda: Trace(program, tensors, context)))

    async def compute(self, program: GraphProgram, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """All tensors of a run, from the sandbox.

        :raises RunFailed, SandboxBusy: see ``run``.
        """
        outcome = await self._runner.run(program.bound, inputs, kind=Kind.TRACE, limits=LIMITS)
        if not isinstance(outcome, Completed):
            raise RunFailed(outcome)
        return outcome.tensors

    async def retrace(self, task: RunTask, entry: ProgramEntry, context: Context) -> Run:
        """Make the run of a task for this context, of this node or of another that claims to have made it.

        :raises ProgramDiffers, RunImpossible, RunFailed: it cannot be made.
        :raises JobDataMissing, SandboxBusy: not now.
        """
        program = await self.programs.get_run(entry, task.rows)
        inputs = await self.fetch_inputs(program, task)
        return await self.run(program, inputs, context)

    async def perform(self, job: Job, phase: Assigned, entry: ProgramEntry) -> tuple[Run, SubmitResult]:
        """Do a job that was assigned to this node: run, and keep what others must be able to fetch.

        :raises TangleError: as ``retrace``; or there is no room for the results.
        """
        context = Context(job.id, phase.worker, phase.epoch)
        run = await self.retrace(get_run_task(job), entry, context)
        return run, await self.store(job, run)

    async def store(self, job: Job, run: Run) -> SubmitResult:
        """Keep the outputs of a run and what it serves; answers what is handed in.

        :raises BlobQuotaReached, BlobStorageFailed: there is no room.
        """
        program = run.trace.program
        for number in program.outputs:
            await self._stock.keep(get_tensor_bytes(run.tensors[number]), job.id)
        served = b""
        if count_served_bytes(program):
            served = await self._stock.keep(encode_served(program, run.tensors), job.id)
        return SubmitResult(job.id, run.trace.commitment, get_output_roots(run.trace), served)

    async def keep_outputs(self, program: GraphProgram, tensors: Sequence[Tensor]) -> None:
        """Keep outputs that were found right, while there is room: who paid can ask any node for them."""
        try:
            for number in program.outputs:
                await self._stock.put(get_tensor_bytes(tensors[number]))
        except TangleError as error:
            log.info("outputs-not-kept", code=error.code, reason=str(error))

    async def _read(self, sources: Sequence[Source]) -> tuple[Tensor, ...]:
        tensors = []
        for place, source in enumerate(sources):
            data = await self._stock.get(source.blob, f"input {place}", source.type.size)
            tensors.append(np.frombuffer(data, DTYPES[source.type.dtype]).reshape(source.type.shape))
        return tuple(tensors)


def get_tensor_bytes(tensor: Tensor) -> bytes:
    """Elements row-major, little-endian: the content of a tensor's blob."""
    return np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<")).tobytes()


def get_output_roots(trace: Trace) -> tuple[Digest, ...]:
    """Chunk roots of a run's outputs, in their order."""
    return tuple(trace.trees[number].root for number in trace.program.outputs)
