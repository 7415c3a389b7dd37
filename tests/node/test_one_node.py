"""One validator alone: the whole way of a transaction, from the wallet to the proof."""

import anyio
import pytest
from msgspec.structs import replace

from shards.proofs import verify_transaction_proof
from tangle.core.errors import TangleError
from tangle.core.transactions import TransactionBody
from tangle.core.types import GRAINS_PER_TOKEN, PublicKey, TransactionId
from tangle.ledger.effects import Status, decode_effect
from tangle.node.founding import FAUCET_PORTION
from tangle.node.views import Event, NotFound, TransactionStatus, WaitTimeout
from tests.node.wallets import NOBODY, Wallet, submit, wait_final
from tests.node.world import RICHES, network_of


def with_worker(body: TransactionBody, worker: PublicKey) -> TransactionBody:
    return replace(body, work=replace(body.work, worker=worker))


UNKNOWN = TransactionId(bytes(31) + b"\x01")


async def test_a_transfer_becomes_final_and_its_proof_holds_offline() -> None:
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(1) as world:
        (service,) = world.services
        sent = await alice.send(service, recipient=bob.address, amount=5 * GRAINS_PER_TOKEN)
        view = await wait_final(service, sent.id)
        assert view.status is TransactionStatus.CHECKPOINTED
        assert view.is_final
        assert view.is_work_counted
        assert view.reason is view.reason_code is None
        assert view.fee
        assert service.get_account(bob.address).balance == RICHES + 5 * GRAINS_PER_TOKEN
        account = service.get_account(alice.address)
        assert account.balance == RICHES - 5 * GRAINS_PER_TOKEN - view.fee
        assert (account.sequence, account.pending) == (1, 0)
        encoded = service.get_transaction_proof(sent.id)
        genesis = world.genesis
    proven = verify_transaction_proof(encoded, genesis)
    assert proven.transaction.encoded == sent.encoded
    assert decode_effect(proven.effect).status is Status.APPLIED
    for place in range(0, len(encoded), 97):
        changed = bytearray(encoded)
        changed[place] ^= 1
        with pytest.raises(TangleError):
            verify_transaction_proof(bytes(changed), genesis)


async def test_what_is_not_final_has_no_proof_and_what_is_unknown_has_nothing() -> None:
    async with network_of(1) as world:
        (service,) = world.services
        sent = await Wallet("alice").send(service)
        assert service.get_transaction(sent.id).status is TransactionStatus.ATTACHED
        with pytest.raises(NotFound, match="proof"):
            service.get_transaction_proof(sent.id)
        for ask in (service.get_transaction, service.get_transaction_proof):
            with pytest.raises(NotFound):
                ask(UNKNOWN)
        with pytest.raises(NotFound):
            await wait_final(service, UNKNOWN)
        with pytest.raises(NotFound):
            service.get_checkpoint(0, 10**9)
        with pytest.raises(NotFound):
            service.get_checkpoint(1, None)


async def test_waiting_ends_when_its_time_is_up_and_leaves_nothing_behind() -> None:
    async with network_of(1) as world:
        (service,) = world.services
        finality = world.members[0].node.finality
        sent = await Wallet("alice").send(service)
        with pytest.raises(WaitTimeout):
            await wait_final(service, sent.id, timeout_s=0.001)
        with pytest.raises(WaitTimeout):
            await service.wait_checkpoint(10**9, 0.5)
        await service.wait_checkpoint(finality.executed + 2, 5.0)
        assert not finality._waiting
        assert not finality._waiting_checkpoints


async def test_the_faucet_gives_its_portion_to_many_at_once() -> None:
    recipients = [Wallet(f"new {number}").address for number in range(5)]
    given: list[TransactionId] = []
    async with network_of(1) as world:
        (service,) = world.services

        async def ask(number: int) -> None:
            given.append(await service.faucet(recipients[number]))

        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(ask, number)
        for identity in given:
            assert (await wait_final(service, identity)).status is TransactionStatus.CHECKPOINTED
        assert [service.get_account(each).balance for each in recipients] == [FAUCET_PORTION] * 5


