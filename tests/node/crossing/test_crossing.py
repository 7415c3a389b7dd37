"""Grains cross between shards on real nodes: exactly once, whoever crashes; a full window only makes wait."""

import anyio
import pytest
from msgspec.structs import replace

from tangle.core.errors import TangleError
from tangle.node.views import TransactionStatus
from tests.node.crossing.machines import Machines, machines_of, make_home_wallet
from tests.node.wallets import Wallet, wait_final
from tests.node.world import PARAMETERS, RICHES, assert_no_slot_signed_twice, assert_same_history, wait_until


def get_balance(machines: Machines, wallet: Wallet, shard: int, index: int = 0) -> int:
    return machines.worlds[shard].members[index].service.get_account(wallet.address).balance


async def check_all(machines: Machines) -> None:
    """Nothing is on its way, every shard's nodes have one history, and no grain is lost or made."""
    await machines.wait_arrived()
    for world in machines.worlds:
        await world.wait_level()
        assert_same_history(world.members)
        assert_no_slot_signed_twice(world.members)
    for index in range(len(machines.worlds[0].members)):
        assert machines.count_in_flight(index) == 0


async def test_a_transfer_arrives_in_the_other_shard_once() -> None:
    alice, bob = make_home_wallet("alice", 0, 1), make_home_wallet("bob", 1, 1)
    async with machines_of(3, 1, [alice, bob]) as machines:
        service = machines.worlds[0].services[0]
        transaction = await alice.send(service, recipient=bob.address, amount=1_000)
        await wait_final(service, transaction.id)
        await check_all(machines)
        for index in range(3):
            assert get_balance(machines, bob, 1, index) == RICHES + 1_000


async def send_round(machines: Machines, wallets: list[Wallet], amount: int, *, at: int = 0) -> None:
    """Every wallet sends to the next one, which lives in the next shard."""
    count = len(machines.worlds)
    for place, wallet in enumerate(wallets):
        service = machines.worlds[place % count].members[at].service
        await wallet.send(service, recipient=wallets[(place + 1) % len(wallets)].address, amount=amount)


@pytest.mark.parametrize("bits", [1, 2])
async def test_grains_go_round_while_machines_crash(bits: int) -> None:
    shards = 1 << bits
    wallets = [make_home_wallet(f"wallet {place}", place % shards, bits) for place in range(2 * shards)]
    async with machines_of(4, bits, wallets) as machines:
        for victim in (1, 2, 3):
            await send_round(machines, wallets, 10)
            for member in machines.get_machine(victim):
                await member.stop()
            await send_round(machines, wallets, 10)
            for member in machines.get_machine(victim):
                await member.start()
        for member in machines.get_machine(0):
            await member.stop()
            await member.start()
        await check_all(machines)
        for place, wallet in enumerate(wallets):
            receipts = machines.worlds[place % shards].members[0].node.archive.receipts
            rows = receipts.list_credits(wallet.address, None, 100)
            assert [row.credited.receipt.amount for row in rows] == [10] * 6


async def test_all_machines_crash_at_once_and_nothing_is_lost_or_credited_twice() -> None:
    wallets = [make_home_wallet(f"wallet {place}", place % 2, 1) for place in range(4)]
    async with machines_of(4, 1, wallets) as machines:
        for _ in range(3):
            await send_round(machines, wallets, 7)
            await anyio.sleep(0.5)
            async with anyio.create_task_group() as stopping:
                for member in machines.members:
                    stopping.start_soon(member.stop)
            for member in machines.members:
                await member.start()
            for world in machines.worlds:
                await world.wait_ready()
        await check_all(machines)


async def test_a_full_window_only_makes_senders_wait() -> None:
    wallets = [make_home_wallet("alice", 0, 1), make_home_wallet("bob", 1, 1)]
    narrow = replace(PARAMETERS, receipts_window=4)
    async with machines_of(3, 1, wallets, parameters=narrow) as machines:
        alice, bob = wallets
        service = machines.worlds[0].services[0]
        applied = 0
        with anyio.fail_after(60):
            while applied < 12:
                try:
                    sent = await alice.send(service, recipient=bob.address, amount=1)
                    view = await wait_final(service, sent.id)
                except TangleError:
                    await anyio.sleep(0.1)
                    continue
                applied += view.status is TransactionStatus.CHECKPOINTED
        await check_all(machines)
        assert get_balance(machines, bob, 1) == RICHES + 12


async def test_a_node_that_comes_late_fetches_old_bundles() -> None:
    wallets = [make_home_wallet("alice", 0, 1), make_home_wallet("bob", 1, 1)]
    async with machines_of(4, 1, wallets) as machines:
        late = machines.get_machine(3)
        for member in late:
            await member.stop()
            member.lose_disk()
        for turn in range(5):
            await send_round(machines, wallets, 5 + turn, at=turn % 3)
            await anyio.sleep(0.5)
        await wait_until(lambda: has_arrived_at(machines, 0))
        for member in late:
            await member.start()
        await check_all(machines)


def has_arrived_at(machines: Machines, index: int) -> bool:
    """Whether all that one machine knows to be sent was credited there."""
    states = [member.node.executor.machine.state for member in machines.get_machine(index)]
    pairs = ((s, t) for s in range(len(states)) for t in range(len(states)))
    return all(states[s].sent[t] == states[t].received[s] for s, t in pairs)
