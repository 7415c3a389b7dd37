"""A disk that refuses now and then, and a long life of a blob store against a model of it."""

import anyio
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tangle.core.blob_id import BlobId, format_blob_id
from tangle.core.chunk_tree import PIECE_SIZE, BlobTree, compute_tree
from tangle.store.blob_errors import BlobQuotaReached, BlobStorageFailed
from tangle.store.blob_files import MemoryBlobFiles
from tangle.store.blob_store import BlobStore, compute_cost
from tangle.store.blob_upload import Upload


class RefusingFiles(MemoryBlobFiles):
    """The change of that number is refused, as by a full disk."""

    def __init__(self, refused: int) -> None:
        super().__init__()
        self.left = refused

    def _count(self, name: str) -> None:
        self.left -= 1
        if self.left == -1:
            raise BlobStorageFailed(name, "No space left on device")

    async def write(self, name: str, offset: int, data: bytes) -> None:
        self._count(name)
        await super().write(name, offset, data)

    async def commit(self, name: str, final_name: str) -> None:
        self._count(name)
        await super().commit(name, final_name)


async def open_store(files: MemoryBlobFiles, quota: int = 10_000_000) -> BlobStore:
    now_ms = iter(range(1, 1 << 40))
    store = BlobStore(files, lambda: next(now_ms), quota_bytes=quota)
    await store.open()
    return store


async def put(store: BlobStore, content: bytes, *, is_pinned: bool = False) -> BlobId:
    async with Upload(store) as upload:
        await upload.write(content)
        return await upload.finish(is_pinned=is_pinned)


async def read(store: BlobStore, blob: BlobId) -> bytes:
    pieces = -(-store.get(blob).size // PIECE_SIZE)
    return b"".join([await store.read_piece(blob, index) for index in range(pieces)])


def check_files(files: MemoryBlobFiles, store: BlobStore) -> None:
    """On disk is what the store says, and nothing else."""
    expected = set()
    for entry in store.entries:
        name = format_blob_id(entry.id)
        expected |= {f"{name}.tree"} | ({name} if entry.is_whole else set())
        expected |= {f"{name}.pin"} if entry.is_pinned else set()
    found = {name for name in files.contents if not name.endswith(".part")}
    assert found == expected
    parts = {name for name in files.contents if name.endswith(".part")}
    assert parts <= {f"{format_blob_id(entry.id)}.part" for entry in store.entries if not entry.is_whole}
    assert store.kept_bytes == sum(entry.cost for entry in store.entries)


async def use(store: BlobStore, tree: BlobTree, content: bytes) -> None:
    """An upload, a part that is finished, a pin."""
    await put(store, b"uploaded" * 50_000, is_pinned=True)
    await store.begin_part(tree.id, tree, is_pinned=True)
    for index in range(2):
        await store.write_part_piece(tree.id, index, content[index * PIECE_SIZE : (index + 1) * PIECE_SIZE])
    await store.finish_part(tree.id)
    await store.set_pin(tree.id, is_pinned=False)
    await store.set_pin(tree.id, is_pinned=True)


async def test_a_write_that_the_disk_refuses_leaves_the_store_as_it_was() -> None:
    """Refused at every place in turn: what was there is there, nothing half is, and the next try succeeds."""
    content = b"in pieces" * 40_000
    tree = compute_tree(content)
    for refused in range(100):
        files = RefusingFiles(10**9)
        store = await open_store(files)
        before = await put(store, b"before", is_pinned=True)
        files.left = refused
        try:
            await use(store, tree, content)
        except BlobStorageFailed:
            check_files(files, store)
            assert await read(store, before) == b"before"
            await use(store, tree, content)
            assert await read(store, tree.id) == content
            check_files(files, store)
        else:
            break
    assert refused > 12


CONTENTS = [bytes([number]) * size for number, size in enumerate((0, 1, 5_000, 300_000, 600_000, 900_000))]


class StoreLife(RuleBasedStateMachine):
    """Uploads, parts, pins, collections and restarts in any order; the model is a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.files = MemoryBlobFiles()
        self.store: BlobStore = anyio.run(open_store, self.files, 1_700_000)
        self.pinned: dict[BlobId, bytes] = {}

    @rule(content=st.sampled_from(CONTENTS), is_pinned=st.booleans())
    def upload(self, content: bytes, is_pinned: bool) -> None:
        cost = compute_cost(len(content))
        others = sum(compute_cost(len(kept)) for kept in self.pinned.values())
        try:
            blob = anyio.run(lambda: put(self.store, content, is_pinned=is_pinned))
        except BlobQuotaReached:
            assert others + cost > self.store.quota_bytes
            return
        assert self.store.has(blob)
        if is_pinned:
            self.pinned[blob] = content

    @rule(content=st.sampled_from(CONTENTS[1:]), pieces=st.sets(st.integers(0, 3)), is_finished=st.booleans())
    def fetch(self, content: bytes, pieces: set[int], is_finished: bool) -> None:
        tree = compute_tree(content)
        count = len(tree.nodes)

        async def run() -> None:
            if self.store.has(tree.id):
                return
            await self.store.begin_part(tree.id, tree, is_pinned=False)
            wanted = range(count) if is_finished else [index for index in pieces if index < count]
            for index in wanted:
                piece = content[index * PIECE_SIZE : (index + 1) * PIECE_SIZE]
                await self.store.write_part_piece(tree.id, index, piece)
            assert set(wanted) <= await self.store.scan_part(tree.id)
            if is_finished:
                await self.store.finish_part(tree.id)

        try:
            anyio.run(run)
        except BlobQuotaReached:
            assert self.store.find(tree.id) is None

    @rule(data=st.data())
    def unpin(self, data: st.DataObject) -> None:
        if self.pinned:
            blob = data.draw(st.sampled_from(sorted(self.pinned)))
            anyio.run(lambda: self.store.set_pin(blob, is_pinned=False))
            del self.pinned[blob]

    @rule(keep_bytes=st.sampled_from([0, 500_000, 10**9]))
    def collect(self, keep_bytes: int) -> None:
        anyio.run(self.store.collect, keep_bytes)
        unpinned = [entry for entry in self.store.entries if not entry.is_pinned]
        assert self.store.kept_bytes <= keep_bytes or not unpinned

    @rule()
    def restart(self) -> None:
        before = self.store.entries
        self.store = anyio.run(open_store, self.files, 1_700_000)
        kept = [(entry.id, entry.size, entry.is_pinned, entry.is_whole) for entry in before]
        assert [(e.id, e.size, e.is_pinned, e.is_whole) for e in self.store.entries] == kept

    @invariant()
    def what_is_pinned_is_whole_and_within_the_quota(self) -> None:
        assert self.store.kept_bytes <= self.store.quota_bytes
        check_files(self.files, self.store)
        for blob, content in self.pinned.items():
            assert self.store.get(blob).is_pinned
            assert anyio.run(read, self.store, blob) == content


TestStoreLife = pytest.mark.timeout(120)(StoreLife.TestCase)
StoreLife.TestCase.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
