"""Reads the file of an LMDB environment page by page, without trusting any of it.

LMDB maps its file and follows what it finds there: behind a damaged page it may answer nonsense or end the
process, behind the end of a truncated file it always does. This reader uses ordinary reads and checks every
number before it follows it, so it can tell where a file is damaged, and give out the rows that are not.

The format is that of LMDB 0.9 (data version 1, 64 bits, native byte order). Two meta pages, of which the one
with the higher transaction number counts; from there a B+ tree that names the tables, and one for each table.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct as Layout
from types import TracebackType
from typing import Final, Self

from msgspec import Struct

from tangle.store.errors import StoreUnreadable

META_SIZE: Final = 4_096
"""Bytes read to find out the size of pages; a meta page has its fields in the first 200."""

DEPTH_MAX: Final = 32
"""Deepest tree; LMDB's own cursors go no deeper."""

FAULTS_MAX: Final = 64
"""Damaged places that are described; there may be more."""

_HEADER: Final = Layout("=QHHHH")
_META: Final = Layout("=IIQQ")
_TREE: Final = Layout("=IHHQQQQQ")
_TAIL: Final = Layout("=QQ")
_NODE: Final = Layout("=HHHH")
_NUMBER: Final = Layout("=Q")

_MAGIC: Final = 0xBEEFC0DE
_VERSION: Final = 1
_NONE: Final = 2**64 - 1
_BRANCH, _LEAF, _OVERFLOW = 0x01, 0x02, 0x04
_BIG_DATA, _SUB_TREE = 0x01, 0x02


class PageFault(Struct, frozen=True):
    """One damaged place."""

    page: int
    """Number of the page."""

    reason: str
    """What is wrong with it."""


class Tree(Struct, frozen=True):
    """A table as its head describes it."""

    entries: int
    """Rows that it should have."""

    root: int
    """Page at its top; ``2**64 - 1`` where it is empty."""


class Meta(Struct, frozen=True):
    """What counts of the two meta pages."""

    page_size: int
    """Bytes."""

    last_page: int
    """Highest page number in use."""

    transaction: int
    """Number of the transaction that wrote it."""

    main: Tree
    """The tree that names the tables."""

    free: Tree
    """The tree of pages that may be used again."""


