"""Four validators, an observer: whatever enters anywhere becomes final everywhere, with the same effect."""

from itertools import pairwise

import anyio
import pytest

from poi.events import CountedWork, ReplayStep
from poi.evolution import open_job
from poi.replay import replay, verify_generation_digest
from shards.proofs import verify_transaction_proof
from tangle.core.types import Milliseconds, Sequence, TransactionId
from tangle.net.ledger_messages import GetTransactions
from tangle.node.views import TransactionStatus
from tests.node.traffic import send_everywhere
from tests.node.twins import START_MS
from tests.node.wallets import Wallet, wait_final
from tests.node.world import (
    BACKEND,
    JOB,
    WALLETS,
    assert_same_history,
    is_final,
    network_of,
    wait_all_final,
    wait_until,
)


async def test_what_enters_anywhere_is_final_everywhere_with_the_same_effect() -> None:
    async with network_of(4, observers=1) as world:
        sent = await send_everywhere(world, 12)
        await wait_all_final(world.members, sent)
        assert_same_history(world.members)
        for member in world.members:
            views = [member.service.get_transaction(identity) for identity in sent]
            assert {view.status for view in views} == {TransactionStatus.CHECKPOINTED}
            for identity in sent[::9]:
                verify_transaction_proof(member.service.get_transaction_proof(identity), world.genesis)
        states = {member.node.executor.machine.state.supply.balances for member in world.members}
        assert len(states) == 1
        assert world.members[4].service.get_status().role == "observer"
        assert all(all(check.is_met for check in service.get_readiness()) for service in world.services)
        committee = world.services[4].get_committee(0)
        assert [validator.is_self for validator in committee.validators] == [False] * 4
        assert {len(service.get_peers()) for service in world.services} == {4}
        assert {peer.score for service in world.services for peer in service.get_peers()} == {100.0}


async def test_every_node_trains_the_same_model_and_a_replay_agrees() -> None:
    async with network_of(4) as world:
        sent = await send_everywhere(world, 10, pause_s=0.2)
        await wait_all_final(world.members, sent)
        (model,) = world.services[0].get_models()
        curves = [service.get_generations(model.job, 0, 100) for service in world.services]
        shortest = min(map(len, curves))
        assert shortest > 3
        for curve, service in zip(curves, world.services, strict=True):
            assert curve[:shortest] == curves[0][:shortest]
            last = curve[shortest - 1].generation
            assert service.get_weights(model.job, last) == world.services[0].get_weights(model.job, last)
        lineage = world.services[0].get_lineage(model.job, 0, 1_000)
    curve = curves[0]
    steps = []
    for before, closing in pairwise(curve):
        works = tuple(
            CountedWork(item.generation, item.issuer, Sequence(item.sequence), item.results)
            for item in lineage
            if before.checkpoint < item.checkpoint <= closing.checkpoint
        )
        steps.append(ReplayStep(Milliseconds(closing.timestamp_ms), works))
    rebuilt = list(replay(open_job(JOB), Milliseconds(START_MS), steps, BACKEND, is_recomputed=True))
    assert [closed.generation for closed in rebuilt] == [view.generation for view in curve]
    for closed, view in zip(rebuilt, curve, strict=True):
        verify_generation_digest(closed, view.weights_digest)
        assert closed.score == view.score


async def test_a_transaction_that_only_one_node_has_is_fetched_by_the_others() -> None:
    """Gossip is lost; the block that names the transaction brings the others to ask for it."""
    alice = Wallet("alice")
    async with network_of(4) as world:
        world.members[0].node.gossip.add = lambda *_: None  # type: ignore[method-assign]  # loses everything
        chain = [await alice.send(world.services[0]) for _ in range(12)]
        await wait_all_final(world.members, [transaction.id for transaction in chain])
        assert_same_history(world.members)
        answer = (
            await world.members[1]
            .node.peering.get_peers()[0]
            .request(GetTransactions(0, (chain[0].id, TransactionId(bytes(32)))))
        )
        assert answer.items == (chain[0].encoded,)  # type: ignore[union-attr]  # the answer to this request


async def test_three_of_four_go_on_and_the_fourth_catches_up() -> None:
    async with network_of(4) as world:
        away = world.members[3]
        before = await send_everywhere(world, 3, members=3)
        await world.network.isolate(away.host)
        during = await send_everywhere(world, 40, members=3)
        await wait_all_final(world.members[:3], during)
        assert not any(away.node.find_status(identity) for identity in during[-20:])
        assert not away.service.get_status().is_ready
        await world.network.isolate()
        await wait_all_final([away], before + during)
        after = await send_everywhere(world, 3)
        await wait_all_final(world.members, after)
        assert_same_history(world.members)
        assert away.node.archive.committees.count_evidence() == 0
        await wait_until(lambda: away.service.get_status().is_ready)


async def test_two_halves_stand_still_and_nothing_is_final_twice() -> None:
    async with network_of(4) as world:
        await world.network.isolate(world.members[0].host, world.members[1].host)
        await anyio.sleep(2)
        certified = [member.node.finality.certified for member in world.members]
        sent = await send_everywhere(world, 3)
        await anyio.sleep(3)
        assert [member.node.finality.certified for member in world.members] == certified
        assert not any(is_final(member, identity) for member in world.members for identity in sent)
        await world.network.isolate()
        await wait_all_final(world.members, sent)
        assert_same_history(world.members)


async def test_a_double_spend_at_two_nodes_ends_the_same_everywhere() -> None:
    alice = Wallet("alice")
    async with network_of(4) as world:
        spends = [
            await alice.build(service, amount=amount)
            for amount, service in enumerate(world.services[:2], start=1)
        ]
        for spend, service in zip(spends, world.services[:2], strict=True):
            (outcome,) = await service.submit((spend.encoded,))
            assert outcome.error is None
        await wait_all_final(world.members, [spend.id for spend in spends])
        found = [
            tuple(service.get_transaction(spend.id).status for spend in spends) for service in world.services
        ]
        assert len(set(found)) == 1
        assert set(found[0]) == {TransactionStatus.CHECKPOINTED, TransactionStatus.CONFLICTING}


@pytest.mark.parametrize("seed", [1, 2])
async def test_finality_is_quick(seed: int) -> None:
    """In virtual time: some rounds, not some timeouts."""
    wallet = Wallet(WALLETS[seed])
    async with network_of(4) as world:
        await anyio.sleep(1 + seed / 7)
        begun_s = anyio.current_time()
        sent = await wallet.send(world.services[seed])
        await wait_final(world.services[seed], sent.id)
        assert anyio.current_time() - begun_s < 0.6
