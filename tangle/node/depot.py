"""Where the executor gets the data of a paid job from: history first, then the room for blobs.

A checkpoint that opens a job cannot be executed without its data. A quorum has said that it has them, so they
are fetched until they are here; the executor stands still meanwhile, and the committee driver with it.
"""

from collections.abc import Set as AbstractSet
from typing import Final

import anyio
import structlog

from tangle.core.blob_id import BlobId, format_blob_id
from tangle.core.errors import TangleError
from tangle.node.blobs import BlobRoom
from tangle.node.training_archive import TrainingArchive

RETRY_S: Final = 0.5
"""Pause after a fetch that failed: peers come and go, and the room may not be open yet."""

log = structlog.get_logger("depot")


class Depot:
    """Gives out data of paid jobs."""

    def __init__(self, archive: TrainingArchive) -> None:
        self._archive = archive
        self._blobs: BlobRoom | None = None
        self._kept = archive.list_data()

    def get_kept(self) -> AbstractSet[BlobId]:
        """Data of all paid jobs that were ever on the board here.

        Their blobs should stay: whoever starts from nothing has to fetch them from somebody.
        """
        return self._kept

    def open(self, blobs: BlobRoom) -> None:
        """From now on blobs can be fetched."""
        self._blobs = blobs

    async def get(self, data: BlobId) -> bytes:
        """The content of a blob that a quorum has; however long that takes."""
        content = self._archive.get_content(data)
        while content is None:
            content = await self._fetch(data)
            if content is None:
                await anyio.sleep(RETRY_S)
        self._kept.add(data)
        return content

    async def _fetch(self, data: BlobId) -> bytes | None:
        if self._blobs is None:
            return None
        try:
            await self._blobs.obtain(data)
            return await self._blobs.read_all(data)
        except TangleError as error:
            log.warning("training-data-missing", blob=format_blob_id(data), code=error.code)
            return None
