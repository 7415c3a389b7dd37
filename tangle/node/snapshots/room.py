"""The node's room for snapshots: makes one each few epochs, keeps the newest, tells peers what there is.

They are made in a process of their own, from the database as it is at that moment, and kept as pinned blobs:
so peers fetch them like any blob, piece by piece from several of those who have it.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import anyio
import anyio.to_process
import structlog
from msgspec import Struct

from tangle.core.blob_id import BlobId, format_blob_id
from tangle.core.chunk_tree import PIECE_SIZE
from tangle.core.errors import TangleError
from tangle.core.types import CheckpointIndex, Shard
from tangle.net.messages import Refused, prepare_message
from tangle.net.snapshot_messages import OFFERS_MAX, GetSnapshots, SnapshotOffer, SnapshotOffers
from tangle.node.archive import Archive
from tangle.node.blobs import BlobRoom
from tangle.node.peer import Peer
from tangle.node.snapshots.making import SnapshotFacts
from tangle.node.snapshots.shelf import ShelfEntry, load_shelf, put_shelf
from tangle.node.snapshots.taking import take_quietly
from tangle.store.blob_errors import BlobUnknown
from tangle.store.store import Store, WriteBatch

LOOK_INTERVAL_S: Final = 5.0
"""How often is looked whether the next snapshot is due: a small part of any epoch."""

RETRY_S: Final = 60.0
"""Pause after one that could not be made."""

FILE_NAME: Final = "snapshot.making"
"""Beside the database, while one is made; a crash leaves it, and the next one removes it."""

log = structlog.get_logger("snapshots")

Take = Callable[[Path], Awaitable[SnapshotFacts]]
"""Writes a snapshot to a new file."""


class RoomSettings(Struct, frozen=True):
    """How the room works."""

    shard: Shard
    """Whose snapshots."""

    every_epochs: int
    """One is made when so many epochs have begun since the last; 0 makes none."""

    keep: int
    """So many are kept."""


class Progress(Struct, frozen=True):
    """Where the ledger is."""

    epoch: int
    """Epoch of the newest executed checkpoint."""

    certified: int
    """Newest final checkpoint."""

    is_level: bool
    """Whether the node is level with the committee."""


class SnapshotRoom:
    """See the module. ``run`` makes snapshots; answers are given also without."""

    def __init__(
        self,
        store: Store,
        blobs: BlobRoom,
        settings: RoomSettings,
        take: Take,
        directory: Path,
        get_progress: Callable[[], Progress],
    ) -> None:
        """:param directory: where a file is while it is made."""
        self._store = store
        self._archive = Archive(store)
        self._blobs = blobs
        self._settings = settings
        self._take = take
        self._path = directory / FILE_NAME
        self._get_progress = get_progress
        self._made_in = 0
        self.entries = load_shelf(store)
        """What is offered, the oldest first."""

    def on_request(self, request: GetSnapshots, peer: Peer) -> None:
        """A peer asks what there is."""
        if request.shard != self._settings.shard:
            peer.send(prepare_message(Refused(request.request, b"shard-wrong")))
            return
        base = self._archive.get_history_base()
        offers = tuple(map(_make_offer, self.entries[-OFFERS_MAX:]))
        first = CheckpointIndex(0 if base is None else base.checkpoint)
        certified = self._get_progress().certified
        peer.send(prepare_message(SnapshotOffers(request.request, first, certified, offers)))

    async def run(self) -> None:
        """Make snapshots as they fall due, until cancelled."""
        if not self._settings.every_epochs:
            return
        while True:
            await anyio.sleep(LOOK_INTERVAL_S)
            progress = self._get_progress()
            if not progress.is_level or progress.epoch < self._made_in + self._settings.every_epochs:
                continue
            try:
                await self.make()
            except TangleError as error:
                log.warning("snapshot-not-made", code=error.code, reason=str(error))
                await anyio.sleep(RETRY_S)

    async def make(self) -> ShelfEntry:
        """Make one now, and let the oldest go.

        :raises SnapshotUnready, StoreFault: it cannot be made.
        :raises TangleError: there is no room for it among the blobs.
        """
        epoch, begun_s = self._get_progress().epoch, anyio.current_time()
        path = anyio.Path(self._path)
        await path.unlink(missing_ok=True)
        try:
            facts = await self._take(self._path)
            entry = ShelfEntry(await self._upload(path), facts)
        finally:
            await path.unlink(missing_ok=True)
        self._made_in = epoch
        await self._keep(entry)
        log.info(
            "snapshot-made",
            checkpoint=facts.checkpoint,
            bytes=facts.size,
            blob=format_blob_id(entry.blob),
            took_s=round(anyio.current_time() - begun_s, 1),
        )
        return entry

    async def _upload(self, path: anyio.Path) -> BlobId:
        size = (await path.stat()).st_size
        async with self._blobs.start_upload(size=size) as upload, await path.open("rb") as file:
            while content := await file.read(PIECE_SIZE):
                await upload.write(content)
            return await upload.finish(is_pinned=True)

    async def _keep(self, entry: ShelfEntry) -> None:
        entries = (*self.entries, entry)
        kept = entries[-max(1, self._settings.keep) :]
        batch = WriteBatch()
        put_shelf(batch, kept)
        await self._store.commit(batch)
        self.entries = kept
        names = {each.blob for each in kept}
        for each in entries:
            if each.blob not in names:
                try:
                    await self._blobs.release(each.blob)
                except BlobUnknown:
                    continue


def _make_offer(entry: ShelfEntry) -> SnapshotOffer:
    facts = entry.facts
    return SnapshotOffer(CheckpointIndex(facts.checkpoint), facts.digest, entry.blob, facts.size)


async def take_apart(root: Path, genesis: bytes, path: Path) -> SnapshotFacts:
    """Take a snapshot in a process of its own.

    :raises SnapshotUnready, StoreFault: see ``take_snapshot``.
    """
    return await anyio.to_process.run_sync(take_quietly, root, genesis, path, cancellable=True)
