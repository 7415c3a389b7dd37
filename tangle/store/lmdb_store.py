"""The real store: LMDB, always synced.

One LMDB environment for history and one for live state, each in a directory of its own below the root
(history's is numbered by epoch, so that pruning can delete whole directories). All writes go through one task
and, one group at a time, through one worker thread: history first, then live state, each in one LMDB
transaction that is on the disk when it returns. A crash in between leaves history ahead of the state, never
behind.

Reads are direct, on the event loop's thread, each in a transaction that ends with the call: no reader
outlives an await, so LMDB never has to keep old pages. The map grows by doubling when it is full, on that
same thread, at a moment when no transaction is open.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import anyio.to_thread
import lmdb

from tangle.core.types import ChainId
from tangle.store.disk import Disk, SystemDisk
from tangle.store.errors import DiskLow, StorageFailed
from tangle.store.group_commit import GROUP_WAIT_MS, GroupCommit
from tangle.store.lmdb_environment import (
    LmdbMigrationTarget,
    check_pairing,
    open_environment,
    parse_readers,
)
from tangle.store.migrations import MIGRATIONS, Migration, migrate
from tangle.store.places import HISTORY_PREFIX, LIVE_NAME, finish_swap
from tangle.store.store import (
    SCHEMA_VERSION,
    Changes,
    Environment,
    MapFacts,
    StoreStatistics,
    Table,
    WriteBatch,
)

FREE_BYTES_MIN: Final = 268_435_456
"""Free space below which nothing more is written: enough for logs, for a clean stop, and for the person who
comes."""

MAP_BYTES: Final = 1 << 30
"""First size of each map: address space, not disk or memory; small machines have that much."""

MAP_BYTES_MAX: Final = 1 << 44
"""Largest map, 16 TiB: the address space of a process is 128 TiB."""


class _MapFull(Exception):
    """An environment's map has no room for the transaction; nothing of it was written."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.environment = environment


