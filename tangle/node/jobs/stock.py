"""What jobs need of the room for blobs: content within limits of size and time, none of it collected while a
live job needs it.

A blob id does not always tell how long the blob is, and whoever named it may have named gigabytes: a fetch is
stopped as soon as its length is known to be too much. Blobs are held, not pinned: what a job needs follows
from the ledger, so nothing has to be written down, and what people pinned is left to them.
"""

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Final

import anyio

from tangle.core.blob_id import BlobId, format_blob_id
from tangle.core.errors import TangleError
from tangle.core.types import Digest
from tangle.node.blobs import BlobRoom
from tangle.node.jobs.errors import JobDataMissing, JobDataOversize
from tangle.store.blob_errors import BlobUnknown

SIZE_CHECK_S: Final = 0.25
"""How often the length of a blob on its way is looked at."""


class Stock:
    """Blobs for jobs."""

    def __init__(self, blobs: BlobRoom, patience_s: float) -> None:
        """:param patience_s: how long a blob is waited for."""
        self._blobs = blobs
        self._patience_s = patience_s
        self._held: dict[BlobId, AbstractContextManager[None]] = {}
        self._owners: dict[BlobId, Digest] = {}

    @property
    def held(self) -> tuple[BlobId, ...]:
        """Blobs that stay for the sake of jobs."""
        return tuple(sorted(self._held))

    async def get(self, blob: BlobId, what: str, size_max: int) -> bytes:
        """The content of a blob, fetched if it is not here.

        :param what: what it is, for people.
        :raises JobDataOversize: it is longer than ``size_max``.
        :raises JobDataMissing: it does not come in time, or there is no room for it.
        """
        if not self._blobs.store.has(blob):
            await self._fetch(blob, what, size_max)
        try:
            if (self._blobs.get(blob).size or 0) > size_max:
                raise JobDataOversize(what, size_max)
            return await self._blobs.read_all(blob)
        except BlobUnknown as error:  # it went between two moments
            raise JobDataMissing(what, str(error)) from None

    async def put(self, content: bytes) -> BlobId:
        """Keep content that is not needed for sure.

        :raises BlobQuotaReached, BlobStorageFailed: there is no room.
        """
        return await self._blobs.put(content, is_pinned=False)

    async def keep(self, content: bytes, job: Digest) -> BlobId:
        """Keep content as long as a job is live.

        :raises BlobQuotaReached, BlobStorageFailed: there is no room.
        """
        blob = await self._blobs.put(content, is_pinned=False)
        self._hold(blob)
        self._owners[blob] = job
        return blob

    def retain(self, needed: Collection[BlobId], live: Collection[Digest]) -> None:
        """Let go of what no job needs any more.

        :param needed: blobs that the ledger's live jobs name.
        :param live: live jobs for which something may be kept that the ledger does not name yet.
        """
        for blob in [each for each in self._held if each not in needed]:
            if self._owners.get(blob) not in live:
                self._owners.pop(blob, None)
                self._held.pop(blob).__exit__(None, None, None)
        for blob in needed:
            self._hold(blob)

    def close(self) -> None:
        """Let go of everything."""
        self.retain((), ())

    def _hold(self, blob: BlobId) -> None:
        if blob not in self._held:
            self._held[blob] = self._blobs.store.holding(blob)
            self._held[blob].__enter__()

    async def _fetch(self, blob: BlobId, what: str, size_max: int) -> None:
        reason = f"nobody gave {format_blob_id(blob)} within {self._patience_s:g} s"
        with anyio.move_on_after(self._patience_s):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._watch_size, blob, size_max)
                try:
                    await self._blobs.obtain(blob)
                except TangleError as error:
                    reason = str(error)
                tasks.cancel_scope.cancel()
        if self._blobs.store.has(blob):
            return
        if self._is_long(blob, size_max):
            raise JobDataOversize(what, size_max)
        raise JobDataMissing(what, reason)

    async def _watch_size(self, blob: BlobId, size_max: int) -> None:
        while not self._is_long(blob, size_max):  # noqa: ASYNC110 - a fetch tells nobody its length
            await anyio.sleep(SIZE_CHECK_S)
        await self._blobs.stop_fetch(blob)

    def _is_long(self, blob: BlobId, size_max: int) -> bool:
        try:
            return (self._blobs.get(blob).size or 0) > size_max
        except BlobUnknown:
            return False
