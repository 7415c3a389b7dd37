"""A process that compacts or copies a database, and dies or runs out of disk while it does.

``python -m tests.store.compactor ROOT [STEP]`` kills itself in front of the given step: copying, removing the
lock file, renaming. ``python -m tests.store.compactor ROOT compact|copy|export BYTES`` may write no file that
is longer, and prints the code of the fault.
"""

import os
import resource
import signal
import sys
from itertools import count
from pathlib import Path

import pytest

from tangle.store import copies, files
from tangle.store.errors import StoreFault
from tangle.store.portable import export
from tangle.store.snapshot import open_snapshot
from tests.store.writer import CHAIN, say


def die_at(step: int) -> None:
    """End without a word in front of the numbered sync or replacement of a file."""
    numbers = count(1)
    sync, replace = files.sync_directory, Path.replace

    def step_on() -> None:
        if next(numbers) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch_sync(path: Path) -> None:
        step_on()
        sync(path)

    def watch_replace(path: Path, target: Path) -> Path:
        step_on()
        return replace(path, target)

    patch = pytest.MonkeyPatch()  # never undone: the process is only here to die
    patch.setattr(copies, "sync_directory", watch_sync)
    patch.setattr(Path, "replace", watch_replace)


def run(root: Path, what: str) -> None:
    match what:
        case "compact":
            copies.compact(root, lambda *_: None)
        case "copy":
            copies.copy_database(root, root.with_name("copy"), lambda *_: None)
        case _:
            with open_snapshot(root, CHAIN) as snapshot:
                export(snapshot, CHAIN, root.with_name("file"), lambda *_: None)


if __name__ == "__main__":
    place, *rest = sys.argv[1:]
    if len(rest) == 1:
        die_at(int(rest[0]))
    if len(rest) == 2:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(rest[1]), int(rest[1])))
    try:
        run(Path(place), rest[0] if len(rest) == 2 else "compact")
    except StoreFault as fault:
        say(fault.code)
