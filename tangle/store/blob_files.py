"""The files of blobs, behind a seam: a directory on disk, or its twin in memory.

Few operations, all by name: whatever must survive a crash is written under one name, synced, and renamed to
another. The disk is used from a thread, so that a slow one holds up nobody.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
from msgspec import Struct

from tangle.store.blob_errors import BlobStorageFailed
from tangle.store.files import PRIVATE_DIRECTORY_MODE, PRIVATE_FILE_MODE, sync_directory

THREADS_MAX: Final = 4
"""Threads that use the disk for blobs at a time."""

Answer = TypeVar("Answer")


class FileFacts(Struct, frozen=True):
    """What a directory says of a file."""

    size: int
    """Bytes."""

    modified_ms: int
    """When it was last touched."""


class BlobFiles(Protocol):
    """A flat directory. Every method raises ``BlobStorageFailed`` where the disk refuses."""

    async def list(self) -> dict[str, FileFacts]:
        """All files."""

    async def read(self, name: str, offset: int, size: int) -> bytes:
        """At most ``size`` bytes from ``offset`` on; fewer where the file ends."""

    async def write(self, name: str, offset: int, data: bytes) -> None:
        """Write at ``offset``; the file is made, and gaps are zeros."""

    async def commit(self, name: str, final_name: str) -> None:
        """Make a file's content durable, then its new name, in place of whatever had it."""

    async def remove(self, *names: str) -> None:
        """Remove those of the files that exist."""

    async def touch(self, name: str, now_ms: int) -> None:
        """Note that it was used; need not survive a crash."""

    async def get_free_bytes(self) -> int:
        """Room on the disk."""


class MemoryBlobFiles:
    """Files in memory; whoever holds it has the disk, whatever becomes of the node."""

    def __init__(self) -> None:
        self.contents: dict[str, bytearray] = {}
        self.modified_ms: dict[str, int] = {}
        self.free_bytes = 1 << 40

    async def list(self) -> dict[str, FileFacts]:
        """All files."""
        await anyio.lowlevel.checkpoint()
        return {
            name: FileFacts(len(content), self.modified_ms.get(name, 0))
            for name, content in self.contents.items()
        }

    async def read(self, name: str, offset: int, size: int) -> bytes:
        """A part of a file."""
        await anyio.lowlevel.checkpoint()
        if name not in self.contents:
            raise BlobStorageFailed(name, "No such file or directory")
        return bytes(self.contents[name][offset : offset + size])

    async def write(self, name: str, offset: int, data: bytes) -> None:
        """Write at ``offset``."""
        await anyio.lowlevel.checkpoint()
        content = self.contents.setdefault(name, bytearray())
        content += bytes(max(0, offset - len(content)))
        content[offset : offset + len(data)] = data

    async def commit(self, name: str, final_name: str) -> None:
        """Rename."""
        await anyio.lowlevel.checkpoint()
        if name not in self.contents:
            raise BlobStorageFailed(name, "No such file or directory")
        self.contents[final_name] = self.contents.pop(name)

    async def remove(self, *names: str) -> None:
        """Remove."""
        await anyio.lowlevel.checkpoint()
        for name in names:
            self.contents.pop(name, None)

    async def touch(self, name: str, now_ms: int) -> None:
        """Note the time."""
        self.modified_ms[name] = now_ms

    async def get_free_bytes(self) -> int:
        """As set."""
        return self.free_bytes


class DiskBlobFiles:
    """Files of one private directory; made when first written to."""

    def __init__(self, path: Path) -> None:
        """:param path: the directory; its parent exists."""
        self._path = path
        self._threads = anyio.CapacityLimiter(THREADS_MAX)

    async def list(self) -> dict[str, FileFacts]:
        """All files."""
        return await self._run(self._path.name, self._list)

    async def read(self, name: str, offset: int, size: int) -> bytes:
        """A part of a file."""

        def read() -> bytes:
            descriptor = os.open(self._path / name, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                return os.pread(descriptor, size, offset)
            finally:
                os.close(descriptor)

        return await self._run(name, read)

    async def write(self, name: str, offset: int, data: bytes) -> None:
        """Write at ``offset``."""

        def write() -> None:
            self._path.mkdir(mode=PRIVATE_DIRECTORY_MODE, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
            descriptor = os.open(self._path / name, flags, PRIVATE_FILE_MODE)
            try:
                place = 0
                while place < len(data):
                    place += os.pwrite(descriptor, memoryview(data)[place:], offset + place)
            finally:
                os.close(descriptor)

        await self._run(name, write)

    async def commit(self, name: str, final_name: str) -> None:
        """Sync, rename, sync the directory."""

        def commit() -> None:
            descriptor = os.open(self._path / name, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            (self._path / name).replace(self._path / final_name)
            sync_directory(self._path)

        await self._run(name, commit)

    async def remove(self, *names: str) -> None:
        """Remove."""

        def remove() -> None:
            for name in names:
                (self._path / name).unlink(missing_ok=True)

        await self._run(names[0] if names else "", remove)

    async def touch(self, name: str, now_ms: int) -> None:
        """Set the time of last change."""
        nanoseconds = now_ms * 1_000_000
        await self._run(name, lambda: os.utime(self._path / name, ns=(nanoseconds, nanoseconds)))

    async def get_free_bytes(self) -> int:
        """Room for ordinary users."""

        def get_free_bytes() -> int:
            place = self._path if self._path.exists() else self._path.parent
            facts = os.statvfs(place)
            return facts.f_bavail * facts.f_frsize

        return await self._run(self._path.name, get_free_bytes)

    def _list(self) -> dict[str, FileFacts]:
        if not self._path.exists():
            return {}
        facts = {}
        with os.scandir(self._path) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    facts[entry.name] = FileFacts(status.st_size, status.st_mtime_ns // 1_000_000)
        return facts

    async def _run(self, name: str, work: Callable[[], Answer]) -> Answer:
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._threads)
        except OSError as error:
            raise BlobStorageFailed(name, error.strerror or str(error)) from error
