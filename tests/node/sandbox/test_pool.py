"""Programs in real worker processes: what they give, every way in which they fail, and what is left after."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import numpy as np
import pytest

from aivm.oracle.graph.run import run_program
from tangle.node.sandbox import outcomes, process
from tangle.node.sandbox.limits import PROGRAMS_KEPT_MAX, TaskLimits, WorkerLimits
from tangle.node.sandbox.outcomes import Completed, Failure, Phase
from tangle.node.sandbox.pool import PoolSettings, open_program_pool, run_once
from tangle.node.sandbox.runner import InlineRunner, ProgramRunner, SandboxBusy
from tangle.node.sandbox.wire import Kind
from tests.node.sandbox.building import (
    LIMITS,
    ORACLE,
    ask,
    do,
    is_running,
    make_small,
    make_wide,
    open_pool,
    verify_equal,
    verify_honest,
    wait_for_file,
    wait_until_gone,
)
from tests.node.sandbox.hostile import Trick

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the tests share: filling one takes ten seconds."""
    return tmp_path_factory.mktemp("kernels")


SHORT = TaskLimits(run_s=0.3)

BUSY = TaskLimits(run_cpu_s=1)

SMALL_ANSWER = TaskLimits(output_bytes=100)

FAILURES: tuple[tuple[Trick, TaskLimits | None, Failure], ...] = (
    (Trick.DIVIDE, None, outcomes.Crashed(signal.SIGFPE)),
    (Trick.SEGFAULT, None, outcomes.Crashed(signal.SIGSEGV)),
    (Trick.SPIN, SHORT, outcomes.TimeExhausted(Phase.RUN, 0.3)),
    (Trick.SPIN, BUSY, outcomes.CpuExhausted(Phase.RUN, 1)),
    (Trick.HOG_PRIVATE, None, outcomes.MemoryExhausted(LIMITS.memory_bytes)),
    (Trick.HOG_SHARED, None, outcomes.MemoryExhausted(LIMITS.memory_bytes)),
    (Trick.HOG_CHILD, None, outcomes.MemoryExhausted(LIMITS.memory_bytes)),
    (Trick.FLOOD, SMALL_ANSWER, outcomes.OutputExhausted(100 + (64 << 10))),
    (Trick.LONG_FRAME, SMALL_ANSWER, outcomes.OutputExhausted(100 + (64 << 10))),
    (
        Trick.GARBAGE,
        None,
        outcomes.AnswerInvalid("not a canonical ReportMessage: Expected `array`, got `str`"),
    ),
    (Trick.OUT_OF_TURN, None, outcomes.AnswerInvalid("it is out of turn")),
    (Trick.TOO_FEW, None, outcomes.AnswerInvalid("1 tensors, not 2")),
    (Trick.TOO_SHORT, None, outcomes.AnswerInvalid("tensor 0 has 4 bytes, not 6")),
    (Trick.OUT_OF_RANGE, None, outcomes.AnswerInvalid("tensor 0 has values 101 to 101, not 0 to 100")),
    (Trick.FILES, None, outcomes.FilesExhausted(LIMITS.open_files, LIMITS.file_bytes)),
    (Trick.LONG_FILE, None, outcomes.FilesExhausted(LIMITS.open_files, LIMITS.file_bytes)),
    (Trick.LEAVE, None, outcomes.Exited(7)),
    (Trick.RAISE, None, outcomes.Faulted("ZeroDivisionError: in the runtime")),
    (Trick.HANG_UP, None, outcomes.AnswerInvalid("it hung up and went on")),
)


@pytest.mark.parametrize(
    ("trick", "limits", "expected"),
    FAILURES,
    ids=[f"{each[0].name}-{type(each[2]).__name__}" for each in FAILURES],
)
async def test_whatever_a_program_does_is_a_failed_task_and_the_next_one_is_served(
    trick: Trick,
    limits: TaskLimits | None,
    expected: Failure,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "LEAVE_SECONDS_MAX", 1.0)
    async with open_pool(tmp_path) as pool:
        assert await do(pool, trick, limits) == expected
        assert pool.replaced == 1
        assert pool.process_ids == ()
        assert expected.describe()
        verify_honest(await do(pool, Trick.HONEST))
        assert len(pool.process_ids) == 1


