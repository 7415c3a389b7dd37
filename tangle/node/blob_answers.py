"""Answering peers that ask for blobs: from tasks, because the disk takes its time, and not too many at once.

What is given was read from the disk and checked a moment before. Of a blob that is being fetched, the pieces
that are here are given too.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Final, assert_never

import anyio
from anyio.abc import TaskGroup
from msgspec.structs import replace

from tangle.core.blob_download import PieceRun, make_runs
from tangle.core.blob_id import BlobId, format_blob_id, get_digest
from tangle.core.chunk_tree import PIECE_LEVEL, PIECE_SIZE, get_range_size, prove_range
from tangle.core.errors import TangleError
from tangle.core.merkle import compute_levels
from tangle.core.types import Digest
from tangle.net.errors import SessionClosed, Throttled
from tangle.net.messages import (
    BlobHoldings,
    BlobRange,
    BlobRequest,
    GetBlobHoldings,
    GetBlobRange,
    Refused,
    Response,
    prepare_message,
)
from tangle.net.throttle import Rate, TokenBucket
from tangle.node.peer import Peer, get_now_ms
from tangle.store.blob_errors import BlobUnknown
from tangle.store.blob_store import BlobStore

ANSWERS_MAX: Final = 64
"""Answers being made or sent at a time: at most 16 MiB."""

PEER_ANSWERS_MAX: Final = 8
"""Those of one peer: twice what an honest one asks at a time."""

PIECES_RATE: Final = Rate(per_second=400, burst=400)
"""Pieces read and sent for all peers together, 100 MB/s: checking and encrypting them takes half a core, and
the ledger needs the other half. It is below what one peer may ask (``REQUEST_RATE``), so that nobody honest
is blamed for asking on."""

PART_COST: Final = 3
"""What a part of a piece costs of that rate: the whole of it is read and checked, and hashed again."""

LEVELS_KEPT: Final = 8
"""Trees whose inner nodes are kept in memory, at most 2 MiB each."""

Levels = tuple[tuple[Digest, ...], ...]


class BlobAnswers:
    """Serves the blobs of a store."""

    def __init__(self, store: BlobStore, get_held: Callable[[BlobId], frozenset[int]]) -> None:
        """:param get_held: pieces here of a blob that is being fetched."""
        self.served_bytes = 0
        self._store = store
        self._get_held = get_held
        self._levels: OrderedDict[BlobId, Levels] = OrderedDict()
        self._by_peer: Counter[Peer] = Counter()
        self._pace: TokenBucket | None = None

    def on_request(self, request: BlobRequest, peer: Peer, tasks: TaskGroup) -> None:
        """Answer in a task, or refuse at once when there are too many."""
        if self._by_peer[peer] >= PEER_ANSWERS_MAX or self._by_peer.total() >= ANSWERS_MAX:
            peer.send(prepare_message(Refused(request.request, b"overloaded")))
            return
        self._by_peer[peer] += 1
        tasks.start_soon(self._answer, request, peer)

    async def _answer(self, request: BlobRequest, peer: Peer) -> None:
        try:
            try:
                response = await self._make_response(request)
            except TangleError as error:
                response = Refused(0, error.code.encode())
            with suppress(SessionClosed):
                await peer.session.send(replace(response, request=request.request))
            if isinstance(response, BlobRange):
                self.served_bytes += len(response.content)
        finally:
            self._by_peer[peer] -= 1
            if not self._by_peer[peer]:
                del self._by_peer[peer]

    async def _make_response(self, request: BlobRequest) -> Response:
        get_digest(request.blob)
        match request:
            case GetBlobHoldings(_, blob, is_tree_wanted):
                tree = await self._store.get_tree(blob)
                held = self._get_held(blob)
                runs = make_runs(held)
                if self._store.has(blob):
                    runs = (PieceRun(0, len(tree.nodes)),) if tree.nodes else ()
                root = tree.shape.root
                return BlobHoldings(0, tree.size, root, tree.nodes if is_tree_wanted else (), runs)
            case GetBlobRange(_, blob, level, index):
                return await self._make_range(blob, level, index)
            case _:
                assert_never(request)

    async def _make_range(self, blob: BlobId, level: int, index: int) -> BlobRange:
        tree = await self._store.get_tree(blob)
        size = get_range_size(tree.size, level, index)
        await self._wait_turn(1 if level == PIECE_LEVEL else PART_COST)
        piece_index = index >> (PIECE_LEVEL - level)
        if self._store.has(blob):
            piece: bytes | None = await self._store.read_piece(blob, piece_index)
        else:
            piece = await self._store.read_part_piece(blob, piece_index)
        if piece is None:
            raise BlobUnknown(format_blob_id(blob))
        proof = prove_range(self._get_levels(blob, tree.nodes), piece, level, index)
        start = index * (PIECE_SIZE >> (PIECE_LEVEL - level)) - piece_index * PIECE_SIZE
        return BlobRange(0, piece[start : start + size], proof.path)

    async def _wait_turn(self, cost: int) -> None:
        if self._pace is None:
            self._pace = TokenBucket(PIECES_RATE, get_now_ms())
        while True:
            try:
                self._pace.take(cost, get_now_ms())
            except Throttled as error:
                await anyio.sleep(error.retry_after_ms / 1_000)
            else:
                return

    def _get_levels(self, blob: BlobId, nodes: tuple[Digest, ...]) -> Levels:
        levels = self._levels.get(blob)
        if levels is None:
            levels = self._levels[blob] = compute_levels(nodes)
            if len(self._levels) > LEVELS_KEPT:
                self._levels.popitem(last=False)
        self._levels.move_to_end(blob)
        return levels
