"""Receipts between shards: sent once, credited once, acknowledged, and no more on their way than allowed."""

import pytest
from msgspec.structs import replace

from poi.market.errors import MarketElsewhere
from poi.market.operations import WithdrawCapacity, encode_operation
from poi.market.refusals import get_refusal_code
from shards.blocks import BlockReference, BundleReference, compute_genesis_references
from shards.commits import CommitRecord
from shards.receipts import Receipt, compute_receipts_root
from tangle.core.encoding import encode
from tangle.core.hashing import compute_home_shard
from tangle.core.merkle import compute_merkle_root
from tangle.core.parameters import MINIMAL
from tangle.core.transactions import MarketCall, SignedEnvelope, Transaction, decode_transaction
from tangle.core.types import INTEGER_MAX, CheckpointIndex, Digest, Grains, Shard
from tangle.ledger.accounts import Account
from tangle.ledger.effects import Status, describe_effect
from tangle.ledger.receipts import collect_bundles
from tests.drawing.blocks import make_body, make_unsigned
from tests.drawing.subdag import CHAIN, get_account
from tests.ledger.crossing import COMMITTEE, KEYS, RICH, Shards, find_names

HERE, ALSO_HERE = find_names(0, 1)
THERE, ALSO_THERE = find_names(1, 1)
GENESIS = compute_genesis_references(COMMITTEE, CHAIN, Shard(0))


def compute_fee(transaction: Transaction, *, is_abroad: bool) -> int:
    weight = len(transaction.encoded) + MINIMAL.operation_weight
    return (weight + MINIMAL.receipt_weight * is_abroad) * MINIMAL.price_floor


def test_a_transfer_abroad_leaves_a_receipt_and_costs_more() -> None:
    world = Shards(1)
    here = world.every[0]
    payments = [world.pay(HERE, THERE, 500), world.pay(HERE, ALSO_HERE, 7), world.pay(HERE, ALSO_THERE, 1)]
    outcome = here.run(payments)
    first, second, third = outcome.effects
    assert [effect.status for effect in outcome.effects] == [Status.APPLIED] * 3
    assert [effect.figures for effect in outcome.effects] == [(1, 0), (), (1, 1)]
    assert first.fee == compute_fee(payments[0], is_abroad=True)
    assert second.fee == compute_fee(payments[1], is_abroad=False)
    assert [change.account for change in first.changes] == [get_account(HERE)]
    assert here.read(get_account(HERE)).balance == RICH - 508 - first.fee - second.fee - third.fee
    assert here.read(get_account(HERE)).sequence == 3
    assert describe_effect(first, payments[0].body) == f"applied: fee {first.fee}, receipt 0 to shard 1"
    receipts = (
        Receipt(Shard(0), Shard(1), 0, get_account(THERE), Grains(500)),
        Receipt(Shard(0), Shard(1), 1, get_account(ALSO_THERE), Grains(1)),
    )
    assert outcome.crossing.outgoing == {Shard(1): receipts}
    assert outcome.state.sent == (0, 2)
    assert outcome.checkpoint.supply.inflow == -501 == -world.count_in_flight()
    assert outcome.checkpoint.receipts_root == compute_receipts_root(outcome.crossing.batches)
    assert [(batch.target, batch.first_sequence, batch.count) for batch in outcome.crossing.batches] == [
        (0, 0, 0),
        (1, 0, 2),
    ]


def test_a_bundle_is_credited_before_the_transactions_of_its_commit() -> None:
    world = Shards(1)
    here, there = world.every
    here.run([world.pay(HERE, THERE, 500)])
    bundle = here.bundle(1, 1)
    spent = world.pay(THERE, ALSO_THERE, RICH + 1)
    poor = there.run([spent])
    assert poor.effects[0].status is Status.FUNDS
    world.sequences[THERE] = 0
    again = world.pay(THERE, ALSO_THERE, RICH - 10_000)
    outcome = there.run([again], [bundle])
    assert outcome.effects[0].status is Status.APPLIED
    fee = outcome.effects[0].fee
    assert there.read(get_account(THERE)).balance == 500 + 10_000 - fee
    assert outcome.crossing.credited == bundle.receipts
    assert outcome.checkpoint.received == (1, 0)
    assert outcome.checkpoint.supply.inflow == 500
    assert world.count_in_flight() == 0


def test_a_bundle_that_comes_again_or_too_early_credits_nothing() -> None:
    world = Shards(1)
    here, there = world.every
    for amount in (1, 2, 3):
        here.run([world.pay(HERE, THERE, amount)])
    first, second, third = (here.bundle(index, 1) for index in (1, 2, 3))
    early = there.run((), [second, third])
    assert early.crossing.credited == ()
    assert early.checkpoint.received == (0, 0)
    outcome = there.run((), [first, first, third, second, second, third])
    assert [bundle.credited for bundle in outcome.crossing.bundles] == [
        first.receipts,
        (),
        (),
        second.receipts,
        (),
        third.receipts,
    ]
    assert there.read(get_account(THERE)).balance == RICH + 6
    assert there.run((), [first, second, third]).crossing.credited == ()
    assert world.count_in_flight() == 0


def test_an_acknowledgement_moves_forward_only() -> None:
    world = Shards(1)
    here, there = world.every
    here.run([world.pay(HERE, THERE)])
    there.run((), [here.bundle(1, 1)])
    here.run([world.pay(HERE, THERE)])
    there.run((), [here.bundle(2, 1)])
    late = here.run((), [there.bundle(2, 0)])
    assert late.state.acknowledged == (0, 2)
    assert late.crossing.bundles[0].has_acknowledged
    older = here.run((), [there.bundle(1, 0)])
    assert older.state.acknowledged == (0, 2)
    assert not older.crossing.bundles[0].has_acknowledged


