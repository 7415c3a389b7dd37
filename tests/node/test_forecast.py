"""What a node foretells comes true, and foretelling changes nothing."""

import pytest
from msgspec.structs import replace

from poi.errors import ForgedWork
from tangle.core.errors import InvalidSignature
from tangle.core.transactions import TransactionBody, sign_transaction
from tangle.core.types import CheckpointIndex, Grains, TransactionId
from tangle.ledger.errors import AnchorAhead
from tangle.node.views import NotFound, TransactionStatus
from tests.node.wallets import Wallet, make_lax, submit, wait_final, with_parents
from tests.node.world import RICHES, network_of

UNKNOWN = TransactionId(bytes(31) + b"\x01")


async def test_a_rehearsal_tells_fee_and_balance_as_they_come() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        transaction = await alice.build(service, amount=7)
        told = await service.forecast.rehearse(transaction.encoded)
        assert (told.would_apply, told.reason_code, told.known, told.pending_before) == (True, None, None, 0)
        with pytest.raises(NotFound):
            service.get_transaction(transaction.id)
        await submit(service, transaction)
        view = await wait_final(service, transaction.id)
        assert (view.fee, view.is_work_counted) == (told.fee, told.is_work_counted)
        assert service.get_account(alice.address).balance == told.balance_after == RICHES - 7 - told.fee
        again = await service.forecast.rehearse(transaction.encoded)
        assert (again.known, again.reason_code) == (TransactionStatus.CHECKPOINTED, "sequence")


async def test_the_issuers_pending_transactions_come_first() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        make_lax(service)
        await alice.send(service, amount=RICHES // 2)
        second = await alice.build(service, amount=RICHES * 2 // 3)
        told = await service.forecast.rehearse(second.encoded)
        assert told.pending_before + service.get_account(alice.address).sequence == 1
        assert (told.would_apply, told.reason_code) == (False, "funds")
        await submit(service, second)
        assert (await wait_final(service, second.id)).reason_code == "funds"


async def test_each_conflict_is_foretold() -> None:
    alice = Wallet("alice")

    def cheap(body: TransactionBody) -> TransactionBody:
        return replace(body, max_fee=Grains(1))

    async with network_of(1) as world:
        (service,) = world.services
        for transaction, code in (
            (await alice.build(service, amount=2 * RICHES), "funds"),
            (await alice.build(service, sequence=5), "sequence"),
            (await alice.build(service, bend=cheap), "fee"),
        ):
            told = await service.forecast.rehearse(transaction.encoded)
            assert (told.would_apply, told.reason_code, told.balance_after) == (False, code, None)
        lost = await alice.build(service, bend=with_parents(UNKNOWN))
        assert (await service.forecast.rehearse(lost.encoded)).parents_missing == (UNKNOWN,)


async def test_what_a_submission_refuses_a_rehearsal_refuses() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        good = await alice.build(service)
        body = good.body

        def forge(changed: TransactionBody) -> bytes:
            return sign_transaction(changed, alice.key).encoded

        results = (body.work.results[0] + 1, *body.work.results[1:])
        refused: list[tuple[bytes, type[Exception]]] = [
            (good.encoded[:-1] + bytes([good.encoded[-1] ^ 1]), InvalidSignature),
            (forge(replace(body, work=replace(body.work, results=results))), ForgedWork),
            (forge(replace(body, anchor=CheckpointIndex(body.anchor + 3))), AnchorAhead),
        ]
        for encoded, fault in refused:
            with pytest.raises(fault):
                await service.forecast.rehearse(encoded)


async def test_fees_rise_with_certainty_and_the_surest_covers_what_wallets_are_told() -> None:
    async with network_of(1) as world:
        (service,) = world.services
        fees = service.forecast.get_fees()
        prices = [level.price for level in fees.levels]
        assert prices == sorted(prices)
        assert len(set(prices)) == len(prices)
        prepared = await service.prepare(Wallet("alice").address, with_work=False)
        now, sure = fees.levels[0], fees.levels[-1]
        assert (now.price, now.intervals) == (prepared.price, 0)
        assert sure.transfer_fee >= prepared.suggested_max_fee
