"""A blob of 20 MB between real nodes: fetched from three, killed in the middle, resumed, served on."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from tangle.api.schemas.blobs import BlobAnswer
from tangle.client.client import TangleClient
from tangle.core.blob_id import BlobId, format_blob_id, make_blob_id, parse_blob_id
from tangle.core.chunk_tree import PIECE_SIZE
from tangle.core.types import Digest
from tests.acceptance.support import NetworkUnderTest, NodeUnderTest, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SIZE = 20_000_000


def make_content(seed: int) -> bytes:
    """Bytes that depend on the seed only, and of which no two pieces are the same."""
    return hashlib.shake_256(seed.to_bytes(8, "big")).digest(SIZE)


async def put(node: NodeUnderTest, content: bytes) -> BlobId:
    async with TangleClient(node.url) as client:
        return parse_blob_id((await client.put_blob(content)).id)


async def get_status(node: NodeUnderTest, blob: BlobId) -> BlobAnswer:
    async with TangleClient(node.url) as client:
        return await client.get_blob_status(blob)


async def fetch(node: NodeUnderTest, blob: BlobId) -> None:
    async with TangleClient(node.url) as client:
        await client.fetch_blob(blob)

        async def is_whole() -> bool:
            answer = await client.get_blob_status(blob)
            assert answer.state in {"fetching", "whole"}, answer.reason
            return answer.state == "whole"

        await wait_until(is_whole, "the blob to come")


async def read(node: NodeUnderTest, blob: BlobId) -> bytes:
    async with TangleClient(node.url) as client:
        return await client.get_blob(blob)


def list_files(node: NodeUnderTest) -> set[str]:
    """What lies in a node's directory of blobs."""
    return {path.name for path in Path(node.home, "blobs").iterdir()}


def count_pieces(node: NodeUnderTest, blob: BlobId) -> int:
    """Pieces of the blob in a node's part of it, by its file."""
    path = Path(node.home, "blobs", format_blob_id(blob) + ".part")
    return path.stat().st_blocks * 512 // PIECE_SIZE if path.exists() else 0


async def test_a_blob_is_fetched_killed_in_the_middle_and_resumed(
    four_nodes: NetworkUnderTest, record_property: Callable[[str, object], None]
) -> None:
    await four_nodes.wait_ready()
    first, second, third, _ = four_nodes.nodes
    content = make_content(1)
    blob = await put(first, content)

    begun_s = time.perf_counter()
    await fetch(second, blob)
    record_property("MB/s from one node", round(SIZE / 1e6 / (time.perf_counter() - begun_s), 1))
    assert await read(second, blob) == content

    async with TangleClient(third.url) as client:
        await client.fetch_blob(blob, is_pinned=True)
        with anyio.fail_after(30):
            while count_pieces(third, blob) < 8:  # noqa: ASYNC110 -- another process's file
                await anyio.sleep(0.001)
    third.kill()
    came = count_pieces(third, blob)
    assert 8 <= came < SIZE // PIECE_SIZE
    record_property("pieces before the kill", came)
    third.start()
    await third.wait_ready()

    async def is_whole() -> bool:
        return (await get_status(third, blob)).state == "whole"

    await wait_until(is_whole, "the fetch to go on by itself")
    assert (await get_status(third, blob)).is_pinned
    assert await read(third, blob) == content
    name = format_blob_id(blob)
    assert list_files(third) == {name, f"{name}.tree", f"{name}.pin"}
    async with TangleClient(second.url) as client:
        await client.fetch_blob(make_blob_id(Digest(bytes(32))))  # still on its way when the node stops
    assert await four_nodes.stop() == [0] * 4
    for node in four_nodes.nodes:
        assert "Traceback" not in node.read_log()


async def test_an_upload_that_is_killed_leaves_nothing(one_node: NetworkUnderTest) -> None:
    await one_node.wait_ready()
    (node,) = one_node.nodes
    kept = await put(node, make_content(2))
    host, port = "127.0.0.1", node.api_port
    head = f"POST /v1/blobs HTTP/1.1\r\nHost: {host}\r\nContent-Length: {SIZE}\r\n\r\n".encode()
    async with await anyio.connect_tcp(host, port) as stream:
        await stream.send(head + make_content(3)[: SIZE // 2])

        async def is_coming() -> bool:
            return any(name.endswith(".upload") for name in list_files(node))

        await wait_until(is_coming, "the upload to be on disk")
        node.kill()
    assert await is_coming()
    node.start()
    await node.wait_ready()
    name = format_blob_id(kept)
    assert list_files(node) == {name, f"{name}.tree", f"{name}.pin"}
    assert await read(node, kept) == make_content(2)
