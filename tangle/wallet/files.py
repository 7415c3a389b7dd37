"""Small secret files on disk: written whole or not at all, readable by their owner only.

A file is written beside its final name, forced to disk, and then given the name in one step, so that a crash
leaves either the old content, the new content, or a stray temporary file that nothing reads.
"""

import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from tangle.wallet.errors import KeyFileExists, KeyFileMissing, KeyFileUnusable, UnsafePermissions

FILE_SIZE_MAX: Final = 16 * 1024
"""Largest key file that is read; ours have under 2 KiB. A wrong path must not fill the memory."""

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def read_secret_file(path: Path, *, is_private: bool) -> bytes:
    """Read a whole key file.

    :param is_private: the content is not encrypted, so that group and others may have no access to it.
    :raises KeyFileMissing: no such file.
    :raises UnsafePermissions: others have access to a private file.
    :raises KeyFileUnusable: not a regular file, too large, or the system refuses.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise KeyFileUnusable(path, "it is not an ordinary file")
            if is_private and mode & _OTHERS:
                raise UnsafePermissions(path, stat.S_IMODE(mode))
            data = file.read(FILE_SIZE_MAX + 1)
    except FileNotFoundError:
        raise KeyFileMissing(path) from None
    except OSError as error:
        raise KeyFileUnusable(path, error.strerror or str(error)) from None
    if len(data) > FILE_SIZE_MAX:
        raise KeyFileUnusable(path, f"it is larger than {FILE_SIZE_MAX} bytes, so it is no key file")
    return data


def create_secret_file(path: Path, data: bytes) -> None:
    """Write a new file, mode 0600, making its directory (0700) where needed.

    :raises KeyFileExists: the name is taken; the file there is untouched.
    :raises KeyFileUnusable: the system refuses.
    """
    try:
        temporary = _write_beside(path, data)
        try:
            # link, unlike rename, fails when the name is taken: two creators cannot overwrite each other.
            os.link(temporary, path)
        except FileExistsError:
            raise KeyFileExists(path) from None
        finally:
            temporary.unlink()
        _sync_directory(path.parent)
    except OSError as error:
        raise KeyFileUnusable(path, error.strerror or str(error)) from None


def replace_secret_file(path: Path, data: bytes) -> None:
    """Replace the content of a file in one step.

    :raises KeyFileUnusable: the system refuses; the old content is untouched.
    """
    try:
        temporary = _write_beside(path, data)
        try:
            temporary.replace(path)
        except OSError:
            temporary.unlink()
            raise
        _sync_directory(path.parent)
    except OSError as error:
        raise KeyFileUnusable(path, error.strerror or str(error)) from None


def _open_without_waiting(path: str, flags: int) -> int:
    # Opening a named pipe would otherwise wait for ever.
    return os.open(path, flags | os.O_NONBLOCK)


def _write_beside(path: Path, data: bytes) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except OSError:
        temporary.unlink()
        raise
    return temporary


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
