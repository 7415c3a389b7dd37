"""A process that commits batch after batch and says so: the victim of the tests that kill it or take its
disk.

``python -m tests.store.writer ROOT [FILE_SIZE_MAX]`` prints the number of each batch once its commit has
returned. With a largest file size it goes on until the disk refuses, prints the code of the fault, tries once
more and prints again.
"""

import resource
import signal
import sys
from itertools import count
from pathlib import Path

import anyio

from tangle.core.types import ChainId
from tangle.store.errors import StorageFailed
from tangle.store.keys import compute_sequence_key
from tangle.store.lmdb_store import LmdbStore, open_lmdb_store
from tangle.store.store import Table, WriteBatch

CHAIN = ChainId(b"chain-01")


def make_numbered_batch(number: int) -> WriteBatch:
    """A transaction of history, and the state that follows from it."""
    batch = WriteBatch()
    batch.put(Table.TRANSACTIONS, compute_sequence_key(number), number.to_bytes(8, "big") * 50)
    batch.put(Table.META, b"executed", number.to_bytes(8, "big"))
    return batch


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def write_for_ever(store: LmdbStore) -> None:
    for number in count(store.count(Table.TRANSACTIONS)):
        await store.commit(make_numbered_batch(number))
        say(str(number))


async def write_until_refused(store: LmdbStore) -> None:
    try:
        await write_for_ever(store)
    except StorageFailed as fault:
        say(fault.code)
    try:
        await store.commit(WriteBatch())
    except StorageFailed as fault:
        say(fault.code)


async def run(root: Path, file_size_max: int | None) -> None:
    store = open_lmdb_store(root, CHAIN, group_wait_ms=0, free_bytes_min=0)
    if file_size_max is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size_max, file_size_max))
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.run)
            await (write_for_ever if file_size_max is None else write_until_refused)(store)
    except* StorageFailed as group:
        say(f"run raised {len(group.exceptions)}")


if __name__ == "__main__":
    anyio.run(run, Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
