"""What a crash in the middle of a write leaves: what the real store can leave, and nothing else."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import pytest

from simnet.chance import make_chance
from simnet.scheduling import run_in_virtual_time
from simnet.store import DiskPace, SimulatedGuard, SimulatedStore, Torn, make_disk
from tangle.store.memory_store import Disk
from tangle.store.store import Table, WriteBatch

pytestmark = [pytest.mark.sim]

SLOW: Final = DiskPace(write_ms=10.0)

SEEDS: Final = 60


def make_batch() -> WriteBatch:
    """Two keys of history, and two of live state."""
    batch = WriteBatch()
    for table in (Table.ORDERED, Table.ACCOUNTS):
        batch.put(table, b"first", b"1")
        batch.put(table, b"second", b"2")
    return batch


def crash_in_write(seed: int, batch: WriteBatch) -> tuple[Disk, list[Torn], list[WriteBatch]]:
    """Kill a process at some moment of its write."""
    disk, left, durable = make_disk(), list[Torn](), list[WriteBatch]()

    async def main() -> None:
        chance = make_chance(seed, "crash")
        store = SimulatedStore(disk, SLOW, make_chance(seed, "disk"), durable.append, on_torn=left.append)
        with anyio.move_on_after(chance.uniform(0, 0.035)):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(store.run)
                await store.commit(batch, is_urgent=True)
                tasks.cancel_scope.cancel()

    run_in_virtual_time(main, seed)
    return disk, left, durable


def count(disk: Disk, table: Table) -> int:
    return len(disk[table].keys)


def test_each_environment_is_whole_or_untouched_and_history_comes_first() -> None:
    seen: Counter[Torn] = Counter()
    for seed in range(SEEDS):
        disk, left, durable = crash_in_write(seed, make_batch())
        held = (count(disk, Table.ORDERED), count(disk, Table.ACCOUNTS))
        assert held in {(0, 0), (2, 0), (2, 2)}
        assert not durable or held == (2, 2), "whoever was told has it"
        assert bool(durable) != bool(left)
        for each in left:
            seen[each] += 1
            assert held == {Torn.NOTHING: (0, 0), Torn.HISTORY: (2, 0), Torn.ALL: (2, 2)}[each]
    assert set(seen) == {Torn.NOTHING, Torn.HISTORY, Torn.ALL}


def test_a_guard_has_the_old_record_or_the_new_one() -> None:
    seen: Counter[tuple[Torn, bytes]] = Counter()
    for seed in range(SEEDS):
        left: list[Torn] = []
        guard = SimulatedGuard(SLOW, make_chance(seed, "guard"), on_torn=left.append, record=b"old")
        run_in_virtual_time(make_crash(guard), seed)
        (each,) = left
        seen[each, guard.record] += 1
    assert set(seen) == {(Torn.GUARD_OLD, b"old"), (Torn.GUARD_NEW, b"new")}


def make_crash(guard: SimulatedGuard) -> Callable[[], Awaitable[None]]:
    async def main() -> None:
        with anyio.move_on_after(0.005):
            await guard.save(b"new")

    return main
