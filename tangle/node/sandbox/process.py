"""One worker process as its pool sees it: started, spoken to, watched, ended.

Nothing here waits without a limit: while a worker is silent or slow, its memory and times are looked at again
and again, and the first that is over its limit ends the wait (``Stopped``).
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

import anyio
from msgspec import Struct

from tangle.core.errors import MalformedEncoding, OversizeEncoding, TangleError
from tangle.node.sandbox import outcomes
from tangle.node.sandbox.limits import WorkerLimits
from tangle.node.sandbox.outcomes import Failure
from tangle.node.sandbox.watch import PROCESSES_MAX, Usage, measure
from tangle.node.sandbox.wire import LENGTH_SIZE, Report, read_report

WATCH_SECONDS: Final = 0.02
"""How often a working process is looked at. It can take some hundred megabytes in between."""

LEAVE_SECONDS_MAX: Final = 5.0
"""Longest wait for a process to be gone after it hung up or was killed. A broken driver may take longer."""

READ_SIZE: Final = 1 << 20
"""Most bytes taken from or given to a socket at once."""

KEPT_VARIABLES: Final = "PATH LANG LC_ALL CC LD_LIBRARY_PATH CUDA_PATH CUDA_VISIBLE_DEVICES VIRTUAL_ENV"
"""Variables, by spaces, that a worker is given: where programs and drivers are. Others may hold secrets."""

CACHE_VARIABLES: Final = "HOME TMPDIR XDG_CACHE_HOME CUDA_CACHE_PATH"
"""Variables, by spaces, that point into the worker's cache: it may write nowhere else."""


class Stopped(TangleError):
    """A wait for a worker that ended with a failed task."""

    code = "sandbox-stopped"

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.describe())


class Allowance(Struct, frozen=True):
    """What a worker is allowed until its next report."""

    until_s: float
    """End of its wall time, on the event loop's clock."""

    late: Failure
    """The failure when that is over."""

    cpu_until_s: float
    """End of its processor time, counted from the start of the process."""

    busy: Failure
    """The failure when that is over."""


class WorkerProcess:
    """A worker process and the pool's end of the socket to it."""

    def __init__(self, limits: WorkerLimits, cache: Path) -> None:
        """Start the process; it knows nothing yet.

        :raises OSError: the system starts no more processes.
        """
        self.limits = limits
        self._looked_s = 0.0
        cache.mkdir(parents=True, exist_ok=True)
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._socket.setblocking(False)
            # By this thread and no other: the kernel ends a worker when the thread that started it is gone.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tangle.node.sandbox.worker", str(theirs.fileno()), str(os.getpid())],
                cwd=Path(__file__).parents[3],  # where the packages lie, so that they need not be installed
                env=_make_environment(os.environ, cache),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the node, which decides when workers stop
            )
        self._handle = os.pidfd_open(self._process.pid)

    @property
    def process_id(self) -> int:
        """Id of the process."""
        return self._process.pid

    def measure(self) -> Usage:
        """What the process takes now."""
        return measure(self._process.pid)

    async def send(self, data: bytes, allowance: Allowance) -> None:
        """Write everything.

        :raises Stopped: a limit was met, or the worker is gone.
        """
        view = memoryview(data)
        while view:
            self._check(allowance)
            try:
                view = view[self._socket.send(view[:READ_SIZE]) :]
            except BlockingIOError:
                await _wait(anyio.wait_writable, self._socket, allowance)
            except ConnectionError:
                await self._explain(allowance)

    async def receive(self, limit: int, allowance: Allowance) -> Report:
        """The next report.

        :param limit: longest acceptable one in bytes.
        :raises Stopped: a limit was met, the worker is gone, or what it sent is no report.
        """
        length = int.from_bytes(await self._read(LENGTH_SIZE, allowance), "little")
        if length > limit:
            raise Stopped(outcomes.OutputExhausted(limit))
        data = await self._read(length, allowance)
        try:
            return read_report(data, limit)
        except (MalformedEncoding, OversizeEncoding) as error:
            raise Stopped(outcomes.AnswerInvalid(str(error))) from None

    def kill(self) -> None:
        """End it and its descendants, whatever they are doing; ``end`` or ``abandon`` still has to follow."""
        # Until it is waited for, its id is taken: nobody else is hit.
        if self._process.returncode is None:
            self._kill_descendants()
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()

    async def end(self) -> None:
        """Kill it and wait until it is gone, also while the caller is being cancelled."""
        self.kill()
        with anyio.CancelScope(shield=True), anyio.move_on_after(LEAVE_SECONDS_MAX):
            await anyio.wait_readable(self._handle)
        self._let_go()

    def abandon(self) -> None:
        """Kill it without an event loop."""
        self.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(LEAVE_SECONDS_MAX)
        self._let_go()

    def _let_go(self) -> None:
        self._process.poll()
        self._socket.close()
        os.close(self._handle)

    def _kill_descendants(self) -> None:
        for descendant in self.measure().processes[1:]:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(descendant, signal.SIGKILL)

    async def _read(self, size: int, allowance: Allowance) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._check(allowance)
            try:
                piece = self._socket.recv(min(size - len(data), READ_SIZE))
            except BlockingIOError:
                await _wait(anyio.wait_readable, self._socket, allowance)
                continue
            except ConnectionError:
                piece = b""
            if not piece:
                await self._explain(allowance)
            data += piece
        return bytes(data)

    def _check(self, allowance: Allowance) -> None:
        now_s = anyio.current_time()
        if now_s < self._looked_s + WATCH_SECONDS and now_s < allowance.until_s:
            return
        self._looked_s = now_s
        usage = self.measure()
        if usage.memory_bytes > self.limits.memory_bytes or len(usage.processes) > PROCESSES_MAX:
            raise Stopped(outcomes.MemoryExhausted(self.limits.memory_bytes))
        if usage.cpu_s > allowance.cpu_until_s:
            raise Stopped(allowance.busy)
        if now_s >= allowance.until_s:
            raise Stopped(allowance.late)

    async def _explain(self, allowance: Allowance) -> NoReturn:
        # The socket is closed, so the process is ending; it keeps its id until it is asked how it ended.
        with anyio.move_on_after(LEAVE_SECONDS_MAX):
            await anyio.wait_readable(self._handle)
        self._kill_descendants()
        status = self._process.poll()
        if status is None:
            raise Stopped(outcomes.AnswerInvalid("it hung up and went on"))
        if status == -signal.SIGXCPU:
            raise Stopped(allowance.busy)
        if status == -signal.SIGXFSZ:
            raise Stopped(outcomes.FilesExhausted(self.limits.open_files, self.limits.file_bytes))
        raise Stopped(outcomes.Crashed(-status) if status < 0 else outcomes.Exited(status))


async def _wait(
    wait: Callable[[socket.socket], Awaitable[None]], channel: socket.socket, allowance: Allowance
) -> None:
    left_s = allowance.until_s - anyio.current_time()
    with anyio.move_on_after(min(WATCH_SECONDS, max(0.0, left_s))):
        await wait(channel)


def _make_environment(environment: Mapping[str, str], cache: Path) -> dict[str, str]:
    kept = {name: environment[name] for name in KEPT_VARIABLES.split() if name in environment}
    return {
        **kept,
        **dict.fromkeys(CACHE_VARIABLES.split(), str(cache)),
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
