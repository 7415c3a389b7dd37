"""The gate: what would only conflict is refused for now, turns are given, and who must not wait does not."""

import anyio
import pytest
from msgspec.structs import replace

from tangle.core.transactions import Transaction
from tangle.core.types import Grains
from tangle.ledger.errors import FundsShort, SequenceFar, SequenceGap, SequenceTaken
from tangle.ledger.fair_queue import FairLimits
from tangle.ledger.pending import ISSUER_PENDING_MAX
from tangle.node import gate as gate_module
from tangle.node.gate import APART_S
from tangle.node.service import Service
from tangle.node.views import Overloaded, SubmitOutcome, TransactionStatus
from tests.node.wallets import Wallet, submit, wait_final, with_parents
from tests.node.world import RICHES, network_of, wait_all_final, wait_until


async def build_chain(service: Service, wallet: Wallet, count: int) -> list[Transaction]:
    chain = [await wallet.build(service)]
    for number in range(1, count):
        chain.append(await wallet.build(service, sequence=number, bend=with_parents(chain[-1].id)))
    return chain


async def test_a_second_one_of_a_number_is_refused_for_now() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        first, second = [await alice.build(service, amount=amount) for amount in (1, 2)]
        world.members[0].node.driver.is_proposing = False
        assert (await submit(service, first)).error is None
        refused = await submit(service, second)
        assert isinstance(refused.error, SequenceTaken)
        assert refused.error.taken_by == first.id
        assert not service.node.intake.is_refused(second.id)
        assert service.node.intake.refused_total == {"sequence-taken": 1}
        again = await submit(service, second)
        assert again.is_new


async def test_two_nodes_may_admit_two_of_one_number_and_the_order_decides() -> None:
    alice = Wallet("alice")
    async with network_of(4) as world:
        spends = [await alice.build(world.services[0], amount=amount) for amount in (1, 2)]
        outcomes: list[SubmitOutcome] = []

        async def send(service: Service, spend: Transaction) -> None:
            outcomes.append(await submit(service, spend))

        async with anyio.create_task_group() as tasks:
            for service, spend in zip(world.services, spends, strict=False):
                tasks.start_soon(send, service, spend)
        assert [outcome.error for outcome in outcomes] == [None, None]
        identities = [spend.id for spend in spends]
        await wait_all_final(world.members, identities)
        statuses = {world.services[2].get_transaction(identity).status for identity in identities}
        assert statuses == {TransactionStatus.CHECKPOINTED, TransactionStatus.CONFLICTING}


async def test_grains_that_are_under_way_are_not_spent_twice() -> None:
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(1) as world:
        (service,) = world.services
        first = await alice.send(service, recipient=bob.address, amount=RICHES // 2)
        second = await alice.build(service, amount=RICHES // 2)
        refused = await submit(service, second)
        assert isinstance(refused.error, FundsShort)
        await wait_final(service, first.id)
        await bob.send(service, recipient=alice.address, amount=RICHES // 2)
        await wait_until(lambda: service.get_account(alice.address).balance > RICHES * 3 // 4)
        # Nothing about the bytes was wrong.
        assert (await submit(service, second)).error is None
        assert (await wait_final(service, second.id)).status is TransactionStatus.CHECKPOINTED


async def test_a_number_far_ahead_is_refused() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        far = await alice.build(service, sequence=ISSUER_PENDING_MAX)
        assert isinstance((await submit(service, far)).error, SequenceFar)


async def test_what_overtakes_waits_for_the_number_before() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        chain = await build_chain(service, alice, 5)
        outcomes = await service.submit([transaction.encoded for transaction in reversed(chain)])
        assert [outcome.error for outcome in outcomes] == [None] * 5
        views = [await wait_final(service, transaction.id) for transaction in chain]
        assert {view.status for view in views} == {TransactionStatus.CHECKPOINTED}


async def test_without_the_number_before_it_is_refused_after_a_while() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        begun_s = anyio.current_time()
        outcome = await submit(service, await alice.build(service, sequence=5))
        assert isinstance(outcome.error, SequenceGap)
        assert APART_S <= anyio.current_time() - begun_s < APART_S + 2
        assert service.node.intake.gate.apart == 0


async def test_without_room_it_waits_for_its_turn_unless_a_block_needs_it() -> None:
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(1) as world:
        (service,) = world.services
        gate = service.node.intake.gate
        needed, other = await alice.build(service), await bob.build(service)
        gate.backlog.target = 0
        outcomes: dict[str, SubmitOutcome] = {}

        async def send(name: str, transaction: Transaction) -> None:
            outcomes[name] = await submit(service, transaction)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, "needed", needed)
            tasks.start_soon(send, "other", other)
            await wait_until(lambda: gate.held == 2)
            # Its number is taken although it is not attached.
            assert (await service.prepare(alice.address, with_work=False)).sequence == 1
            service.node.intake.hasten(needed.id)
            await wait_until(lambda: "needed" in outcomes)
            assert (gate.held, gate.issuers, list(outcomes)) == (1, 1, ["needed"])
        # The next checkpoint measures the target anew, and then there is room.
        assert outcomes["other"].error is None
        for transaction in (needed, other):
            assert (await wait_final(service, transaction.id)).status is TransactionStatus.CHECKPOINTED


async def test_who_has_most_waiting_is_told_to_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = FairLimits(4, 2**20, 3, 2**20, 4_096)
    monkeypatch.setattr(gate_module, "make_held_limits", lambda _: limits)
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(1) as world:
        (service,) = world.services
        gate = service.node.intake.gate
        flood = await build_chain(service, alice, 6)
        honest = await bob.build(service)
        gate.backlog.target = -(10**9)
        outcomes: list[SubmitOutcome] = []

        async def send_flood() -> None:
            outcomes.extend(await service.submit([transaction.encoded for transaction in flood], "host"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send_flood)
            await wait_until(lambda: gate.held == 3)
            tasks.start_soon(submit, service, honest)
            await wait_until(lambda: gate.held == 4)
            await anyio.sleep(1)
        refused = [outcome.error for outcome in outcomes if outcome.error is not None]
        assert len(refused) == 3
        codes = {error.code for error in refused}
        assert codes <= {"overloaded", "sequence-gap"}
        overloaded = next(error for error in refused if isinstance(error, Overloaded))
        assert overloaded.retry_after_s >= 1
        for transaction in (*flood[:3], honest):
            assert (await wait_final(service, transaction.id)).status is TransactionStatus.CHECKPOINTED


async def test_one_sender_cannot_fill_the_intake() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        own_max = service.node.intake._queue.limits.flow_items_max
        with pytest.raises(Overloaded):
            await service.submit([b""] * (own_max + 1), "flood")
        assert service.node.intake.refused_total == {"overloaded": own_max + 1}
        assert (await wait_final(service, (await alice.send(service)).id)).fee


async def test_a_price_that_nobody_allowed_is_refused() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        from_them = await alice.build(service, bend=lambda body: replace(body, max_fee=Grains(1)))
        outcome = await submit(service, from_them)
        assert outcome.error is not None
        assert outcome.error.code == "fee-low"
