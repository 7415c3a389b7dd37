"""A transaction that was dropped because its parent did not come is not lost for good: it may come again."""

import anyio
import pytest
from msgspec.structs import replace

from tangle.node.views import NotFound, TransactionStatus
from tests.node.wallets import Wallet, submit, wait_final, with_parents
from tests.node.world import PARAMETERS, network_of, wait_until

pytestmark = pytest.mark.timeout(60)

LASTING = replace(PARAMETERS, anchor_gap=1_000, expiry_gap=1_000)
"""Anchors last longer than the waiting room's patience."""


async def test_a_dropped_transaction_may_be_sent_again_with_its_parent() -> None:
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(1, parameters=LASTING) as world:
        (service,) = world.services
        parent = await alice.build(service)
        child = await bob.build(service, bend=with_parents(parent.id))
        assert (await submit(service, child)).status is TransactionStatus.WAITING
        await wait_until(lambda: service.get_status().waiting == 0, timeout_s=120)
        view = service.get_transaction(child.id)
        assert (view.reason_code, view.is_final) == ("parents-missing", False)
        for transaction in (parent, child):
            assert (await submit(service, transaction)).error is None
        for transaction in (parent, child):
            assert (await wait_final(service, transaction.id)).status is TransactionStatus.CHECKPOINTED


async def test_a_dropped_transaction_leaves_the_disk_after_a_while() -> None:
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(1, parameters=LASTING) as world:
        (service,) = world.services
        parent = await alice.build(service)
        orphan = await bob.build(service, bend=with_parents(parent.id))
        await submit(service, orphan)
        await wait_until(lambda: service.get_status().waiting == 0, timeout_s=120)
        archive = service.node.archive
        assert archive.find_transaction(orphan.id) is not None
        service.node.keeper._dropped[0] = (anyio.current_time(), orphan.id)
        await wait_until(lambda: archive.find_transaction(orphan.id) is None, timeout_s=30)
        with pytest.raises(NotFound):
            service.get_transaction(orphan.id)


async def test_what_came_back_is_not_taken_off_the_disk_while_it_is_being_ordered() -> None:
    """Its time is over between being ordered in memory and being so on disk."""
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(1, parameters=LASTING) as world:
        (service,) = world.services
        node = service.node
        parent = await alice.build(service)
        child = await bob.build(service, bend=with_parents(parent.id))
        await submit(service, child)
        await wait_until(lambda: service.get_status().waiting == 0, timeout_s=120)
        for transaction in (parent, child):
            assert (await submit(service, transaction)).error is None
        await wait_until(lambda: node.subdag.get(child.id) is None, every_s=0.0005)
        place = node.archive.find_transaction(child.id)
        assert place is not None
        assert place.ordered is None
        node.keeper._dropped.clear()
        node.keeper._dropped.append((anyio.current_time(), child.id))
        await node.keeper.store_blocks(())
        await wait_final(service, child.id)
        assert node.archive.get_transaction(child.id) is not None
