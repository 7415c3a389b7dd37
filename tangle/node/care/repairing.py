"""Making a sound database out of a damaged one, beside it; the old one is kept whatever happens.

1. Every row that can be read, past damaged pages too, is saved into a new database.
2. That is checked. Where only indexes are wrong, they are made again from the tables that they lead into.
3. Otherwise history is executed again from genesis, as far as it holds. Where not even its beginning does,
   the new database is an empty one. What is missing then, the node reads from its peers.
4. The new database takes the name of the old one, which keeps its files under another name.

The record of what a validator last signed is a file beside the database and is not touched: whatever is lost
here, the validator signs nothing twice, and asks its peers for its own latest block before it goes on.
"""

import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import structlog
from msgspec import Struct

from aivm.backends.protocol import Backend
from tangle.core.genesis import Genesis, compute_chain_id
from tangle.core.transactions import decode_transaction
from tangle.core.types import PublicKey, Shard
from tangle.node.archive import ARRIVAL_FLOOR, Archive
from tangle.node.care.checking import UNREADABLE, check_tables
from tangle.node.care.findings import OnProgress
from tangle.node.care.reading import StoreReader
from tangle.node.care.replaying import Replay, ReplayDiverged, Replayed
from tangle.node.care.tables import RULES, Origin
from tangle.node.event_log import EventLog
from tangle.store.errors import StoreUnreadable
from tangle.store.keys import (
    TransactionPlace,
    compute_account_history_key,
    compute_sequence_key,
    encode_place,
    parse_sequence_key,
)
from tangle.store.lmdb_store import LmdbStore, open_lmdb_store
from tangle.store.pages import PageFile
from tangle.store.places import (
    DATA_NAME,
    LIVE_NAME,
    finish_swap,
    get_making,
    get_repaired,
    list_histories,
    swap,
)
from tangle.store.store import Store, Table, WriteBatch

BATCH_BYTES: Final = 4 * 1024 * 1024
"""Rows are written in batches of this size."""

SALVAGED: Final = ".salvaged"
"""After the name of the database that readable rows are saved into; removed when it has served."""

COPIED: Final = (Table.BLOCKS, Table.EVIDENCE, Table.PEERS)
"""What executing again neither makes nor reads into its own: it is taken over as it is."""

_SOURCES: Final = frozenset(
    table for table, rule in RULES.items() if rule.origin is Origin.SOURCE and table is not Table.PEERS
)
_INDEXES: Final = frozenset(table for table, rule in RULES.items() if rule.origin is Origin.INDEX)

log = structlog.get_logger("repair")


class Repaired(Struct, frozen=True):
    """What a repair did."""

    kept: Path
    """Where the damaged database is now."""

    rows_saved: int
    """Rows that could be read."""

    rows_lost: int
    """Rows that stood in a readable place and made no sense; what damaged pages held is not counted."""

    pages_damaged: int
    """Damaged places in the files, as far as they are told one by one."""

    way: str
    """``indexes``, ``executed`` or ``emptied``: what had to be done."""

    checkpoint: int
    """The last one that the new database has."""

    missing: str | None
    """What peers must bring, for people; none where nothing is missing."""


