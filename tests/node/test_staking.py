"""Stakes at a running node: operations, what leaves, elections, pay, and a newcomer that proposes."""

import msgspec
from msgspec.structs import replace

from poi.market.outcomes import Purpose
from shards.epochs import LEADING_SHARD
from tangle.core.transactions import Operation, Register, Retire, Stake, TransactionBody, Unstake
from tangle.core.types import Grains, Milliseconds
from tangle.ledger.staking.book import prove_possession
from tangle.ledger.staking.events import Elected, Rewarded
from tangle.node.event_log import STAKE
from tangle.node.service import Service
from tangle.node.views import TransactionStatus
from tests.node.twins import make_key
from tests.node.wallets import Bend, Wallet, wait_final
from tests.node.world import PARAMETERS, network_of, wait_until

STAKE_MIN = PARAMETERS.staking.stake_min
LONG = replace(PARAMETERS, epoch_ms=Milliseconds(600_000))
SHORT = replace(PARAMETERS, epoch_ms=Milliseconds(1_500))


def asking(operation: Operation) -> Bend:
    def bend(body: TransactionBody) -> TransactionBody:
        return replace(body, operation=operation)

    return bend


async def ask(wallet: Wallet, service: Service, operation: Operation) -> TransactionStatus:
    sent = await wallet.send(service, bend=asking(operation))
    return (await wait_final(service, sent.id)).status


def make_registration(service: Service, wallet: Wallet, name: str) -> Register:
    key = make_key(name)
    return Register(key.public_key, prove_possession(key, wallet.address, service.chain))


async def test_a_candidate_is_shown_with_what_an_election_would_give() -> None:
    async with network_of(1, parameters=LONG) as world:
        (service,) = world.services
        alice = Wallet("alice")
        before = service.validators.get_election()
        assert [each.is_self for each in before.candidates] == [True]
        assert (before.candidates[0].next_weight, before.next_total_weight) == (0, 0)

        for operation in (Stake(Grains(STAKE_MIN + 50)), make_registration(service, alice, "newcomer")):
            assert await ask(alice, service, operation) is TransactionStatus.CHECKPOINTED
        assert await ask(alice, service, Unstake(Grains(20))) is TransactionStatus.CHECKPOINTED
        election = service.validators.get_election()
        shown = {each.owner: each for each in election.candidates}[alice.address]
        assert (shown.stake, shown.leaving, shown.weight) == (STAKE_MIN + 50, 20, 0)
        assert shown.next_weight == election.next_total_weight == 10_000
        assert shown.fresh > 0, "its transactions carried work"
        (part,) = service.get_account(alice.address).leaving
        assert (part.amount, part.release_epoch) == (20, election.epoch + election.unbonding_epochs + 1)
        assert part.release_ms == world.genesis.timestamp_ms + part.release_epoch * LONG.epoch_ms

        assert await ask(alice, service, Unstake(Grains(STAKE_MIN * 2))) is TransactionStatus.CONFLICTING
        assert await ask(alice, service, Retire()) is TransactionStatus.CHECKPOINTED
        shown = {each.owner: each for each in service.validators.get_election().candidates}[alice.address]
        assert (shown.retired, shown.next_weight) == (election.epoch, 0)


async def test_epochs_end_with_events_and_pay() -> None:
    async with network_of(1, parameters=SHORT) as world:
        (service,) = world.services
        own = world.genesis.validators[0].public_key
        await wait_until(lambda: world.members[0].node.epochs.epoch >= 2)
        news = service.validators.list_news(None, 100)
        elected = [each.event for each in news if isinstance(each.event, Elected)]
        assert [event.epoch for event in elected] == sorted((event.epoch for event in elected), reverse=True)
        assert {event.members for event in elected} == {()}, "nobody has a stake: the same go on"
        paid = [each for each in service.validators.list_news(own, 100) if isinstance(each.event, Rewarded)]
        earned = service.get_account_earnings(own, None, 1_000).items
        pay = {item.checkpoint: item.amount for item in earned if item.purpose is Purpose.COMMITTEE}
        assert paid
        assert {each.checkpoint: each.event.amount for each in paid} == pay  # type: ignore[union-attr]  # Rewarded

        events = [event for event in service.get_events(0, 10_000) if event.topic == STAKE]
        bodies = [msgspec.json.decode(event.body) for event in events]
        assert [body["what"] for body in bodies].count("elected") >= 2
        rewarded = next(event for event in events if b"rewarded" in event.body)
        assert rewarded.accounts == (own,)
        assert [event.id for event in service.get_events(0, 10_000)] == list(
            range(1, len(service.get_events(0, 10_000)) + 1)
        )
        page = service.metrics.get_sample_value("tangle_committee_own_weight_ratio")
        assert (page, world.shard) == (1.0, LEADING_SHARD)


async def test_an_observer_that_registers_becomes_a_proposer() -> None:
    async with network_of(1, observers=1, parameters=SHORT) as world:
        first, observer = world.members
        alice, bob = Wallet("alice"), Wallet("bob")
        await ask(alice, first.service, Stake(Grains(STAKE_MIN)))
        await ask(alice, first.service, make_registration(first.service, alice, "validator 1"))
        await wait_until(lambda: observer.node.validator_key is not None, timeout_s=60)
        await wait_until(lambda: observer.node.driver.is_proposing, timeout_s=60)
        sent = await bob.send(observer.service)
        assert (await wait_final(observer.service, sent.id)).status is TransactionStatus.CHECKPOINTED
        assert [member.public_key for member in observer.node.committee.validators] == [
            make_key("validator 1").public_key
        ]
        assert first.node.validator_key is None, "without a stake it was not elected again"
