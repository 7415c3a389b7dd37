"""Beginning with a peer's snapshot: for a node that is new, or was away for so long that its peers' history
is far ahead, or does not reach back to it.

This happens before the node's rooms are opened: sessions for nothing but asking and fetching. Whoever offers
a snapshot is not believed: it is fetched, verified whole, and takes the database's place only then. A fetch
that is interrupted goes on where it was, also from other peers and after a restart.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import anyio
import structlog
from msgspec import Struct

from tangle.core.blob_id import BlobId, format_blob_id
from tangle.core.errors import TangleError
from tangle.core.types import Shard
from tangle.net.ledger_messages import LedgerRequest, ShardStatus
from tangle.net.messages import Announce, Hello, Refused, Response
from tangle.net.snapshot_messages import GetSnapshots, SnapshotOffer, SnapshotOffers
from tangle.node.blobs import BlobRoom
from tangle.node.peer import Peer
from tangle.node.peering import Peering

SURVEY_S: Final = 6.0
"""How long peers have to be there and to answer; a network that is only starting has nothing to offer."""

SETTLE_S: Final = 1.0
"""After the first answer, others are waited for so long."""

LOOK_S: Final = 0.1
"""Pause between two looks at who is there."""

TELL_S: Final = 2.0
"""Pause between two words about progress."""

AHEAD_MIN: Final = 2_000
"""Checkpoints by which a snapshot must be ahead to be worth its while: some minutes of a busy network, which
catching up takes about as long for as fetching and restoring does."""

TRIES_MAX: Final = 4
"""Snapshots that are tried: liars can offer any number."""

FILE_NAME: Final = "snapshot.fetched"
"""Beside the database, while one is restored."""

log = structlog.get_logger("join")

Restore = Callable[[Path], Awaitable[None]]
"""Verifies a file and puts its state into the database's place."""


class Held(Struct, frozen=True):
    """What the own home holds."""

    checkpoint: int
    """Its newest checkpoint; 0 for an empty one."""

    epoch: int
    """Epoch of its committee."""


class JoinHooks:
    """What sessions need of a node that has no ledger open."""

    def __init__(self, version: int, shard: Shard, held: Held, agent: bytes) -> None:
        self._hello = Hello(version, (ShardStatus(shard, held.checkpoint, held.epoch, 0),), 0, agent, False)

    def make_hello(self) -> Hello:
        """How far this node is."""
        return self._hello

    def on_transactions(self, items: Sequence[bytes], peer: Peer) -> None:
        """They come again."""

    def on_announce(self, message: Announce, peer: Peer) -> None:
        """The same."""

    def on_blocks(self, items: Sequence[bytes], peer: Peer) -> None:
        """The same."""

    def answer(self, request: LedgerRequest) -> Response:
        """Nothing is known here."""
        return Refused(request.request, b"not-ready")

    def on_connected(self, peer: Peer) -> None:
        """A session began."""

    def on_behind(self, peer: Peer) -> None:
        """Nobody is behind this node."""


def choose_offers(answers: Sequence[SnapshotOffers], held: Held) -> list[SnapshotOffer]:
    """Snapshots that are worth trying, best first: the newest, and of these what most peers offer.

    None while history that peers still hold leads from here to where they are in about the same time.
    """
    counts: dict[BlobId, int] = {}
    offers: dict[BlobId, SnapshotOffer] = {}
    for answer in answers:
        for offer in answer.offers:
            counts[offer.blob] = counts.get(offer.blob, 0) + 1
            offers.setdefault(offer.blob, offer)
    is_reachable = any(answer.first <= held.checkpoint for answer in answers)
    least = held.checkpoint + (AHEAD_MIN if is_reachable else 1)
    useful = [offer for offer in offers.values() if offer.checkpoint >= least]
    return sorted(useful, key=lambda offer: (-offer.checkpoint, -counts[offer.blob], offer.blob))[:TRIES_MAX]


class Joining:
    """Asks, fetches, and has restored."""

    def __init__(
        self, peering: Peering, blobs: BlobRoom, shard: Shard, held: Held, restore: Restore, directory: Path
    ) -> None:
        """:param directory: where the file is while it is restored."""
        self._peering = peering
        self._blobs = blobs
        self._shard = shard
        self._held = held
        self._restore = restore
        self._path = directory / FILE_NAME

    async def run(self) -> bool:
        """Whether the home begins with a snapshot now; its sessions and its blobs' room run meanwhile."""
        answers = await self._survey()
        for offer in choose_offers(answers, self._held):
            name = format_blob_id(offer.blob)
            log.info("snapshot-found", checkpoint=offer.checkpoint, bytes=offer.size, blob=name)
            try:
                await self._try(offer)
            except TangleError as error:
                log.warning("snapshot-refused", blob=name, code=error.code, reason=str(error))
            else:
                log.info("snapshot-restored", checkpoint=offer.checkpoint, blob=name)
                return True
        return False

    async def _survey(self) -> list[SnapshotOffers]:
        answers: list[SnapshotOffers] = []
        asked: set[bytes] = set()

        async def ask(peer: Peer) -> None:
            try:
                answer = await peer.request(GetSnapshots(0, self._shard), timeout_s=SURVEY_S)
            except TangleError as error:
                log.info("snapshots-unanswered", peer=peer.name, code=error.code)
                return
            assert isinstance(answer, SnapshotOffers)
            answers.append(answer)

        async with anyio.create_task_group() as tasks:
            left_s, settled_s = SURVEY_S, SETTLE_S
            while left_s > 0 and settled_s > 0:
                for peer in self._peering.get_peers():
                    if peer.public_key not in asked:
                        asked.add(peer.public_key)
                        tasks.start_soon(ask, peer)
                await anyio.sleep(LOOK_S)
                left_s -= LOOK_S
                settled_s -= LOOK_S if answers else 0.0
            tasks.cancel_scope.cancel()
        return answers

    async def _try(self, offer: SnapshotOffer) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tell, offer)
            try:
                await self._blobs.obtain(offer.blob, is_pinned=True)
            finally:
                tasks.cancel_scope.cancel()
        path = anyio.Path(self._path)
        try:
            async with await path.open("wb") as file:
                async for content in self._blobs.read(offer.blob):
                    await file.write(content)
            log.info("snapshot-verifying", bytes=offer.size)
            await self._restore(self._path)
        finally:
            await path.unlink(missing_ok=True)
            await self._blobs.release(offer.blob)

    async def _tell(self, offer: SnapshotOffer) -> None:
        """Progress, and how long the rest takes at the present pace."""
        before = self._blobs.get(offer.blob).held_bytes if self._blobs.store.find(offer.blob) else 0
        while True:
            await anyio.sleep(TELL_S)
            held = self._blobs.get(offer.blob).held_bytes
            pace = (held - before) / TELL_S
            before = held
            eta_s = round((offer.size - held) / pace) if pace > 0 else None
            log.info("snapshot-fetching", held_bytes=held, of_bytes=offer.size, eta_s=eta_s)
