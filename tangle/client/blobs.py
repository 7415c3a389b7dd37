"""Blobs through a node: sending and reading content of any length, and asking the node to fetch it.

The client computes the id of what it sends and of what it reads itself; a node that keeps or gives something
else is found out.
"""

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from typing import Final

import aiohttp

from tangle.api.schemas.blobs import BlobAnswer, BlobRoomAnswer, CollectedAnswer
from tangle.api.wire import encode_json
from tangle.client.errors import UnexpectedAnswer
from tangle.client.transport import Transport
from tangle.core.blob_errors import BlobMismatch
from tangle.core.blob_id import BlobId, format_blob_id
from tangle.core.chunk_tree import PIECE_SIZE, TreeHasher

READ_SIZE: Final = PIECE_SIZE
"""Most bytes handed on at once."""


class BlobMethods:
    """The routes under ``/v1/blobs``; a part of ``TangleClient``."""

    _transport: Transport

    async def put_blob(
        self,
        content: AsyncIterable[bytes] | bytes,
        *,
        expected: BlobId | None = None,
        size: int | None = None,
        is_pinned: bool = True,
    ) -> BlobAnswer:
        """Have the node keep ``content``; answers once it is on the node's disk.

        :param expected: its id, where known: the node keeps nothing else.
        :param size: its bytes, where known.
        :raises ApiProblem: refused; ``blob-mismatch``, ``blob-quota-reached``, ``blob-oversize``, ...
        :raises BlobMismatch: the node kept something else than was sent.
        """
        if isinstance(content, bytes):
            size, content = len(content), _cut(content)
        hasher = TreeHasher()
        path = "/v1/blobs" if expected is None else f"/v1/blobs/{format_blob_id(expected)}"
        query = {"pin": "true" if is_pinned else "false"}
        method = "POST" if expected is None else "PUT"
        answer = await self._transport.upload(method, path, query, _watch(content, hasher), size)
        kept: BlobAnswer = self._transport.read(BlobAnswer, answer).data
        sent = format_blob_id(hasher.finish().id)
        if kept.id != sent:
            raise BlobMismatch(sent, kept.id)
        return kept

    async def read_blob(
        self, blob: BlobId, start: int = 0, size: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Content that the node has, from ``start`` on; the whole of it is checked against the id at the end.

        :raises ApiProblem: ``blob-unknown``: have the node fetch it first.
        :raises NodeUnreachable: it broke off.
        :raises BlobMismatch: what came is something else; do not use it.
        """
        is_whole = start == 0 and size is None
        last = "" if size is None else str(start + size - 1)
        headers = {} if is_whole else {"Range": f"bytes={start}-{last}"}
        name = format_blob_id(blob)
        response = await self._transport.open_stream(f"/v1/blobs/{name}", {}, headers, statuses=(200, 206))
        try:
            if not is_whole and response.status != 206:
                raise UnexpectedAnswer(self._transport.base_url, "everything, where a range was asked for")
            hasher = TreeHasher()
            try:
                async for part in response.content.iter_chunked(READ_SIZE):
                    if is_whole:
                        hasher.update(part)
                    yield part
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                raise self._transport.make_unreachable(error) from None
        finally:
            response.close()
        found = hasher.finish().id
        if is_whole and found != blob:
            raise BlobMismatch(name, format_blob_id(found))

    async def get_blob(self, blob: BlobId) -> bytes:
        """A whole blob in memory; errors as for ``read_blob``."""
        async with aclosing(self.read_blob(blob)) as parts:
            return b"".join([part async for part in parts])

    async def get_blob_status(self, blob: BlobId) -> BlobAnswer:
        """How far a blob is."""
        path = f"/v1/blobs/{format_blob_id(blob)}/status"
        return (await self._transport.get(BlobAnswer, path, {})).data

    async def list_blobs(self, *, page_size: int = 100) -> AsyncGenerator[BlobAnswer, None]:
        """All blobs of the node, page by page."""
        query = {"limit": str(page_size)}
        while True:
            page = await self._transport.get(tuple[BlobAnswer, ...], "/v1/blobs", query)
            for item in page.data:
                yield item
            if page.meta.next_cursor is None:
                return
            query["cursor"] = page.meta.next_cursor

    async def get_blob_room(self) -> BlobRoomAnswer:
        """How much room blobs take."""
        return (await self._transport.get(BlobRoomAnswer, "/v1/blobs/room", {})).data

    async def fetch_blob(self, blob: BlobId, *, is_pinned: bool = False) -> BlobAnswer:
        """Have the node fetch a blob from its peers; ``get_blob_status`` tells how it goes."""
        query = {"pin": "true" if is_pinned else "false"}
        return await self._change("POST", f"/v1/blobs/{format_blob_id(blob)}/fetch", query)

    async def pin_blob(self, blob: BlobId) -> BlobAnswer:
        """Have the node keep a blob until it is unpinned."""
        return await self._change("PUT", f"/v1/blobs/{format_blob_id(blob)}/pin", {})

    async def release_blob(self, blob: BlobId) -> BlobAnswer:
        """Unpin a blob, and fetch it no further."""
        return await self._change("DELETE", f"/v1/blobs/{format_blob_id(blob)}", {})

    async def collect_blobs(self, keep_bytes: int = 0) -> CollectedAnswer:
        """Remove unpinned blobs until ``keep_bytes`` of the quota are in use."""
        body = encode_json({"keep_bytes": str(keep_bytes)})
        return (
            await self._transport.post(CollectedAnswer, "/v1/blobs/collect", body, "application/json")
        ).data

    async def _change(self, method: str, path: str, query: dict[str, str]) -> BlobAnswer:
        answer = await self._transport.request(method, path, query=query)
        changed: BlobAnswer = self._transport.read(BlobAnswer, answer).data
        return changed


async def _cut(content: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(content), READ_SIZE):
        yield content[start : start + READ_SIZE]


async def _watch(content: AsyncIterable[bytes], hasher: TreeHasher) -> AsyncGenerator[bytes, None]:
    async for part in content:
        hasher.update(part)
        yield part
