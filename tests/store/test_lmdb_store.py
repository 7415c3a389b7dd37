"""The real disk: kills, full disks, full maps, foreign and damaged databases."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import anyio
import lmdb
import pytest

from tangle.core.errors import WrongChain
from tangle.core.types import ChainId
from tangle.store.errors import DiskLow, StorageFailed, StoreOfAnotherChain, StoreUnreadable, WrongSchema
from tangle.store.keys import compute_sequence_key
from tangle.store.lmdb_store import LmdbStore, open_lmdb_store
from tangle.store.store import Environment, Table, WriteBatch
from tests.store.test_store import make_batch, running
from tests.store.writer import CHAIN, make_numbered_batch

ROOT = Path(__file__).resolve().parents[2]


def open_store(path: Path, *, map_bytes: int = 1 << 20) -> LmdbStore:
    return open_lmdb_store(path, CHAIN, group_wait_ms=0, free_bytes_min=0, map_bytes=map_bytes)


@contextmanager
def writing(path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.store.writer", str(path), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


@asynccontextmanager
async def failing(store: LmdbStore) -> AsyncIterator[list[StorageFailed]]:
    """A store at work that is expected to fail; afterwards the list holds what ``run`` raised."""
    faults: list[StorageFailed] = []

    async def run() -> None:
        try:
            await store.run()
        except StorageFailed as fault:
            faults.append(fault)

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            yield faults
    finally:
        store.close()


def check_prefix(path: Path, promised: int) -> None:
    """Everything up to ``promised`` is there, and the state is no further than history."""
    with closing(open_store(path)) as store:
        found = store.scan(Table.TRANSACTIONS, limit=1_000_000)
        assert len(found) > promised
        for number, (key, value) in enumerate(found):
            assert key == compute_sequence_key(number)
            assert value == number.to_bytes(8, "big") * 50
        executed = store.get(Table.META, b"executed")
        assert executed is not None
        assert promised <= int.from_bytes(executed, "big") < len(found)


def test_a_killed_writer_loses_nothing_that_it_confirmed(tmp_path: Path) -> None:
    for kill_after in (1, 20, 57):
        with writing(tmp_path) as process:
            assert process.stdout is not None
            promised = -1
            for _ in range(kill_after):
                promised = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().splitlines()  # confirmed before the signal arrived
            promised = int(rest[-1]) if rest else promised
        check_prefix(tmp_path, promised)


def test_a_full_disk_stops_the_writer_with_a_code_and_loses_nothing(tmp_path: Path) -> None:
    with writing(tmp_path, str(262_144)) as process:
        output, _ = process.communicate(timeout=15)
    *numbers, first_code, second_code, ending = output.splitlines()
    assert [int(number) for number in numbers] == list(range(len(numbers)))
    assert len(numbers) > 10
    assert first_code == second_code == "storage-failed"
    assert ending == "run raised 1"
    check_prefix(tmp_path, len(numbers) - 1)
    with writing(tmp_path) as process:  # space again: it goes on where it was
        assert process.stdout is not None
        assert int(process.stdout.readline()) >= len(numbers)


async def test_low_space_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store._free_bytes_min = 1 << 62  # more than any disk has
    async with failing(store) as faults:
        with pytest.raises(DiskLow) as refused:
            await store.commit(make_batch(Table.META, a=b"1"))
        assert refused.value.needed_bytes > refused.value.free_bytes
        with pytest.raises(DiskLow):
            await store.commit(make_batch(Table.META, b=b"1"))
    assert [type(fault) for fault in faults] == [DiskLow]
    with closing(open_store(tmp_path)) as reopened:
        assert reopened.count(Table.META) == 0


def test_low_space_is_refused_at_opening(tmp_path: Path) -> None:
    with pytest.raises(DiskLow) as caught:
        open_lmdb_store(tmp_path, CHAIN, free_bytes_min=1 << 62)
    assert "MiB are free" in str(caught.value)


async def test_full_maps_grow_in_both_environments(tmp_path: Path) -> None:
    async with running(open_store(tmp_path, map_bytes=131_072)) as store:
        batch = WriteBatch()
        for number in range(1_000):
            batch.put(Table.TRANSACTIONS, compute_sequence_key(number), bytes(1_000))
            batch.put(Table.ACCOUNTS, compute_sequence_key(number), bytes(500))
        await store.commit(batch)
        await store.commit(make_batch(Table.WEIGHTS, big=bytes(3_000_000)))
        assert store.count(Table.TRANSACTIONS) == store.count(Table.ACCOUNTS) == 1_000
        used = store.statistics().used_bytes
        assert used[Environment.HISTORY] > 4_000_000
        assert used[Environment.LIVE] > 500_000
    async with running(open_store(tmp_path, map_bytes=131_072)) as store:  # smaller than the file
        await store.commit(make_batch(Table.META, after=b"1"))
        assert store.count(Table.TRANSACTIONS) == 1_000


async def test_a_map_that_cannot_grow_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tangle.store.lmdb_store.MAP_BYTES_MAX", 200_000)
    store = open_store(tmp_path, map_bytes=131_072)
    async with failing(store) as faults:
        with pytest.raises(StorageFailed, match="largest size"):
            await store.commit(make_batch(Table.WEIGHTS, big=bytes(1_000_000)))
    assert [type(fault) for fault in faults] == [StorageFailed]


async def test_reads_go_on_while_a_group_is_written(tmp_path: Path) -> None:
    async with running(open_store(tmp_path)) as store, anyio.create_task_group() as tasks:
        for number in range(200):
            tasks.start_soon(store.commit, make_numbered_batch(number))
        while store.count(Table.TRANSACTIONS) < 200:
            for key, value in store.scan(Table.TRANSACTIONS, limit=10):
                assert value[:8] == key
            await anyio.lowlevel.checkpoint()


def test_no_reader_outlives_its_call(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        for _ in range(1_000):  # many more than there are reader slots
            store.get(Table.META, b"x")
            store.scan(Table.META, limit=1)
        for environment in store._environments.values():
            assert environment.info()["num_readers"] <= 2


def test_a_database_of_another_chain_is_refused_by_name(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with pytest.raises(StoreOfAnotherChain) as caught:
        open_lmdb_store(tmp_path, ChainId(b"chain-02"), free_bytes_min=0)
    assert isinstance(caught.value, WrongChain)
    assert caught.value.found == CHAIN
    assert CHAIN.hex() in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    open_store(tmp_path).close()


def test_another_schema_is_refused_by_name(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    environment = lmdb.open(str(tmp_path / "live"), max_dbs=2)
    with environment.begin(write=True, db=environment.open_db(b"identity")) as transaction:
        transaction.put(b"schema", (99).to_bytes(4, "big"))
    environment.close()
    with pytest.raises(WrongSchema) as caught:
        open_store(tmp_path)
    assert caught.value.found == 99


def test_a_damaged_database_is_refused_by_name(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    (tmp_path / "live" / "data.mdb").write_bytes(os.urandom(65_536))
    with pytest.raises(StoreUnreadable) as caught:
        open_store(tmp_path)
    assert caught.value.path == tmp_path / "live" / "data.mdb"


def test_a_root_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnreadable):
        open_store(tmp_path / "file" / "db")


def test_databases_are_their_owners_alone(tmp_path: Path) -> None:
    open_store(tmp_path / "db").close()
    assert (tmp_path / "db" / "live").stat().st_mode & 0o077 == 0
    assert (tmp_path / "db" / "history-00000000" / "data.mdb").stat().st_mode & 0o077 == 0
