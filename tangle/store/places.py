"""Where the parts of a home's databases lie, and how one takes the place of another.

A new database is made beside the old and takes its name when it is whole. Two renames do that, and a crash
may fall between them: then the old one has its new name and nothing has the right one. ``finish_swap`` sees
that and does the second rename, so whoever opens a database calls it first.
"""

import re
from pathlib import Path
from typing import Final

from tangle.store.errors import StorageFailed, StoreUnreadable
from tangle.store.files import PRIVATE_DIRECTORY_MODE, sync_directory

DAMAGED: Final = ".damaged-"
"""After the name of a database that a repaired one replaced; a number follows."""

REPAIRED: Final = ".repaired"
"""After the name of a whole one that waits for its place."""

MAKING: Final = ".making"
"""After the name of one that is being made; a crash leaves it, and the next try removes it."""

HISTORY_PREFIX: Final = "history-"
"""Directories of history begin with this; the number of the epoch follows."""

LIVE_NAME: Final = "live"
"""Directory of the live state."""

DATA_NAME: Final = "data.mdb"
"""The one file of an environment that matters."""

LOCK_NAME: Final = "lock.mdb"
"""Its table of readers; made anew whenever it is missing."""

_HISTORY: Final = re.compile(HISTORY_PREFIX + r"[0-9]{8}")


def list_histories(root: Path) -> list[Path]:
    """Directories of history below a database's root, oldest epoch first."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if _HISTORY.fullmatch(path.name) and path.is_dir())


def list_directories(root: Path) -> list[Path]:
    """Every environment below a database's root: live state first, then history.

    :raises StoreUnreadable: one of the two is gone, or both are.
    """
    live, histories = root / LIVE_NAME, list_histories(root)
    for path in (live, *(histories or [root / f"{HISTORY_PREFIX}00000000"])):
        if not (path / DATA_NAME).is_file():
            raise StoreUnreadable(path / DATA_NAME, "there is no such file")
    return [live, *histories]


def get_repaired(root: Path) -> Path:
    """Where a whole database waits to take the place of the one at ``root``."""
    return root.with_name(root.name + REPAIRED)


def get_making(root: Path) -> Path:
    """Where one is made."""
    return root.with_name(root.name + MAKING)


def find_damaged_name(root: Path) -> Path:
    """A free name to keep the old one under."""
    number = 1
    while (path := root.with_name(f"{root.name}{DAMAGED}{number}")).exists():
        number += 1
    return path


def swap(root: Path) -> Path:
    """Put the repaired database in the place of the one at ``root``; answers where the old one is kept.

    :raises StorageFailed: a rename is refused; the old one or the new one has the right name.
    """
    kept = find_damaged_name(root)
    try:
        root.rename(kept)
        sync_directory(root.parent)
        finish_swap(root)
    except OSError as error:
        raise StorageFailed(root, error.strerror or str(error)) from error
    return kept


def finish_swap(root: Path) -> None:
    """Do what a crash between the two renames left undone.

    :raises StorageFailed: the rename is refused.
    """
    repaired = get_repaired(root)
    if root.exists() or not repaired.exists():
        return
    try:
        repaired.rename(root)
        sync_directory(root.parent)
    except OSError as error:
        raise StorageFailed(root, error.strerror or str(error)) from error


def make_directory(path: Path) -> None:
    """A private directory, its parents too, and their names durable."""
    path.mkdir(mode=PRIVATE_DIRECTORY_MODE, parents=True, exist_ok=True)
    sync_directory(path)
    sync_directory(path.parent)
