"""The event loop of simulations: virtual time, an order that repeats, and a loud end when trio changes."""

import types
from pathlib import Path

import anyio
import pytest

import simnet
from simnet.errors import SwitchMissing
from simnet.scheduling import SWITCHES, TICK_S, check_switches, run_in_virtual_time, watch_time


def test_trio_still_has_both_switches() -> None:
    check_switches()


@pytest.mark.parametrize("missing", SWITCHES)
def test_a_renamed_switch_is_named(missing: str) -> None:
    module = types.SimpleNamespace(**{name: None for name in SWITCHES if name != missing})
    with pytest.raises(SwitchMissing, match=missing):
        check_switches(module)


def test_the_switches_are_named_in_one_file() -> None:
    folder = Path(simnet.__file__).parent
    using = [path.name for path in folder.rglob("*.py") if "trio" + "_run." in path.read_text()]
    assert using == ["scheduling.py"]


def record_order(seed: int) -> list[int]:
    order: list[int] = []

    async def note(number: int) -> None:
        await anyio.sleep(3_600)
        order.append(number)

    async def main() -> list[int]:
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(note, number)
        assert anyio.current_time() == 3_600
        return order

    return run_in_virtual_time(main, seed)


def test_the_order_of_tasks_depends_on_the_seed_alone() -> None:
    orders = {tuple(record_order(seed)) for seed in (1, 1, 1)}
    assert len(orders) == 1
    assert len({tuple(record_order(seed)) for seed in range(5)}) == 5


def test_a_loop_that_lets_no_time_pass_is_stopped() -> None:
    async def main() -> None:
        while True:
            await anyio.lowlevel.checkpoint()

    stopped: list[float] = []

    async def watched() -> None:
        with anyio.CancelScope() as scope:

            def stop() -> None:
                stopped.append(anyio.current_time())
                scope.cancel()

            watch_time(stop)
            await anyio.sleep(5)
            await main()

    run_in_virtual_time(watched, 1)
    assert stopped == [5.0]


def test_time_rests_at_ticks_and_no_deadline_is_early() -> None:
    async def main() -> list[float]:
        woken: list[float] = []

        async def sleep(seconds: float) -> None:
            await anyio.sleep(seconds)
            woken.append(anyio.current_time())

        async with anyio.create_task_group() as tasks:
            for seconds in (TICK_S / 5, TICK_S / 4, TICK_S, 2.1 * TICK_S, 1_000.0):
                tasks.start_soon(sleep, seconds)
        return woken

    assert run_in_virtual_time(main, 1) == [TICK_S, TICK_S, TICK_S, 3 * TICK_S, 1_000.0]