async def test_a_worker_goes_on_after_honest_and_after_refused_tasks(tmp_path: Path) -> None:
    async with open_pool(tmp_path) as pool:
        verify_honest(await do(pool, Trick.HONEST))
        before = pool.process_ids
        for wrong in (np.zeros((2, 4), np.uint8), np.zeros((2, 3), np.int8), np.full((2, 3), 101, np.uint8)):
            refused = await pool.run(make_small(), (wrong,))
            assert isinstance(refused, outcomes.Refused)
            assert refused.code == "program-input-wrong"
        verify_honest(await do(pool, Trick.HONEST))
        assert pool.process_ids == before
        assert pool.replaced == 0


async def test_weights_are_handed_over_once_and_the_least_used_programs_go(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).integers(-128, 128, (9, 100)).astype(np.int8)
    async with open_pool(tmp_path) as pool:
        for seed in [*range(PROGRAMS_KEPT_MAX + 3), 0, PROGRAMS_KEPT_MAX]:
            bound = make_wide(seed)
            outcome = await pool.run(bound, (rows,))
            assert isinstance(outcome, Completed), outcome
            verify_equal(outcome.tensors, run_program(bound, (rows,)))
        assert pool.replaced == 0


async def test_what_a_worker_refuses_it_does_not_keep(tmp_path: Path) -> None:
    # A pool that was handed weights of another program: the worker finds out, for it checks them again.
    right = make_wide(1)
    rows = (np.ones((1, 100), np.int8),)
    wrong = type(right)(right.plan, make_wide(2).initializers)
    async with open_pool(tmp_path) as pool:
        refused = await pool.run(wrong, rows)
        assert isinstance(refused, outcomes.Refused)
        assert refused.code == "program-initializer-wrong"
        await pool.run(make_small(), ask(Trick.HONEST))
        for bound in (right, wrong):  # the second time the worker has the weights that the id names
            outcome = await pool.run(bound, rows)
            assert isinstance(outcome, Completed), outcome
            verify_equal(outcome.tensors, run_program(right, rows))
        assert pool.replaced == 0


@pytest.mark.parametrize("is_real", [True, False])
async def test_both_twins_give_the_same(is_real: bool, tmp_path: Path) -> None:
    bound = make_wide(3)
    rows = (np.random.default_rng(1).integers(-128, 128, (9, 100)).astype(np.int8),)
    async with open_pool(tmp_path) as pool:
        runner: ProgramRunner = pool if is_real else InlineRunner(ORACLE)
        for kind, expected in (
            (Kind.OUTPUTS, ORACLE.run(bound, rows)),
            (Kind.TRACE, ORACLE.trace(bound, rows)),
        ):
            outcome = await runner.run(bound, rows, kind=kind)
            assert isinstance(outcome, Completed), outcome
            verify_equal(outcome.tensors, expected)
        refused = await runner.run(bound, (rows[0][:, 1:],))
        assert isinstance(refused, outcomes.Refused)
        assert refused.code == "program-input-wrong"
        small = await runner.run(bound, rows, limits=TaskLimits(output_bytes=9 * 50 * 4 - 1))
        assert small == outcomes.OutputExhausted(9 * 50 * 4 - 1)
        assert isinstance(
            await runner.run(bound, rows, limits=TaskLimits(output_bytes=9 * 50 * 4)), Completed
        )
        assert not is_real or len(pool.process_ids) == 1


async def test_long_tensors_come_through_and_too_many_rows_do_not(tmp_path: Path) -> None:
    rows = (np.zeros((65_536, 100), np.int8),)
    async with open_pool(tmp_path) as pool:
        refused = await pool.run(make_wide(1), (np.zeros((65_537, 100), np.int8),))
        assert isinstance(refused, outcomes.Refused)
        outcome = await pool.run(make_wide(1), rows)  # 6.5 MB in, 13 MB out: encoded and examined by a thread
        assert isinstance(outcome, Completed), outcome
        assert not outcome.tensors[0].any()