class PageFile:
    """One opened file; ``faults`` collects what was found wrong while reading."""

    def __init__(self, path: Path) -> None:
        """:param path: the ``data.mdb``.
        :raises StoreUnreadable: it cannot be read, or neither of its meta pages can be.
        """
        self.path = path
        self.faults: list[PageFault] = []
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise StoreUnreadable(path, error.strerror or str(error)) from error
        try:
            self.size = os.fstat(self._descriptor).st_size
            self.meta = self._read_meta()
        except BaseException:
            os.close(self._descriptor)
            raise
        self._seen: set[int] = set()
        """Pages that the present walk came by; a second visit is a damage, and might never end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    @property
    def pages_present(self) -> int:
        """Whole pages that the file has."""
        return self.size // self.meta.page_size

    @property
    def is_short(self) -> bool:
        """Whether pages are missing at the end. LMDB leaves out pages that it gave up before writing them, so
        only ``check`` tells whether one of those is in use.
        """
        return self.pages_present < self.meta.last_page + 1

    def find_tables(self) -> dict[str, Tree]:
        """The tables by name, as far as their heads can be read."""
        self._seen.clear()
        return self._find_tables()

    def read_rows(self, tree: Tree) -> Iterator[tuple[bytes, bytes]]:
        """Rows of a table in order of keys; what lies behind damaged pages is left out and noted."""
        self._seen.clear()
        for key, value, _ in self._walk(tree.root):
            yield key, value

    def check(self) -> int:
        """Read all tables; answers how many rows there are. ``faults`` says what is wrong."""
        self._seen.clear()
        total = 0
        for name, tree in self._find_tables().items():
            found = sum(1 for _ in self._walk(tree.root))
            total += found
            if found != tree.entries and not self.faults:
                self._note(tree.root, f"table {name} has {found} rows and should have {tree.entries}")
        for _ in self._walk(self.meta.free.root, is_ordered=False):
            pass
        return total

    def _find_tables(self) -> dict[str, Tree]:
        tables = {}
        for key, value, flags in self._walk(self.meta.main.root):
            if flags & _SUB_TREE and len(value) == _TREE.size:
                *_, entries, root = _TREE.unpack(value)
                tables[key.decode("ascii", "replace")] = Tree(entries, root)
        return tables

    def _read_meta(self) -> Meta:
        first = self._parse_meta(os.pread(self._descriptor, META_SIZE, 0))
        # Where the first is damaged, the second is looked for behind a page of the usual size.
        size = first.page_size if first is not None else os.sysconf("SC_PAGE_SIZE")
        second = self._parse_meta(os.pread(self._descriptor, META_SIZE, size))
        for page, meta in enumerate((first, second)):
            if meta is None:
                self._note(page, "it is no meta page")
        found = [meta for meta in (first, second) if meta is not None]
        if not found:
            raise StoreUnreadable(self.path, "it is empty, or no database")
        return max(found, key=lambda meta: meta.transaction)

    def _parse_meta(self, page: bytes) -> Meta | None:
        if len(page) < META_SIZE:
            return None
        place = _HEADER.size
        magic, version, _, _ = _META.unpack_from(page, place)
        place += _META.size
        page_size, _, _, _, _, _, free_entries, free_root = _TREE.unpack_from(page, place)
        *_, entries, root = _TREE.unpack_from(page, place + _TREE.size)
        last_page, transaction = _TAIL.unpack_from(page, place + 2 * _TREE.size)
        is_size = page_size in {1 << bits for bits in range(9, 17)}
        if (magic, version) != (_MAGIC, _VERSION) or not is_size:
            return None
        main, free = Tree(entries, root), Tree(free_entries, free_root)
        return Meta(page_size, last_page, transaction, main, free)

    def _walk(self, root: int, *, is_ordered: bool = True) -> Iterator[tuple[bytes, bytes, int]]:
        """Key, value and flags of every node below ``root``.

        :param is_ordered: its keys are compared as bytes; those of the free pages are numbers.
        """
        stack = [(root, 1)] if root != _NONE else []
        before: bytes | None = None
        while stack:
            number, depth = stack.pop()
            page = self._read_page(number, depth)
            if page is None:
                continue
            flags, places = self._list_nodes(number, page)
            if flags & _BRANCH:
                children = [self._get_child(page, place) for place in reversed(places)]
                stack.extend((child, depth + 1) for child in children)
                continue
            for place in places:
                node = self._read_node(number, page, place)
                if node is None:
                    continue
                if is_ordered and before is not None and node[0] <= before:
                    self._note(number, "its keys are not in order")
                    continue
                before = node[0]
                yield node

    def _read_page(self, number: int, depth: int) -> bytes | None:
        size = self.meta.page_size
        page = b""
        if number > self.meta.last_page or depth > DEPTH_MAX:
            reason = "a page names it that cannot be right"
        elif number in self._seen:
            reason = "two pages name it"
        elif len(page := os.pread(self._descriptor, size, number * size)) < size:
            reason = "it is behind the end of the file"
        elif _HEADER.unpack_from(page)[0] != number:
            reason = "another page stands in its place"
        else:
            self._seen.add(number)
            return page
        self._note(number, reason)
        return None

    def _list_nodes(self, number: int, page: bytes) -> tuple[int, list[int]]:
        _, _, flags, lower, upper = _HEADER.unpack_from(page)
        is_known = (flags & (_BRANCH | _LEAF | _OVERFLOW)) in {_BRANCH, _LEAF}
        if not is_known or not _HEADER.size <= lower <= upper <= len(page) or lower % 2:
            self._note(number, "its head is damaged")
            return _LEAF, []
        count = (lower - _HEADER.size) // 2
        places = list(Layout(f"={count}H").unpack_from(page, _HEADER.size))
        if any(not upper <= place <= len(page) - _NODE.size for place in places):
            self._note(number, "its nodes lie outside of it")
            return _LEAF, []
        return flags, places

    def _get_child(self, page: bytes, place: int) -> int:
        low, high, flags, _ = _NODE.unpack_from(page, place)
        return int(low | high << 16 | flags << 32)

    def _read_node(self, number: int, page: bytes, place: int) -> tuple[bytes, bytes, int] | None:
        low, high, flags, key_size = _NODE.unpack_from(page, place)
        size, start = low | high << 16, place + _NODE.size
        stop = start + key_size
        inline = _NUMBER.size if flags & _BIG_DATA else size
        if not key_size or stop + inline > len(page):
            self._note(number, "a row reaches over its end")
            return None
        key = page[start:stop]
        if not flags & _BIG_DATA:
            return key, page[stop : stop + size], flags
        value = self._read_overflow(_NUMBER.unpack_from(page, stop)[0], size)
        return None if value is None else (key, value, flags)

    def _read_overflow(self, number: int, size: int) -> bytes | None:
        head = self._read_page(number, 1)
        if head is None:
            return None
        _, _, flags, low, high = _HEADER.unpack_from(head)
        pages = (_HEADER.size + size + self.meta.page_size - 1) // self.meta.page_size
        if not flags & _OVERFLOW or low | high << 16 < pages:
            self._note(number, "its head is damaged")
            return None
        value = os.pread(self._descriptor, size, number * self.meta.page_size + _HEADER.size)
        if len(value) < size:
            self._note(number, "a value reaches over the end of the file")
            return None
        return value

    def _note(self, page: int, reason: str) -> None:
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(PageFault(page, reason))


def check_pages(path: Path) -> int:
    """Read a whole file; answers how many rows it has.

    :raises StoreUnreadable: a page is damaged or missing.
    """
    with PageFile(path) as file:
        rows = file.check()
        if file.faults:
            fault = file.faults[0]
            raise StoreUnreadable(path, f"page {fault.page}: {fault.reason}")
    return rows


def check_length(path: Path) -> None:
    """Refuse a file that was truncated, before anything is mapped; quick unless pages are missing.

    :raises StoreUnreadable: pages in use are not there.
    """
    with PageFile(path) as file:
        is_short = file.is_short
    if is_short:
        check_pages(path)
