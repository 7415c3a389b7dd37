"""Snapshots of nodes that lived in memory, as files."""

from io import BytesIO
from pathlib import Path

import anyio

from tangle.core.genesis import Genesis
from tangle.node.care.reading import StoreReader
from tangle.node.snapshots.making import SnapshotFacts, find_certified, make_file
from tangle.node.snapshots.restoring import restore_rows
from tangle.node.snapshots.verifying import Finished
from tangle.store.memory_store import Disk, MemoryStore
from tests.node.world import Member, wait_until


def ignore(*_: object) -> None:
    """Progress is of no interest."""


def copy_disk(disk: Disk) -> Disk:
    """The disk as it is now."""
    copied = MemoryStore().disk
    for table, content in disk.items():
        for key in content.keys:
            copied[table].put(key, content.values[key])
    return copied


async def make_snapshot(member: Member, genesis: Genesis, path: Path) -> SnapshotFacts:
    """A snapshot of a running member: its state of one moment, and history when that is certified."""
    live = StoreReader(MemoryStore(copy_disk(member.disk)))
    history = StoreReader(MemoryStore(member.disk))
    await wait_until(lambda: find_certified(live, history) is not None)
    moment = find_certified(live, history)
    assert moment is not None
    return make_file(moment, genesis, path, ignore)


async def restore(content: bytes, genesis: Genesis) -> tuple[Disk, Finished]:
    """The disk that a snapshot makes."""
    store = MemoryStore()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.run)
        done = await restore_rows(BytesIO(content), Path("a-file"), genesis, store, ignore)
        store.stop()
    return store.disk, done
