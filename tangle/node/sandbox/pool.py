"""The real runner: worker processes, one task at a time in each, and a short queue in front of them.

A worker that failed in any way is ended and another one takes its place when there is work: nothing that a
program did to its process reaches the next program. A crash or exhausted memory in a worker that had served
other programs may be their doing; such a task is tried once more, in a fresh worker, before it is blamed.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, assert_never

import anyio
import anyio.to_thread
import structlog
from msgspec import Struct

from aivm.program.binding import BoundProgram, Tensor
from aivm.program.record import External, encode_program
from tangle.core.types import Digest
from tangle.node.sandbox import outcomes
from tangle.node.sandbox.engine import AUTO, PROGRAMS
from tangle.node.sandbox.limits import (
    KEPT_MEMORY_SHARE,
    MESSAGE_OVERHEAD,
    WAITING_MAX,
    WORKERS_MAX,
    TaskLimits,
    WorkerLimits,
)
from tangle.node.sandbox.outcomes import Completed, Failure, Outcome, Phase
from tangle.node.sandbox.process import Allowance, Stopped, WorkerProcess
from tangle.node.sandbox.runner import SandboxBusy, examine_answer, examine_task, get_answer_types
from tangle.node.sandbox.shelf import Shelf
from tangle.node.sandbox.wire import (
    Answered,
    Fault,
    Kind,
    Load,
    Order,
    Prepared,
    RanOut,
    Ready,
    Rejected,
    Report,
    Resource,
    Setup,
    Task,
    frame_order,
)

LONG_BYTES: Final = 1 << 20
"""From this length on, what is encoded or examined is left to a thread: it would hold the event loop up for
more than a millisecond."""

log = structlog.get_logger("sandbox")


class PoolSettings(Struct, frozen=True):
    """How a pool's workers are made."""

    cache: Path
    """Directory for kernels, the only one that workers may write to."""

    device: str = AUTO
    """``auto``, ``numpy`` or a tinygrad device name."""

    workers: int = 1
    """Processes at most."""

    waiting: int = WAITING_MAX
    """Tasks that may wait for a worker."""

    limits: WorkerLimits = WorkerLimits()
    """What each of them may take."""

    engine: str = PROGRAMS
    """``module:function`` that opens a worker's backend."""


class _Worker(Struct, frozen=True, eq=False):
    process: WorkerProcess
    shelf: Shelf
    ready: Ready


