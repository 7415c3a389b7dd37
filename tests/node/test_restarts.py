"""Crashes: whatever is killed at whatever moment, what was final stays, and nobody signs a slot twice."""

import anyio
import anyio.lowlevel
import pytest

from shards.guard import decode_last_signed
from tangle.core.types import TransactionId
from tangle.node.archive import Archive
from tangle.node.views import TransactionStatus
from tangle.store.errors import StorageFailed
from tangle.store.guard_file import MemoryGuard
from tangle.store.memory_store import MemoryStore
from tangle.store.store import Table
from tests.node.traffic import send_everywhere
from tests.node.wallets import Wallet, make_lax, wait_final, with_parents
from tests.node.world import (
    Member,
    World,
    assert_no_slot_signed_twice,
    assert_same_history,
    network_of,
    wait_all_final,
    wait_until,
)


def get_last_signed_round(member: Member) -> int:
    return decode_last_signed(member.guard.record).round


def read_outcomes(member: Member, sent: list[TransactionId]) -> dict[TransactionId, tuple[object, ...]]:
    """What the final ones among ``sent`` came to."""
    outcomes: dict[TransactionId, tuple[object, ...]] = {}
    for identity in sent:
        if member.node.find_status(identity) is None:
            continue
        view = member.service.get_transaction(identity)
        if view.is_final:
            outcomes[identity] = (view.status, view.ordered_index, view.checkpoint, view.fee)
    return outcomes


async def test_one_that_restarts_goes_on_where_it_was() -> None:
    async with network_of(4) as world:
        member = world.members[2]
        first = await send_everywhere(world, 6)
        await wait_all_final(world.members, first)
        before, events = read_outcomes(member, first), member.service.get_events(0, 10_000)
        certified, signed = member.node.finality.certified, get_last_signed_round(member)
        await member.stop()
        during = await send_everywhere(world, 6, members=2)
        await wait_all_final(world.members[:2], during)
        await member.start()
        assert member.node.finality.certified >= certified
        assert read_outcomes(member, first) == before
        assert member.service.get_events(0, len(events)) == events
        after = await send_everywhere(world, 6)
        await wait_all_final(world.members, [*first, *during, *after])
        assert_same_history(world.members)
        await wait_until(lambda: get_last_signed_round(member) > signed)
        assert_no_slot_signed_twice(world.members)


async def test_a_lone_validator_goes_on() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (member,) = world.members
        sent: list[TransactionId] = []
        for _ in range(8):
            sent.append((await alice.send(member.service)).id)
            await wait_final(member.service, sent[-1])
            outcomes = read_outcomes(member, sent)
            await member.stop()
            await member.start()
            assert read_outcomes(member, sent) == outcomes
        assert len(member.service.get_account_history(alice.address, None, 100).items) == 8
        assert_no_slot_signed_twice(world.members)


async def test_what_was_accepted_and_not_ordered_survives() -> None:
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(4) as world:
        member = world.members[0]
        await world.network.isolate(member.host)
        pending = [(await alice.send(member.service)).id for _ in range(10)]
        waiting = await bob.send(member.service, bend=with_parents(TransactionId(b"?" * 32)))
        await member.stop()
        await member.start()
        assert {member.node.find_status(identity) for identity in pending} == {TransactionStatus.ATTACHED}
        assert member.node.find_status(waiting.id) is TransactionStatus.WAITING
        assert member.service.get_account(alice.address).pending == 10
        await world.network.isolate()
        await wait_all_final(world.members, pending)


async def test_a_long_chain_that_came_in_backwards_does_not_stop_a_restart() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (member,) = world.members
        make_lax(member.service)  # as history may bring it: the gate would have numbers come in their order
        chain = [await alice.build(member.service)]
        for number in range(1, 400):
            bend = with_parents(chain[-1].id)
            chain.append(await alice.build(member.service, sequence=number, bend=bend))
        backwards = [transaction.encoded for transaction in reversed(chain)]
        outcomes = await member.service.submit(backwards[:-1])
        assert {outcome.status for outcome in outcomes} == {TransactionStatus.WAITING}
        member.node.driver.is_proposing = False
        (outcome,) = await member.service.submit(backwards[-1:])
        assert outcome.error is None
        await member.stop()
        await member.start()
        assert member.failure is None
        assert member.node.find_status(chain[-1].id) is TransactionStatus.ATTACHED
        await wait_all_final(world.members, [transaction.id for transaction in chain])


@pytest.mark.parametrize(
    "seed", [*range(3), *(pytest.param(n, marks=pytest.mark.slow) for n in range(3, 24))]
)
async def test_all_killed_at_any_moment_lose_nothing_final(seed: int) -> None:
    """Kills fall between any two steps: time stands still while the tasks are counted down."""
    async with network_of(4) as world:
        sent: list[TransactionId] = []
        for life in range(3):
            sent += await send_everywhere(world, 4)
            await anyio.sleep(0.05 * (seed + life))
            for _ in range((seed * 37 + life * 101) % 160):
                await anyio.lowlevel.checkpoint()
            await kill_and_restart_all(world, sent)
        sent += await send_everywhere(world, 4)
        await wait_all_final(world.members, sent)
        assert_same_history(world.members)
        assert_no_slot_signed_twice(world.members)
        supply = world.members[0].node.executor.machine.state.supply
        held = sum(account.balance for _, account in world.members[0].node.archive.list_accounts())
        assert held == supply.balances


