"""What the tests of the pool have done in worker processes: functions that a process can be sent by name."""

import os
import signal
import time
from pathlib import Path

GATE_SECONDS_MAX = 10.0
"""A worker whose test forgot it goes on after this."""

worker = {"ready with": "nothing"}
"""What this process remembers between calls."""


def make_ready() -> None:
    worker["ready with"] = "plain"


def make_better() -> None:
    worker["ready with"] = "better"


def refuse_to_start() -> None:
    os._exit(3)


def tell(_: None) -> str:
    return worker["ready with"]


def double(number: int) -> int:
    return 2 * number


def get_process(_: None) -> int:
    return os.getpid()


def fail(reason: str) -> None:
    raise ValueError(reason)


def die(_: None) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(marker: Path) -> str:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "the second time"


def wait_for(gate: Path) -> None:
    """Hold the worker until the file is there."""
    gate.with_suffix(".waiting").touch()
    for _ in range(int(GATE_SECONDS_MAX / 0.01)):
        if gate.exists():
            return
        time.sleep(0.01)
