"""Everything that a wallet can get wrong: refused with its own code, or ordered as a conflict with its
reason.
"""

from collections.abc import Callable
from typing import Final

import anyio
import pytest
from msgspec.structs import replace

from tangle.core.encoding import encode
from tangle.core.genesis import compute_shard_genesis_id
from tangle.core.hashing import TRANSACTION
from tangle.core.transactions import SignedEnvelope, Transaction, TransactionBody, Transfer, sign_transaction
from tangle.core.types import ChainId, CheckpointIndex, Grains, JobId, Sequence, Shard, TransactionId
from tangle.node.service import Service
from tangle.node.views import Overloaded, TransactionStatus, TransactionView
from tests.node.wallets import Bend, Wallet, make_lax, submit, wait_final, with_parents
from tests.node.world import PARAMETERS, RICHES, World, network_of, wait_until


def with_work(**changes: object) -> Bend:
    return lambda body: replace(body, work=replace(body.work, **changes))


def off_by_one(body: TransactionBody) -> TransactionBody:
    return with_work(results=(body.work.results[0] + 1,))(body)


def twice_as_hard(body: TransactionBody) -> TransactionBody:
    return with_work(results=body.work.results * 2)(body)


BENT: Final[dict[str, tuple[str, Bend]]] = {
    "another version": ("version-unsupported", lambda body: replace(body, version=2)),
    "another chain": ("chain-wrong", lambda body: replace(body, chain=ChainId(b"elsewher"))),
    "another shard": ("shard-wrong", lambda body: replace(body, shard=Shard(1))),
    "nothing to move": (
        "transaction-invalid",
        lambda body: replace(body, operation=replace(body.operation, amount=Grains(0))),
    ),
    "a parent twice": ("parents-duplicate", lambda body: replace(body, parents=body.parents[:1] * 2)),
    "unknown kind of work": ("transaction-invalid", with_work(kind=2)),
    "d off by one": ("work-forged", off_by_one),
    "a generation to come": ("work-generation", with_work(generation=1_000)),
    "work of another job": ("work-job", with_work(job=JobId(bytes(32)))),
    "too much work": ("work-difficulty", twice_as_hard),
}


@pytest.mark.parametrize("name", BENT)
async def test_a_bent_transaction_is_refused_by_name(name: str) -> None:
    code, bend = BENT[name]
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        transaction = await alice.build(service, bend=bend)
        outcome = await submit(service, transaction)
        assert outcome.error is not None
        assert (outcome.error.code, outcome.status, outcome.is_new) == (code, None, True)
        again = await submit(service, transaction)
        assert again.error is not None
        assert (again.error.code, again.is_new) == (code, False)
        assert world.members[0].node.intake.refused_total == {code: 1}
        # The refused one takes no room and no number.
        assert (await wait_final(service, (await alice.send(service)).id)).fee


async def test_work_of_somebody_else_is_forged() -> None:
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(1) as world:
        (service,) = world.services
        theirs = (await bob.build(service)).body.work
        outcome = await submit(
            service, await alice.build(service, bend=lambda body: replace(body, work=theirs))
        )
        assert outcome.error is not None
        assert outcome.error.code == "work-forged"


def make_nine_parents(transaction: Transaction, wallet: Wallet) -> bytes:
    parents = tuple(TransactionId(bytes([number]) * 32) for number in range(9))
    return sign_transaction(replace(transaction.body, parents=parents), wallet.key).encoded


def make_unsigned(transaction: Transaction, _: Wallet) -> bytes:
    flipped = bytes([transaction.signature[0] ^ 1]) + transaction.signature[1:]
    return encode(SignedEnvelope(transaction.body_encoded, type(transaction.signature)(flipped)))


def make_signed_for_another_purpose(transaction: Transaction, wallet: Wallet) -> bytes:
    signature = wallet.key.sign(TRANSACTION + b"x", transaction.body.chain, transaction.body_encoded)
    return encode(SignedEnvelope(transaction.body_encoded, signature))


def make_low_order_issuer(transaction: Transaction, _: Wallet) -> bytes:
    body = replace(transaction.body, issuer=type(transaction.body.issuer)(bytes([1]) + bytes(31)))
    return encode(SignedEnvelope(encode(body), type(transaction.signature)(bytes([1]) + bytes(63))))


MANGLED: Final[dict[str, tuple[set[str], Callable[[Transaction, Wallet], bytes]]]] = {
    "nine parents": ({"encoding-malformed"}, make_nine_parents),
    "no bytes": ({"encoding-malformed"}, lambda *_: b""),
    "random bytes": ({"encoding-malformed"}, lambda *_: bytes(range(200))),
    "a byte too many": ({"encoding-malformed"}, lambda transaction, _: transaction.encoded + b"\x00"),
    "a byte too few": ({"encoding-malformed"}, lambda transaction, _: transaction.encoded[:-1]),
    "a longer form of the same array": (
        {"encoding-malformed"},
        lambda transaction, _: b"\x98\x02" + transaction.encoded[1:],
    ),
    "far too long": ({"encoding-oversize"}, lambda *_: bytes(5_000)),
    "a flipped signature": ({"signature-invalid"}, make_unsigned),
    "a signature for another purpose": ({"signature-invalid"}, make_signed_for_another_purpose),
    # It holds nothing, which is looked at before anything is spent on it.
    "a key of low order": ({"funds-short"}, make_low_order_issuer),
}