async def test_a_wallet_sends_many_without_waiting_and_they_apply_in_order() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        sent = [await alice.send(service) for _ in range(40)]
        assert [transaction.body.sequence for transaction in sent] == list(range(40))
        assert service.get_account(alice.address).pending > 0
        await wait_final(service, sent[-1].id)
        views = [service.get_transaction(transaction.id) for transaction in sent]
        assert {view.status for view in views} == {TransactionStatus.CHECKPOINTED}
        assert [view.ordered_index for view in views] == sorted(view.ordered_index or 0 for view in views)
        assert service.get_account(alice.address).pending == 0


async def test_history_comes_in_pages_newest_first() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        sent = [await alice.send(service) for _ in range(7)]
        await wait_final(service, sent[-1].id)
        expected = [transaction.id for transaction in reversed(sent)]
        before, found = None, []
        while True:
            page = service.get_account_history(alice.address, before, 3)
            assert len(page.items) <= 3
            found += [view.transaction.id for view in page.items]
            if page.next_before is None:
                break
            before = page.next_before
        assert found == expected
        assert [
            view.transaction.id for view in service.get_account_history(NOBODY, None, 9).items
        ] == expected
        assert not service.get_account_history(Wallet("stranger").address, None, 9).items
        assert {view.transaction.id for view in service.get_recent(7)} == set(expected)
        near = service.get_neighbours(sent[3].id, 1)
        assert near[0].transaction.id == sent[3].id
        assert {sent[2].id, sent[4].id} <= {view.transaction.id for view in near}


async def test_events_have_no_gaps_and_a_subscriber_can_begin_anywhere() -> None:
    alice = Wallet("alice")
    heard: list[Event] = []
    async with network_of(1) as world:
        (service,) = world.services

        async def listen() -> None:
            async with service.subscribe_events(0) as events:
                async for event in events:
                    heard.append(event)  # noqa: PERF401 - a list that grows while the stream goes on

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            sent = [await alice.send(service) for _ in range(8)]
            await wait_final(service, sent[-1].id)
            await anyio.sleep(1)
            tasks.cancel_scope.cancel()
        assert [event.id for event in heard] == list(range(1, len(heard) + 1))
        assert {event.topic for event in heard} == {"transaction", "checkpoint", "model"}
        assert sum(alice.address in event.accounts for event in heard) == 8
        for after in range(len(heard)):
            assert service.get_events(after, 3) == tuple(heard[after : after + 3])


async def test_the_same_bytes_again_are_not_new() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        transaction = await alice.build(service)
        first, twin = await service.submit((transaction.encoded, transaction.encoded))
        assert first.is_new
        assert first.error is twin.error is None
        again = await submit(service, transaction)
        assert (again.is_new, again.status) == (False, TransactionStatus.ATTACHED)
        await wait_final(service, transaction.id)
        again = await submit(service, transaction)
        assert (again.is_new, again.status) == (False, TransactionStatus.CHECKPOINTED)
        assert service.get_account(alice.address).sequence == 1


async def test_work_trains_the_model_and_its_worker_is_paid() -> None:
    alice, worker = Wallet("alice"), Wallet("worker")
    async with network_of(1) as world:
        (service,) = world.services
        (before,) = service.get_models()
        sent = [
            await alice.send(service, bend=lambda body: with_worker(body, worker.address)) for _ in range(20)
        ]
        await wait_final(service, sent[-1].id)
        (after,) = service.get_models()
        assert before.current.generation == 0
        assert after.current.generation >= 1
        assert after.counted_total == 20
        curve = service.get_generations(after.job, 0, 100)
        assert [view.generation for view in curve] == list(range(after.current.generation + 1))
        assert len({view.weights_digest for view in curve}) == len(curve)
        assert len(service.get_lineage(after.job, 0, 100)) == 20
        assert len(service.get_weights(after.job, None)) == len(service.get_weights(after.job, 0))
        with pytest.raises(NotFound):
            service.get_weights(after.job, 10**6)
        assert service.get_account(worker.address).balance > 0
        assert service.get_status().generation == after.current.generation


async def test_an_idle_node_is_ready_and_shows_itself() -> None:
    async with network_of(1) as world:
        (service,) = world.services
        await anyio.sleep(5)
        assert all(check.is_met for check in service.get_readiness())
        status = service.get_status()
        assert status.is_ready
        assert status.role == "validator"
        assert status.checkpoint_certified > 5
        assert not any(status.queues.values())
        committee = service.get_committee(0)
        assert [validator.is_self for validator in committee.validators] == [True]
        assert committee.validators[0].attested > 5
        with pytest.raises(NotFound):
            service.get_committee(1)
        assert not service.get_peers()
