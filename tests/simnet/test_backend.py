"""What stands behind anyio in a simulation keeps anyio's promises, and says so when a library changed."""

import types
from collections.abc import Awaitable, Callable

import anyio
import pytest
import trio
from anyio._core import _eventloop as anyio_loop

from simnet.backend import BACKENDS, PARKING, SNIFFING, ParkedEvent, SimulatedBackend, check_names
from simnet.errors import SwitchMissing
from simnet.scheduling import TICK_S, run_in_virtual_time


def run(main: Callable[[], Awaitable[None]]) -> None:
    run_in_virtual_time(main, 1)


def test_the_private_names_are_there() -> None:
    check_names()


@pytest.mark.parametrize("missing", [BACKENDS, SNIFFING, PARKING])
def test_a_renamed_one_is_named(missing: str) -> None:
    names = {name: None for name in (BACKENDS, SNIFFING, PARKING) if name != missing}
    with pytest.raises(SwitchMissing, match=missing):
        check_names(types.SimpleNamespace(**names), types.SimpleNamespace(**names))


def test_anyio_has_its_own_backend_back_afterwards() -> None:
    async def main() -> None:
        assert anyio_loop.loaded_backends["trio"] is SimulatedBackend

    run(main)
    assert anyio_loop.loaded_backends.get("trio") is not SimulatedBackend


def test_an_event_lets_all_go_and_stays_set() -> None:
    async def main() -> None:
        event, woken = anyio.Event(), list[int]()
        assert isinstance(event, ParkedEvent)

        async def wait(number: int) -> None:
            await event.wait()
            woken.append(number)

        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(wait, number)
            await anyio.sleep(1)
            assert event.statistics().tasks_waiting == 3
            assert not event.is_set()
            assert not woken
            event.set()
            event.set()
        assert sorted(woken) == [0, 1, 2]
        assert event.is_set()
        await event.wait()
        assert event.statistics().tasks_waiting == 0

    run(main)


def test_who_is_cancelled_waits_no_longer_and_is_not_woken_again() -> None:
    async def main() -> None:
        event = anyio.Event()
        with anyio.move_on_after(1) as scope:
            await event.wait()
        assert scope.cancelled_caught
        assert event.statistics().tasks_waiting == 0
        event.set()
        with anyio.move_on_after(2) as scope:
            await anyio.sleep(5)
        assert scope.cancelled_caught
        assert anyio.current_time() == 3
        await anyio.sleep(10)  # the alarm of the cancelled sleep, at six, must not end this one
        assert anyio.current_time() == 13

    run(main)


def test_a_pending_cancellation_is_delivered_at_once() -> None:
    async def main() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anyio.sleep(5)
        assert anyio.current_time() == 0
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anyio.Event().wait()
        assert scope.cancelled_caught

    run(main)


def test_sleeps_end_at_ticks_in_step_with_deadlines() -> None:
    async def main() -> None:
        await anyio.lowlevel.checkpoint()
        assert anyio.current_time() == 0
        await anyio.sleep(TICK_S / 3)
        assert anyio.current_time() == TICK_S
        with trio.move_on_after(1.5 * TICK_S):
            await anyio.sleep_forever()
        assert anyio.current_time() == 3 * TICK_S

    run(main)