class Repair:
    """One repair of one database; the home is held by whoever runs it."""

    def __init__(
        self, root: Path, genesis: Genesis, shard: Shard, backend: Backend, on_progress: OnProgress
    ) -> None:
        """:param root: the database.
        :param backend: counts scores of generations where history is executed again.
        """
        self._root = root
        self._genesis = genesis
        self._shard = shard
        self._backend = backend
        self._on_progress = on_progress
        self._saved = self._lost = 0
        self._faults: list[str] = []
        self._suspect = set(Table)
        """Tables that may have lost rows."""

    async def run(self) -> Repaired:
        """Repair.

        :raises StorageFailed: the disk refuses; the old database is where it was.
        """
        finish_swap(self._root)
        salvaged = self._root.with_name(self._root.name + SALVAGED)
        for path in (salvaged, get_making(self._root), get_repaired(self._root)):
            shutil.rmtree(path, ignore_errors=True)
        async with self._open(salvaged) as store:
            await self._salvage(store)
            is_whole = await self._make_whole(store)
            checkpoint, missing = _get_checkpoint(store), None
        way = "indexes"
        if is_whole:
            salvaged.rename(get_repaired(self._root))
        else:
            way, checkpoint, missing = await self._execute(salvaged)
            get_making(self._root).rename(get_repaired(self._root))
            shutil.rmtree(salvaged)
        kept = swap(self._root)
        return Repaired(kept, self._saved, self._lost, len(self._faults), way, checkpoint, missing)

    async def _make_whole(self, store: Store) -> bool:
        """Whether what was saved is all there ever was, but for indexes; those are made again."""
        reader = StoreReader(store)
        report = check_tables(reader, self._genesis, is_deep=True, on_progress=self._on_progress)
        wrong = self._suspect | {table for _, table in report.faults}
        # Executing again looks transactions up too, so their index is made anew in any case.
        is_complete = await self._rebuild_indexes(store)
        if not is_complete or not wrong <= _INDEXES or not store.count(Table.CHECKPOINTS):
            return False
        await self._put_events(store)
        return check_tables(reader, self._genesis).is_sound

    async def _salvage(self, store: Store) -> None:
        writer = _Writer(store)
        tables = {table.title: table for table in Table}
        paths = [path / DATA_NAME for path in (*list_histories(self._root), self._root / LIVE_NAME)]
        for path in paths:
            try:
                file = PageFile(path)
            except StoreUnreadable as error:
                self._faults.append(str(error))
                continue
            with file:
                for name, tree in file.find_tables().items():
                    if name in tables:
                        rows = file.read_rows(tree)
                        await self._save(writer, tables[name], rows, tree.entries)
                self._faults += [f"{path}: page {fault.page}: {fault.reason}" for fault in file.faults]
        await writer.flush()

    async def _save(
        self, writer: "_Writer", table: Table, rows: Iterable[tuple[bytes, bytes]], total: int
    ) -> None:
        read, saved = RULES[table].read, self._saved
        for done, (key, value) in enumerate(rows, 1):
            try:
                read(key, value)
            except UNREADABLE as error:
                self._lost += 1
                log.warning("row-lost", table=table.title, key=key.hex(), reason=str(error)[:200])
                continue
            self._saved += 1
            await writer.put(table, key, value)
            if done % 1_000 == 0:
                self._on_progress(f"saving {table.title}", done, max(done, total))
        if self._saved - saved == total:
            self._suspect.discard(table)

    async def _rebuild_indexes(self, store: Store) -> bool:
        """Make the indexes of transactions again; answers whether history names none that is missing."""
        writer, reader, archive = _Writer(store), StoreReader(store), Archive(store)
        for table in _INDEXES:
            for key, _ in reader.iterate(table):
                await writer.delete(table, key)
        await writer.flush()
        arrivals: dict[bytes, tuple[int, PublicKey]] = {}
        for key, value in reader.iterate(Table.TRANSACTIONS):
            transaction = decode_transaction(value)
            arrivals[transaction.id] = (parse_sequence_key(key), transaction.body.issuer)
        is_complete = True
        for key, _ in reader.iterate(Table.ORDERED):
            index = parse_sequence_key(key)
            row = archive.get_ordered(index)
            assert row is not None, "it was read a moment ago"
            found = arrivals.pop(row.effect.transaction, None)
            if found is None:
                is_complete = False
                continue
            place = TransactionPlace(found[0], index)
            await writer.put(Table.TRANSACTION_INDEX, row.effect.transaction, encode_place(place))
            for account in {found[1], *(change.account for change in row.effect.changes)}:
                await writer.put(Table.ACCOUNT_HISTORY, compute_account_history_key(account, index), b"")
        for identity, (arrival, _) in arrivals.items():
            await writer.put(Table.TRANSACTION_INDEX, identity, encode_place(TransactionPlace(arrival, None)))
        floor = min((arrival for arrival, _ in arrivals.values()), default=0)
        await writer.put(Table.META, ARRIVAL_FLOOR, compute_sequence_key(floor))
        await writer.flush()
        return is_complete

    async def _put_events(self, store: Store) -> None:
        archive = Archive(store)
        events = EventLog(archive, self._genesis.parameters.address_prefix.decode())
        previous = archive.get_checkpoint(0)
        for index in range(1, _get_last_certificate(store) + 1):
            checkpoint = archive.get_checkpoint(index)
            assert previous is not None, "the chain was checked"
            assert checkpoint is not None, "the chain was checked"
            batch = WriteBatch()
            events.put(batch, checkpoint, previous)
            await store.commit(batch, is_urgent=True)
            previous = checkpoint

    async def _execute(self, salvaged: Path) -> tuple[str, int, str | None]:
        """A new database by executing history again, or an empty one where that leads nowhere."""
        making = get_making(self._root)
        async with self._open(salvaged) as source:
            reader = StoreReader(source)
            async with self._open(making) as target:
                replay = Replay(source, reader, target, self._genesis, self._shard, self._backend)
                try:
                    replayed = await replay.run(self._on_progress)
                    await self._copy(reader, target)
                except ReplayDiverged as diverged:
                    replayed = Replayed(0, 0, str(diverged))
            if not replayed.checkpoint:
                shutil.rmtree(making)
                async with self._open(making) as target:
                    await self._copy(reader, target, (Table.PEERS,))
        if not replayed.checkpoint:
            return "emptied", 0, f"everything: {replayed.ended_by or 'there is no history'}"
        missing = replayed.ended_by or ("" if self._suspect & _SOURCES else None)
        if missing is not None:
            missing = f"what came after checkpoint {replayed.checkpoint}" + (missing and f": {missing}")
        return "executed", replayed.checkpoint, missing

    async def _copy(self, reader: StoreReader, target: Store, tables: Iterable[Table] = COPIED) -> None:
        writer = _Writer(target)
        for table in tables:
            for key, value in reader.iterate(table):
                await writer.put(table, key, value)
        # Transactions that nothing ordered yet: a wallet was told that they are kept.
        if Table.BLOCKS in tables:
            archive, batch = Archive(target), WriteBatch()
            for _, value in reader.iterate(Table.TRANSACTIONS):
                transaction = decode_transaction(value)
                if archive.find_transaction(transaction.id) is None:
                    archive.put_transactions(batch, [transaction])
            await target.commit(batch, is_urgent=True)
        await writer.flush()

    @asynccontextmanager
    async def _open(self, root: Path) -> AsyncIterator[LmdbStore]:
        store = open_lmdb_store(root, compute_chain_id(self._genesis))
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(store.run)
                try:
                    yield store
                finally:
                    store.stop()
        finally:
            store.close()


class _Writer:
    """Gathers rows into batches."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._batch = WriteBatch()

    async def put(self, table: Table, key: bytes, value: bytes) -> None:
        self._batch.put(table, key, value)
        if self._batch.size_bytes >= BATCH_BYTES:
            await self.flush()

    async def delete(self, table: Table, key: bytes) -> None:
        self._batch.delete(table, key)
        if self._batch.size_bytes >= BATCH_BYTES:
            await self.flush()

    async def flush(self) -> None:
        batch, self._batch = self._batch, WriteBatch()
        await self._store.commit(batch, is_urgent=True)


def _get_checkpoint(store: Store) -> int:
    state = Archive(store).get_ledger_state()
    return 0 if state is None else state.checkpoint_index


def _get_last_certificate(store: Store) -> int:
    rows = store.scan(Table.CERTIFICATES, limit=1, reverse=True)
    return parse_sequence_key(rows[0][0]) if rows else 0
