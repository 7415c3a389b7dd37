"""Content that comes as a stream and becomes a blob at its end, or nothing at all."""

from typing import Self

from tangle.core.blob_errors import BlobMismatch, OversizeBlob
from tangle.core.blob_id import BlobId, format_blob_id
from tangle.core.chunk_tree import BLOB_SIZE_MAX, PIECE_SIZE, TreeHasher
from tangle.store.blob_errors import UploadOver
from tangle.store.blob_store import BlobStore, compute_cost


class Upload:
    """One stream; holds at most two pieces in memory. Use it as an asynchronous context manager: left without
    ``finish``, also by a cancellation, it leaves nothing.
    """

    def __init__(self, store: BlobStore, *, expected: BlobId | None = None, size: int = 0) -> None:
        """:param expected: the only id that is taken.
        :param size: bytes that will come, where known: that there is no room is then said before the first.
        """
        self._store = store
        self._expected = expected
        self._stated_size = size
        self._name = store.make_upload_name()
        self._hasher = TreeHasher()
        self._buffer = bytearray()
        self._reserved = 0
        self._is_over = False

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._hasher.size + len(self._buffer)

    async def __aenter__(self) -> Self:
        if self._stated_size > BLOB_SIZE_MAX:
            raise OversizeBlob(self._stated_size, BLOB_SIZE_MAX)
        await self._reserve(compute_cost(self._stated_size))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._drop()

    async def write(self, data: bytes) -> None:
        """Go on with ``data``.

        :raises OversizeBlob, BlobQuotaReached, BlobStorageFailed: it is too much, here or anywhere.
        """
        if self._is_over:
            raise UploadOver
        self._buffer += data
        while len(self._buffer) >= PIECE_SIZE:
            await self._flush()

    async def finish(self, *, is_pinned: bool) -> BlobId:
        """That was all: keep it; answers its id once it is durable.

        :raises BlobMismatch: it is not what was expected.
        :raises BlobQuotaReached, BlobStorageFailed: see ``write``.
        """
        if self._is_over:
            raise UploadOver
        if self._buffer or not self._hasher.size:
            await self._flush()
        tree = self._hasher.finish()
        blob = tree.id
        if self._expected is not None and blob != self._expected:
            raise BlobMismatch(format_blob_id(self._expected), format_blob_id(blob))
        await self._store.adopt(self._name, tree, is_pinned=is_pinned)
        self._is_over = True
        self._release()
        return blob

    async def _flush(self) -> None:
        piece = bytes(self._buffer[:PIECE_SIZE])
        offset = self._hasher.size
        self._hasher.update(piece)
        await self._reserve(compute_cost(self._hasher.size))
        await self._store.files.write(self._name, offset, piece)
        del self._buffer[:PIECE_SIZE]

    async def _reserve(self, cost: int) -> None:
        if cost > self._reserved:
            await self._store.reserve(cost - self._reserved)
            self._reserved = cost

    def _release(self) -> None:
        self._store.release(self._reserved)
        self._reserved = 0

    async def _drop(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._release()
        await self._store.drop_upload(self._name)
