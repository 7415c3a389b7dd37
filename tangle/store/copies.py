"""Whole copies of a database: compacted in place, or hot to another place while a node runs.

A copy is LMDB's own, of one moment. It is made under another name, synced, read back page by page, and only
then takes the name that counts. A crash at any moment leaves the old database, or the new one, whole.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import lmdb
from msgspec import Struct

from tangle.store.disk import Disk, SystemDisk
from tangle.store.errors import CopyExists, CopyFailed, StoreUnreadable
from tangle.store.files import PRIVATE_FILE_MODE, sync_directory
from tangle.store.lmdb_environment import open_for_reading
from tangle.store.pages import check_pages
from tangle.store.places import (
    DATA_NAME,
    LOCK_NAME,
    finish_swap,
    get_making,
    list_directories,
    make_directory,
)

ROOM_MARGIN_BYTES: Final = 16 * 1024 * 1024
"""Room that a copy leaves on its disk beside what it takes itself."""

OnCopy = Callable[[str, int, int], None]
"""Told of each environment: its name, which one it is, and of how many."""


class Compacted(Struct, frozen=True):
    """What compacting one environment did."""

    name: str
    """Its directory's name."""

    before_bytes: int
    """Size of its file before."""

    after_bytes: int
    """Size of its file now."""


def compact(root: Path, on_copy: OnCopy, disk: Disk | None = None) -> list[Compacted]:
    """Write each environment anew without the pages that are free, the home being held.

    :param disk: whose room is asked for; that of ``root`` where it is left out.
    :raises CopyFailed: no room, or the disk refuses; what is there is untouched.
    :raises StoreUnreadable: it is damaged: repair it first.
    """
    finish_swap(root)
    directories = list_directories(root)
    compacted = []
    for place, directory in enumerate(directories, 1):
        on_copy(directory.name, place, len(directories))
        compacted.append(_compact(directory, disk or SystemDisk(root)))
    return compacted


def _compact(directory: Path, disk: Disk) -> Compacted:
    data = directory / DATA_NAME
    making = get_making(directory)
    before = data.stat().st_size
    _remove(making)
    check_pages(data)  # LMDB follows what it copies so, also into damaged pages
    copy_environment(directory, making, disk, is_compacted=True)
    after = (making / DATA_NAME).stat().st_size
    try:
        # The new file's transactions count from the beginning; a table of readers of the old one would
        # mislead whoever writes next. Without it a new one is made.
        (directory / LOCK_NAME).unlink(missing_ok=True)
        sync_directory(directory)
        (making / DATA_NAME).replace(data)
        sync_directory(directory)
    except OSError as error:
        raise CopyFailed(data, error.strerror or str(error)) from error
    _remove(making)
    return Compacted(directory.name, before, after)


def copy_database(root: Path, target: Path, on_copy: OnCopy, disk: Disk | None = None) -> int:
    """Copy all environments to a new directory while a node may write; answers how many bytes they have.

    Live state goes first, so that history in the copy is as far or further, as after a crash.

    :raises CopyExists: something is at ``target``.
    :raises CopyFailed: no room, or the disk refuses; nothing is left at ``target``.
    :raises StoreUnreadable: the database is damaged.
    """
    if target.exists():
        raise CopyExists(target)
    making = get_making(target)
    _remove(making)
    directories = list_directories(root)
    try:
        make_directory(making)
        room = disk or SystemDisk(making)
        for place, directory in enumerate(directories, 1):
            on_copy(directory.name, place, len(directories))
            copy_environment(directory, making / directory.name, room, is_compacted=False)
        making.rename(target)
        sync_directory(target.parent)
    except OSError as error:
        raise CopyFailed(target, error.strerror or str(error)) from error
    finally:
        _remove(making)
    return sum((target / directory.name / DATA_NAME).stat().st_size for directory in directories)


def copy_environment(directory: Path, target: Path, disk: Disk, *, is_compacted: bool) -> None:
    """Copy one environment to a new directory; durable and read back on return.

    :raises CopyFailed: no room, or the disk refuses.
    :raises StoreUnreadable: pages of the original are damaged.
    """
    size = (directory / DATA_NAME).stat().st_size
    try:
        make_directory(target)
        free = disk.read_room().free_bytes
        if free < size + ROOM_MARGIN_BYTES:
            raise CopyFailed(
                target, f"{free >> 20} MiB are free, up to {size + ROOM_MARGIN_BYTES >> 20} needed"
            )
        environment = open_for_reading(directory)
        try:
            environment.copy(str(target), compact=is_compacted)
        finally:
            environment.close()
        data = target / DATA_NAME
        data.chmod(PRIVATE_FILE_MODE)
        descriptor = os.open(data, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(target)
    except (lmdb.CorruptedError, lmdb.PageNotFoundError) as error:
        raise StoreUnreadable(directory, str(error)) from error
    except (lmdb.Error, OSError) as error:
        raise CopyFailed(target, getattr(error, "strerror", None) or str(error)) from error
    check_pages(target / DATA_NAME)


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise CopyFailed(path, error.strerror or str(error)) from error
