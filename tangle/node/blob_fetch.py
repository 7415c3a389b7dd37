"""One blob on its way from peers: a shell around ``Download`` that asks, writes, and waits.

Every connected peer is asked what it has, again after a while when it has nothing or only a part. Pieces are
asked of all who have them, and written as they come. A fetch that gets nothing for a while gives up; what
came stays, and the next fetch goes on from there.
"""

from typing import Final, Protocol

import anyio
import structlog
from anyio.abc import TaskGroup

from tangle.core.blob_download import Download, PieceWish
from tangle.core.blob_id import BlobId, format_blob_id
from tangle.core.chunk_tree import PIECE_LEVEL, BlobShape, BlobTree
from tangle.core.errors import TangleError
from tangle.net.errors import SessionClosed
from tangle.net.messages import GetBlobHoldings, GetBlobRange
from tangle.node.blob_views import BlobUnavailable
from tangle.node.peer import Peer
from tangle.store.blob_store import BlobStore

TICK_S: Final = 0.5
"""How often is looked for new peers."""

ASK_AGAIN_S: Final = 1.0
"""After this a peer that had nothing, or a part, is asked again; it doubles each time."""

ASK_AGAIN_MAX_S: Final = 15.0
"""Longest time until a peer is asked again."""

PATIENCE_S: Final = 60.0
"""A fetch to which no piece comes for this long gives up: four times the longest pause."""

LIES: Final = frozenset({"blob-holdings-false", "blob-range-false"})
"""Faults of a peer; any other is of this node's disk."""

log = structlog.get_logger("blobs")


class Neighbours(Protocol):
    """The sessions, as blobs need them; ``Peering`` is one."""

    def get_peers(self) -> list[Peer]:
        """Connected peers."""

    def blame(self, peer: Peer, error: TangleError) -> None:
        """A peer did what is wrong."""


class _Asked:
    __slots__ = ("due_s", "pause_s")

    def __init__(self, due_s: float) -> None:
        self.due_s = due_s
        self.pause_s = ASK_AGAIN_S


class Fetch:
    """One blob on its way."""

    def __init__(self, blob: BlobId, store: BlobStore, neighbours: Neighbours, *, is_pinned: bool) -> None:
        """:param is_pinned: pin it as soon as room is taken for it."""
        self.blob = blob
        self.is_pinned = is_pinned
        self.fetched_bytes = 0
        self.is_running = False
        self.scope = anyio.CancelScope()
        self.done = anyio.Event()
        self.failure: TangleError | None = None
        self._store = store
        self._neighbours = neighbours
        self._download: Download[Peer] = Download(blob)
        self._asked: dict[Peer, _Asked] = {}
        self._stirred = anyio.Event()
        self._is_begun = False
        self._progressed_s = 0.0

    @property
    def size(self) -> int | None:
        """Bytes of the whole; none before a peer told."""
        return None if self._download.tree is None else self._download.tree.size

    @property
    def held(self) -> frozenset[int]:
        """Pieces that are here and checked."""
        return self._download.held

    @property
    def held_bytes(self) -> int:
        """Their bytes."""
        return self._download.held_bytes

    @property
    def sources(self) -> int:
        """Peers that give pieces."""
        return len(self._download.sources)

    async def run(self) -> None:
        """Fetch it to the end.

        :raises BlobUnavailable: nobody gives it.
        :raises BlobQuotaReached, BlobStorageFailed: there is no room for it.
        """
        self.is_running = True
        with self._store.holding(self.blob):
            await self._resume()
            async with anyio.create_task_group() as tasks:
                await self._pursue(tasks)
                tasks.cancel_scope.cancel()
            if self.failure is not None:
                raise self.failure
            await self._store.finish_part(self.blob)

    async def _resume(self) -> None:
        entry = self._store.find(self.blob)
        if entry is None or entry.is_whole:
            return
        tree = await self._store.get_tree(self.blob)
        self._download = Download(self.blob, tree, await self._store.scan_part(self.blob))
        self._is_begun = True

    async def _pursue(self, tasks: TaskGroup) -> None:
        self._progressed_s = anyio.current_time()
        while not self._download.is_complete or not self._is_begun:
            if self._store.has(self.blob) or self.failure is not None:
                return  # uploaded here meanwhile, or there is no room
            self._ask_peers(tasks)
            self._ask_pieces(tasks)
            if anyio.current_time() - self._progressed_s > PATIENCE_S:
                self.failure = BlobUnavailable(format_blob_id(self.blob), PATIENCE_S)
                return
            with anyio.move_on_after(TICK_S):
                await self._stirred.wait()
            self._stirred = anyio.Event()

    def _ask_peers(self, tasks: TaskGroup) -> None:
        now_s = anyio.current_time()
        peers = self._neighbours.get_peers()
        self._asked = {peer: asked for peer, asked in self._asked.items() if peer in peers}
        for peer in peers:
            asked = self._asked.setdefault(peer, _Asked(now_s))
            if asked.due_s <= now_s and not self._download.is_closed_to(peer):
                asked.due_s = now_s + asked.pause_s
                asked.pause_s = min(2 * asked.pause_s, ASK_AGAIN_MAX_S)
                tasks.start_soon(self._ask_holdings, peer)

    def _ask_pieces(self, tasks: TaskGroup) -> None:
        if self._is_begun:
            for wish in self._download.take_wishes(anyio.current_time()):
                tasks.start_soon(self._ask_piece, wish)

    async def _ask_holdings(self, peer: Peer) -> None:
        is_tree_wanted = self._download.tree is None
        try:
            answer = await peer.session.request(GetBlobHoldings(0, self.blob, is_tree_wanted))
        except TangleError as error:
            log.debug("blob-not-there", peer=peer.name, code=error.code)
            return
        try:
            shape = BlobShape(answer.size, answer.root)
            self._download.on_holdings(peer, shape, answer.nodes, answer.runs)
            await self._begin()
        except TangleError as error:
            self._on_error(peer, error)
        self._stirred.set()

    async def _begin(self) -> None:
        tree: BlobTree | None = self._download.tree
        if tree is not None and not self._is_begun:
            await self._store.begin_part(self.blob, tree, is_pinned=self.is_pinned)
            self._is_begun = True

    async def _ask_piece(self, wish: PieceWish[Peer]) -> None:
        peer, index = wish.source, wish.index
        try:
            answer = await peer.session.request(GetBlobRange(0, self.blob, PIECE_LEVEL, index))
        except SessionClosed:
            self._download.on_gone(peer)
        except TangleError as error:
            log.debug("blob-piece-failed", peer=peer.name, code=error.code)
            self._download.on_failure(peer, index)
        else:
            try:
                self._download.on_range(peer, index, answer.content, answer.path)
                await self._store.write_part_piece(self.blob, index, answer.content)
            except TangleError as error:
                self._on_error(peer, error)
            else:
                self._download.on_stored(index)
                self.fetched_bytes += len(answer.content)
                self._progressed_s = anyio.current_time()
        self._stirred.set()

    def _on_error(self, peer: Peer, error: TangleError) -> None:
        if error.code in LIES:
            self._neighbours.blame(peer, error)
        else:
            self.failure = error
