"""Taking a snapshot of a home's database, beside the node that may be running on it.

LMDB lets another process look at one moment while the node writes. The newest executed checkpoint of that
moment is certified a little later, so history is looked at again until it is.
"""

from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Final

from tangle.core.genesis import compute_chain_id, decode_genesis
from tangle.node.snapshots.errors import SnapshotUnready
from tangle.node.snapshots.making import OnMade, SnapshotFacts, find_certified, make_file
from tangle.store.snapshot import open_snapshot

LOOKS_MAX: Final = 150
"""Looks at history until the checkpoint must be certified: a committee that is at work needs less than
a second, one that ends its epoch some more."""

LOOK_INTERVAL_S: Final = 0.1
"""Pause between two of them."""


def take_snapshot(
    root: Path, genesis: bytes, path: Path, on_made: OnMade, wait: Callable[[float], None] = sleep
) -> SnapshotFacts:
    """Write a snapshot of the database at ``root`` to a new file.

    Called in a process of its own: no other part of this process may have the database open.

    :param genesis: encoded, as a home holds it.
    :raises SnapshotUnready: there is nothing certified to take.
    :raises StoreFault: the database cannot be read, or the file not written.
    """
    decoded = decode_genesis(genesis)
    with open_snapshot(root, compute_chain_id(decoded)) as snapshot:
        for _ in range(LOOKS_MAX):
            moment = find_certified(snapshot, snapshot)
            if moment is not None:
                return make_file(moment, decoded, path, on_made)
            wait(LOOK_INTERVAL_S)
            snapshot.renew_history()
    raise SnapshotUnready(0, "the newest checkpoint is not certified, and no committee certifies it")


def take_quietly(root: Path, genesis: bytes, path: Path) -> SnapshotFacts:
    """The same without words, as a worker process is asked for it."""
    return take_snapshot(root, genesis, path, _ignore)


def _ignore(part: str, done: int, of: int) -> None:
    del part, done, of
