"""``tangle devnet up``, as ``make up`` runs it: it comes to work, revives a node that was killed, stops
cleanly and goes on at a second start.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tangle.cli.devnet import Devnet
from tests.acceptance.support import TERMINAL, find_devnet_ports, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PATIENCE_S = 90.0
"""For anything that a devnet is expected to do."""


class DevnetProcess:
    """The command in a terminal, and what it says."""

    def __init__(self, devnet: Devnet, output: Path) -> None:
        self.devnet = devnet
        self.output = output
        places = ("--home", str(devnet.root), "--port-base", str(devnet.api_port))
        command = (sys.executable, "-m", "tangle.cli", "--json", "devnet", "up", "--load", "20", *places)
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, env=TERMINAL, start_new_session=True
            )

    def read_lines(self) -> list[dict[str, Any]]:
        """Its status lines so far."""
        lines = self.output.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    async def wait_line(self, is_awaited: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Wait for a status line of a kind."""

        async def is_said() -> bool:
            assert self.process.poll() is None, self.output.read_text()[-2_000:]
            return any(map(is_awaited, self.read_lines()[-1:]))

        await wait_until(is_said, what, PATIENCE_S)
        return self.read_lines()[-1]

    def get_node_pids(self) -> list[int]:
        """Processes that hold the nodes' homes."""
        homes = [self.devnet.get_home(index) for index in range(self.devnet.nodes)]
        return [int((home / "lock").read_text().split()[0]) for home in homes]

    async def interrupt(self) -> int:
        """Ctrl-C; its exit status."""
        self.process.send_signal(signal.SIGINT)

        async def is_gone() -> bool:
            return self.process.poll() is not None

        await wait_until(is_gone, "the devnet to stop", PATIENCE_S)
        return self.process.returncode


@contextmanager
def devnet_up(devnet: Devnet, output: Path) -> Iterator[DevnetProcess]:
    """Run the command; nodes stop by themselves when it is killed."""
    running = DevnetProcess(devnet, output)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            for pid in running.get_node_pids():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            running.process.kill()
            running.process.wait()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_up_revive_stop_and_up_again(tmp_path: Path) -> None:
    devnet = find_devnet_ports(tmp_path / "devnet", 4)

    def is_at_work(line: dict[str, Any]) -> bool:
        return bool(line["nodes_alive"] == 4 and line["rate_final"] > 5)

    with devnet_up(devnet, tmp_path / "first.log") as first:
        await first.wait_line(is_at_work, "the devnet to work")
        before = first.get_node_pids()
        os.kill(before[2], signal.SIGKILL)

        async def is_revived() -> bool:
            return first.get_node_pids()[2] != before[2]

        await wait_until(is_revived, "a revived node", PATIENCE_S)
        line = await first.wait_line(is_at_work, "the devnet to work again")
        assert line["restarts"] == 1
        pids = first.get_node_pids()
        assert pids[:2] + pids[3:] == before[:2] + before[3:]
        last = first.read_lines()[-1]
        assert await first.interrupt() in (0, 130)
        assert not any(map(is_alive, pids))
    with devnet_up(devnet, tmp_path / "second.log") as second:
        again = await second.wait_line(is_at_work, "the devnet to go on")
        assert again["checkpoint"] > last["checkpoint"]
        assert again["generation"] >= last["generation"]
        assert await second.interrupt() in (0, 130)
