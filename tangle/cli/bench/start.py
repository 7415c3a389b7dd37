"""How long a node takes to start: from the command to the first answer that it is ready."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from typing import Final

from msgspec import Struct

from tangle.cli.bench.ports import find_free_ports
from tangle.core.errors import TangleError

START_TIMEOUT_S: Final = 120.0
"""Longest start that is waited for."""

LOOK_S: Final = 0.01
"""Pause between two looks whether it is ready: what a figure may be too long by."""


class NotStarted(TangleError):
    """A node that was to be measured did not come up."""

    code = "not-started"

    def __init__(self, last_words: str) -> None:
        self.last_words = last_words
        super().__init__(f"the node did not get ready; it said last: {last_words}")


class StartTiming(Struct, frozen=True):
    """Medians and ranges in seconds; the command itself, its imports included, is in them."""

    empty_s: float
    """In a home without a ledger."""

    empty_low_s: float
    """The quickest."""

    empty_high_s: float
    """The slowest."""

    again_s: float
    """In the same home once more."""

    again_low_s: float
    """The quickest."""

    again_high_s: float
    """The slowest."""

    load_before: float
    """Processes that wanted a core in the minute before."""


def measure_starts(times: int, device: str, tell: Callable[[str], None]) -> StartTiming:
    """Found a network of one ``times`` times, and start its node twice each time.

    :raises NotStarted: it does not get ready.
    """
    load_before = os.getloadavg()[0]
    empty, again = [], []
    for number in range(times):
        with TemporaryDirectory(prefix="tangle-start-") as directory:
            home = Path(directory) / "home"
            command = [sys.executable, "-m", "tangle.cli", "--home", str(home), "--quiet"]
            subprocess.run([*command, "init", "--found"], check=True, stdout=subprocess.DEVNULL)
            empty.append(_time_start(command, device, Path(directory)))
            again.append(_time_start(command, device, Path(directory)))
        tell(f"start {number + 1}: {empty[-1]:.2f} s, again {again[-1]:.2f} s")
    return StartTiming(
        median(empty), min(empty), max(empty), median(again), min(again), max(again), load_before
    )


def _time_start(command: list[str], device: str, directory: Path) -> float:
    api_port, peer_port = find_free_ports(2)
    ports = ["--api-port", str(api_port), "--peer-port", str(peer_port), "--metrics-port", "0"]
    log = directory / "node.log"
    with log.open("wb") as output:
        begun_s = perf_counter()
        node = subprocess.Popen(
            [*command, "up", "--device", device, *ports],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            while not _is_ready(api_port):
                if node.poll() is not None or perf_counter() - begun_s > START_TIMEOUT_S:
                    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() or ["nothing"]
                    raise NotStarted(lines[-1])
                sleep(LOOK_S)
            return perf_counter() - begun_s
        finally:
            node.terminate()
            node.wait()


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False
