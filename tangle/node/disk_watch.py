"""An eye on the room that is left on the disk, so that the last of it is never reached by surprise.

Below the upper mark the node warns and takes no new transactions, from wallets or as news from peers; what a
block or a descendant needs it still takes, or it could not follow the committee. Below the lower mark it
stops by itself, before the store refuses a write in the middle of something.
"""

from pathlib import Path
from typing import Final

import anyio
import structlog

from tangle.core.errors import TangleError
from tangle.store.disk import Disk, DiskLevel, DiskRoom, Watermarks
from tangle.store.errors import DiskLow

LOOK_S: Final = 5.0
"""Pause between two looks: a busy node writes some tens of megabytes in this time."""

RETRY_AFTER_S: Final = 60.0
"""What a wallet is told to wait: room comes back when a person makes it."""

log = structlog.get_logger("disk")


class DiskRunsLow(TangleError):
    """A transaction refused because the disk is nearly full."""

    code = "disk-low"

    def __init__(self, free_bytes: int, low_bytes: int) -> None:
        self.free_bytes = free_bytes
        self.low_bytes = low_bytes
        self.retry_after_s = RETRY_AFTER_S
        super().__init__(
            f"this node has {free_bytes >> 20} MiB of disk left and takes new transactions from "
            f"{low_bytes >> 20} MiB on; ask another node, or its operator to make room"
        )


class DiskWatch:
    """Looks at a disk now and then, and says what may still be done."""

    def __init__(self, disk: Disk, marks: Watermarks, path: Path) -> None:
        """:param path: what is on the disk, for the words of a fault.
        :raises OSError: the place is gone.
        """
        self._disk = disk
        self._path = path
        self.marks = marks
        self.room: DiskRoom = disk.read_room()
        self.level = marks.classify(self.room)

    @property
    def low_bytes(self) -> int:
        """The upper mark on this disk."""
        return self.marks.compute_low_bytes(self.room)

    @property
    def has_room(self) -> bool:
        """Whether new work may be taken."""
        return self.level is DiskLevel.ENOUGH

    def check_room(self) -> None:
        """Refuse new work where there is no room for it.

        :raises DiskRunsLow: the upper mark is reached.
        """
        if not self.has_room:
            raise DiskRunsLow(self.room.free_bytes, self.low_bytes)

    def describe(self) -> str:
        """One line for people."""
        free, low = self.room.free_bytes >> 20, self.low_bytes >> 20
        if self.has_room:
            return f"{free} MiB free, careful below {low} MiB"
        return f"{free} MiB free: no new transactions are taken below {low} MiB"

    async def run(self) -> None:
        """Look until cancelled.

        :raises DiskLow: the lower mark is reached: the node must stop.
        """
        self._tell(DiskLevel.ENOUGH)
        while True:
            before = self.level
            self.room = await self._disk.read_room_beside()
            self.level = self.marks.classify(self.room)
            self._tell(before)
            if self.level is DiskLevel.EXHAUSTED:
                raise DiskLow(self._path, self.room.free_bytes, self.marks.stop_bytes)
            await anyio.sleep(LOOK_S)

    def _tell(self, before: DiskLevel) -> None:
        if self.level is before:
            return
        tell = log.info if self.has_room else log.warning
        tell("disk", level=self.level.value, free_bytes=self.room.free_bytes, low_bytes=self.low_bytes)
