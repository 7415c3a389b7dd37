"""A disk that fills up: the node warns, then takes nothing new, then stops in good order."""

from pathlib import Path

import anyio
import pytest

from tangle.node.disk_watch import LOOK_S, DiskRunsLow, DiskWatch
from tangle.node.views import TransactionStatus
from tangle.store.disk import DiskLevel, MemoryDisk, Watermarks
from tangle.store.errors import DiskLow
from tests.node.wallets import Wallet, wait_final
from tests.node.world import network_of, wait_until

MARKS = Watermarks(low_bytes=1_000, low_percent=0, stop_bytes=100)


async def test_it_follows_the_disk_and_stops_below_the_lower_mark() -> None:
    disk = MemoryDisk(free_bytes=5_000, total_bytes=10_000)
    watch = DiskWatch(disk, MARKS, Path("home"))
    levels = []

    async def fill() -> None:
        for free in (999, 5_000, 99):
            await anyio.sleep(LOOK_S * 1.5)
            levels.append(watch.level)
            disk.free_bytes = free

    async def watch_while_it_fills() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch.run)
            tasks.start_soon(fill)

    with pytest.raises(BaseExceptionGroup) as caught:
        await watch_while_it_fills()
    assert levels == [DiskLevel.ENOUGH, DiskLevel.LOW, DiskLevel.ENOUGH]
    (fault,) = caught.value.exceptions
    assert isinstance(fault, DiskLow)
    assert fault.code == "disk-full"
    assert watch.level is DiskLevel.EXHAUSTED


async def test_a_node_whose_disk_fills_up_takes_nothing_new_and_goes_on() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (member,) = world.members
        disk = member.room
        first = await alice.send(member.service)
        await wait_final(member.service, first.id)
        waiting = await alice.build(member.service)
        disk.free_bytes = world.config.free_disk_low_bytes - 1
        await wait_until(lambda: not member.node.disk.has_room)
        with pytest.raises(DiskRunsLow) as refused:
            await member.service.submit([waiting.encoded])
        assert refused.value.retry_after_s > 0
        checks = {check.name: check for check in member.service.get_readiness()}
        assert not checks["disk"].is_met
        assert "no new transactions" in checks["disk"].detail
        certified = member.node.finality.certified
        await wait_until(lambda: member.node.finality.certified > certified + 2)
        disk.free_bytes = 1 << 40
        await wait_until(lambda: member.node.disk.has_room)
        (outcome,) = await member.service.submit([waiting.encoded])
        assert outcome.error is None
        await wait_final(member.service, waiting.id)
        disk.free_bytes = 1
        await member.ended.wait()
        assert isinstance(member.failure, DiskLow)
        disk.free_bytes = 1 << 40
        await member.start()
        assert member.service.get_transaction(waiting.id).is_final


async def test_what_blocks_need_is_taken_when_the_disk_is_low() -> None:
    alice = Wallet("alice")
    async with network_of(4) as world:
        first, second, *_ = world.members
        first.room.free_bytes = world.config.free_disk_low_bytes - 1
        await wait_until(lambda: not first.node.disk.has_room)
        sent = await alice.send(second.service)
        await wait_final(second.service, sent.id)
        await wait_until(lambda: first.node.find_status(sent.id) is TransactionStatus.CHECKPOINTED)