class LmdbStore:
    """See ``Store``. Made by ``open_lmdb_store``; ``close`` it when ``run`` has returned."""

    def __init__(
        self,
        root: Path,
        environments: dict[Environment, lmdb.Environment],
        *,
        disk: Disk,
        free_bytes_min: int,
        group_wait_ms: int,
    ) -> None:
        """Take over opened environments."""
        self._root = root
        self._disk = disk
        self._environments = environments
        self._tables = {
            table: environments[table.environment].open_db(table.title.encode()) for table in Table
        }
        self._free_bytes_min = free_bytes_min
        self._stale_readers = dict.fromkeys(environments, 0)
        self._group = GroupCommit(self._write, wait_ms=group_wait_ms)

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See ``Store.get``."""
        with self._environments[table.environment].begin(db=self._tables[table]) as transaction:
            value: bytes | None = transaction.get(key)
        return value

    def scan(
        self,
        table: Table,
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        limit: int,
        reverse: bool = False,
    ) -> list[tuple[bytes, bytes]]:
        """See ``Store.scan``."""
        found: list[tuple[bytes, bytes]] = []
        environment, database = self._environments[table.environment], self._tables[table]
        with environment.begin(db=database) as transaction, transaction.cursor() as cursor:
            is_placed = _place_before(cursor, stop) if reverse else cursor.set_range(start)
            for key, value in cursor.iterprev() if reverse else cursor.iternext():
                is_inside = key >= start if reverse else stop is None or key < stop
                if not is_placed or not is_inside or len(found) >= limit:
                    break
                found.append((key, value))
        return found

    def count(self, table: Table) -> int:
        """See ``Store.count``."""
        with self._environments[table.environment].begin() as transaction:
            return int(transaction.stat(self._tables[table])["entries"])

    async def commit(self, batch: WriteBatch, *, is_urgent: bool = False) -> None:
        """See ``Store.commit``."""
        await self._group.commit(batch, is_urgent=is_urgent)

    async def hand_in(
        self, batch: WriteBatch, on_durable: Callable[[], None], *, is_awaited: bool = False
    ) -> None:
        """See ``Store.hand_in``."""
        await self._group.hand_in(batch, on_durable, is_awaited=is_awaited)

    async def run(self) -> None:
        """See ``Store.run``."""
        await self._group.run()

    def stop(self) -> None:
        """See ``Store.stop``."""
        self._group.stop()

    def close(self) -> None:
        """Close the files. Nothing may be called afterwards."""
        for environment in self._environments.values():
            environment.close()

    def statistics(self) -> StoreStatistics:
        """See ``Store.statistics``."""
        group = self._group
        return StoreStatistics(
            groups=group.groups,
            batches=group.batches,
            keys=group.keys,
            waiting_batches=len(group),
            waiting_bytes=group.waiting_bytes,
            last_write_ms=group.last_write_ms,
            worst_write_ms=group.worst_write_ms,
            used_bytes={name: _compute_used_bytes(env) for name, env in self._environments.items()},
            content_bytes={name: self._compute_content_bytes(name) for name in self._environments},
            write_counts=tuple(group.write_counts),
            write_total_s=group.write_total_s,
            maps={name: self._read_map(name) for name in self._environments},
        )

    def _compute_content_bytes(self, name: Environment) -> int:
        environment = self._environments[name]
        pages = 0
        with environment.begin() as transaction:
            for table, database in self._tables.items():
                if table.environment is name:
                    facts = transaction.stat(database)
                    pages += facts["branch_pages"] + facts["leaf_pages"] + facts["overflow_pages"]
        return int(pages * environment.stat()["psize"])

    def _read_map(self, name: Environment) -> MapFacts:
        environment = self._environments[name]
        self._stale_readers[name] += environment.reader_check()
        facts = environment.info()
        readers = parse_readers(environment.readers())
        return MapFacts(
            map_bytes=facts["map_size"],
            used_pages=facts["last_pgno"] + 1,
            page_bytes=environment.stat()["psize"],
            readers=len(readers),
            oldest_reader_lag=max((facts["last_txnid"] - moment for moment in readers if moment), default=0),
            stale_readers_cleared=self._stale_readers[name],
        )

    async def _write(self, changes: Changes) -> None:
        """Make ``changes`` durable, growing maps that are full."""
        waiting = [name for name in Environment if any(table.environment is name for table in changes)]
        while waiting:
            try:
                await anyio.to_thread.run_sync(self._write_environments, waiting, changes)
            except _MapFull as full:
                self._grow(full.environment)
            except (lmdb.Error, OSError) as error:
                raise StorageFailed(self._root, str(error)) from error

    def _write_environments(self, waiting: list[Environment], changes: Changes) -> None:
        """In the worker thread: one transaction for each environment, which leaves ``waiting`` once it is
        durable.
        """
        self._check_space(changes)
        while waiting:
            name = waiting[0]
            try:
                with self._environments[name].begin(write=True) as transaction:
                    for table, entries in changes.items():
                        if table.environment is name:
                            self._write_table(transaction, table, entries)
            except lmdb.MapFullError:
                raise _MapFull(name) from None
            waiting.pop(0)

    def _write_table(
        self, transaction: lmdb.Transaction, table: Table, entries: Mapping[bytes, bytes | None]
    ) -> None:
        puts = sorted((key, value) for key, value in entries.items() if value is not None)
        with transaction.cursor(self._tables[table]) as cursor:
            for key, value in entries.items():
                if value is None and cursor.set_key(key):
                    cursor.delete()
            # Appending fills pages to the brim and skips the search: nine times faster for sequential keys.
            is_append = bool(puts) and (not cursor.last() or bytes(cursor.key()) < puts[0][0])
            cursor.putmulti(puts, append=is_append)

    def _check_space(self, changes: Changes) -> None:
        size = sum(len(value or b"") for entries in changes.values() for value in entries.values())
        free_bytes = self._disk.read_room().free_bytes
        if free_bytes < self._free_bytes_min + size:
            raise DiskLow(self._root, free_bytes, self._free_bytes_min + size)

    def _grow(self, name: Environment) -> None:
        """On the event loop's thread, where all reads are too, between write transactions: no transaction is
        open.
        """
        environment = self._environments[name]
        size = environment.info()["map_size"] * 2
        if size > MAP_BYTES_MAX:
            raise StorageFailed(self._root, f"the {name} database has reached its largest size")
        try:
            environment.set_mapsize(size)
        except (lmdb.Error, OSError) as error:
            raise StorageFailed(self._root, f"cannot enlarge the {name} database: {error}") from error


def open_lmdb_store(
    root: Path,
    chain: ChainId,
    *,
    epoch: int = 0,
    free_bytes_min: int = FREE_BYTES_MIN,
    map_bytes: int = MAP_BYTES,
    group_wait_ms: int = GROUP_WAIT_MS,
    disk: Disk | None = None,
    migrations: Sequence[Migration] = MIGRATIONS,
    newest_schema: int = SCHEMA_VERSION,
) -> LmdbStore:
    """Open the databases below ``root``, making them if they are not there.

    Slots of readers that are gone are cleared, tables of an older schema brought up.

    Two processes must not open one root: ``tangle.store.home`` sees to that.

    :param epoch: numbers the directory of history.
    :param disk: whose room is watched; that of ``root`` where it is left out.
    :param migrations: steps from older schemas to ``newest_schema``.
    :raises StoreOfAnotherChain, WrongSchema: made by or for somebody else; nothing was changed.
    :raises StoreUnreadable: damaged, truncated, half gone, or not this user's.
    :raises DiskLow: too little free space to begin with.
    """
    finish_swap(root)
    directories = {
        Environment.HISTORY: root / f"{HISTORY_PREFIX}{epoch:08d}",
        Environment.LIVE: root / LIVE_NAME,
    }
    check_pairing(directories)
    opened: dict[Environment, lmdb.Environment] = {}
    try:
        for name, directory in directories.items():
            opened[name] = open_environment(directory, chain, map_bytes)
        for name, environment in opened.items():  # once it is certain that both are of this chain
            target = LmdbMigrationTarget(environment, MAP_BYTES_MAX)
            migrate(target, name, directories[name], migrations, newest=newest_schema)
        store = LmdbStore(
            root,
            opened,
            disk=disk or SystemDisk(root),
            free_bytes_min=free_bytes_min,
            group_wait_ms=group_wait_ms,
        )
        store._check_space({})
    except BaseException:
        for environment in opened.values():
            environment.close()
        raise
    return store


def _place_before(cursor: lmdb.Cursor, stop: bytes | None) -> bool:
    """Place the cursor on the last key below ``stop``."""
    if stop is None or not cursor.set_range(stop):
        return bool(cursor.last())
    return bool(cursor.prev())


def _compute_used_bytes(environment: lmdb.Environment) -> int:
    return int((environment.info()["last_pgno"] + 1) * environment.stat()["psize"])