def test_a_full_window_refuses_until_it_is_acknowledged() -> None:
    world = Shards(1, replace(MINIMAL, receipts_window=2))
    here, there = world.every
    payments = [world.pay(HERE, THERE) for _ in range(3)]
    outcome = here.run(payments)
    assert [effect.status for effect in outcome.effects] == [Status.APPLIED, Status.APPLIED, Status.CONGESTED]
    refused = outcome.effects[2]
    assert (refused.fee, refused.changes, refused.figures) == (0, (), (1, 2))
    told = "congested: 2 receipts to shard 1 are on their way; try again later"
    assert describe_effect(refused, payments[2].body) == told
    assert outcome.state.sent == (0, 2)
    there.run((), [here.bundle(1, 1)])
    assert here.run([payments[2]]).effects[0].status is Status.CONGESTED
    assert here.run([payments[2]], [there.bundle(1, 0)]).effects[0].status is Status.APPLIED
    assert here.machine.state.sent == (0, 3)
    # Transfers at home are not held up by a shard that does not answer.
    world.sequences[HERE] = 3
    assert here.run([world.pay(HERE, ALSO_HERE)]).effects[0].status is Status.APPLIED


def test_what_bundles_bring_makes_a_checkpoint_due() -> None:
    world = Shards(1)
    there = world.every[1]
    leader = BlockReference(1, 0, Digest(bytes(32)))
    commit = CommitRecord(1, Digest(bytes(32)), world.genesis.timestamp_ms, leader, (leader,))
    assert not there.machine.is_checkpoint_due(commit, 0, 0, 0)
    assert there.machine.is_checkpoint_due(commit, 0, 0, 1)


def test_a_shard_without_market_says_where_it_is() -> None:
    world = Shards(1)
    there = world.every[1]
    payment = world.pay(THERE, ALSO_THERE)
    body = replace(payment.body, operation=MarketCall(encode_operation(WithdrawCapacity())))
    call = decode_transaction(encode(SignedEnvelope(encode(body), payment.signature)))
    (effect,) = there.run([call]).effects
    assert effect.status is Status.OPERATION
    assert get_refusal_code(effect.figures[0]) == "market-elsewhere"
    assert describe_effect(effect, body) == "operation: the market refuses it: market-elsewhere"
    with pytest.raises(MarketElsewhere):
        there.machine.try_operation(WithdrawCapacity(), body.issuer)


def test_emission_is_shared_by_the_shards_and_stays_within_bounds() -> None:
    alone, four = Shards(0), Shards(2)
    emission = MINIMAL.emission_per_generation
    assert alone.every[0].machine.state.emission == emission
    assert [each.machine.state.emission for each in four.every] == [emission // 4] * 4
    # Each may emit until all together would have issued 2^63 - 1 grains, though nobody knows what others did.
    machine = four.every[0].machine
    allocated = 8 * RICH
    share = (INTEGER_MAX - allocated) // 4
    assert machine.count_issued() == INTEGER_MAX - share
    assert alone.every[0].machine.count_issued() == 2 * RICH


def test_what_is_earned_abroad_goes_home_when_the_epoch_moves() -> None:
    world = Shards(1)
    author, leader = next(
        (author, key.public_key)
        for author, key in enumerate(KEYS)
        if compute_home_shard(key.public_key, 1) == 1
    )
    here, there = world.every
    earned = here.run([world.pay(HERE, ALSO_HERE)], author=author)
    balance = here.read(leader).balance
    assert balance > 0
    assert earned.crossing.outgoing == {}
    moved = here.run((), at_ms=MINIMAL.epoch_ms)
    (receipt,) = moved.crossing.outgoing[Shard(1)]
    assert (receipt.account, receipt.amount) == (leader, balance)
    assert here.read(leader) == Account()
    assert moved.checkpoint.supply.inflow == -balance
    there.run((), [here.bundle(2, 1)])
    assert there.read(leader).balance == balance
    assert world.count_in_flight() == 0


def test_what_is_earned_abroad_stays_while_the_window_is_full() -> None:
    world = Shards(1, replace(MINIMAL, receipts_window=1))
    author = next(author for author, key in enumerate(KEYS) if compute_home_shard(key.public_key, 1) == 1)
    leader, here = KEYS[author].public_key, world.every[0]
    here.run([world.pay(HERE, THERE)], author=author)
    balance = here.read(leader).balance
    assert here.run((), at_ms=MINIMAL.epoch_ms).crossing.outgoing == {}
    assert here.read(leader).balance == balance > 0


def test_one_shard_has_neither_numbers_nor_leaves() -> None:
    world = Shards(0)
    name, other = find_names(0, 0)
    outcome = world.every[0].run([world.pay(name, other)])
    assert outcome.crossing.batches == ()
    assert (outcome.state.sent, outcome.state.acknowledged, outcome.checkpoint.received) == ((), (), ())
    assert outcome.checkpoint.receipts_root == compute_merkle_root(())


def test_bundles_of_a_commit_are_collected_in_order_and_once() -> None:
    names = [BundleReference(Shard(1), CheckpointIndex(n), Digest(bytes(32))) for n in range(1, 4)]
    bodies = [make_body(COMMITTEE, 0, GENESIS[:1]), make_body(COMMITTEE, 1, GENESIS[1:2])]
    first = make_unsigned(replace(bodies[0], bundles=(names[1], names[0])))
    second = make_unsigned(replace(bodies[1], bundles=(names[2], names[1])))
    assert collect_bundles([first, second]) == (names[1], names[0], names[2])
