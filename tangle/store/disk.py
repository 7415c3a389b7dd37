"""How much room a disk has, behind a seam: the system's own answer, or one that a test sets.

Two marks. Below the lower one nothing more is written and the node stops while it still can in good order;
below the upper one it warns, and takes no new work from strangers, so that the lower one is not reached.
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import anyio.lowlevel
import anyio.to_thread
from msgspec import Struct


class DiskRoom(Struct, frozen=True):
    """What a disk says of itself."""

    free_bytes: int
    """Room for ordinary users."""

    total_bytes: int
    """Its size."""


class Disk(Protocol):
    """A place whose room can be asked for."""

    def read_room(self) -> DiskRoom:
        """The room of this moment.

        :raises OSError: the place is gone.
        """
        ...

    async def read_room_beside(self) -> DiskRoom:
        """The same without holding up the event loop, should the disk be slow to answer."""
        ...


class SystemDisk:
    """The disk that a path is on."""

    def __init__(self, path: Path) -> None:
        """:param path: a file or directory that exists."""
        self._path = path

    def read_room(self) -> DiskRoom:
        """As the system says."""
        facts = os.statvfs(self._path)
        return DiskRoom(facts.f_bavail * facts.f_frsize, facts.f_blocks * facts.f_frsize)

    async def read_room_beside(self) -> DiskRoom:
        """From a thread."""
        return await anyio.to_thread.run_sync(self.read_room)


class MemoryDisk:
    """A disk whose room is set by whoever holds it."""

    def __init__(self, free_bytes: int = 1 << 40, total_bytes: int = 1 << 40) -> None:
        """:param free_bytes: room in the beginning."""
        self.free_bytes = free_bytes
        self.total_bytes = total_bytes

    def read_room(self) -> DiskRoom:
        """As set."""
        return DiskRoom(self.free_bytes, self.total_bytes)

    async def read_room_beside(self) -> DiskRoom:
        """As set."""
        await anyio.lowlevel.checkpoint()
        return self.read_room()


class DiskLevel(StrEnum):
    """How near a disk is to being full."""

    ENOUGH = "enough"
    LOW = "low"
    EXHAUSTED = "exhausted"


class Watermarks(Struct, frozen=True):
    """The two marks of a node."""

    low_bytes: int
    """Free space below which it is careful."""

    low_percent: int
    """The same as a part of the disk's size; whichever of the two is more counts."""

    stop_bytes: int
    """Free space below which nothing is written any more."""

    def compute_low_bytes(self, room: DiskRoom) -> int:
        """The upper mark on this disk; never below the lower one."""
        return max(self.low_bytes, room.total_bytes * self.low_percent // 100, self.stop_bytes)

    def classify(self, room: DiskRoom) -> DiskLevel:
        """Where ``room`` lies."""
        if room.free_bytes < self.stop_bytes:
            return DiskLevel.EXHAUSTED
        return DiskLevel.LOW if room.free_bytes < self.compute_low_bytes(room) else DiskLevel.ENOUGH
