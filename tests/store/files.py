"""Databases on the real disk for the tests of what may happen to their files."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import anyio

from tangle.store.lmdb_store import LmdbStore, open_lmdb_store
from tangle.store.snapshot import Row, open_snapshot
from tangle.store.store import Table, WriteBatch
from tests.store.writer import CHAIN, make_numbered_batch

ROWS: Final = 300
"""Transactions in a filled database."""

HISTORY: Final = Path("history-00000000") / "data.mdb"
LIVE: Final = Path("live") / "data.mdb"

PAGE: Final = 4_096
"""Size of a page on every machine that tests run on."""


def open_store(root: Path) -> LmdbStore:
    return open_lmdb_store(root, CHAIN, group_wait_ms=0, free_bytes_min=0, map_bytes=1 << 20)


def fill(root: Path, rows: int = ROWS) -> None:
    """Some transactions, a state that follows from them, and one row of many pages."""

    async def write() -> None:
        with closing(open_store(root)) as store:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(store.run)
                for first in range(0, rows, 50):
                    for number in range(first, min(rows, first + 50)):
                        await store.hand_in(make_numbered_batch(number), lambda: None)
                    await store.commit(WriteBatch(), is_urgent=True)
                batch = WriteBatch()
                batch.put(Table.WEIGHTS, b"big", bytes(range(256)) * 400)
                await store.commit(batch)
                store.stop()

    anyio.run(write)


def read_all(root: Path) -> dict[Table, list[Row]]:
    """Every row."""
    with open_snapshot(root, CHAIN) as snapshot:
        return {table: rows for table in Table if (rows := list(snapshot.iterate(table)))}


def flip(path: Path, place: int) -> None:
    """Change one byte."""
    with path.open("r+b") as file:
        file.seek(place)
        (value,) = file.read(1)
        file.seek(place)
        file.write(bytes([value ^ 0xFF]))


def list_pages(path: Path, flags: int) -> Iterator[int]:
    """Numbers of the pages that have one of these flags: 1 branches, 2 leaves, 4 long values, 8 meta."""
    content = path.read_bytes()
    for place in range(0, len(content), PAGE):
        if int.from_bytes(content[place + 10 : place + 12], "little") & flags:
            yield place // PAGE
