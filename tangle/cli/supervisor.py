"""The devnet's supervisor: starts one process for each node, restarts what dies, stops all together.

The nodes are ordinary ``tangle up`` processes, so that killing one is killing a real node.
"""

import signal
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import Process

from tangle.cli.failures import ExitStatus

STOP_TIMEOUT_S: Final = 15.0
"""How long a node may take to stop cleanly; after that it is killed, which it survives."""

RESTART_DELAY_S: Final = 1.0
"""Pause before a node that died is started again."""

RESTARTS_MAX: Final = 100
"""Restarts of one node before the supervisor gives up on it."""

LOG_SIZE_MAX: Final = 16 * 1024 * 1024
"""A log longer than this is put aside when its node starts; one older log is kept."""

LOG_LINE_MAX: Final = 500
"""Longest line of a node's log that is quoted."""

TANGLE: Final = (sys.executable, "-m", "tangle.cli")
"""The command, by the same interpreter."""


class NodeProcess:
    """One node under supervision."""

    def __init__(
        self, name: str, arguments: Sequence[str], log_path: Path | None, *, program: Sequence[str] = TANGLE
    ) -> None:
        """:param arguments: of the ``tangle`` command.
        :param log_path: gets everything that the node prints; this process's own output for none.
        """
        self.name = name
        self.log_path = log_path
        self.restarts = 0
        self.gave_up: str | None = None
        self.given_up = anyio.Event()
        """Set together with the reason, ``gave_up``."""

        self._command = [*program, *arguments]
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None else self._process.pid

    async def run(self) -> None:
        """Keep the node running until cancelled; then stop it cleanly."""
        try:
            while True:
                status = await self._run_once()
                if status == ExitStatus.USAGE or self.restarts >= RESTARTS_MAX:
                    self.gave_up = self._explain(status)
                    self.given_up.set()
                    await anyio.sleep_forever()
                self.restarts += 1
                await anyio.sleep(RESTART_DELAY_S)
        finally:
            with anyio.CancelScope(shield=True):
                await self._stop()

    def _explain(self, status: int) -> str:
        if self.log_path is None:
            return f"exit status {status}; its own last line, above, says why"
        return _read_last_line(self.log_path) or f"exit status {status}; see {self.log_path}"

    async def _run_once(self) -> int:
        with ExitStack() as opened:
            log = None
            if self.log_path is not None:
                _put_long_log_aside(self.log_path)
                log = opened.enter_context(self.log_path.open("ab"))
            self._process = await anyio.open_process(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=None if log is None else subprocess.STDOUT,
                # Ctrl-C must not reach the nodes: the load is stopped before them.
                start_new_session=True,
            )
        status = await self._process.wait()
        self._process = None
        return status

    async def _stop(self) -> None:
        process = self._process
        if process is None:
            return
        process.send_signal(signal.SIGINT)
        with anyio.move_on_after(STOP_TIMEOUT_S):
            await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()
        self._process = None


def _put_long_log_aside(path: Path) -> None:
    if path.exists() and path.stat().st_size > LOG_SIZE_MAX:
        path.replace(path.with_name(f"{path.name}.1"))


def _read_last_line(path: Path) -> str:
    """The last line of a log that is not empty: a node that refuses says why in it."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            lines = deque((line.strip() for line in file if line.strip()), maxlen=1)
    except OSError:
        return ""
    return lines[0][:LOG_LINE_MAX].removeprefix("tangle: ") if lines else ""
