"""The node's room for blobs: keeps them, fetches them from peers, gives them to peers.

It stands beside the ledger and needs nothing of it but the sessions: it hangs itself into ``Peering`` and
runs in a task of its own. Fetches that a stop interrupted go on at the next start.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup, TaskStatus

from tangle.core.blob_id import BlobId, format_blob_id
from tangle.core.chunk_tree import PIECE_SIZE
from tangle.core.errors import TangleError
from tangle.net.messages import BlobRequest, Refused, prepare_message
from tangle.node.blob_answers import BlobAnswers
from tangle.node.blob_fetch import Fetch, Neighbours
from tangle.node.blob_views import (
    BlobRoomView,
    BlobState,
    BlobUnavailable,
    BlobView,
    FetchStopped,
    TooManyFetches,
)
from tangle.node.clock import Clock
from tangle.node.peer import Peer
from tangle.node.peering import Peering
from tangle.store.blob_errors import BlobUnknown
from tangle.store.blob_files import BlobFiles, MemoryBlobFiles
from tangle.store.blob_store import BlobStore, Collected
from tangle.store.blob_upload import Upload

FETCHES_MAX: Final = 4
"""Blobs fetched at a time; with what each may have under way, at most 64 MiB of memory."""

FETCHES_WAITING_MAX: Final = 256
"""Blobs that may wait for their turn."""

FAILURES_KEPT: Final = 256
"""Failed fetches remembered for those who ask."""

IDLE_QUOTA_BYTES: Final = 64 * 1024 * 1024
"""What a room in memory may take."""

log = structlog.get_logger("blobs")


class BlobRoom:
    """Everything that doors and other rooms ask about blobs."""

    def __init__(self, store: BlobStore, neighbours: Neighbours) -> None:
        """:param store: opened before ``run``."""
        self.store = store
        self.fetched_bytes = 0
        self.fetches_done = 0
        self.fetches_failed = 0
        self._neighbours = neighbours
        self._fetches: dict[BlobId, Fetch] = {}
        self._failures: OrderedDict[BlobId, TangleError] = OrderedDict()
        self._answers = BlobAnswers(store, self._get_held)
        self._turns = anyio.Semaphore(FETCHES_MAX)
        self._tasks: TaskGroup | None = None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Fetch and answer until cancelled; goes on with what is here in part."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                for entry in self.store.entries:
                    if not entry.is_whole:
                        self._start(Fetch(entry.id, self.store, self._neighbours, is_pinned=entry.is_pinned))
                task_status.started()
                await anyio.sleep_forever()
            finally:
                self._tasks = None

    def on_request(self, request: BlobRequest, peer: Peer) -> None:
        """A peer asks."""
        if self._tasks is None:
            peer.send(prepare_message(Refused(request.request, b"blob-unknown")))
        else:
            self._answers.on_request(request, peer, self._tasks)

    # ── asking ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def served_bytes(self) -> int:
        """Bytes given to peers."""
        return self._answers.served_bytes

    @property
    def fetching(self) -> int:
        """Blobs on their way, or waiting for their turn."""
        return len(self._fetches)

    def get(self, blob: BlobId) -> BlobView:
        """A blob and how far it is.

        :raises BlobUnknown: nothing is known of it.
        """
        entry, fetch, failure = self.store.find(blob), self._fetches.get(blob), self._failures.get(blob)
        if entry is None and fetch is None and failure is None:
            raise BlobUnknown(format_blob_id(blob))
        is_whole = entry is not None and entry.is_whole
        if is_whole:
            state, failure = BlobState.WHOLE, None
        elif fetch is not None:
            state, failure = BlobState.FETCHING, None
        else:
            state = BlobState.PARTIAL if failure is None else BlobState.FAILED
        size = entry.size if entry is not None else None if fetch is None else fetch.size
        return BlobView(
            id=blob,
            state=state,
            size=size,
            held_bytes=(size or 0) if is_whole else 0 if fetch is None else fetch.held_bytes,
            is_pinned=entry.is_pinned if entry is not None else fetch is not None and fetch.is_pinned,
            used_ms=0 if entry is None else entry.used_ms,
            sources=0 if fetch is None or is_whole else fetch.sources,
            reason=None if failure is None else str(failure),
            reason_code=None if failure is None else failure.code,
        )

    def list(self, after: BlobId | None, limit: int) -> tuple[BlobView, ...]:
        """Blobs with ids behind ``after``, in order of their ids; whole, in part, and on their way."""
        known = sorted({entry.id for entry in self.store.entries} | self._fetches.keys())
        return tuple([self.get(blob) for blob in known if after is None or blob > after][:limit])

    def get_room(self) -> BlobRoomView:
        """How much room they take."""
        entries = self.store.entries
        return BlobRoomView(
            quota_bytes=self.store.quota_bytes,
            kept_bytes=self.store.kept_bytes,
            pinned_bytes=sum(entry.cost for entry in entries if entry.is_pinned),
            blobs=sum(entry.is_whole for entry in entries),
        )

    async def read(
        self, blob: BlobId, start: int = 0, size: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Bytes of a whole blob from ``start`` on, checked, a piece at a time; it stays while they are read.

        :raises BlobUnknown: it is not here.
        :raises BlobDamaged: the disk gives something else than was stored.
        """
        entry = self.store.get(blob)
        end = entry.size if size is None else min(entry.size, start + size)
        with self.store.holding(blob):
            while start < end:
                index, offset = divmod(start, PIECE_SIZE)
                piece = await self.store.read_piece(blob, index)
                part = piece[offset : offset + end - start]
                start += len(part)
                yield part

    async def read_all(self, blob: BlobId) -> bytes:
        """A whole blob in memory; for those whose size the caller bounds."""
        async with aclosing(self.read(blob)) as parts:
            return b"".join([part async for part in parts])

    # ── changing ────────────────────────────────────────────────────────────────────────────────────────────

    def start_upload(self, *, expected: BlobId | None = None, size: int = 0) -> Upload:
        """Take content in; see ``Upload``."""
        return Upload(self.store, expected=expected, size=size)

    async def put(self, content: bytes, *, is_pinned: bool) -> BlobId:
        """Keep content that is in memory.

        :raises OversizeBlob, BlobQuotaReached, BlobStorageFailed: see ``Upload``.
        """
        async with self.start_upload(size=len(content)) as upload:
            for start in range(0, len(content), PIECE_SIZE):
                await upload.write(content[start : start + PIECE_SIZE])
            return await upload.finish(is_pinned=is_pinned)

    async def fetch(self, blob: BlobId, *, is_pinned: bool) -> BlobView:
        """Begin to fetch a blob from peers; without effect, but for the pin, where it is here or on its way.

        :raises TooManyFetches: too many wait already.
        """
        running = self._fetches.get(blob)
        if is_pinned and running is not None:
            running.is_pinned = True
        if is_pinned and self.store.find(blob) is not None:
            await self.store.set_pin(blob, is_pinned=True)
        if not self.store.has(blob) and blob not in self._fetches:
            if len(self._fetches) >= FETCHES_WAITING_MAX:
                raise TooManyFetches(FETCHES_WAITING_MAX)
            self._start(Fetch(blob, self.store, self._neighbours, is_pinned=is_pinned))
        return self.get(blob)

    async def obtain(self, blob: BlobId, *, is_pinned: bool = False) -> None:
        """Fetch a blob, and wait until it is here; bound the wait outside.

        :raises TangleError: why it did not come.
        """
        await self.fetch(blob, is_pinned=is_pinned)
        running = self._fetches.get(blob)
        if running is not None:
            await running.done.wait()
            if running.failure is not None:
                raise running.failure

    async def stop_fetch(self, blob: BlobId) -> None:
        """Give up fetching a blob; what came stays until its room is needed."""
        running = self._fetches.get(blob)
        if running is not None:
            running.failure = FetchStopped(format_blob_id(blob))
            running.scope.cancel()
            await running.done.wait()

    async def set_pin(self, blob: BlobId, *, is_pinned: bool) -> BlobView:
        """Pin or unpin; an unpinned blob goes when its room is needed.

        :raises BlobUnknown: it is not here.
        """
        running = self._fetches.get(blob)
        if running is not None:
            running.is_pinned = is_pinned
        if running is None or self.store.find(blob) is not None:
            await self.store.set_pin(blob, is_pinned=is_pinned)
        return self.get(blob)

    async def release(self, blob: BlobId) -> BlobView:
        """Unpin a blob, and forget why it could not be fetched; answers how it was.

        :raises BlobUnknown: nothing is known of it.
        """
        if self.store.find(blob) is not None:
            return await self.set_pin(blob, is_pinned=False)
        view = self.get(blob)
        self._failures.pop(blob, None)
        return view

    async def collect(self, keep_bytes: int = 0) -> Collected:
        """Remove unpinned blobs, the one used longest ago first, until ``keep_bytes`` are in use."""
        return await self.store.collect(keep_bytes)

    # ── fetching ────────────────────────────────────────────────────────────────────────────────────────────

    def _start(self, fetch: Fetch) -> None:
        if self._tasks is None:
            raise BlobUnavailable(format_blob_id(fetch.blob), 0)
        self._failures.pop(fetch.blob, None)
        self._fetches[fetch.blob] = fetch
        self._tasks.start_soon(self._run_fetch, fetch)

    async def _run_fetch(self, fetch: Fetch) -> None:
        name = format_blob_id(fetch.blob)
        log.info("blob-fetching", blob=name)
        try:
            with fetch.scope:
                async with self._turns:
                    await fetch.run()
        except TangleError as error:
            fetch.failure = error
        finally:
            del self._fetches[fetch.blob]
            self.fetched_bytes += fetch.fetched_bytes
            if fetch.failure is not None:
                self._on_failure(fetch.blob, fetch.failure)
            fetch.done.set()
        if fetch.failure is None:
            self.fetches_done += 1
            log.info("blob-fetched", blob=name, bytes=fetch.fetched_bytes)

    def _on_failure(self, blob: BlobId, failure: TangleError) -> None:
        self.fetches_failed += 1
        log.info("blob-fetch-failed", blob=format_blob_id(blob), code=failure.code)
        self._failures[blob] = failure
        if len(self._failures) > FAILURES_KEPT:
            self._failures.popitem(last=False)

    def _get_held(self, blob: BlobId) -> frozenset[int]:
        fetch = self._fetches.get(blob)
        return frozenset() if fetch is None else fetch.held


def make_idle_room(neighbours: Neighbours, clock: Clock) -> BlobRoom:
    """A room in memory for a node that keeps no blobs on disk; it fetches and gives nothing until it runs."""
    return BlobRoom(BlobStore(MemoryBlobFiles(), clock.now_ms, quota_bytes=IDLE_QUOTA_BYTES), neighbours)


async def open_blob_room(
    files: BlobFiles, peering: Peering, clock: Clock, *, quota_bytes: int, free_bytes_min: int = 0
) -> BlobRoom:
    """The room over what the disk holds, answering whoever asks ``peering`` once it runs.

    :raises BlobStorageFailed: the directory cannot be read.
    """
    store = BlobStore(files, clock.now_ms, quota_bytes=quota_bytes, free_bytes_min=free_bytes_min)
    await store.open()
    room = BlobRoom(store, peering)
    peering.blobs = room
    return room
