"""Both twins of the store keep the same promises; hypothesis compares them with a plain dictionary."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangle.core.types import ChainId
from tangle.store.errors import StorageFailed, StoreClosed
from tangle.store.group_commit import merge_changes
from tangle.store.lmdb_store import LmdbStore, open_lmdb_store
from tangle.store.memory_store import MemoryStore
from tangle.store.store import Environment, Store, Table, WriteBatch

CHAIN = ChainId(b"chain-01")
Twin = LmdbStore | MemoryStore
MakeStore = Callable[[], Twin]


@pytest.fixture(params=["lmdb", "memory"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> MakeStore:
    """Makes a store; made again, it is the same one after a restart."""
    memory = MemoryStore()

    def make() -> Twin:
        if request.param == "lmdb":
            return open_lmdb_store(tmp_path, CHAIN, group_wait_ms=0, free_bytes_min=0, map_bytes=1 << 20)
        return MemoryStore(memory.disk, group_wait_ms=0)

    return make


@asynccontextmanager
async def running(store: Twin) -> AsyncIterator[Store]:
    """The store at work, stopped in good order."""
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.run)
            yield store
            store.stop()
    finally:
        store.close()


def make_batch(table: Table, **entries: bytes | None) -> WriteBatch:
    batch = WriteBatch()
    for key, value in entries.items():
        if value is None:
            batch.delete(table, key.encode())
        else:
            batch.put(table, key.encode(), value)
    return batch


async def test_what_was_committed_is_read_and_survives_a_restart(make_store: MakeStore) -> None:
    async with running(make_store()) as store:
        batch = make_batch(Table.ACCOUNTS, a=b"1", b=b"2")
        batch.put(Table.TRANSACTIONS, b"t", b"history")
        assert store.get(Table.ACCOUNTS, b"a") is None
        await store.commit(batch)
        assert store.get(Table.ACCOUNTS, b"a") == b"1"
    async with running(make_store()) as store:
        assert store.get(Table.ACCOUNTS, b"b") == b"2"
        assert store.get(Table.TRANSACTIONS, b"t") == b"history"
        assert store.get(Table.BLOCKS, b"t") is None
        assert store.count(Table.ACCOUNTS) == 2


async def test_keys_are_replaced_and_deleted(make_store: MakeStore) -> None:
    async with running(make_store()) as store:
        await store.commit(make_batch(Table.META, a=b"1", b=b"2", c=b"3"))
        await store.commit(make_batch(Table.META, a=b"9", b=None, missing=None))
        assert store.scan(Table.META, limit=9) == [(b"a", b"9"), (b"c", b"3")]


async def test_an_empty_batch_and_empty_values_are_fine(make_store: MakeStore) -> None:
    async with running(make_store()) as store:
        await store.commit(WriteBatch())
        await store.commit(make_batch(Table.ACCOUNT_HISTORY, a=b""))
        assert store.get(Table.ACCOUNT_HISTORY, b"a") == b""
        assert store.scan(Table.ACCOUNT_HISTORY, limit=1) == [(b"a", b"")]


async def test_sequential_and_late_keys_both_find_their_place(make_store: MakeStore) -> None:
    async with running(make_store()) as store:
        for key in (b"b", b"d", b"c", b"a", b"e"):
            await store.commit(make_batch(Table.TRANSACTIONS, **{key.decode(): key}))
        assert [key for key, _ in store.scan(Table.TRANSACTIONS, limit=9)] == [b"a", b"b", b"c", b"d", b"e"]


@pytest.mark.parametrize(
    ("start", "stop", "limit", "reverse", "expected"),
    [
        (b"", None, 9, False, "abcd"),
        (b"b", None, 9, False, "bcd"),
        (b"b", b"d", 9, False, "bc"),
        (b"", None, 2, False, "ab"),
        (b"", None, 9, True, "dcba"),
        (b"", None, 1, True, "d"),
        (b"b", b"d", 9, True, "cb"),
        (b"b", b"d", 1, True, "c"),
        (b"aa", b"cc", 9, True, "cb"),
        (b"e", None, 9, False, ""),
        (b"", b"a", 9, True, ""),
        (b"", b"a", 9, False, ""),
        (b"", None, 0, False, ""),
        (b"c", b"b", 9, False, ""),
    ],
)
async def test_ranges(
    make_store: MakeStore, start: bytes, stop: bytes | None, limit: int, reverse: bool, expected: str
) -> None:
    async with running(make_store()) as store:
        await store.commit(make_batch(Table.EVENTS, a=b"1", b=b"2", c=b"3", d=b"4"))
        found = store.scan(Table.EVENTS, start, stop, limit=limit, reverse=reverse)
        assert "".join(key.decode() for key, _ in found) == expected
        assert store.scan(Table.BLOCKS, start, stop, limit=limit, reverse=reverse) == []


async def test_batches_handed_in_together_share_one_write_and_keep_their_order(make_store: MakeStore) -> None:
    handed_in: list[bytes] = []

    async def commit(name: bytes) -> None:
        handed_in.append(name)  # the schedulers start tasks in an order of their own
        await store.commit(make_batch(Table.META, last=name))

    async with running(make_store()) as store:
        async with anyio.create_task_group() as tasks:
            for index in range(50):
                tasks.start_soon(commit, b"%d" % index)
        assert store.get(Table.META, b"last") == handed_in[-1]
        assert store.statistics().groups < 50


async def test_urgent_batches_do_not_wait_for_company(tmp_path: Path) -> None:
    patient = open_lmdb_store(tmp_path, CHAIN, group_wait_ms=60_000, free_bytes_min=0)
    async with running(patient) as store:
        with anyio.fail_after(5):
            await store.commit(make_batch(Table.META, a=b"1"), is_urgent=True)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(store.commit, make_batch(Table.META, b=b"1"))
                await anyio.wait_all_tasks_blocked()
                assert store.get(Table.META, b"b") is None
                await store.commit(make_batch(Table.META, c=b"1"), is_urgent=True)
                assert store.get(Table.META, b"b") == b"1"  # it took the waiting one along
        assert store.statistics().groups == 2
        assert store.statistics().batches == 3


async def test_stopping_writes_what_waits_and_takes_nothing_more(tmp_path: Path) -> None:
    store = open_lmdb_store(tmp_path, CHAIN, group_wait_ms=60_000, free_bytes_min=0)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.commit, make_batch(Table.META, a=b"1"))
            tasks.start_soon(store.run)
            await anyio.wait_all_tasks_blocked()
            store.stop()
        assert store.get(Table.META, b"a") == b"1"
        with pytest.raises(StoreClosed):
            await store.commit(make_batch(Table.META, b=b"1"))
    finally:
        store.close()


async def test_a_crash_loses_what_was_not_promised_and_nothing_else() -> None:
    reached = anyio.Event()
    is_slow = False

    async def step(environment: Environment) -> None:
        await anyio.lowlevel.checkpoint()
        if is_slow and environment is Environment.HISTORY:
            reached.set()
            await anyio.sleep_forever()

    store = MemoryStore(step=step, group_wait_ms=0)
    outcomes: list[str] = []

    async def commit(batch: WriteBatch) -> None:
        try:
            await store.commit(batch)
        except StoreClosed:
            outcomes.append("not promised")

    both = make_batch(Table.META, b=b"2")
    both.put(Table.TRANSACTIONS, b"t", b"2")
    async with anyio.create_task_group() as node, anyio.create_task_group() as tasks:
        tasks.start_soon(store.run)
        await store.commit(make_batch(Table.META, a=b"1"))
        is_slow = True
        node.start_soon(commit, both)
        await reached.wait()
        node.start_soon(commit, make_batch(Table.META, c=b"3"))
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert outcomes == ["not promised"] * 2
    after = MemoryStore(store.disk)
    assert after.get(Table.META, b"a") == b"1"
    assert after.get(Table.TRANSACTIONS, b"t") == b"2"  # history may be ahead of the state
    assert after.get(Table.META, b"b") is None
    assert after.get(Table.META, b"c") is None


async def test_after_a_failure_nothing_more_is_written_and_everybody_is_told() -> None:
    async def die(_: Environment) -> None:
        raise StorageFailed(Path("disk"), "input/output error")

    store = MemoryStore(step=die, group_wait_ms=0)
    faults: list[StorageFailed] = []

    async def commit(key: str) -> None:
        try:
            await store.commit(make_batch(Table.META, **{key: b"1"}))
        except StorageFailed as fault:
            faults.append(fault)

    async with anyio.create_task_group() as tasks:
        for key in "abc":
            tasks.start_soon(commit, key)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(StorageFailed):
            await store.run()
    await commit("late")
    assert len(faults) == 4


async def test_writers_wait_in_front_of_a_slow_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tangle.store.group_commit.WAITING_BYTES_MAX", 100)
    store = MemoryStore(group_wait_ms=0)
    async with anyio.create_task_group() as tasks:
        for index in range(10):
            tasks.start_soon(store.commit, make_batch(Table.EVENTS, **{f"{index}": bytes(50)}))
        await anyio.wait_all_tasks_blocked()
        assert store.statistics().waiting_batches == 1
        assert store.statistics().waiting_bytes <= 100
        tasks.start_soon(store.run)
        while store.count(Table.EVENTS) < 10:
            await anyio.lowlevel.checkpoint()
        store.stop()


KEYS = st.binary(min_size=1, max_size=2)
BATCH = st.dictionaries(
    st.tuples(st.sampled_from([Table.TRANSACTIONS, Table.ACCOUNTS]), KEYS),
    st.none() | st.binary(max_size=3),
    max_size=6,
)
LIVES = st.lists(st.lists(BATCH, max_size=5), max_size=4)
"""Batches of each life of a store; between two lives it is closed and opened again."""
RANGES = st.tuples(KEYS, st.none() | KEYS, st.integers(0, 9))

Entries = dict[tuple[Table, bytes], bytes | None]
Range = tuple[bytes, bytes | None, int]


def check_range(store: Store, model: dict[tuple[Table, bytes], bytes], wanted: Range) -> None:
    """The store answers as a sorted dictionary would."""
    start, stop, limit = wanted
    for table in (Table.TRANSACTIONS, Table.ACCOUNTS):
        entries = sorted((key, value) for (owner, key), value in model.items() if owner is table)
        inside = [entry for entry in entries if start <= entry[0] and (stop is None or entry[0] < stop)]
        assert store.scan(table, start, stop, limit=limit) == inside[:limit]
        assert store.scan(table, start, stop, limit=limit, reverse=True) == inside[::-1][:limit]
        assert store.count(table) == len(entries)


async def live_through(make: MakeStore, lives: list[list[Entries]], together: bool, wanted: Range) -> None:
    """Write what each life has, at once or one after the other, and compare in every life."""
    model: dict[tuple[Table, bytes], bytes] = {}
    for life in [*lives, []]:
        async with running(make()) as store:
            check_range(store, model, wanted)  # what earlier lives left
            async with anyio.create_task_group() as tasks:
                for entries in life:
                    batch = WriteBatch()
                    for (table, key), value in entries.items():
                        if value is None:
                            batch.delete(table, key)
                            model.pop((table, key), None)
                        else:
                            batch.put(table, key, value)
                            model[table, key] = value
                    if together:
                        tasks.start_soon(store.commit, batch)
                    else:
                        await store.commit(batch)
            check_range(store, model, wanted)


@given(lives=LIVES, together=st.booleans(), wanted=RANGES)
def test_both_twins_behave_like_a_dictionary(
    tmp_path_factory: pytest.TempPathFactory, lives: list[list[Entries]], together: bool, wanted: Range
) -> None:
    path, memory = tmp_path_factory.mktemp("twin"), MemoryStore()

    def make_lmdb() -> Twin:
        return open_lmdb_store(path, CHAIN, group_wait_ms=0, free_bytes_min=0, map_bytes=1 << 20)

    def make_memory() -> Twin:
        return MemoryStore(memory.disk, group_wait_ms=0)

    anyio.run(live_through, make_lmdb, lives, together, wanted)  # asyncio starts tasks in order
    anyio.run(live_through, make_memory, lives, together, wanted)


def test_merging_keeps_the_last_word() -> None:
    first = make_batch(Table.META, a=b"1", b=b"1")
    second = make_batch(Table.META, a=None, c=b"2")
    assert merge_changes([first, second]) == {Table.META: {b"a": None, b"b": b"1", b"c": b"2"}}
    assert first.changes == {Table.META: {b"a": b"1", b"b": b"1"}}


def test_environments_are_written_history_first() -> None:
    assert list(Environment) == [Environment.HISTORY, Environment.LIVE]
    assert Table.ACCOUNTS.environment is Environment.LIVE
    assert len({table.title for table in Table}) == len(Table)
