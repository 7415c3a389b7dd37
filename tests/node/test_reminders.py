"""A node that makes no blocks tells again what no block names: news may have been missed by everybody."""

import pytest

from tangle.node.views import TransactionStatus
from tests.node.wallets import Wallet, wait_final
from tests.node.world import network_of


async def test_what_nobody_heard_of_is_told_again_until_a_block_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alice = Wallet("alice")
    async with network_of(4, observers=1) as world:
        observer = world.members[-1]
        monkeypatch.setattr(observer.node.gossip, "add", lambda *_: None)
        sent = await alice.send(observer.service)
        assert (await wait_final(observer.service, sent.id)).status is TransactionStatus.CHECKPOINTED
