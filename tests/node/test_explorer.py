"""What a running node shows to explorers, beside what it shows otherwise."""

from itertools import pairwise

import pytest

from shards.blocks import decode_block
from tangle.node.explorer import LATEST_ROUNDS
from tangle.node.views import NotFound
from tests.node.wallets import Wallet, wait_final
from tests.node.world import network_of


async def test_blocks_checkpoints_and_contents_are_those_of_the_history() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        sent = [await alice.send(service) for _ in range(5)]
        view = await wait_final(service, sent[-1].id)
        explorer = service.explorer

        latest = explorer.get_blocks(0, None, 64)
        assert 0 < len(latest) <= LATEST_ROUNDS
        first = explorer.get_blocks(0, 1, 3)
        assert [(block.reference.round, block.reference.author) for block in first] == [
            (1, 0),
            (2, 0),
            (3, 0),
        ]
        assert first[1].body.ancestors[0] == first[0].reference
        (block,) = explorer.get_slot(0, 2, 0)
        assert block.encoded == first[1].encoded
        assert decode_block(block.encoded).reference == block.reference
        assert explorer.get_blocks(0, 2**63 - 1, 9) == ()

        pages = [explorer.get_checkpoints(0, None, 2)]
        while pages[-1] and pages[-1][-1].checkpoint.index:
            pages.append(explorer.get_checkpoints(0, pages[-1][-1].checkpoint.index, 2))
        checkpoints = [view for page in pages for view in page][::-1]
        assert [one.checkpoint.index for one in checkpoints] == list(range(len(checkpoints)))
        assert all(after.checkpoint.previous == before.digest for before, after in pairwise(checkpoints))

        ordered = []
        for one in checkpoints:
            index, count = one.checkpoint.index, one.checkpoint.ordered_count
            held = [explorer.get_contents(0, index, place, 1) for place in range(count)]
            whole = explorer.get_contents(0, index, 0, 50)
            assert [part[0].transaction.id for part in held] == [part.transaction.id for part in whole]
            assert explorer.get_contents(0, index, count, 50) == ()
            ordered += [part[0].transaction.id for part in held]
        assert ordered == [transaction.id for transaction in sent]
        assert view.checkpoint is not None


async def test_what_is_not_there_is_not_found() -> None:
    async with network_of(1) as world:
        (service,) = world.services
        explorer = service.explorer
        for ask in (
            lambda: explorer.get_slot(0, 2**63 - 1, 0),
            lambda: explorer.get_slot(0, 1, 3),
            lambda: explorer.get_contents(0, 10**9, 0, 1),
            lambda: explorer.get_blocks(1, None, 1),
            lambda: explorer.get_checkpoints(1, None, 1),
        ):
            with pytest.raises(NotFound):
                ask()
