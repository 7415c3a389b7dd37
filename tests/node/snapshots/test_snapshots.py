"""A node that began with a snapshot goes on like all others."""

from pathlib import Path

import pytest

from tangle.node.care.checking import check_tables
from tangle.node.care.reading import StoreReader
from tangle.node.snapshots.errors import HistoryPruned
from tangle.store.memory_store import MemoryStore
from tests.node.snapshots.makers import make_snapshot, restore
from tests.node.traffic import send_everywhere
from tests.node.world import network_of, wait_all_final, wait_until


async def test_a_node_that_restored_a_snapshot_certifies_what_the_others_do(tmp_path: Path) -> None:
    """A validator's disk is lost. With a snapshot it executes what comes next to the same digests, and
    signs: with another validator down there is no quorum without it.
    """
    async with network_of(4) as world:
        first, second, _, last = world.members
        await wait_all_final(world.members, await send_everywhere(world, 25))
        await wait_until(lambda: first.node.finality.certified >= 100, timeout_s=120)
        await last.stop()
        await wait_all_final(world.members[:3], await send_everywhere(world, 8, members=3))
        facts = await make_snapshot(first, world.genesis, tmp_path / "s")
        assert facts.first > 0, "part of history is enough"
        last.disk, done = await restore((tmp_path / "s").read_bytes(), world.genesis)
        assert done.transactions == facts.transactions
        report = check_tables(StoreReader(MemoryStore(last.disk)), world.genesis, is_deep=True)
        assert report.findings == []
        await last.start()
        assert last.node.finality.certified == facts.checkpoint
        await wait_until(lambda: last.node.driver.is_proposing)
        await second.stop()
        running = [member for member in world.members if member is not second]
        sent = await send_everywhere(world, 8, members=1)
        await wait_all_final(running, sent)
        assert last.node.finality.certified > facts.checkpoint
        digests = [member.node.archive.get_checkpoint(facts.checkpoint + 5) for member in running]
        assert digests[0] is not None
        assert digests == [digests[0]] * 3
        report = check_tables(StoreReader(MemoryStore(last.disk)), world.genesis, is_deep=True)
        assert report.findings == []
        get_checkpoint = last.node.archive.get_checkpoint
        gone = next(index for index in range(facts.first) if get_checkpoint(index) is None)
        for ask in (
            lambda: last.service.get_checkpoint(0, gone),
            lambda: last.service.get_events(0, 10),
            lambda: last.service.explorer.get_contents(0, facts.first, 0, 10),
        ):
            with pytest.raises(HistoryPruned) as caught:
                ask()
            assert caught.value.first >= facts.first
        assert last.service.get_checkpoint(0, facts.first).checkpoint.index == facts.first
        assert [member.failure for member in world.members] == [None] * 4
