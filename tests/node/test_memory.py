"""What a node keeps in memory does not grow with what it has done."""

from collections.abc import Sized
from itertools import chain

import anyio
import pytest

from tangle.ledger.limits import SubDagLimits
from tangle.node.node import Node
from tests.node.traffic import send_everywhere
from tests.node.wallets import Wallet, make_lax
from tests.node.world import WALLETS, network_of, wait_all_final, wait_until

EMPTY = (
    "intake._queue",
    "intake._in_flight",
    "intake._parked",
    "gossip._own.news",
    "gossip._relayed.news",
    "fetcher._transactions._wishes",
    "fetcher._blocks._wishes",
    "missing._wanted",
    "driver._inbox",
    "driver._in_inbox",
    "driver._unsaved",
    "executor._commits",
    "executor._unwritten",
    "finality._executed",
    "finality._waiting",
    "finality._waiting_checkpoints",
    "finality._late",
    "book._unexecuted",
    "book.pending._issuers",
    "book.pending._places",
    "intake._urgent",
    "intake.gate._held",
    "intake.gate._apart",
    "intake.gate._apart_counts",
    "intake.gate._ready",
    "book._attached_at_s",
    "archive._unordered",
    "subdag._unordered",
    "subdag._anchors",
    "subdag._waiting._entries",
    "subdag._waiting._children",
    "subdag._waiting._counts",
    "keeper._evidence",
)
"""What is empty when nothing is under way; an own attestation or a certificate may wait for its block."""

BOUNDS = {
    "intake._refused": 0,
    "finality._certificates": 4,
    "finality.attester._own": 4,
    "finality.attester._attested": 4,
    "events._expanded": 64,
    "book.recent": 500,
    "subdag._recent": SubDagLimits().recent_max,
    "subdag._latest": 64,
}
"""What may hold something, and how much."""


def measure(node: Node, path: str) -> int:
    found: object = node
    for name in path.split("."):
        found = getattr(found, name)
    assert isinstance(found, Sized)
    return len(found)


def assert_at_rest(node: Node) -> None:
    left = {path: size for path in EMPTY if (size := measure(node, path))}
    assert not left
    over = {path: size for path, bound in BOUNDS.items() if (size := measure(node, path)) > bound}
    assert not over
    held = node.subdag.get_statistics()
    assert (held.unordered, held.waiting, held.missing, held.heads) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "count", [200, pytest.param(2_000, marks=[pytest.mark.slow, pytest.mark.timeout(240)])]
)
async def test_many_transactions_leave_nothing_behind(count: int) -> None:
    async with network_of(1) as world:
        (member,) = world.members
        sent = []
        wallets = [Wallet(name) for name in WALLETS]
        for number in range(count // 4):
            built = [await wallet.build(member.service) for wallet in wallets]
            outcomes = await member.service.submit([transaction.encoded for transaction in built])
            assert not any(outcome.error for outcome in outcomes)
            if number % 50 == 49:
                sent.append(built[-1].id)
                await wait_all_final(world.members, sent[-1:])
        await wait_until(lambda: member.node.subdag.get_statistics().unordered == 0)
        await anyio.sleep(3)
        assert member.node.executor.machine.state.ordered_total == count
        assert_at_rest(member.node)


async def test_refusals_conflicts_and_broken_waits_leave_only_their_codes() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (member,) = world.members
        service = member.service
        make_lax(service)
        spends = [await alice.build(service, amount=amount) for amount in range(1, 9)]
        await service.submit([spend.encoded for spend in spends])
        with anyio.move_on_after(0.001):
            await service.wait_checkpoint(10**6, 100.0)
        with anyio.move_on_after(0.001):
            await service.submit([(await alice.build(service)).encoded])
        await service.submit([bytes([number]) * 100 for number in range(50)])
        await anyio.sleep(5)
        node = member.node
        assert set(node.intake.refused_total) == {"encoding-malformed"}
        assert measure(node, "intake._refused") == 50
        node.intake._refused.clear()
        assert_at_rest(node)


async def test_four_nodes_are_at_rest_when_nothing_happens() -> None:
    async with network_of(4) as world:
        sent = await send_everywhere(world, 10)
        await wait_all_final(world.members, sent)
        await wait_until(
            lambda: not any(chain(*(member.service.get_status().queues.values() for member in world.members)))
        )
        await anyio.sleep(3)
        for member in world.members:
            assert_at_rest(member.node)
            core = member.node.driver.core
            assert core.highest_round - core.horizon < 3 * world.genesis.parameters.commit_depth
