"""A real node of a network of its own, in processes of their own, for commands that ask one."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.cli.builders import Terminal

START_TIMEOUT_S: Final = 15.0
"""Longest start on a busy machine; without tinygrad it takes about two seconds."""


def find_free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def run_single_node(directory: Path, *, shards: int = 1, processes: int = 1) -> Iterator[Terminal]:
    """A network of one validator with a faucet; the terminal's home is the node's."""
    terminal = Terminal(directory / "home")
    terminal.run_json("init", "--found", "--shards", str(shards))
    ports = [find_free_port(), find_free_port() if shards == 1 else 0]
    terminal.url = f"http://127.0.0.1:{ports[0]}"
    arguments = ["--api-port", str(ports[0]), "--peer-port", str(ports[1]), "--metrics-port", "0"]
    arguments += ["--processes", str(processes)]
    command = [sys.executable, "-m", "tangle.cli", "--home", str(terminal.home), "up", "--device", "numpy"]
    with (directory / "node.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--workers", "1", *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        _wait_ready(terminal.url, process, directory / "node.log")
        yield terminal
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0, "a node that is interrupted ends cleanly"
    finally:
        process.kill()
        process.wait()


def _wait_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):  # noqa: S310 -- a URL of this test's own
                return
        except (urllib.error.URLError, OSError):
            # The readiness of another process can only be polled.
            time.sleep(0.05)
    raise AssertionError(f"not ready: {log.read_text()}")


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pid: int) -> None:
    """As an operator's ``kill -9``."""
    os.kill(pid, signal.SIGKILL)