async def test_compiling_has_its_own_limit(tmp_path: Path) -> None:
    async with open_pool(tmp_path) as pool:
        verify_honest(await do(pool, Trick.HONEST))
        (tmp_path / "endless").touch()
        late = await do(pool, Trick.HONEST, TaskLimits(prepare_s=0.3, run_s=20.0))
        assert late == outcomes.TimeExhausted(Phase.PREPARE, 0.3)
        busy = await do(pool, Trick.HONEST, TaskLimits(prepare_cpu_s=1))
        assert busy == outcomes.CpuExhausted(Phase.PREPARE, 1)
        (tmp_path / "endless").unlink()
        verify_honest(await do(pool, Trick.HONEST, TaskLimits(run_s=20.0)))


async def test_a_worker_killed_from_outside_is_a_failed_task(tmp_path: Path) -> None:
    found: list[outcomes.Outcome] = []
    async with open_pool(tmp_path) as pool, anyio.create_task_group() as tasks:

        async def run() -> None:
            found.append(await do(pool, Trick.WAIT))

        tasks.start_soon(run)
        await wait_for_file(tmp_path / "waiting")
        os.kill(pool.process_ids[0], signal.SIGKILL)
    assert found == [outcomes.Crashed(signal.SIGKILL)]


async def test_a_worker_killed_between_two_tasks_costs_nobody_a_task(tmp_path: Path) -> None:
    async with open_pool(tmp_path) as pool:
        verify_honest(await do(pool, Trick.HONEST))
        before = pool.process_ids[0]
        os.kill(before, signal.SIGKILL)
        verify_honest(await do(pool, Trick.HONEST))
        assert pool.process_ids[0] != before


async def test_what_others_left_behind_is_not_blamed_on_a_task(tmp_path: Path) -> None:
    async with open_pool(tmp_path) as pool:
        verify_honest(await do(pool, Trick.SECOND_TIME), Trick.SECOND_TIME)
        verify_honest(
            await do(pool, Trick.SECOND_TIME), Trick.SECOND_TIME
        )  # the worker died; a fresh one did it
        assert pool.replaced == 1


async def test_a_worker_that_keeps_too_much_memory_is_replaced(tmp_path: Path) -> None:
    async with open_pool(tmp_path) as pool:
        verify_honest(await do(pool, Trick.KEEP), Trick.KEEP)
        assert pool.replaced == 0
        verify_honest(await do(pool, Trick.KEEP), Trick.KEEP)
        assert pool.replaced == 1  # 200 MiB and the interpreter are more than half of 400
        verify_honest(await do(pool, Trick.KEEP), Trick.KEEP)


async def test_a_cancelled_task_is_killed(tmp_path: Path) -> None:
    async with open_pool(tmp_path) as pool:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(do, pool, Trick.WAIT)
            await wait_for_file(tmp_path / "waiting")
            (worker,) = pool.process_ids
            tasks.cancel_scope.cancel()
        assert not is_running(worker)
        assert pool.process_ids == ()
        verify_honest(await do(pool, Trick.HONEST))


async def test_a_pool_that_closes_under_a_task_ends_it(tmp_path: Path) -> None:
    found: list[outcomes.Outcome] = []
    async with anyio.create_task_group() as tasks, open_pool(tmp_path) as pool:

        async def run() -> None:
            found.append(await do(pool, Trick.WAIT))
            found.append(await do(pool, Trick.HONEST))

        tasks.start_soon(run)
        await wait_for_file(tmp_path / "waiting")
    assert found == [outcomes.Crashed(signal.SIGKILL), outcomes.NotStarted("the pool is closed")]
    assert pool.process_ids == ()


