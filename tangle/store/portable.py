"""A database as one file that any version, machine and kind of store can read: framed canonical CBOR.

The file begins with ``MAGIC`` and goes on in frames: a length (4 bytes, big-endian), the CBOR of a record,
and a BLAKE2b-256 digest of everything before it from the file's first byte on, so each frame vouches for all
that went before. The first record says whose database it is, each further one holds rows of one table in the
order of keys, and the last one how many rows there are. All tables are written, in the order of ``Table``,
live state after history. Both ends stream: they hold one frame at a time.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO, Final, TypeVar

from msgspec import Meta, Struct

from tangle.core.encoding import decode, encode
from tangle.core.errors import TangleError
from tangle.core.types import ChainId, Natural
from tangle.store.errors import CopyExists, CopyFailed, ExportDamaged, ExportOfAnotherChain, WrongSchema
from tangle.store.files import PRIVATE_FILE_MODE, sync_directory
from tangle.store.framed import FRAME_BYTES, FRAME_BYTES_MAX, FrameReader, FrameWriter
from tangle.store.snapshot import Readable, Row
from tangle.store.store import SCHEMA_VERSION, Store, Table, WriteBatch

MAGIC: Final = b"tangle-export-1\n"
"""First bytes of a file."""

_PURPOSE: Final = b"tangle/export"

_HEAD, _ROWS, _END = 0, 1, 2

Record = TypeVar("Record", bound=Struct)


class Head(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The first record."""

    kind: Natural
    """0."""

    chain: ChainId
    """The network."""

    schema: Natural
    """Version of the tables."""

    tables: tuple[bytes, ...]
    """Names of all tables, in the order in which they follow."""


class Rows(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Some rows of one table."""

    kind: Natural
    """1."""

    table: Natural
    """Place of the table in ``Head.tables``."""

    rows: tuple[tuple[bytes, bytes], ...]
    """Keys and values, in order of keys."""


class End(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The last record: without it the file is not whole."""

    kind: Annotated[int, Meta(ge=2, le=2)]
    """2."""

    total: Natural
    """Rows in the file."""


OnRows = Callable[[str, int, int], None]
"""Told of progress: table, rows done, rows of it (0 where nobody knows)."""


def export(source: Readable, chain: ChainId, path: Path, on_rows: OnRows) -> int:
    """Write ``source`` to a new file; answers how many rows. The file is whole and durable, or not there.

    :raises CopyExists: something is at ``path``.
    :raises CopyFailed: the disk refuses.
    """
    if path.exists():
        raise CopyExists(path)
    making = path.with_name(f".{path.name}.making")
    try:
        descriptor = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE_MODE)
        with open(descriptor, "wb") as file:
            total = _write(source, chain, file, on_rows)
            file.flush()
            os.fsync(descriptor)
        making.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise CopyFailed(path, error.strerror or str(error)) from error
    finally:
        _remove(making)
    return total


def _write(source: Readable, chain: ChainId, file: BinaryIO, on_rows: OnRows) -> int:
    writer = FrameWriter(file, MAGIC, _PURPOSE)
    writer.write(encode(Head(_HEAD, chain, SCHEMA_VERSION, tuple(table.title.encode() for table in Table))))
    total = 0
    for place, table in enumerate(Table):
        done, of = 0, source.count(table)
        for rows in _gather(source.iterate(table)):
            writer.write(encode(Rows(_ROWS, place, tuple(rows))))
            done += len(rows)
            on_rows(table.title, done, max(done, of))
        total += done
    writer.write(encode(End(_END, total)))
    return total


def _gather(rows: Iterator[Row]) -> Iterator[list[Row]]:
    gathered: list[Row] = []
    size = 0
    for row in rows:
        gathered.append(row)
        size += len(row[0]) + len(row[1])
        if size >= FRAME_BYTES:
            yield gathered
            gathered, size = [], 0
    if gathered:
        yield gathered


class ExportReader:
    """Reads a file frame by frame; a frame is given out once its digest holds."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        """:raises ExportDamaged: it is no export, or not one of this version of the format."""
        self._path = path
        self._frames = FrameReader(file, MAGIC, _PURPOSE, partial(ExportDamaged, path))
        self.head = self._decode(Head, self._frames.read())

    def check(self, chain: ChainId) -> None:
        """Whether this program can take it in, for ``chain``.

        :raises ExportOfAnotherChain, WrongSchema: it cannot.
        :raises ExportDamaged: its tables are not those of its schema.
        """
        if self.head.chain != chain:
            raise ExportOfAnotherChain(self._path, self.head.chain, chain)
        if self.head.schema != SCHEMA_VERSION:
            raise WrongSchema(self._path, self.head.schema, SCHEMA_VERSION)
        if self.head.tables != tuple(table.title.encode() for table in Table):
            raise ExportDamaged(self._path, 0, "its tables are not those of its schema")

    def read(self) -> Iterator[tuple[Table, tuple[tuple[bytes, bytes], ...]]]:
        """All rows, page by page; ends when the file's end was seen and its count is right.

        :raises ExportDamaged: the file is truncated, changed, or goes on behind its end.
        """
        tables, total = list(Table), 0
        while True:
            frame = self._frames.read()
            if frame[:2] == b"\x82\x02":  # an array of two that begins with 2: only the end is one
                break
            page = self._decode(Rows, frame)
            if page.kind != _ROWS or page.table >= len(tables):
                raise self._frames.make_fault("a frame is of no known kind")
            total += len(page.rows)
            yield tables[page.table], page.rows
        if self._decode(End, frame).total != total:
            raise self._frames.make_fault("rows are missing")
        self._frames.check_end()

    def _decode(self, kind: type[Record], frame: bytes) -> Record:
        try:
            return decode(kind, frame, limit=FRAME_BYTES_MAX)
        except TangleError as error:
            raise self._frames.make_fault(str(error)) from error


async def import_rows(reader: ExportReader, store: Store, on_rows: OnRows) -> int:
    """Write all rows of a checked file to an empty store, whose ``run`` is at work; answers how many.

    :raises ExportDamaged: see ``ExportReader.read``; what came before is in the store, which is thrown away.
    :raises StorageFailed: the disk refuses.
    """
    total = 0
    done: dict[Table, int] = {}
    for table, rows in reader.read():
        batch = WriteBatch()
        for key, value in rows:
            batch.put(table, key, value)
        await store.commit(batch, is_urgent=True)
        total += len(rows)
        done[table] = done.get(table, 0) + len(rows)
        on_rows(table.title, done[table], 0)
    return total


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise CopyFailed(path, error.strerror or str(error)) from error
