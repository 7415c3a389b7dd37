"""The supervisor, over small real processes: starts, restarts, gives up, stops."""

import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from tangle.cli import supervisor
from tangle.cli.supervisor import NodeProcess
from tests.cli.running import is_alive, kill

PATIENT = """import signal, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
print("up", flush=True)
signal.pause()"""
STUBBORN = """import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("up", flush=True)
while True:
    signal.pause()"""
REFUSING = "import sys; print('tangle: the home is in use\\n'); sys.exit(2)"
DYING = "import sys; sys.exit(7)"


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "RESTART_DELAY_S", 0.01)
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT_S", 0.2)


def make_process(path: Path, program: str) -> NodeProcess:
    return NodeProcess("node-0", [], path / "node.log", program=[sys.executable, "-c", program])


async def wait_until(condition: Callable[[], bool]) -> None:
    """Look until it holds: another process sets no event."""
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110 -- as the docstring says
            await anyio.sleep(0.01)


async def wait_for_line(node: NodeProcess, count: int = 1) -> int:
    """Wait until the program said ``up`` for the ``count``-th time; its process id."""
    log_path = node.log_path
    assert log_path is not None, "these programs have a log"

    def is_said() -> bool:
        return node.pid is not None and log_path.read_text().count("up") >= count

    await wait_until(is_said)
    assert node.pid is not None
    return node.pid


async def test_a_killed_process_comes_back_and_is_stopped_cleanly(tmp_path: Path) -> None:
    node = make_process(tmp_path, PATIENT)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(node.run)
        first = await wait_for_line(node)
        kill(first)
        second = await wait_for_line(node, count=2)
        assert first != second
        assert node.restarts == 1
        tasks.cancel_scope.cancel()
    assert not is_alive(second)
    assert node.pid is None


async def test_who_does_not_stop_is_killed(tmp_path: Path) -> None:
    node = make_process(tmp_path, STUBBORN)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(node.run)
        pid = await wait_for_line(node)
        tasks.cancel_scope.cancel()
    assert not is_alive(pid)


async def test_who_refuses_is_not_started_again(tmp_path: Path) -> None:
    node = make_process(tmp_path, REFUSING)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(node.run)
        await wait_until(lambda: node.gave_up is not None)
        tasks.cancel_scope.cancel()
    assert (node.restarts, node.gave_up) == (0, "the home is in use")


async def test_restarts_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "RESTARTS_MAX", 3)
    node = make_process(tmp_path, DYING)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(node.run)
        await wait_until(lambda: node.gave_up is not None)
        tasks.cancel_scope.cancel()
    assert node.restarts == 3
    assert str(node.gave_up).startswith("exit status 7; see ")


async def test_a_long_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOG_SIZE_MAX", 10)
    (tmp_path / "node.log").write_text("a long old log")
    node = make_process(tmp_path, PATIENT)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(node.run)
        await wait_for_line(node)
        tasks.cancel_scope.cancel()
    assert (tmp_path / "node.log.1").read_text() == "a long old log"
