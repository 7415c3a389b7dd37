"""Kept blobs: whole or not at all, within a quota, the unpinned ones for as long as there is room.

A blob is two files under its id: its tree (size and nodes) and its content. The content gets its name last,
when all of it and the tree are durable: until then there is only a part, of which every piece is checked
against the tree before it counts, so that a crash at any moment leaves nothing that must be repaired. A
third, empty file is the pin. What is read is checked against the tree too: a blob in which a piece has
changed becomes a part again, and fetching it brings back that piece alone.

Room is taken before it is written to. Where the quota leaves none, blobs that are neither pinned nor in use
go, the one used longest ago first.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import anyio
import structlog
from msgspec import Struct

from tangle.core.blob_errors import MalformedBlobId, UnsupportedBlobId
from tangle.core.blob_id import BlobId, format_blob_id, parse_blob_id
from tangle.core.chunk_tree import (
    NODES_MAX,
    PIECE_LEVEL,
    PIECE_SIZE,
    BlobTree,
    TreeHasher,
    compute_node,
    get_range_size,
)
from tangle.core.encoding import decode, encode
from tangle.core.errors import TangleError
from tangle.core.hashing import HASH_SIZE
from tangle.store.blob_errors import BlobDamaged, BlobQuotaReached, BlobStorageFailed, BlobUnknown
from tangle.store.blob_files import BlobFiles, FileFacts

TREE: Final = ".tree"
PART: Final = ".part"
PIN: Final = ".pin"
UPLOAD: Final = ".upload"
NEW: Final = ".new"

TREE_SIZE_MAX: Final = 40 * NODES_MAX
"""Longest file of a tree."""

TREES_KEPT: Final = 32
"""Trees kept in memory; the largest has half a MiB."""

TOUCH_INTERVAL_MS: Final = 60_000
"""How exactly the disk knows when a blob was used last."""

log = structlog.get_logger("blobs")


class BlobEntry(Struct, frozen=True):
    """A blob, or the part of one."""

    id: BlobId
    """Its content id."""

    size: int
    """Bytes of the whole."""

    is_pinned: bool
    """Whether it stays until it is unpinned."""

    used_ms: int
    """When it was last read or written."""

    is_whole: bool
    """False while pieces are missing."""

    @property
    def cost(self) -> int:
        """Bytes that it takes of the quota."""
        return compute_cost(self.size)


class Collected(Struct, frozen=True):
    """What a collection removed."""

    blobs: int
    """How many."""

    size_bytes: int
    """Their bytes of quota."""


class BlobStore:
    """All blobs of one node."""

    def __init__(
        self, files: BlobFiles, now_ms: Callable[[], int], *, quota_bytes: int, free_bytes_min: int = 0
    ) -> None:
        """Empty until ``open`` has read the directory.

        :param now_ms: wall time, for the order of last use.
        :param free_bytes_min: what must stay free on the disk.
        """
        self.files = files
        self.quota_bytes = quota_bytes
        self.evicted_total = 0
        self._now_ms = now_ms
        self._free_bytes_min = free_bytes_min
        self._entries: dict[BlobId, BlobEntry] = {}
        self._trees: OrderedDict[BlobId, BlobTree] = OrderedDict()
        self._holders: dict[BlobId, int] = {}
        self._touched_ms: dict[BlobId, int] = {}
        self._reserved = 0
        self._turn = anyio.Lock()
        self._uploads = 0

    # ── what is here ────────────────────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        """Read the directory, and remove what an interrupted write left behind.

        :raises BlobStorageFailed: it cannot be read.
        """
        found = await self.files.list()
        for name in [name for name in found if name.endswith((UPLOAD, NEW))]:
            await self.files.remove(name)
        for name in {name.partition(".")[0] for name in found}:
            try:
                blob = parse_blob_id(name)
            except (MalformedBlobId, UnsupportedBlobId):
                continue  # not ours
            await self._open_blob(blob, name, found)

    async def _open_blob(self, blob: BlobId, name: str, found: dict[str, FileFacts]) -> None:
        is_whole = name in found
        tree = await self._read_tree(blob) if name + TREE in found else None
        if tree is None and is_whole:
            tree = await self._rebuild_tree(blob, name)
        if tree is None:
            await self.files.remove(name, name + PART, name + TREE, name + PIN)
            return
        used_ms = found[name + TREE].modified_ms if name + TREE in found else self._now_ms()
        self._entries[blob] = BlobEntry(blob, tree.size, name + PIN in found, used_ms, is_whole)
        if is_whole and found[name].size != tree.size:
            await self._demote(blob)

    @property
    def kept_bytes(self) -> int:
        """Bytes of quota in use, uploads on their way included."""
        return self._reserved + sum(entry.cost for entry in self._entries.values())

    @property
    def entries(self) -> list[BlobEntry]:
        """All blobs and parts, in order of their ids."""
        return [self._entries[blob] for blob in sorted(self._entries)]

    def find(self, blob: BlobId) -> BlobEntry | None:
        """A blob or the part of one."""
        return self._entries.get(blob)

    def has(self, blob: BlobId) -> bool:
        """Whether the whole blob is here."""
        entry = self._entries.get(blob)
        return entry is not None and entry.is_whole

    def get(self, blob: BlobId) -> BlobEntry:
        """A whole blob.

        :raises BlobUnknown: it is not here.
        """
        entry = self._entries.get(blob)
        if entry is None or not entry.is_whole:
            raise BlobUnknown(format_blob_id(blob))
        return entry

    @contextmanager
    def holding(self, blob: BlobId) -> Iterator[None]:
        """Keep a blob or its part from being collected while the block runs."""
        self._holders[blob] = self._holders.get(blob, 0) + 1
        try:
            yield
        finally:
            self._holders[blob] -= 1
            if not self._holders[blob]:
                del self._holders[blob]

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────

    async def get_tree(self, blob: BlobId) -> BlobTree:
        """The tree of a blob or part.

        :raises BlobUnknown: neither is here.
        """
        tree = self._trees.get(blob)
        if tree is None and blob in self._entries:
            tree = await self._read_tree(blob)
        if tree is None:
            raise BlobUnknown(format_blob_id(blob))
        self._remember_tree(blob, tree)
        return tree

    async def read_piece(self, blob: BlobId, index: int) -> bytes:
        """A piece of a whole blob, checked.

        :raises BlobUnknown: it is not here.
        :raises InvalidProof: it has no such piece.
        :raises BlobDamaged: the disk gives something else than was stored; the blob is a part from now on.
        """
        self.get(blob)
        name = format_blob_id(blob)
        content = await self._read_checked(blob, name, index)
        if content is None:
            log.error("blob-damaged", blob=name, piece=index)
            async with self._undisturbed():
                await self._demote(blob)
            raise BlobDamaged(name, index)
        await self.touch(blob)
        return content

    async def read_part_piece(self, blob: BlobId, index: int) -> bytes | None:
        """A piece of a part, checked; none when it is not (yet) what it must be.

        :raises BlobUnknown, InvalidProof: there is no such part or piece.
        """
        return await self._read_checked(blob, format_blob_id(blob) + PART, index)

    async def scan_part(self, blob: BlobId) -> frozenset[int]:
        """Pieces of a part that are here and true."""
        tree = await self.get_tree(blob)
        if format_blob_id(blob) + PART not in await self.files.list():
            return frozenset()
        return frozenset(
            [index for index in range(len(tree.nodes)) if await self.read_part_piece(blob, index) is not None]
        )

    async def touch(self, blob: BlobId) -> None:
        """The blob was used now."""
        entry, now_ms = self._entries.get(blob), self._now_ms()
        if entry is None:
            return
        self._entries[blob] = _change(entry, used_ms=now_ms)
        if now_ms - self._touched_ms.get(blob, entry.used_ms) >= TOUCH_INTERVAL_MS:
            self._touched_ms[blob] = now_ms
            await self.files.touch(format_blob_id(blob) + TREE, now_ms)

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────

    def make_upload_name(self) -> str:
        """A name for content whose id is not known yet."""
        self._uploads += 1
        return f"{self._uploads}{UPLOAD}"

    async def drop_upload(self, name: str) -> None:
        """Remove content that will not become a blob, also while being cancelled."""
        with anyio.CancelScope(shield=True):
            await self.files.remove(name)

    async def begin_part(self, blob: BlobId, tree: BlobTree, *, is_pinned: bool) -> None:
        """Take room for a blob that comes in pieces; without effect where there is one already.

        :param tree: verified by the caller.
        :raises BlobQuotaReached, BlobStorageFailed: there is no room.
        """
        if blob in self._entries:
            return
        cost = compute_cost(tree.size)
        await self.reserve(cost)
        try:
            async with self._undisturbed(), self._undoing(blob):
                if blob not in self._entries:
                    await self._write_tree(blob, tree)
                    await self._write_pin(blob, is_pinned=is_pinned)
                    self._entries[blob] = BlobEntry(blob, tree.size, is_pinned, self._now_ms(), False)
        finally:
            self.release(cost)

    async def write_part_piece(self, blob: BlobId, index: int, content: bytes) -> None:
        """Put a verified piece of a part on disk; without effect once the blob is whole, or gone."""
        async with self._undisturbed():
            entry = self._entries.get(blob)
            if entry is not None and not entry.is_whole:
                await self.files.write(format_blob_id(blob) + PART, index * PIECE_SIZE, content)

    async def finish_part(self, blob: BlobId) -> None:
        """All pieces of a part are here: make it a blob."""
        async with self._undisturbed():
            entry = self._entries.get(blob)
            if entry is None or entry.is_whole:
                return
            name = format_blob_id(blob)
            if not entry.size:
                await self.files.write(name + PART, 0, b"")
            await self.files.commit(name + PART, name)
            self._entries[blob] = _change(entry, is_whole=True, used_ms=self._now_ms())

    async def adopt(self, upload: str, tree: BlobTree, *, is_pinned: bool) -> None:
        """Make uploaded content a blob, or drop it where that blob is here; its room is released by the
        caller.
        """
        blob = tree.id
        name = format_blob_id(blob)
        async with self._undisturbed(), self._undoing(blob):
            entry = self._entries.get(blob)
            is_pinned = is_pinned or (entry is not None and entry.is_pinned)
            await self._write_pin(blob, is_pinned=is_pinned)
            if entry is not None and entry.is_whole:
                await self.files.remove(upload)
            else:
                await self.files.commit(upload, name + PART)
                await self._write_tree(blob, tree)
                await self.files.commit(name + PART, name)
            self._entries[blob] = BlobEntry(blob, tree.size, is_pinned, self._now_ms(), True)

    async def set_pin(self, blob: BlobId, *, is_pinned: bool) -> BlobEntry:
        """Pin or unpin a blob or the part of one; on disk when this returns.

        :raises BlobUnknown: neither is here.
        """
        async with self._undisturbed(), self._undoing(blob):
            entry = self._entries.get(blob)
            if entry is None:
                raise BlobUnknown(format_blob_id(blob))
            if entry.is_pinned != is_pinned:
                await self._write_pin(blob, is_pinned=is_pinned)
            changed = self._entries[blob] = _change(entry, is_pinned=is_pinned)
            return changed

    async def collect(self, keep_bytes: int = 0) -> Collected:
        """Remove what is neither pinned nor in use, the one used longest ago first, until at most
        ``keep_bytes`` of the quota are in use or nothing is left to remove.
        """
        async with self._undisturbed():
            victims = self._choose_victims(self.kept_bytes - keep_bytes)
            return await self._remove(victims)

    # ── room ────────────────────────────────────────────────────────────────────────────────────────────────

    async def reserve(self, size_bytes: int) -> None:
        """Take room of the quota, for which unpinned blobs go where need be. Give it back with ``release``.

        :raises BlobQuotaReached: there is none; nothing was removed.
        :raises BlobStorageFailed: the disk is almost full.
        """
        async with self._undisturbed():
            missing = self.kept_bytes + size_bytes - self.quota_bytes
            victims = self._choose_victims(missing)
            freed = sum(entry.cost for entry in victims)
            if freed < missing:
                raise BlobQuotaReached(size_bytes, self.kept_bytes - freed, self.quota_bytes)
            removed = await self._remove(victims)
            self.evicted_total += removed.blobs
            free_bytes = await self.files.get_free_bytes()
            if free_bytes - size_bytes < self._free_bytes_min:
                raise BlobStorageFailed("blobs", f"only {free_bytes} bytes are free on its disk")
            self._reserved += size_bytes

    @asynccontextmanager
    async def _undisturbed(self) -> AsyncIterator[None]:
        """One change at a time, and each to its end: a cancellation waits."""
        async with self._turn:
            with anyio.CancelScope(shield=True):
                yield

    @asynccontextmanager
    async def _undoing(self, blob: BlobId) -> AsyncIterator[None]:
        """Where the disk refuses, leave the files as the entries say."""
        try:
            yield
        except BlobStorageFailed:
            name, entry = format_blob_id(blob), self._entries.get(blob)
            stale = [name + TREE + NEW, name + PIN + NEW]
            if entry is None or not entry.is_pinned:
                stale.append(name + PIN)
            if entry is None:
                stale += [name + PART, name + TREE]
                self._trees.pop(blob, None)
            await self.files.remove(*stale)
            raise

    def release(self, size_bytes: int) -> None:
        """Give back what ``reserve`` took."""
        self._reserved -= size_bytes

    def _choose_victims(self, missing: int) -> list[BlobEntry]:
        victims: list[BlobEntry] = []
        idle = [e for e in self._entries.values() if not e.is_pinned and e.id not in self._holders]
        for entry in sorted(idle, key=lambda entry: (entry.used_ms, entry.id)):
            if missing <= 0:
                break
            victims.append(entry)
            missing -= entry.cost
        return victims

    async def _remove(self, victims: list[BlobEntry]) -> Collected:
        for entry in victims:
            log.info("blob-collected", blob=format_blob_id(entry.id), bytes=entry.size)
            del self._entries[entry.id]
            self._trees.pop(entry.id, None)
            self._touched_ms.pop(entry.id, None)
            name = format_blob_id(entry.id)
            # The content first: a crash in between leaves a part without pieces, which is collected next.
            await self.files.remove(name, name + PART, name + TREE, name + PIN)
        return Collected(len(victims), sum(entry.cost for entry in victims))

    # ── files ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _read_checked(self, blob: BlobId, name: str, index: int) -> bytes | None:
        tree = await self.get_tree(blob)
        size = get_range_size(tree.size, PIECE_LEVEL, index)
        content = await self.files.read(name, index * PIECE_SIZE, size)
        return content if len(content) == size and compute_node(content) == tree.nodes[index] else None

    async def _read_tree(self, blob: BlobId) -> BlobTree | None:
        name = format_blob_id(blob)
        data = await self.files.read(name + TREE, 0, TREE_SIZE_MAX + 1)
        try:
            tree = decode(BlobTree, data, limit=TREE_SIZE_MAX)
        except TangleError:
            tree = None
        if tree is None or tree.id != blob:
            log.error("blob-tree-damaged", blob=name)
            return None
        return tree

    async def _rebuild_tree(self, blob: BlobId, name: str) -> BlobTree | None:
        hasher = TreeHasher()
        while piece := await self.files.read(name, hasher.size, PIECE_SIZE):
            hasher.update(piece)
        tree = hasher.finish()
        if tree.id != blob:
            return None
        await self._write_tree(blob, tree)
        return tree

    async def _write_tree(self, blob: BlobId, tree: BlobTree) -> None:
        name = format_blob_id(blob) + TREE
        await self.files.remove(name + NEW)
        await self.files.write(name + NEW, 0, encode(tree))
        await self.files.commit(name + NEW, name)
        self._remember_tree(blob, tree)

    async def _write_pin(self, blob: BlobId, *, is_pinned: bool) -> None:
        name = format_blob_id(blob) + PIN
        if is_pinned:
            await self.files.write(name + NEW, 0, b"")
            await self.files.commit(name + NEW, name)
        else:
            await self.files.remove(name)

    async def _demote(self, blob: BlobId) -> None:
        entry = self._entries.get(blob)
        if entry is not None and entry.is_whole:
            name = format_blob_id(blob)
            await self.files.commit(name, name + PART)
            self._entries[blob] = _change(entry, is_whole=False)

    def _remember_tree(self, blob: BlobId, tree: BlobTree) -> None:
        self._trees[blob] = tree
        self._trees.move_to_end(blob)
        if len(self._trees) > TREES_KEPT:
            self._trees.popitem(last=False)


def compute_cost(size: int) -> int:
    """Bytes of quota that a blob takes: its content and its nodes."""
    return size + HASH_SIZE * -(-size // PIECE_SIZE)


def _change(
    entry: BlobEntry,
    *,
    is_pinned: bool | None = None,
    used_ms: int | None = None,
    is_whole: bool | None = None,
) -> BlobEntry:
    return BlobEntry(
        entry.id,
        entry.size,
        entry.is_pinned if is_pinned is None else is_pinned,
        entry.used_ms if used_ms is None else used_ms,
        entry.is_whole if is_whole is None else is_whole,
    )
