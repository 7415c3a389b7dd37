"""The compute pool with real worker processes: crashes, priorities, cancelled waiters, replacement."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tangle.node import pool as pool_module
from tangle.node.pool import ComputeFailed, ComputePool, Priority
from tests.node import pool_tasks


@pytest.fixture
def anyio_backend() -> str:
    """Processes are waited for in real time, and only asyncio can."""
    return "asyncio"


@asynccontextmanager
async def pool_of(workers: int) -> AsyncIterator[ComputePool]:
    pool = ComputePool(workers, pool_tasks.make_ready)
    try:
        yield pool
    finally:
        pool.close()


async def wait_for_file(path: Path) -> None:
    with anyio.fail_after(15):
        while not await anyio.Path(path).exists():  # noqa: ASYNC110 - another process makes it
            await anyio.sleep(0.01)


async def test_a_worker_that_dies_is_replaced_and_the_call_tried_once_more(tmp_path: Path) -> None:
    async with pool_of(1) as pool:
        assert await pool.call(pool_tasks.tell, None, Priority.BLOCK) == "plain"
        before = await pool.call(pool_tasks.get_process, None, Priority.BLOCK)
        again = await pool.call(pool_tasks.die_once, tmp_path / "marker", Priority.TRANSACTION)
        assert again == "the second time"
        assert pool.restarts == 1
        with pytest.raises(ComputeFailed, match="die failed in a worker process: the process died") as failed:
            await pool.call(pool_tasks.die, None, Priority.TRANSACTION)
        assert failed.value.code == "compute-failed"
        assert pool.restarts == 3
        assert await pool.call(pool_tasks.get_process, None, Priority.BLOCK) != before
        assert await pool.call(pool_tasks.double, 21, Priority.PROVE) == 42


async def test_an_exception_is_the_caller_s_and_costs_no_worker() -> None:
    async with pool_of(1) as pool:
        with pytest.raises(ValueError, match="as it is"):
            await pool.call(pool_tasks.fail, "as it is", Priority.PROVE)
        assert pool.restarts == 0
        assert await pool.call(pool_tasks.double, 1, Priority.PROVE) == 2


async def test_a_call_that_takes_too_long_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "CALL_SECONDS_MAX", 1.0)
    async with pool_of(1) as pool:
        with pytest.raises(ComputeFailed, match="out of time"):
            await pool.call(pool_tasks.wait_for, tmp_path / "never", Priority.PROVE)
        assert pool.restarts == 2


async def test_blocks_overtake_and_a_cancelled_waiter_is_passed_over(tmp_path: Path) -> None:
    order: list[str] = []
    gate = tmp_path / "gate"
    async with pool_of(1) as pool, anyio.create_task_group() as tasks:

        async def call(name: str, priority: Priority) -> None:
            await pool.call(pool_tasks.double, 1, priority)
            order.append(name)

        async def give_up() -> None:
            with anyio.move_on_after(0.05):
                await call("cancelled", Priority.BLOCK)

        tasks.start_soon(pool.call, pool_tasks.wait_for, gate, Priority.TRANSACTION)
        await wait_for_file(gate.with_suffix(".waiting"))
        for name, priority in (
            ("first transaction", Priority.TRANSACTION),
            ("second transaction", Priority.TRANSACTION),
            ("proof", Priority.PROVE),
            ("block", Priority.BLOCK),
        ):
            tasks.start_soon(call, name, priority)
            await anyio.lowlevel.checkpoint()
        await give_up()
        gate.touch()
    assert order == ["block", "proof", "first transaction", "second transaction"]


async def test_workers_share_the_calls() -> None:
    async with pool_of(2) as pool:
        answers: list[int] = []

        async def call(number: int) -> None:
            answers.append(await pool.call(pool_tasks.double, number, Priority.TRANSACTION))

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(call, number)
        assert sorted(answers) == [2 * number for number in range(20)]
        assert pool.workers == 2
        assert len(pool._idle) == 2
        assert not pool._waiters


async def test_a_worker_is_replaced_by_a_better_one_and_again_after_it_died() -> None:
    upgraded: list[str] = []

    async def wait_upgraded(count: int) -> None:
        with anyio.fail_after(15):
            while len(upgraded) < count:  # noqa: ASYNC110 - another process gets ready
                await anyio.sleep(0.01)

    async with pool_of(1) as pool, anyio.create_task_group() as tasks:
        assert await pool.call(pool_tasks.tell, None, Priority.PROVE) == "plain"
        tasks.start_soon(pool.keep_upgraded, pool_tasks.make_better, pool_tasks.tell, upgraded.append)
        await wait_upgraded(1)
        assert await pool.call(pool_tasks.tell, None, Priority.PROVE) == "better"
        with pytest.raises(ComputeFailed):
            await pool.call(pool_tasks.die, None, Priority.PROVE)
        await wait_upgraded(2)
        assert await pool.call(pool_tasks.tell, None, Priority.PROVE) == "better"
        tasks.cancel_scope.cancel()


async def test_a_better_worker_that_cannot_start_is_said() -> None:
    async with pool_of(1) as pool:
        with pytest.raises(ComputeFailed, match="worker start"):
            await pool.keep_upgraded(pool_tasks.refuse_to_start, pool_tasks.tell, print)
        assert await pool.call(pool_tasks.double, 4, Priority.PROVE) == 8
