"""Small private files: written whole or not at all, readable by their owner only."""

import os
from pathlib import Path
from typing import Final

from tangle.store.errors import HomeMissing, HomeUnsafe, HomeUnusable, StorageFailed

PRIVATE_FILE_MODE: Final = 0o600
"""The owner reads and writes; nobody else does anything."""

PRIVATE_DIRECTORY_MODE: Final = 0o700
"""The owner enters; nobody else does."""

SMALL_FILE_MAX: Final = 4_194_304
"""Longest file that ``read_private_file`` takes: a genesis has at most 1 MiB."""


def write_private_file(path: Path, content: bytes) -> None:
    """Replace ``path`` by a file with ``content``, mode 0600, durable on return; a crash leaves the old or
    the new.

    :raises StorageFailed: the disk does not take it; the old file is untouched.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, PRIVATE_FILE_MODE
        )
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, PRIVATE_FILE_MODE)  # a left-over of a crash may have another
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise StorageFailed(path, error.strerror or str(error)) from error


def read_private_file(path: Path, *, is_secret: bool = True) -> bytes:
    """The content of ``path``.

    :param is_secret: refuse it when others could read it.
    :raises HomeMissing: it is not there.
    :raises HomeUnsafe: it is a secret, and others could read it.
    :raises HomeUnusable: it cannot be read, or is longer than ``SMALL_FILE_MAX``.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            if is_secret and mode & 0o077:
                raise HomeUnsafe(path, mode)
            content = file.read(SMALL_FILE_MAX + 1)
    except FileNotFoundError:
        raise HomeMissing(path) from None
    except OSError as error:
        raise HomeUnusable(path, error.strerror or str(error)) from error
    if len(content) > SMALL_FILE_MAX:
        raise HomeUnusable(path, f"it is longer than {SMALL_FILE_MAX} bytes")
    return content


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable; a new or replaced file is durable only then."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
