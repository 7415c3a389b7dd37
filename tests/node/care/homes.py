"""Databases of real nodes on the real disk: what a network in memory left, written to LMDB."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import lmdb

from aivm.backends.numpy_backend import NumpyBackend
from tangle.core.genesis import Genesis, compute_chain_id
from tangle.core.types import Shard
from tangle.node.care.checking import check_tables
from tangle.node.care.findings import Fault, Report, ignore_progress
from tangle.node.care.repairing import Repair, Repaired
from tangle.store.lmdb_store import LmdbStore, open_lmdb_store
from tangle.store.memory_store import Disk
from tangle.store.snapshot import Row, open_snapshot
from tangle.store.store import Environment, Table, WriteBatch
from tests.node.traffic import send_everywhere
from tests.node.twins import make_backend
from tests.node.world import network_of, wait_all_final, wait_until


async def live() -> tuple[Genesis, Disk]:
    """The disk of a lone validator that ordered transfers, closed generations and was killed."""
    genesis, disk, _ = await live_with_guard()
    return genesis, disk


async def live_with_guard(checkpoints: int = 12) -> tuple[Genesis, Disk, bytes]:
    """The same, and the record of what it last signed."""
    async with network_of(1) as world:
        (member,) = world.members
        sent = await send_everywhere(world, 12)
        await wait_all_final(world.members, sent)
        await wait_until(lambda: member.node.finality.certified >= checkpoints)
        await wait_until(lambda: len(member.disk[Table.GENERATIONS].keys) > 1)
        await member.stop()
        return world.genesis, member.disk, member.guard.record


def run_in_world() -> tuple[Genesis, Disk]:
    """The same in virtual time."""
    name, options = make_backend("asyncio")
    return anyio.run(live, backend=name, backend_options=options)


async def write(root: Path, genesis: Genesis, disk: Disk) -> None:
    """Write a disk to a database."""
    with closing(open_real(root, genesis)) as store:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.run)
            batch = WriteBatch()
            for table, content in disk.items():
                for key in content.keys:
                    batch.put(table, key, content.values[key])
            await store.commit(batch)
            store.stop()


def open_real(root: Path, genesis: Genesis) -> LmdbStore:
    return open_lmdb_store(root, compute_chain_id(genesis), free_bytes_min=0)


def check(root: Path, genesis: Genesis, *, is_deep: bool = True) -> Report:
    with open_snapshot(root, compute_chain_id(genesis)) as snapshot:
        return check_tables(snapshot, genesis, is_deep=is_deep)


def find_faults(report: Report) -> set[tuple[Fault, Table | None]]:
    return {(finding.fault, finding.table) for finding in report.findings}


def read_rows(root: Path, genesis: Genesis) -> dict[Table, list[Row]]:
    with open_snapshot(root, compute_chain_id(genesis)) as snapshot:
        return {table: rows for table in Table if (rows := list(snapshot.iterate(table)))}


async def repair(root: Path, genesis: Genesis) -> Repaired:
    return await Repair(root, genesis, Shard(0), NumpyBackend(), ignore_progress).run()


Bend = Callable[[bytes, bytes], bytes | None]
"""From a row to its new value; none removes it."""


def bend_rows(root: Path, table: Table, bend: Bend, *, first: int = 0, count: int = 1) -> None:
    """Change rows behind the node's back."""
    name = "live" if table.environment is Environment.LIVE else "history-00000000"
    environment = lmdb.open(str(root / name), max_dbs=40, map_size=1 << 28)
    database = environment.open_db(table.title.encode())
    with environment.begin(write=True, db=database) as transaction:
        rows = list(transaction.cursor())[first : first + count]
        assert rows, "there is something to bend"
        for key, value in rows:
            changed = bend(key, value)
            if changed is None:
                transaction.delete(key)
            else:
                transaction.put(key, changed)
    environment.close()


def remove(key: bytes, value: bytes) -> None:
    """Lose a row."""


def flip_last(key: bytes, value: bytes) -> bytes:
    """Change a row's last byte."""
    return value[:-1] + bytes([value[-1] ^ 1])
