"""A node serves one shard of its chain: that one's accounts, and no other's transactions."""

import pytest
from msgspec.structs import replace

from tangle.core.errors import WrongShard
from tangle.core.hashing import compute_home_shard
from tangle.core.transactions import sign_transaction
from tangle.core.types import Shard
from tangle.node.recovery import HomeOfAnotherShard, NoSuchShard
from tests.node.wallets import Wallet, submit, wait_final
from tests.node.world import PARAMETERS, WALLETS, assert_same_history, network_of, wait_until

TWO_SHARDS = replace(PARAMETERS, shard_bits=1)


def find_wallet(shard: int) -> Wallet:
    return next(w for w in map(Wallet, WALLETS) if compute_home_shard(w.key.public_key, 1) == shard)


@pytest.mark.parametrize("shard", [0, 1])
async def test_each_shard_runs_by_itself(shard: int) -> None:
    wallet = find_wallet(shard)
    async with network_of(3, parameters=TWO_SHARDS, shard=Shard(shard)) as world:
        (service, *_) = world.services
        transaction = await wallet.build(service)
        assert transaction.body.shard == shard
        assert (await submit(service, transaction)).error is None
        await wait_final(service, transaction.id)
        assert service.shard == service.get_checkpoint(shard, None).checkpoint.shard == shard
        await world.wait_level()
        assert_same_history(world.members)


async def test_a_transaction_of_another_shard_is_refused() -> None:
    home, stranger = find_wallet(0), find_wallet(1)
    async with network_of(1, parameters=TWO_SHARDS) as world:
        (service,) = world.services
        body = (await home.build(service)).body
        foreign = replace(body, shard=Shard(1), issuer=stranger.key.public_key)
        outcome = await submit(service, sign_transaction(foreign, stranger.key))
        assert isinstance(outcome.error, WrongShard)


@pytest.mark.parametrize(("first", "second", "error"), [(0, 1, HomeOfAnotherShard), (2, 2, NoSuchShard)])
async def test_a_shard_that_cannot_be_is_refused_at_the_start(
    first: int, second: int, error: type[Exception]
) -> None:
    async with network_of(1, parameters=TWO_SHARDS, is_started=False) as world:
        (member,) = world.members
        if first != second:
            world.shard = Shard(first)
            await member.start()
            await wait_until(lambda: member.node.finality.certified > 0)
            await member.stop()
        world.shard = Shard(second)
        with pytest.raises(RuntimeError):  # what anyio says when a task ends without having started
            await member.start()
        assert isinstance(member.failure, error)
