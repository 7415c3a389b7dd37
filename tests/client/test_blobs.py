"""The client and blobs: what is sent and read is checked here, whatever the node says."""

from collections.abc import AsyncGenerator

import anyio
import pytest

from tangle.api.schemas.blobs import BlobAnswer
from tangle.api.wire import Quantity
from tangle.client.client import TangleClient
from tangle.client.errors import ApiProblem, NodeUnreachable
from tangle.core.blob_errors import BlobMismatch
from tangle.core.blob_id import format_blob_id, make_blob_id, parse_blob_id
from tangle.core.chunk_tree import PIECE_SIZE, compute_tree
from tangle.core.types import Digest
from tangle.node.blobs import BlobRoom
from tests.api.ledger_double import LedgerDouble

CONTENT = b"".join(bytes([index]) * PIECE_SIZE for index in range(4)) + b"the rest"
BLOB = compute_tree(CONTENT).id
UNKNOWN = make_blob_id(Digest(bytes(32)))


async def test_content_goes_there_and_back(client: TangleClient) -> None:
    for content in (CONTENT, b""):
        answer = await client.put_blob(content, is_pinned=False)
        blob = parse_blob_id(answer.id)
        assert blob == compute_tree(content).id
        assert await client.get_blob(blob) == content
        assert await client.get_blob_status(blob) == answer
    assert await client.put_blob(CONTENT, expected=BLOB) == await client.get_blob_status(BLOB)


async def test_a_stream_of_unknown_length(client: TangleClient) -> None:
    async def stream() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(CONTENT), 10_000):
            yield CONTENT[start : start + 10_000]

    assert (await client.put_blob(stream())).id == format_blob_id(BLOB)


async def test_parts_are_read(client: TangleClient) -> None:
    await client.put_blob(CONTENT)
    for start, size in ((0, 5), (PIECE_SIZE - 1, 2), (100, None), (0, len(CONTENT))):
        parts = [part async for part in client.read_blob(BLOB, start, size)]
        end = len(CONTENT) if size is None else start + size
        assert b"".join(parts) == CONTENT[start:end]


async def test_pins_lists_and_room(client: TangleClient) -> None:
    blobs = [parse_blob_id((await client.put_blob(bytes([n]))).id) for n in range(5)]
    assert (await client.release_blob(blobs[0])).is_pinned is False
    assert (await client.pin_blob(blobs[0])).is_pinned is True
    await client.release_blob(blobs[1])
    assert [answer.id async for answer in client.list_blobs(page_size=2)] == list(
        map(format_blob_id, sorted(blobs))
    )
    assert (await client.get_blob_room()).blobs == 5
    assert (await client.collect_blobs()).blobs == 1


async def test_what_the_node_refuses(client: TangleClient, ledger: LedgerDouble) -> None:
    with pytest.raises(ApiProblem) as raised:
        await client.get_blob(UNKNOWN)
    assert raised.value.code == "blob-unknown"
    with pytest.raises(ApiProblem) as raised:
        await client.put_blob(CONTENT, expected=UNKNOWN)
    assert raised.value.code == "blob-mismatch"
    with pytest.raises(ApiProblem) as raised:
        await client.put_blob(CONTENT * 3)
    assert raised.value.code == "blob-quota-reached"
    assert ledger.blobs.store.kept_bytes == 0


async def test_fetching_is_asked_for(client: TangleClient, ledger: LedgerDouble) -> None:
    async with anyio.create_task_group() as tasks:
        await tasks.start(ledger.blobs.run)
        assert (await client.fetch_blob(UNKNOWN)).state == "fetching"
        tasks.cancel_scope.cancel()


async def test_a_node_that_gives_something_else_is_found_out(
    client: TangleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.put_blob(CONTENT)

    async def lie(room: BlobRoom, *_: object) -> AsyncGenerator[bytes, None]:
        yield CONTENT[:-1] + b"!"

    monkeypatch.setattr(BlobRoom, "read", lie)
    with pytest.raises(BlobMismatch):
        await client.get_blob(BLOB)


async def test_a_node_that_names_something_else_is_found_out(
    client: TangleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lie(view: object) -> BlobAnswer:
        return BlobAnswer(format_blob_id(UNKNOWN), "whole", None, Quantity(0), True, Quantity(0), 0)

    monkeypatch.setattr("tangle.api.routes_blobs.make_blob_answer", lie)
    with pytest.raises(BlobMismatch):
        await client.put_blob(b"content")


async def test_content_that_breaks_off_is_no_content(client: TangleClient, ledger: LedgerDouble) -> None:
    """The second piece turns out to be damaged when the first is on its way."""
    await client.put_blob(CONTENT)
    ledger.blobs.store.files.contents[format_blob_id(BLOB)][PIECE_SIZE] ^= 1  # type: ignore[attr-defined]  # in memory
    with pytest.raises(NodeUnreachable):
        await client.get_blob(BLOB)
