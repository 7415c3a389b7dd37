"""One real node from first start to second start: a transfer becomes final, is proven, and is there again."""

import pytest

from tangle.client.client import TangleClient
from tangle.core.signing import SigningKey
from tangle.core.transactions import Transfer
from tangle.core.types import Grains
from tests.acceptance.load import SeenFinal
from tests.acceptance.support import (
    NetworkUnderTest,
    check_books,
    find_double_blocks,
    get_group_members,
    wait_until,
)

ALICE, BOB = SigningKey(b"a" * 32), SigningKey(b"b" * 32)


@pytest.mark.timeout(90)
async def test_a_transfer_is_final_proven_and_there_after_a_restart(one_node: NetworkUnderTest) -> None:
    (node,) = one_node.nodes
    await node.wait_ready()
    async with TangleClient(node.url) as client:
        funding = await client.wait_transaction(await client.request_faucet(ALICE.public_key))
        sent = await client.send(ALICE, Transfer(BOB.public_key, Grains(5)))
        assert (sent.status, sent.is_final, sent.reason_code) == ("checkpointed", True, None)
        proven = await client.verify(sent.id, one_node.genesis)
        assert proven.transaction.body.operation == Transfer(BOB.public_key, Grains(5))
        checkpoint = await client.get_checkpoint(index=int(sent.checkpoint or 0))
    group = node.pid
    assert await node.stop() == 0
    assert "Traceback" not in node.read_log()

    async def is_empty() -> bool:
        return not get_group_members(group)

    await wait_until(is_empty, "the workers to be gone")
    assert check_books(node, one_node.genesis) >= checkpoint.index
    assert find_double_blocks(node, one_node.genesis) == []

    node.start()
    await node.wait_ready()
    async with TangleClient(node.url) as client:
        assert (await client.get_account(BOB.public_key)).balance == 5
        for before in (funding, sent):
            assert SeenFinal.of(await client.get_transaction(before.id)) == SeenFinal.of(before)
        assert await client.get_checkpoint(index=int(checkpoint.index)) == checkpoint
        again = await client.send(ALICE, Transfer(BOB.public_key, Grains(7)))
        assert (again.status, again.sequence) == ("checkpointed", 1)
    assert await node.stop() == 0
