"""A node that lets old history go stays what it was: sound, restartable, able to give snapshots."""

from pathlib import Path

import anyio
import pytest

from tangle.core.genesis import Genesis
from tangle.node.care.checking import check_tables
from tangle.node.care.reading import StoreReader
from tangle.node.pruning import Pruner, PruningSettings
from tangle.store.errors import StorageFailed
from tangle.store.memory_store import Disk, MemoryStore
from tangle.store.store import Environment, Table
from tests.node.snapshots.makers import copy_disk, make_snapshot, restore
from tests.node.traffic import send_everywhere
from tests.node.world import network_of, wait_all_final, wait_until

BY_AGE = PruningSettings(keep_epochs=1, max_bytes=0)


async def prune(
    disk: Disk, genesis: Genesis, certified: int, settings: PruningSettings, writes: int = 10**6
) -> int:
    """Prune a disk; it dies after so many writes."""
    left = writes

    async def step(_: Environment) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise StorageFailed(Path("disk"), "it died")
        await anyio.lowlevel.checkpoint()

    store = MemoryStore(disk, step=step)
    rows = 0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.run)
        rows = await Pruner(store, genesis, settings, lambda: certified).prune()
        store.stop()
    return rows


def assert_sound(disk: Disk, genesis: Genesis) -> None:
    assert check_tables(StoreReader(MemoryStore(disk)), genesis, is_deep=True).findings == []


async def test_a_pruned_node_is_sound_restarts_and_gives_snapshots(tmp_path: Path) -> None:
    async with network_of(4) as world:
        first, *_, last = world.members
        await wait_all_final(world.members, await send_everywhere(world, 25))
        await wait_until(lambda: first.node.finality.certified >= 120, timeout_s=120)
        certified = last.node.finality.certified
        await last.stop()
        whole = copy_disk(last.disk)
        assert await prune(last.disk, world.genesis, certified, PruningSettings(0, 0)) == 0
        assert await prune(last.disk, world.genesis, certified, BY_AGE) > 500
        assert_sound(last.disk, world.genesis)
        for table in (Table.ORDERED, Table.TRANSACTIONS, Table.CHECKPOINTS, Table.BLOCKS, Table.EVENTS):
            assert len(last.disk[table].keys) < len(whole[table].keys)
        assert await prune(last.disk, world.genesis, certified, BY_AGE) == 0, "nothing is left to do"
        # A crash at any write leaves something that the next round makes whole.
        for writes in (0, 1, 2):
            crashed = copy_disk(whole)
            with pytest.raises(BaseExceptionGroup):
                await prune(crashed, world.genesis, certified, BY_AGE, writes)
            await prune(crashed, world.genesis, certified, BY_AGE)
            assert {table: content.values for table, content in crashed.items()} == {
                table: content.values for table, content in last.disk.items()
            }
        await last.start()
        await wait_until(lambda: last.node.driver.is_proposing)
        await wait_all_final(world.members, await send_everywhere(world, 5))
        facts = await make_snapshot(last, world.genesis, tmp_path / "s")
        assert facts.first > 0
        disk, _ = await restore((tmp_path / "s").read_bytes(), world.genesis)
        assert_sound(disk, world.genesis)
        assert [member.failure for member in world.members] == [None] * 4


async def test_by_size_the_oldest_goes_step_by_step(tmp_path: Path) -> None:
    async with network_of(1) as world:
        (member,) = world.members
        await wait_all_final(world.members, await send_everywhere(world, 40, members=1))
        await wait_until(lambda: member.node.finality.certified >= 130, timeout_s=120)
        certified = member.node.finality.certified
        await member.stop()
        size = MemoryStore(member.disk).statistics().content_bytes[Environment.HISTORY]
        assert await prune(member.disk, world.genesis, certified, PruningSettings(0, size)) == 0
        assert await prune(member.disk, world.genesis, certified, PruningSettings(0, size - 1)) > 0
        assert_sound(member.disk, world.genesis)
