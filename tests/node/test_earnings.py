"""What an account grew by without a transfer is listed."""

from msgspec.structs import replace

from tangle.core.transactions import TransactionBody
from tests.node.wallets import Wallet, wait_final
from tests.node.world import network_of, wait_until

WORKER = Wallet("nobody in particular").key.public_key


def with_worker(body: TransactionBody) -> TransactionBody:
    return replace(body, work=replace(body.work, worker=WORKER))


async def test_earnings_add_up_to_what_an_account_holds_that_nobody_paid() -> None:
    async with network_of(1) as world:
        (service,) = world.services
        leader = world.genesis.validators[0].public_key
        wallets = [Wallet("alice"), Wallet("bob")]
        for _ in range(4):
            for wallet in wallets:
                sent = await wallet.send(service, bend=with_worker)
                await wait_final(service, sent.id)
        await wait_until(lambda: service.get_account(WORKER).balance > 0)
        for account in (WORKER, leader):
            page = service.get_account_earnings(account, None, 100)
            assert page.next_before is None
            assert sum(item.amount for item in page.items) == service.get_account(account).balance > 0
            assert [item.checkpoint for item in page.items] == sorted(
                (item.checkpoint for item in page.items), reverse=True
            )
        (job,) = world.members[0].node.board.get_facts(0).generations
        assert {item.job for item in service.get_account_earnings(WORKER, None, 100).items} == {job}
        fees = service.get_account_earnings(leader, None, 100)
        assert {(item.job, item.generation) for item in fees.items} == {(None, None)}
        first = service.get_account_earnings(leader, None, 1)
        assert first.next_before is not None
        assert service.get_account_earnings(leader, first.next_before, 99).items == fees.items[1:]
