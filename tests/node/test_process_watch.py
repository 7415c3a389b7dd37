"""What a process takes of its machine, against a busy loop and a busy child."""

import multiprocessing
import time
from multiprocessing.synchronize import Event

import anyio
import pytest

from tangle.node.process_watch import LAG_LOOKS, ProcessWatch, read_children_cpu_s


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Real time: in virtual time nobody is ever late."""
    name: str = request.param
    return name


async def look(watch: ProcessWatch, seconds: float) -> None:
    """Let it look for some time."""
    with anyio.move_on_after(seconds):
        await watch.run()


async def test_a_loop_that_is_held_up_is_late() -> None:
    watch = ProcessWatch()
    assert watch.read().loop_lag_ms == 0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look, watch, 0.6)
        await anyio.wait_all_tasks_blocked()
        hold_up_s(0.4)
    assert watch.read().loop_lag_ms >= 100


def hold_up_s(seconds: float) -> None:
    """Let nobody else run."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        pass


def test_processor_time_only_grows() -> None:
    watch = ProcessWatch()
    before = watch.read().cpu_s
    hold_up_s(0.05)
    assert watch.read().cpu_s > before > 0


def be_busy(is_busy: Event) -> None:
    """Use a tenth of a second of processor time, say so, and stay."""
    while time.process_time() < 0.1:
        pass
    is_busy.set()
    time.sleep(60)


def test_children_that_live_are_counted() -> None:
    context = multiprocessing.get_context("fork")
    before, is_busy = read_children_cpu_s(), context.Event()
    child = context.Process(target=be_busy, args=(is_busy,), daemon=True)
    child.start()
    try:
        assert is_busy.wait(30)
        assert read_children_cpu_s() >= before + 0.05
    finally:
        child.kill()
        child.join()


@pytest.mark.parametrize("looks", [1, LAG_LOOKS + 5])
def test_old_lags_are_forgotten(looks: int) -> None:
    watch = ProcessWatch()
    watch._lags_s.extend([9.0] + [0.001] * looks)
    assert (watch.read().loop_lag_ms < 100) is (looks > LAG_LOOKS)