async def test_the_queue_is_bounded_and_a_cancelled_waiter_leaves_it(tmp_path: Path) -> None:
    async with open_pool(tmp_path, waiting=2) as pool, anyio.create_task_group() as tasks:
        tasks.start_soon(do, pool, Trick.WAIT)
        await wait_for_file(tmp_path / "waiting")
        async with anyio.create_task_group() as waiters:
            waiters.start_soon(do, pool, Trick.HONEST)
            waiters.start_soon(do, pool, Trick.HONEST)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(SandboxBusy, match="2 tasks are waiting") as busy:
                await do(pool, Trick.HONEST)
            assert busy.value.code == "sandbox-busy"
            waiters.cancel_scope.cancel()
        found = []

        async def run() -> None:
            found.append(await do(pool, Trick.HONEST))

        tasks.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        os.kill(pool.process_ids[0], signal.SIGKILL)
    verify_honest(found[0])


async def test_one_task_can_have_a_worker_of_its_own(tmp_path: Path) -> None:
    settings = PoolSettings(tmp_path, device="numpy")
    rows = (np.ones((1, 100), np.int8),)
    outcome = await run_once(settings, make_wide(1), rows)
    assert isinstance(outcome, Completed), outcome
    verify_equal(outcome.tensors, run_program(make_wide(1), rows))


async def test_two_workers_work_at_once(tmp_path: Path) -> None:
    async with open_pool(tmp_path, workers=2) as pool, anyio.create_task_group() as tasks:
        tasks.start_soon(do, pool, Trick.WAIT)
        await wait_for_file(tmp_path / "waiting")
        verify_honest(await do(pool, Trick.HONEST))
        assert len(pool.process_ids) == 2
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("unavailable", "device unavailable cannot be used: it is on fire"),
        ("broken", "the runtime failed: ValueError: unforeseen"),
        ("crash", "the worker was ended by SIGSEGV"),
        ("silent", "no worker could be started: not ready within 2 s"),
    ],
)
async def test_a_worker_that_cannot_start_is_said(device: str, reason: str, tmp_path: Path) -> None:
    limits = WorkerLimits(start_s=2.0 if device == "silent" else 50.0)
    async with open_pool(tmp_path, device=device, limits=limits) as pool:
        failure = outcomes.NotStarted(reason)
        assert await do(pool, Trick.HONEST) == failure
        assert await pool.warm() == failure
        assert failure.describe() == f"no worker could be started: {reason}"
        assert pool.process_ids == ()


async def test_a_start_is_bounded_by_the_processor_time_that_it_takes_itself(tmp_path: Path) -> None:
    async with open_pool(tmp_path, device="silent", limits=WorkerLimits(start_s=50.0, start_cpu_s=1)) as pool:
        failure = await pool.warm()
    assert failure == outcomes.NotStarted("no worker could be started: not ready after 1 s of processor time")


def test_a_start_that_others_keep_waiting_has_many_times_its_own_time() -> None:
    limits = WorkerLimits()
    assert limits.start_s >= 5 * limits.start_cpu_s


def start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)


async def test_no_worker_outlives_its_pool_nor_its_node(tmp_path: Path) -> None:
    async with open_pool(tmp_path) as pool:
        await pool.warm()
        (worker,) = pool.process_ids
    assert not is_running(worker)
    command = [sys.executable, "-m", "tests.node.sandbox.owner", str(tmp_path)]
    with start(command) as owner:
        await wait_for_file(tmp_path / "waiting")
        orphan = int((tmp_path / "worker").read_text())
        os.kill(orphan, 0)
        owner.kill()
    await wait_until_gone(orphan)


@pytest.mark.timeout(240)
async def test_programs_are_compiled_within_the_confinement(kernels: Path) -> None:
    bound = make_wide(4)
    rows = (np.random.default_rng(1).integers(-128, 128, (3, 100)).astype(np.int8),)
    async with open_program_pool(PoolSettings(kernels, device="CPU")) as pool:
        for kind, expected in (
            (Kind.OUTPUTS, ORACLE.run(bound, rows)),
            (Kind.TRACE, ORACLE.trace(bound, rows)),
        ):
            outcome = await pool.run(bound, rows, kind=kind, limits=TaskLimits(prepare_s=200))
            assert isinstance(outcome, Completed), outcome
            verify_equal(outcome.tensors, expected)
        assert pool.replaced == 0