async def kill_and_restart_all(world: World, sent: list[TransactionId]) -> None:
    promised = [read_outcomes(member, sent) for member in world.members]
    async with anyio.create_task_group() as tasks:
        for member in world.members:
            tasks.start_soon(member.stop)
    for member in world.members:
        await member.start()
    for member, outcomes in zip(world.members, promised, strict=True):
        found = read_outcomes(member, sent)
        assert {identity: found.get(identity) for identity in outcomes} == outcomes


async def test_attestations_that_were_seen_before_a_crash_still_count() -> None:
    """The members had come differently far: those behind need what the others will not attest again."""
    async with network_of(4) as world:
        for round_number in range(4):
            sent = await send_everywhere(world, 2)
            await wait_all_final(world.members, sent)
            await anyio.sleep(0.031 * round_number)
            await kill_and_restart_all(world, sent)
            await wait_certified(world, max(member.node.finality.executed for member in world.members))


async def wait_certified(world: World, index: int) -> None:
    """Soon, without waiting for as many checkpoints as make one final that has no certificate of its own."""
    members = world.members
    await wait_until(lambda: all(member.node.finality.certified >= index for member in members), timeout_s=3)


async def test_a_lost_disk_comes_back_from_the_peers() -> None:
    async with network_of(4) as world:
        member = world.members[1]
        sent = await send_everywhere(world, 6)
        await wait_all_final(world.members, sent)
        signed = get_last_signed_round(member)
        await member.stop()
        member.lose_disk()
        await member.start()
        assert member.node.finality.certified == 0
        await wait_all_final([member], sent)
        await wait_until(lambda: get_last_signed_round(member) > signed)
        more = await send_everywhere(world, 3)
        await wait_all_final(world.members, more)
        assert_same_history(world.members)
        assert_no_slot_signed_twice(world.members)


async def test_a_lost_disk_and_a_lost_guard_are_made_good_by_asking() -> None:
    async with network_of(4) as world:
        member = world.members[1]
        await wait_all_final(world.members, await send_everywhere(world, 4))
        await member.stop()
        member.lose_disk()
        member.guard = MemoryGuard()
        await member.start()
        assert not member.node.driver.is_proposing
        await wait_until(lambda: member.node.driver.is_proposing)
        await wait_all_final(world.members, await send_everywhere(world, 4))
        assert_no_slot_signed_twice(world.members)


async def test_nobody_to_ask_means_nothing_to_sign() -> None:
    async with network_of(4) as world:
        member = world.members[1]
        await anyio.sleep(1)
        await world.network.isolate(member.host)
        await member.stop()
        member.lose_disk()
        await member.start()
        signed = member.guard.record
        await anyio.sleep(15)
        assert not member.node.driver.is_proposing
        assert member.guard.record == signed
        await world.network.isolate()
        await wait_until(lambda: member.node.driver.is_proposing)


async def test_a_restored_old_disk_signs_nothing_again() -> None:
    """A copy of yesterday's database with today's guard."""
    async with network_of(4) as world:
        member = world.members[3]
        await wait_all_final(world.members, await send_everywhere(world, 2))
        await member.stop()
        old = copy_disk(member)
        await member.start()
        await wait_all_final(world.members, await send_everywhere(world, 4))
        await member.stop()
        signed = get_last_signed_round(member)
        member.disk = old
        await member.start()
        await wait_all_final(world.members, await send_everywhere(world, 4))
        await wait_until(lambda: get_last_signed_round(member) > signed)
        assert_same_history(world.members)
        assert_no_slot_signed_twice(world.members)


def copy_disk(member: Member) -> dict:  # type: ignore[type-arg]  # the store's own table type is private
    copied = MemoryStore().disk
    for table, content in member.disk.items():
        for key, value in content.values.items():
            copied[table].put(key, value)
    return copied


async def test_a_disk_that_dies_stops_the_node_and_loses_nothing_final() -> None:
    alice = Wallet("alice")
    async with network_of(4) as world:
        member = world.members[1]
        sent = await send_everywhere(world, 4)
        await wait_all_final(world.members, sent)
        before = read_outcomes(member, sent)
        member.is_disk_dead = True
        with anyio.fail_after(10):
            await member.ended.wait()
        assert isinstance(member.failure, StorageFailed)
        late = await alice.send(world.members[0].service)
        await wait_all_final([world.members[0], *world.members[2:]], [late.id])
        member.is_disk_dead = False
        member.failure = None
        await member.start()
        assert read_outcomes(member, sent) == before
        await wait_all_final(world.members, [late.id])
        assert_same_history(world.members)
        assert_no_slot_signed_twice(world.members)


async def test_history_ahead_of_the_state_is_executed_again_to_the_same_rows() -> None:
    """A crash after the first half of a commit's write: its effects are there, its state is not."""
    alice = Wallet("alice")
    async with network_of(1) as world:
        (member,) = world.members
        await wait_final(member.service, (await alice.send(member.service)).id)
        second = await alice.send(member.service)
        archive = Archive(MemoryStore(member.disk))
        await wait_until(lambda: archive.get_ordered(1) is not None, every_s=0.0003)
        await member.stop()
        state = archive.get_ledger_state()
        assert state is not None
        assert state.ordered_total == 1
        history = {
            table: dict(member.disk[table].values)
            for table in (Table.ORDERED, Table.CHECKPOINTS, Table.COMMITS, Table.TRANSACTION_INDEX)
        }
        await member.start()
        await wait_final(member.service, second.id)
        for table, values in history.items():
            for key, value in values.items():
                assert member.disk[table].values[key] == value, table
        assert member.service.get_account(alice.address).sequence == 2
        await wait_final(member.service, (await alice.send(member.service)).id)
