"""Kept blobs: whole or not at all, on disk and in memory, through crashes, tampering and a full quota."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from tangle.core.blob_errors import BlobMismatch, OversizeBlob
from tangle.core.blob_id import BlobId, format_blob_id
from tangle.core.chunk_tree import BLOB_SIZE_MAX, PIECE_SIZE, compute_tree
from tangle.core.errors import InvalidProof
from tangle.store.blob_errors import (
    BlobDamaged,
    BlobQuotaReached,
    BlobStorageFailed,
    BlobUnknown,
    UploadOver,
)
from tangle.store.blob_files import BlobFiles, DiskBlobFiles, MemoryBlobFiles
from tangle.store.blob_store import BlobStore, compute_cost
from tangle.store.blob_upload import Upload

QUOTA = 3_000_000


class Ticks:
    """Wall time that moves on at every look."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000

    def __call__(self) -> int:
        self.now += 1_000
        return self.now


@pytest.fixture(params=["disk", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> BlobFiles:
    return DiskBlobFiles(tmp_path / "blobs") if request.param == "disk" else MemoryBlobFiles()


@pytest.fixture
async def store(files: BlobFiles) -> BlobStore:
    return await reopen(files)


async def reopen(files: BlobFiles, *, quota: int = QUOTA, free: int = 0) -> BlobStore:
    store = BlobStore(files, Ticks(), quota_bytes=quota, free_bytes_min=free)
    await store.open()
    return store


def make_content(name: str, size: int) -> bytes:
    return (name.encode() * (size // len(name) + 1))[:size]


async def put(
    store: BlobStore,
    content: bytes,
    *,
    is_pinned: bool = False,
    expected: BlobId | None = None,
    size: int = 0,
) -> BlobId:
    async with Upload(store, expected=expected, size=size) as upload:
        for start in range(0, len(content), 100_000):
            await upload.write(content[start : start + 100_000])
        return await upload.finish(is_pinned=is_pinned)


async def read(store: BlobStore, blob: BlobId) -> bytes:
    size = store.get(blob).size
    return b"".join([await store.read_piece(blob, index) for index in range(-(-size // PIECE_SIZE))])


@pytest.mark.parametrize("size", [0, 1, PIECE_SIZE - 1, PIECE_SIZE, PIECE_SIZE + 1, 700_001])
async def test_what_is_put_is_there_after_a_restart(files: BlobFiles, size: int) -> None:
    content = make_content("tangle", size)
    store = await reopen(files)
    blob = await put(store, content, is_pinned=True)
    assert blob == compute_tree(content).id
    for each in (store, await reopen(files)):
        assert await read(each, blob) == content
        assert each.get(blob).is_pinned
        assert each.kept_bytes == compute_cost(size)
        with pytest.raises(InvalidProof):
            await each.read_piece(blob, -(-size // PIECE_SIZE))


async def test_the_same_content_is_kept_once(files: BlobFiles, store: BlobStore) -> None:
    content = make_content("twice", 300_000)
    blob = await put(store, content, is_pinned=True)
    assert await put(store, content) == blob
    assert store.get(blob).is_pinned
    assert store.kept_bytes == compute_cost(len(content))
    assert len(await files.list()) == 3


async def test_uploads_of_the_same_content_side_by_side(store: BlobStore) -> None:
    content = make_content("side by side", 600_000)
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(put, store, content)
    assert await read(store, compute_tree(content).id) == content
    assert store.kept_bytes == compute_cost(len(content))


async def test_a_blob_that_is_not_there(store: BlobStore) -> None:
    blob = compute_tree(b"nowhere").id
    for call in (
        lambda: store.read_piece(blob, 0),
        lambda: store.get_tree(blob),
        lambda: store.set_pin(blob, is_pinned=True),
    ):
        with pytest.raises(BlobUnknown):
            await call()


# ── bad uploads ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_content_that_does_not_match_its_id_leaves_nothing(files: BlobFiles, store: BlobStore) -> None:
    with pytest.raises(BlobMismatch):
        await put(store, make_content("not that", 400_000), expected=compute_tree(b"other").id)
    assert await files.list() == {}
    assert store.kept_bytes == 0


async def test_an_upload_that_breaks_off_leaves_nothing(files: BlobFiles, store: BlobStore) -> None:
    async with Upload(store, size=800_000) as upload:
        await upload.write(make_content("half", 400_000))
        assert store.kept_bytes >= 800_000
    assert await files.list() == {}
    assert store.kept_bytes == 0
    with pytest.raises(UploadOver):
        await upload.write(b"more")
    with pytest.raises(UploadOver):
        await upload.finish(is_pinned=False)


async def test_an_upload_that_is_cancelled_leaves_nothing(files: BlobFiles, store: BlobStore) -> None:
    with anyio.CancelScope() as scope:
        async with Upload(store) as upload:
            await upload.write(make_content("half", 400_000))
            scope.cancel()
            await upload.write(make_content("half", 400_000))
    assert await files.list() == {}
    assert store.kept_bytes == 0


async def test_what_no_blob_can_be_is_refused_before_it_comes(store: BlobStore) -> None:
    with pytest.raises(OversizeBlob):
        async with Upload(store, size=BLOB_SIZE_MAX + 1):
            pass


# ── room ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_pinned_blobs_fill_the_quota_and_nothing_is_lost(files: BlobFiles, store: BlobStore) -> None:
    kept = [await put(store, make_content(f"pinned {n}", 1_000_000), is_pinned=True) for n in range(2)]
    before = await files.list()
    for stated in (0, 1_000_001):
        with pytest.raises(BlobQuotaReached) as raised:
            await put(store, make_content("too much", 1_000_001), size=stated)
        assert raised.value.quota_bytes == QUOTA
    assert await files.list() == before
    for blob in kept:
        await read(store, blob)
    await store.set_pin(kept[0], is_pinned=False)
    await put(store, make_content("now it fits", 1_000_001))
    assert not store.has(kept[0])
    assert store.has(kept[1])


async def test_the_blob_used_longest_ago_goes_first(store: BlobStore) -> None:
    a, b, c = [await put(store, make_content(name, 900_000)) for name in "abc"]
    await read(store, a)
    await put(store, make_content("d", 900_000))
    assert [store.has(blob) for blob in (a, b, c)] == [True, False, True]
    assert store.evicted_total == 1


async def test_what_is_in_use_stays(store: BlobStore) -> None:
    a, b, _ = [await put(store, make_content(name, 900_000)) for name in "abc"]
    with store.holding(a):
        await put(store, make_content("d", 900_000))
        assert store.has(a)
        assert not store.has(b)
    assert (await store.collect()).blobs == 3


async def test_a_blob_that_can_never_fit_pushes_nothing_out(store: BlobStore) -> None:
    blob = await put(store, make_content("small", 500_000))
    with pytest.raises(BlobQuotaReached):
        async with Upload(store, size=QUOTA + 1):
            pass
    assert store.has(blob)


async def test_collecting_keeps_what_is_pinned_and_as_much_as_asked(files: BlobFiles) -> None:
    store = await reopen(files)
    pinned = await put(store, make_content("pinned", 500_000), is_pinned=True)
    others = [await put(store, make_content(f"other {n}", 500_000)) for n in range(4)]
    collected = await store.collect(keep_bytes=3 * compute_cost(500_000))
    assert (collected.blobs, collected.size_bytes) == (2, 2 * compute_cost(500_000))
    assert [store.has(blob) for blob in others] == [False, False, True, True]
    assert (await store.collect()).blobs == 2
    assert [entry.id for entry in (await reopen(files)).entries] == [pinned]


async def test_a_disk_that_is_almost_full_takes_nothing() -> None:
    files = MemoryBlobFiles()
    files.free_bytes = 1_000_000
    store = await reopen(files, free=900_000)
    with pytest.raises(BlobStorageFailed):
        await put(store, make_content("too much", 200_000))
    assert await files.list() == {}


# ── parts ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_part_becomes_a_blob_and_goes_on_after_a_restart(files: BlobFiles) -> None:
    content = make_content("a part of it", 5 * PIECE_SIZE - 5)
    tree = compute_tree(content)
    store = await reopen(files)
    await store.begin_part(tree.id, tree, is_pinned=True)
    for index in (4, 1):
        await store.write_part_piece(tree.id, index, content[index * PIECE_SIZE : (index + 1) * PIECE_SIZE])
    store = await reopen(files)
    entry = store.find(tree.id)
    assert entry is not None
    assert (entry.is_whole, entry.is_pinned, entry.size) == (False, True, len(content))
    with pytest.raises(BlobUnknown):
        await store.read_piece(tree.id, 1)
    assert await store.scan_part(tree.id) == {1, 4}
    assert await store.read_part_piece(tree.id, 0) is None
    for index in (0, 2, 3):
        await store.write_part_piece(tree.id, index, content[index * PIECE_SIZE : (index + 1) * PIECE_SIZE])
    await store.finish_part(tree.id)
    assert await read(store, tree.id) == content
    assert await read(await reopen(files), tree.id) == content


async def test_an_upload_completes_a_part(store: BlobStore) -> None:
    content = make_content("given after all", 300_000)
    tree = compute_tree(content)
    await store.begin_part(tree.id, tree, is_pinned=True)
    await put(store, content)
    await store.finish_part(tree.id)
    assert await read(store, tree.id) == content
    assert store.get(tree.id).is_pinned


async def test_an_empty_part(store: BlobStore) -> None:
    tree = compute_tree(b"")
    await store.begin_part(tree.id, tree, is_pinned=False)
    await store.finish_part(tree.id)
    assert await read(store, tree.id) == b""


# ── tampering ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_changed_byte_is_found_on_reading_and_mended_by_its_piece(files: BlobFiles) -> None:
    content = make_content("precious", 3 * PIECE_SIZE)
    store = await reopen(files)
    blob = await put(store, content, is_pinned=True)
    await files.write(format_blob_id(blob), PIECE_SIZE + 7, b"!")
    assert await store.read_piece(blob, 0) == content[:PIECE_SIZE]
    with pytest.raises(BlobDamaged):
        await store.read_piece(blob, 1)
    with pytest.raises(BlobUnknown):
        await store.read_piece(blob, 0)
    assert await store.scan_part(blob) == {0, 2}
    await store.write_part_piece(blob, 1, content[PIECE_SIZE : 2 * PIECE_SIZE])
    await store.finish_part(blob)
    assert await read(store, blob) == content
    assert store.get(blob).is_pinned


async def test_a_truncated_file_is_a_part(tmp_path: Path) -> None:
    files = DiskBlobFiles(tmp_path / "blobs")
    content = make_content("cut", 3 * PIECE_SIZE)
    blob = await put(await reopen(files), content)
    with (tmp_path / "blobs" / format_blob_id(blob)).open("r+b") as file:
        file.truncate(2 * PIECE_SIZE + 5)
    store = await reopen(files)
    assert not store.has(blob)
    assert await store.scan_part(blob) == {0, 1}


@pytest.mark.parametrize(
    "change",
    [lambda tree: b"", lambda tree: tree[:-1] + b"\0", lambda tree: b"x" * 9],
    ids=["empty", "changed", "another"],
)
async def test_a_damaged_tree_is_made_again(files: BlobFiles, change: Callable[[bytes], bytes]) -> None:
    content = make_content("rooted", 600_000)
    blob = await put(await reopen(files), content)
    name = format_blob_id(blob) + ".tree"
    tree = change(await files.read(name, 0, 1 << 20))
    await files.remove(name)
    await files.write(name, 0, tree)
    assert await read(await reopen(files), blob) == content


async def test_neither_tree_nor_content_is_nothing(files: BlobFiles) -> None:
    blob = await put(await reopen(files), make_content("gone", 600_000))
    name = format_blob_id(blob)
    await files.write(name, 0, b"!")
    await files.write(name + ".tree", 5, b"!")
    await files.write("notes.txt", 0, b"somebody else's")
    store = await reopen(files)
    assert store.entries == []
    assert set(await files.list()) == {"notes.txt"}


# ── crashes ─────────────────────────────────────────────────────────────────────────────────────────────────


class Crash(BaseException):
    """The process is gone."""


class DyingFiles(MemoryBlobFiles):
    """Does so many changes, and then nothing any more."""

    def __init__(self, contents: dict[str, bytearray], changes: int) -> None:
        super().__init__()
        self.contents = contents
        self.left = changes

    def _count(self) -> None:
        if not self.left:
            raise Crash
        self.left -= 1

    async def write(self, name: str, offset: int, data: bytes) -> None:
        half = len(data) // 2
        if not self.left and data:
            await super().write(name, offset, data[:half])
        self._count()
        await super().write(name, offset, data)

    async def commit(self, name: str, final_name: str) -> None:
        self._count()
        await super().commit(name, final_name)

    async def remove(self, *names: str) -> None:
        self._count()
        await super().remove(*names)


async def test_a_crash_between_any_two_writes_leaves_nothing_half() -> None:
    """An upload, an eviction, a part and a pin are cut off after every number of changes."""
    old, new, fetched = (make_content(name, 300_000) for name in ("old", "new", "fetched"))
    tree = compute_tree(fetched)
    finished = 0
    for changes in range(200):
        disk = MemoryBlobFiles()
        pinned = await put(await reopen(disk), b"pinned", is_pinned=True)
        await put(await reopen(disk), old)
        acknowledged: list[BlobId] = [pinned]
        try:
            store = await reopen(DyingFiles(disk.contents, changes), quota=700_000)
            await store.begin_part(tree.id, tree, is_pinned=True)
            for index in range(2):
                piece = fetched[index * PIECE_SIZE : (index + 1) * PIECE_SIZE]
                await store.write_part_piece(tree.id, index, piece)
            await store.finish_part(tree.id)
            acknowledged.append(tree.id)
            acknowledged.append(await put(store, new, is_pinned=True))
            finished += 1
        except Crash:
            pass
        after = MemoryBlobFiles()
        after.contents = disk.contents
        store = await reopen(after)
        for entry in store.entries:
            if entry.is_whole:
                assert compute_tree(await read(store, entry.id)).id == entry.id
            else:
                await store.scan_part(entry.id)
        assert all(store.get(blob).is_pinned for blob in acknowledged)
        leftovers = {name for name in await after.list() if name.endswith((".upload", ".new"))}
        assert not leftovers
        if finished:
            break
    assert changes > 15
    assert finished