@pytest.mark.parametrize("name", MANGLED)
async def test_mangled_bytes_are_refused_by_name(name: str) -> None:
    codes, mangle = MANGLED[name]
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        transaction = await alice.build(service)
        mangled = mangle(transaction, alice)
        # Beside a good one, which is taken all the same.
        bad, good = await service.submit((mangled, transaction.encoded))
        assert bad.error is not None
        assert bad.error.code in codes
        assert good.error is None
        await wait_final(service, transaction.id)


async def order_pair(first: Bend, second: Bend) -> tuple[TransactionView, TransactionView, int]:
    """Two transactions of Alice with numbers 0 and 1, both ordered; and Bob's balance after."""
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(1) as world:
        (service,) = world.services
        make_lax(service)
        built = [
            await alice.build(service, recipient=bob.address, amount=7, sequence=number, bend=bend)
            for number, bend in enumerate((first, second))
        ]
        outcomes = await service.submit([transaction.encoded for transaction in built])
        assert [outcome.error for outcome in outcomes] == [None, None]
        views = [await wait_conflict(service, transaction.id) for transaction in built]
        return views[0], views[1], service.get_account(bob.address).balance - RICHES


async def wait_conflict(service: Service, identity: TransactionId) -> TransactionView:
    await wait_until(lambda: service.get_transaction(identity).is_final)
    return await wait_final(service, identity)


async def test_of_a_double_spend_one_applies_and_one_says_why_not() -> None:
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(1) as world:
        (service,) = world.services
        make_lax(service)
        spends = [await alice.build(service, recipient=bob.address, amount=amount) for amount in (3, 5)]
        outcomes = await service.submit([spend.encoded for spend in spends])
        assert [outcome.error for outcome in outcomes] == [None, None]
        views = [await wait_conflict(service, spend.id) for spend in spends]
        applied = [view for view in views if view.status is TransactionStatus.CHECKPOINTED]
        (conflict,) = [view for view in views if view.status is TransactionStatus.CONFLICTING]
        assert len(applied) == 1
        assert conflict.reason_code == "sequence"
        assert conflict.reason
        assert conflict.fee == 0
        assert conflict.is_final
        operation = applied[0].transaction.body.operation
        assert isinstance(operation, Transfer)
        moved = operation.amount
        assert service.get_account(bob.address).balance == RICHES + moved
        assert service.get_transaction_proof(conflict.transaction.id)
        # The number after it is the next one, and it works.
        assert (await wait_final(service, (await alice.send(service)).id)).reason is None


def keep(body: TransactionBody) -> TransactionBody:
    return body


def overspend(body: TransactionBody) -> TransactionBody:
    return replace(body, operation=replace(body.operation, amount=Grains(RICHES)))


async def test_a_sequence_gap_is_a_conflict() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        make_lax(service)
        view = await wait_conflict(
            service, (await send_checked(alice, service, await alice.build(service, sequence=5))).id
        )
        assert (view.status, view.reason_code) == (TransactionStatus.CONFLICTING, "sequence")
        assert service.get_account(alice.address).sequence == 0


async def send_checked(_: Wallet, service: Service, transaction: Transaction) -> Transaction:
    outcome = await submit(service, transaction)
    assert outcome.error is None
    return transaction


async def test_overspending_is_a_conflict_and_the_next_number_stays_free() -> None:
    first, second, received = await order_pair(overspend, keep)
    assert first.reason_code == "funds"
    assert second.reason_code == "sequence"
    assert received == 0


async def test_a_fee_above_what_the_issuer_allows_is_a_conflict() -> None:
    first, _, received = await order_pair(lambda body: replace(body, max_fee=Grains(1)), keep)
    assert first.reason_code == "fee"
    assert received == 0


async def test_somebody_without_grains_cannot_pay() -> None:
    stranger = Wallet("stranger")
    async with network_of(1) as world:
        (service,) = world.services
        make_lax(service)
        view = await wait_conflict(service, (await stranger.send(service)).id)
        assert view.reason_code == "funds"


def get_genesis_id(world: World) -> TransactionId:
    return compute_shard_genesis_id(world.members[0].node.chain, Shard(0))


async def wait_certified(world: World, index: int) -> None:
    await wait_until(lambda: world.members[0].node.finality.certified >= index, timeout_s=120)


