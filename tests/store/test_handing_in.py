"""Batches that nobody waits for: durable in order, told of, and never a reason for a write of their own."""

from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from tangle.core.types import ChainId
from tangle.store.errors import StorageFailed, StoreClosed
from tangle.store.lmdb_store import LmdbStore, open_lmdb_store
from tangle.store.memory_store import MemoryStore
from tangle.store.store import Environment, Table, WriteBatch

PATIENT_MS = 60_000

MakePatient = Callable[[], LmdbStore | MemoryStore]


@pytest.fixture(params=["lmdb", "memory"])
def make_patient(request: pytest.FixtureRequest, tmp_path: Path) -> MakePatient:
    """Makes a store that gathers for a minute unless something is urgent."""

    def make() -> LmdbStore | MemoryStore:
        if request.param == "lmdb":
            return open_lmdb_store(tmp_path, ChainId(b"chain-01"), group_wait_ms=PATIENT_MS, free_bytes_min=0)
        return MemoryStore(group_wait_ms=PATIENT_MS)

    return make


def make_batch(key: bytes) -> WriteBatch:
    batch = WriteBatch()
    batch.put(Table.META, key, b"1")
    return batch


async def test_it_returns_at_once_and_goes_with_the_next_write(make_patient: MakePatient) -> None:
    store, durable = make_patient(), list[str]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.run)
        with anyio.fail_after(5):
            await store.hand_in(make_batch(b"a"), lambda: durable.append("a"))
            await store.hand_in(make_batch(b"b"), lambda: durable.append("b"), is_awaited=True)
            await anyio.wait_all_tasks_blocked()
            assert (durable, store.get(Table.META, b"a")) == ([], None)
            await store.commit(make_batch(b"c"), is_urgent=True)
        assert durable == ["a", "b"]
        assert store.get(Table.META, b"a") == store.get(Table.META, b"b") == b"1"
        assert store.statistics().groups == 1
        store.stop()
    store.close()


async def test_what_is_alone_waits_for_a_while_only() -> None:
    store, durable = MemoryStore(group_wait_ms=0), anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.run)
        await anyio.wait_all_tasks_blocked()  # it sleeps without an end, which the batch gives it
        await store.hand_in(make_batch(b"a"), durable.set)
        with anyio.fail_after(5):
            await durable.wait()
        store.stop()
    assert store.get(Table.META, b"a") == b"1"


async def test_stopping_writes_it(make_patient: MakePatient) -> None:
    store, durable = make_patient(), list[str]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.run)
        await store.hand_in(make_batch(b"a"), lambda: durable.append("a"))
        store.stop()
    assert durable == ["a"]
    with pytest.raises(StoreClosed):
        await store.hand_in(make_batch(b"b"), lambda: durable.append("b"))
    store.close()


async def test_nobody_is_told_what_the_disk_refused() -> None:
    async def die(_: Environment) -> None:
        raise StorageFailed(Path("disk"), "input/output error")

    store, durable = MemoryStore(step=die, group_wait_ms=0), list[str]()
    await store.hand_in(make_batch(b"a"), lambda: durable.append("a"), is_awaited=True)
    with pytest.raises(StorageFailed):
        await store.run()
    with pytest.raises(StorageFailed):
        await store.hand_in(make_batch(b"b"), lambda: durable.append("b"))
    assert durable == []


async def test_it_waits_in_front_of_a_slow_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tangle.store.group_commit.WAITING_BYTES_MAX", 4)
    store, durable = MemoryStore(group_wait_ms=0), list[str]()
    async with anyio.create_task_group() as tasks:
        await store.hand_in(make_batch(b"aa"), lambda: durable.append("a"))
        tasks.start_soon(store.hand_in, make_batch(b"bb"), lambda: durable.append("b"))
        await anyio.wait_all_tasks_blocked()
        assert store.statistics().waiting_batches == 1
        tasks.start_soon(store.run)
        while len(durable) < 2:
            await anyio.lowlevel.checkpoint()
        store.stop()
    assert durable == ["a", "b"]