class ProgramPool:
    """A ``ProgramRunner`` over worker processes; ``open_program_pool`` makes it."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._turns = anyio.Semaphore(min(settings.workers, WORKERS_MAX), fast_acquire=True)
        self._idle: list[_Worker] = []
        self._all: set[WorkerProcess] = set()
        self._waiting = 0
        self._is_closed = False
        self.replaced = 0

    @property
    def process_ids(self) -> tuple[int, ...]:
        """Ids of the worker processes that there are now."""
        return tuple(sorted(each.process_id for each in self._all))

    async def warm(self) -> Ready | Failure:
        """Start a worker ahead of the first task.

        :return: what it is and how far it could confine itself, or why there is none.
        """
        async with self._turns:
            try:
                worker = self._idle.pop() if self._idle else await self._start()
            except Stopped as stopped:
                return stopped.failure
            self._idle.append(worker)
            return worker.ready

    async def run(
        self,
        bound: BoundProgram,
        inputs: Sequence[Tensor],
        *,
        kind: Kind = Kind.OUTPUTS,
        limits: TaskLimits | None = None,
    ) -> Outcome:
        """Run one program over some rows; a cancelled one is killed.

        :raises SandboxBusy: too many tasks are waiting.
        """
        allowed = limits or TaskLimits()
        if sum(tensor.nbytes for tensor in inputs) < LONG_BYTES:
            refusal = examine_task(bound, inputs, kind, allowed)
        else:
            refusal = await anyio.to_thread.run_sync(examine_task, bound, inputs, kind, allowed)
        if refusal is not None:
            return refusal
        await self._wait_turn()
        try:
            outcome, is_spoilt = await self._try(bound, inputs, kind, allowed)
            if is_spoilt:
                outcome, _ = await self._try(bound, inputs, kind, allowed)
            return outcome
        finally:
            self._turns.release()

    def close(self) -> None:
        """End all workers, whatever they are doing: their tasks fail, and none starts any more."""
        self._is_closed = True
        for worker in self._idle:
            self._all.discard(worker.process)
            worker.process.abandon()
        self._idle.clear()
        for process in self._all:
            process.kill()  # the task that has it hears of it, and lets go of it

    async def _wait_turn(self) -> None:
        if self._waiting >= self._settings.waiting:
            raise SandboxBusy(self._waiting)
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1

    async def _try(
        self, bound: BoundProgram, inputs: Sequence[Tensor], kind: Kind, limits: TaskLimits
    ) -> tuple[Outcome, bool]:
        """:return: the outcome, and whether programs before this one may be to blame for it."""
        try:
            worker = self._take(bound.plan.program_id) or await self._start()
        except Stopped as stopped:
            return stopped.failure, False
        is_used = worker.shelf.is_used
        is_kept = False
        try:
            outcome = await _execute(worker, bound, inputs, kind, limits)
            is_kept = isinstance(outcome, Completed | outcomes.Refused) and self._is_lean(worker)
        except Stopped as stopped:
            outcome = stopped.failure
        finally:
            if is_kept and not self._is_closed:
                self._idle.append(worker)
            else:
                await self._end(worker.process)
        if isinstance(outcome, Completed | outcomes.Refused):
            return outcome, False
        log.warning("task-failed", program=bound.plan.program_id.hex(), reason=outcome.describe())
        is_doubtful = isinstance(
            outcome, outcomes.Crashed | outcomes.Exited | outcomes.Faulted | outcomes.MemoryExhausted
        )
        return outcome, is_doubtful and is_used

    def _take(self, program_id: Digest) -> _Worker | None:
        place = next((at for at, worker in enumerate(self._idle) if program_id in worker.shelf), -1)
        return self._idle.pop(place) if self._idle else None

    def _is_lean(self, worker: _Worker) -> bool:
        taken = worker.process.measure().memory_bytes
        return taken * KEPT_MEMORY_SHARE <= worker.process.limits.memory_bytes

    async def _end(self, process: WorkerProcess) -> None:
        self.replaced += 1
        self._all.discard(process)
        await process.end()

    async def _start(self) -> _Worker:
        if self._is_closed:
            raise Stopped(outcomes.NotStarted("the pool is closed"))
        settings = self._settings
        limits = settings.limits
        late = outcomes.NotStarted(f"not ready within {limits.start_s:g} s")
        busy = outcomes.NotStarted(f"not ready after {limits.start_cpu_s} s of processor time")
        allowance = Allowance(anyio.current_time() + limits.start_s, late, limits.start_cpu_s, busy)
        try:
            process = WorkerProcess(limits, settings.cache)
        except OSError as error:
            raise Stopped(outcomes.NotStarted(str(error))) from None
        self._all.add(process)
        try:
            ready = await _set_up(process, settings, allowance)
        except Stopped as stopped:
            await self._end(process)
            raise Stopped(outcomes.NotStarted(stopped.failure.describe())) from None
        except BaseException:
            await self._end(process)
            raise
        log.info(
            "worker-ready",
            backend=ready.backend.decode(errors="replace"),
            has_own_network=ready.has_own_network,
            landlock=ready.landlock,
        )
        return _Worker(process, Shelf(), ready)


@asynccontextmanager
async def open_program_pool(settings: PoolSettings) -> AsyncIterator[ProgramPool]:
    """A pool whose workers end with the block. Workers start when there is work for them."""
    pool = ProgramPool(settings)
    try:
        yield pool
    finally:
        pool.close()


async def run_once(
    settings: PoolSettings, bound: BoundProgram, inputs: Sequence[Tensor], *, kind: Kind = Kind.OUTPUTS
) -> Outcome:
    """Run one program in a worker that is started for it and ended after it: for commands of one task."""
    async with open_program_pool(settings) as pool:
        return await pool.run(bound, inputs, kind=kind)


async def _set_up(process: WorkerProcess, settings: PoolSettings, allowance: Allowance) -> Ready:
    limits = settings.limits
    setup = Setup(
        engine=settings.engine.encode(),
        device=settings.device.encode(),
        cache=str(settings.cache.absolute()).encode(),
        memory_bytes=limits.memory_bytes,
        file_bytes=limits.file_bytes,
        open_files=limits.open_files,
    )
    await process.send(frame_order(setup), allowance)
    report = await process.receive(MESSAGE_OVERHEAD, allowance)
    if isinstance(report, Ready):
        return report
    failure = _read_failure(report, process)
    raise Stopped(failure)


async def _execute(
    worker: _Worker, bound: BoundProgram, inputs: Sequence[Tensor], kind: Kind, limits: TaskLimits
) -> Outcome:
    """:raises Stopped: the worker failed and is to be replaced."""
    process = worker.process
    rows = len(inputs[0])
    program_id = bound.plan.program_id
    begun_s = anyio.current_time()
    cpu_s = process.measure().cpu_s
    preparing = Allowance(
        begun_s + limits.prepare_s,
        outcomes.TimeExhausted(Phase.PREPARE, limits.prepare_s),
        cpu_s + limits.prepare_cpu_s,
        outcomes.CpuExhausted(Phase.PREPARE, limits.prepare_cpu_s),
    )
    task = Task(
        program_id=program_id,
        kind=kind,
        rows=rows,
        inputs=tuple(tensor.tobytes() for tensor in inputs),
        prepare_cpu_s=limits.prepare_cpu_s,
        run_cpu_s=limits.run_cpu_s,
    )
    if program_id in worker.shelf:
        worker.shelf.touch(program_id)
    else:
        await process.send(await _frame(_make_load(bound, worker.shelf.add(program_id))), preparing)
    await process.send(await _frame(task), preparing)
    first = await process.receive(MESSAGE_OVERHEAD, preparing)
    if not isinstance(first, Prepared):
        worker.shelf.doubt(program_id)
        return _settle(_read_failure(first, process))
    prepared_s = anyio.current_time()
    running = Allowance(
        prepared_s + limits.run_s,
        outcomes.TimeExhausted(Phase.RUN, limits.run_s),
        process.measure().cpu_s + limits.run_cpu_s,
        outcomes.CpuExhausted(Phase.RUN, limits.run_cpu_s),
    )
    second = await process.receive(limits.output_bytes + MESSAGE_OVERHEAD, running)
    if not isinstance(second, Answered):
        return _settle(_read_failure(second, process))
    tensors = await _examine(bound, kind, rows, second.tensors)
    if kind is Kind.TRACE:
        tensors = (*inputs, *bound.initializers, *tensors)
    return Completed(tensors, prepared_s - begun_s, anyio.current_time() - prepared_s)


def _settle(failure: Failure) -> Outcome:
    if isinstance(failure, outcomes.Refused):
        return failure
    raise Stopped(failure)


def _read_failure(report: Report, process: WorkerProcess) -> Failure:
    match report:
        case Rejected(code=code, reason=reason):
            return outcomes.Refused(code.decode(errors="replace"), reason.decode(errors="replace"))
        case RanOut(resource=Resource.MEMORY):
            return outcomes.MemoryExhausted(process.limits.memory_bytes)
        case RanOut():
            return outcomes.FilesExhausted(process.limits.open_files, process.limits.file_bytes)
        case Fault(reason=reason):
            return outcomes.Faulted(reason.decode(errors="replace"))
        case Ready() | Prepared() | Answered():
            return outcomes.AnswerInvalid("it is out of turn")
        case _:
            assert_never(report)


async def _examine(
    bound: BoundProgram, kind: Kind, rows: int, answer: tuple[bytes, ...]
) -> tuple[Tensor, ...]:
    types = get_answer_types(bound, kind)
    if sum(map(len, answer)) < LONG_BYTES:
        found = examine_answer(types, rows, answer)
    else:
        found = await anyio.to_thread.run_sync(examine_answer, types, rows, answer)
    if isinstance(found, outcomes.AnswerInvalid):
        raise Stopped(found)
    return found


def _make_load(bound: BoundProgram, forget: tuple[Digest, ...]) -> Load:
    pairs = zip(bound.plan.program.initializers, bound.initializers, strict=True)
    contents = tuple(
        values.tobytes() for initializer, values in pairs if isinstance(initializer.content, External)
    )
    return Load(encode_program(bound.plan.program), contents, forget)


async def _frame(order: Order) -> bytes:
    match order:
        case Load(program=program, contents=contents):
            size = len(program) + sum(map(len, contents))
        case Task(inputs=inputs):
            size = sum(map(len, inputs))
        case Setup():
            size = 0
        case _:
            assert_never(order)
    return frame_order(order) if size < LONG_BYTES else await anyio.to_thread.run_sync(frame_order, order)