async def test_an_anchor_that_is_too_old_is_refused_before_any_work() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        old = await alice.build(service, bend=with_parents(get_genesis_id(world)))
        await wait_certified(world, old.body.anchor + PARAMETERS.expiry_gap + 2)
        outcome = await submit(service, old)
        assert outcome.error is not None
        assert outcome.error.code == "expired"
        assert world.members[0].node.intake.verified_total == 0


async def test_expiring_between_admission_and_order_is_a_conflict() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        old = await alice.build(service, bend=with_parents(get_genesis_id(world)))
        # The oldest anchor that is admitted: the checkpoint that orders it is one too late.
        await wait_certified(world, old.body.anchor + PARAMETERS.expiry_gap)
        view = await wait_conflict(service, (await send_checked(alice, service, old)).id)
        assert view.reason_code == "expired"


async def test_a_child_waits_for_its_parent_and_then_attaches() -> None:
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(1) as world:
        (service,) = world.services
        parent = await alice.build(service)
        child = await bob.build(service, bend=with_parents(parent.id))
        outcome = await submit(service, child)
        assert (outcome.error, outcome.status) == (None, TransactionStatus.WAITING)
        await anyio.sleep(2)
        assert service.get_status().waiting == 1
        await send_checked(alice, service, parent)
        assert service.get_transaction(child.id).status is TransactionStatus.ATTACHED
        first, second = [await wait_final(service, each.id) for each in (parent, child)]
        assert (first.ordered_index, second.ordered_index) == (0, 1)


async def test_what_waits_for_a_refused_parent_is_dropped() -> None:
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(1) as world:
        (service,) = world.services
        parent = await alice.build(service, bend=off_by_one)
        child = await bob.build(service, bend=with_parents(parent.id))
        assert (await submit(service, child)).status is TransactionStatus.WAITING
        waited: list[TransactionView] = []

        async def wait() -> None:
            waited.append(await wait_final(service, child.id, timeout_s=600))

        begun_s = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            assert (await submit(service, parent)).error is not None
        assert anyio.current_time() - begun_s < 1
        assert waited[0].status is TransactionStatus.EXPIRED
        assert service.get_status().waiting == 0


async def test_a_parent_of_long_ago_is_refused() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        parent = await alice.send(service)
        await wait_final(service, parent.id)
        await wait_certified(world, parent.body.anchor + PARAMETERS.anchor_gap + 1)
        outcome = await submit(service, await alice.build(service, bend=with_parents(parent.id)))
        assert outcome.error is not None
        assert outcome.error.code == "parent-ancient"


async def test_a_parent_with_a_younger_anchor_is_refused() -> None:
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(1) as world:
        (service,) = world.services
        early = await bob.build(service)
        await wait_certified(world, early.body.anchor + 2)
        parent = await alice.send(service)
        bent = sign_transaction(replace(early.body, parents=(parent.id,)), bob.key)
        outcome = await submit(service, bent)
        assert outcome.error is not None
        assert outcome.error.code == "parent-newer"


def ahead(by: int) -> Bend:
    return lambda body: replace(body, anchor=CheckpointIndex(body.anchor + by))


async def test_an_anchor_ahead_is_parked_until_it_is_executed() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        transaction = await alice.build(service, bend=ahead(3))
        begun = world.members[0].node.finality.executed
        outcome = await submit(service, transaction)
        assert (outcome.error, outcome.status) == (None, TransactionStatus.ATTACHED)
        assert world.members[0].node.finality.executed >= transaction.body.anchor > begun
        assert service.get_status().waiting == 0
        await wait_final(service, transaction.id)


async def test_an_anchor_that_may_never_come_is_not_waited_for() -> None:
    alice = Wallet("alice")
    async with network_of(1) as world:
        (service,) = world.services
        far = [await alice.build(service, bend=ahead(by)) for by in (1_000, 2**50)]
        for transaction in far:
            outcome = await submit(service, transaction)
            assert outcome.error is not None
            assert outcome.error.code == "anchor-ahead"
        assert world.members[0].node.intake.depth == 0


async def test_a_full_intake_takes_nothing_of_a_batch_and_recovers() -> None:
    alice = Wallet("alice")
    async with network_of(1, config=lambda config: replace(config, intake_max=16)) as world:
        (service,) = world.services
        first = await alice.build(service)
        items = [
            sign_transaction(replace(first.body, sequence=Sequence(number)), alice.key).encoded
            for number in range(17)
        ]
        with pytest.raises(Overloaded) as refused:
            await service.submit(items)
        assert refused.value.retry_after_s > 0
        assert service.node.intake.depth == 0
        assert (await submit(service, first)).error is None


async def test_pending_transactions_are_bounded() -> None:
    alice = Wallet("alice")
    async with network_of(1, config=lambda config: replace(config, pending_max=16)) as world:
        (service,) = world.services
        items = [(await alice.build(service, sequence=number)).encoded for number in range(17)]
        with pytest.raises(Overloaded):
            await service.submit(items)
        assert {outcome.error for outcome in await service.submit(items[:16])} == {None}
        await anyio.sleep(2)
        await alice.send(service)
