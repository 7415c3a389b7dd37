"""Nobody waits for the disk with what others sent; what builds on it is never there without it."""

from collections.abc import Callable, Sequence

import pytest

from shards.commits import decode_commit
from tangle.core.transactions import Transaction
from tangle.node.views import TransactionStatus
from tangle.store.keys import compute_block_key
from tangle.store.store import Table
from tests.node.wallets import Wallet, submit
from tests.node.world import Member, network_of, wait_all_final, wait_until

pytestmark = pytest.mark.timeout(60)


class HeldBack:
    """In the place of a node's disk queue: takes transactions, and says when they are durable."""

    def __init__(self) -> None:
        self.told: list[Callable[[], None]] = []
        self.is_awaited: list[bool] = []

    async def __call__(
        self, transactions: Sequence[Transaction], on_durable: Callable[[], None], *, is_awaited: bool
    ) -> None:
        if transactions:
            self.told.append(on_durable)
            self.is_awaited.append(is_awaited)


async def test_a_transaction_is_inside_until_it_is_durable() -> None:
    alice = Wallet("alice")
    async with network_of(2) as world:
        first, second = world.members
        held = HeldBack()
        second.node.intake._hand_in = held
        sent = await alice.build(first.service)
        assert (await submit(first.service, sent)).status is TransactionStatus.ATTACHED
        await wait_until(lambda: bool(held.told))
        assert second.node.intake.has(sent.id)
        assert second.node.find_status(sent.id) is TransactionStatus.ATTACHED  # its blocks may be taken
        assert held.is_awaited == [False]
        held.told.pop()()
        assert not second.node.intake.has(sent.id)


async def test_a_commit_is_on_no_disk_without_its_blocks() -> None:
    alice = Wallet("alice")
    async with network_of(4) as world:
        sent = await alice.send(world.services[0])
        await wait_all_final(world.members, [sent.id])
        for member in world.members:  # as it is at this moment, with batches under way
            assert_whole(member)


def assert_whole(member: Member) -> None:
    blocks = member.disk[Table.BLOCKS].values
    commits = [decode_commit(value) for value in member.disk[Table.COMMITS].values.values()]
    assert commits
    for commit in commits:
        for reference in commit.blocks:
            assert compute_block_key(0, reference.round, reference.author, reference.digest) in blocks
