"""Execution: what applies, what conflicts and why, and what neither makes nor loses a grain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shards.checkpoints import check_supply
from shards.errors import SupplyBroken
from tangle.core.parameters import MINIMAL
from tangle.core.transactions import Transaction
from tangle.core.types import INTEGER_MAX, CheckpointIndex, Grains, Sequence
from tangle.ledger.accounts import Account
from tangle.ledger.effects import Status, describe_effect
from tangle.ledger.execution import Execution, finish_checkpoint
from tangle.ledger.fees import FeeSplit, pay_emission
from tangle.ledger.subdag import SubDag
from tests.drawing.subdag import GENESIS_ID, SubDagDrawing, get_account, make_transaction
from tests.ledger.builders import Ledger

RICH = 10**9


def pay(
    issuer: str, sequence: int, recipient: str, amount: int, *, anchor: int = 0, max_fee: int = 10**9
) -> Transaction:
    return make_transaction(
        [GENESIS_ID],
        name=f"{issuer} {sequence} {recipient} {amount}",
        issuer=issuer,
        sequence=sequence,
        recipient=recipient,
        amount=amount,
        anchor=anchor,
        max_fee=max_fee,
    )


def get_outcomes(execution: Execution) -> list[Status]:
    return [effect.status for effect in execution.effects]


def compute_fee(transaction: Transaction, price: int = MINIMAL.price_floor) -> int:
    return (len(transaction.encoded) + MINIMAL.operation_weight) * price


def test_a_transfer_moves_grains_and_pays_its_fee() -> None:
    ledger = Ledger({"alice": RICH})
    transaction = pay("alice", 0, "bob", 500)
    execution = ledger.run([transaction])
    fee = compute_fee(transaction)
    (effect,) = execution.effects
    assert (effect.status, effect.fee, effect.work_counted) == (Status.APPLIED, fee, 1)
    assert [(change.account, change.balance) for change in effect.changes] == [
        (get_account("alice"), RICH - 500 - fee),
        (get_account("bob"), 500),
    ]
    assert ledger.get("alice") == Account(Grains(RICH - 500 - fee), Sequence(1))
    assert ledger.get("bob") == Account(Grains(500))
    assert ledger.get("leader").balance == fee - fee // 2 - fee // 10
    assert ledger.state.supply.burned == fee // 2
    assert ledger.state.supply.fund == fee // 10
    assert execution.counted == (transaction,)
    assert describe_effect(effect, transaction.body) == f"applied: fee {fee}"


def test_a_transfer_to_oneself_costs_the_fee_alone() -> None:
    ledger = Ledger({"alice": RICH})
    transaction = pay("alice", 0, "alice", RICH // 2)
    (effect,) = ledger.run([transaction]).effects
    assert len(effect.changes) == 1
    assert ledger.get("alice") == Account(Grains(RICH - compute_fee(transaction)), Sequence(1))


def test_the_leader_may_be_issuer_and_recipient() -> None:
    ledger = Ledger({"alice": RICH, "bob": RICH})
    ledger.run([pay("alice", 0, "bob", 5), pay("bob", 0, "alice", 7)], leader="alice")
    supply = ledger.state.supply
    assert ledger.get("alice").balance + ledger.get("bob").balance == 2 * RICH - supply.burned - supply.fund


def test_a_double_spend_conflicts_and_its_descendants_are_unharmed() -> None:
    drawing = SubDagDrawing(
        """
        spend: genesis issuer=alice sequence=0 recipient=bob amount=600000
        again: genesis issuer=alice sequence=0 recipient=carol amount=600000
        child: again issuer=dave sequence=0 recipient=bob amount=1
        merge: child spend issuer=bob sequence=0 recipient=carol amount=100000
        """
    )
    subdag = SubDag(MINIMAL, GENESIS_ID)
    drawing.attach(subdag)
    ledger = Ledger({"alice": 1_000_000, "dave": RICH})
    execution = ledger.run(subdag.order_cone(drawing["merge"].id))
    assert drawing.get_names(effect.transaction for effect in execution.effects) == "again child spend merge"
    # `merge` needs what `spend` would have brought, so it conflicts by funds; `child` builds on neither's
    # outcome.
    assert get_outcomes(execution) == [Status.APPLIED, Status.APPLIED, Status.SEQUENCE, Status.FUNDS]
    assert ledger.get("carol").balance == 600_000
    assert ledger.get("bob") == Account(Grains(1))


def test_a_gap_conflicts_and_may_be_sent_again_in_order() -> None:
    ledger = Ledger({"alice": RICH})
    first, second, third = (pay("alice", number, "bob", 1) for number in range(3))
    execution = ledger.run([second, first, third, first])
    assert get_outcomes(execution) == [Status.SEQUENCE, Status.APPLIED, Status.SEQUENCE, Status.SEQUENCE]
    gap, _, _, replay = execution.effects
    assert (gap.figures, gap.fee, gap.changes, gap.work_counted) == ((0,), 0, (), 0)
    assert describe_effect(gap, second.body) == "sequence: 1 leaves a gap, the account's next is 0"
    assert describe_effect(replay, first.body) == "sequence: 0 was used before, the account's next is 1"
    assert execution.counted == (first,)
    assert get_outcomes(ledger.run([second, third])) == [Status.APPLIED, Status.APPLIED]
    assert ledger.get("alice").sequence == 3


def test_funds_must_cover_amount_and_fee_exactly() -> None:
    fee = compute_fee(pay("alice", 0, "bob", 500))
    poor = Ledger({"alice": 500 + fee - 1})
    transaction = pay("alice", 0, "bob", 500)
    (effect,) = poor.run([transaction]).effects
    assert (effect.status, effect.figures) == (Status.FUNDS, (500 + fee - 1, fee))
    assert describe_effect(effect, transaction.body) == (
        f"funds: balance {500 + fee - 1} is under amount 500 plus fee {fee}"
    )
    assert poor.get("alice") == Account(Grains(500 + fee - 1))
    exact = Ledger({"alice": 500 + fee})
    assert get_outcomes(exact.run([transaction])) == [Status.APPLIED]
    assert exact.get("alice") == Account(Grains(0), Sequence(1))


def test_an_account_without_grains_has_nothing_to_spend() -> None:
    (effect,) = Ledger({}).run([pay("nobody", 0, "bob", 1)]).effects
    assert effect.status == Status.FUNDS


def test_a_fee_over_the_issuers_limit_conflicts() -> None:
    fee = compute_fee(pay("alice", 0, "bob", 1, max_fee=10_000))
    at_limit = pay("alice", 0, "bob", 1, max_fee=fee)
    under = pay("alice", 0, "bob", 1, max_fee=fee - 1)
    ledger = Ledger({"alice": RICH})
    execution = ledger.run([under, at_limit])
    assert get_outcomes(execution) == [Status.FEE, Status.APPLIED]
    assert describe_effect(execution.effects[0], under.body) == (
        f"fee: {fee} is over the limit of {fee - 1} that the issuer set"
    )


def test_fees_follow_the_price_and_the_work() -> None:
    ledger = Ledger({"alice": RICH}).at_price(37)
    ledger.macs = 5 * MINIMAL.macs_per_weight + 1
    transaction = pay("alice", 0, "bob", 1)
    twice = make_transaction([GENESIS_ID], name="twice", issuer="alice", sequence=1, results=(7, -7))
    one, two = ledger.run([transaction, twice]).effects
    assert one.fee == compute_fee(transaction, 37) + 5 * 37
    assert two.fee == compute_fee(twice, 37) + 10 * 37


@pytest.mark.parametrize(("index", "status"), [(3 + MINIMAL.expiry_gap, 0), (4 + MINIMAL.expiry_gap, 1)])
def test_expiry_is_exact(index: int, status: int) -> None:
    ledger = Ledger({"alice": RICH})
    transaction = pay("alice", 0, "bob", 1, anchor=3)
    (effect,) = ledger.run([transaction], index=index).effects
    assert effect.status == status
    if status:
        assert effect.figures == (index,)
        assert describe_effect(effect, transaction.body) == (
            f"expired: ordered by checkpoint {index}, too long after anchor 3"
        )


def test_work_counts_only_if_applied_and_in_time() -> None:
    ledger = Ledger({"alice": RICH})
    ledger.is_work_counted = False
    execution = ledger.run([pay("alice", 0, "bob", 1)])
    assert (execution.effects[0].status, execution.effects[0].work_counted) == (Status.APPLIED, 0)
    assert execution.counted == ()
    ledger.is_work_counted = True
    execution = ledger.run([pay("alice", 0, "bob", 1), pay("alice", 1, "bob", 1)])
    assert [effect.work_counted for effect in execution.effects] == [0, 1]


def test_conflicts_weigh_as_much_as_what_applies() -> None:
    transaction = pay("alice", 0, "bob", 1)
    weight = len(transaction.encoded) + MINIMAL.operation_weight
    assert Ledger({}).run([transaction]).weight == weight
    assert Ledger({"alice": RICH}).run([transaction, transaction]).weight == 2 * weight


def test_broken_books_stop_the_node() -> None:
    ledger = Ledger({"alice": RICH})
    forged = Execution(
        (),
        {get_account("alice"): Account(Grains(RICH + 1))},
        FeeSplit(Grains(0), Grains(0), Grains(0)),
        0,
        (),
    )
    context = ledger.make_context()
    market, crossing = ledger.marketplace.close(), context.crossing.close()
    with pytest.raises(SupplyBroken) as caught:
        finish_checkpoint(
            ledger.state, forged, ledger.read, context, {}, market, ledger.desk.close(), crossing
        )
    assert (caught.value.issued, caught.value.held) == (RICH, RICH + 1)
    with pytest.raises(SupplyBroken):
        check_supply(replace(ledger.state.supply, escrow=Grains(1)))
    with pytest.raises(SupplyBroken):
        check_supply(replace(ledger.state.supply, burned=Grains(1)))


NAMES = ("alice", "bob", "carol", "leader")

payments = st.builds(
    pay,
    st.sampled_from(NAMES),
    st.integers(0, 4),
    st.sampled_from((*NAMES, "new")),
    st.integers(1, 40_000),
    anchor=st.integers(0, 3),
    max_fee=st.sampled_from([0, 3_500, 10**6]),
)


@given(
    st.lists(
        st.tuples(
            st.lists(payments, max_size=6),
            st.integers(0, 5_000),
            st.sampled_from(NAMES),
            st.dictionaries(st.sampled_from(("alice", "worker")), st.integers(1, 5)),
        ),
        max_size=12,
    )
)
def test_no_history_makes_or_loses_a_grain(
    history: list[tuple[list[Transaction], int, str, dict[str, int]]],
) -> None:
    ledger = Ledger({"alice": 100_000, "bob": 50_000, "carol": 10_000})
    for transactions, after_ms, leader, evaluations in history:
        supply = ledger.state.supply
        by_worker = {get_account(name): count for name, count in evaluations.items()}
        paid = pay_emission(ledger.state.emission, by_worker, supply.genesis + supply.emitted)
        ledger.run(transactions, after_ms=after_ms, leader=leader, payments=paid)
        supply = ledger.state.supply
        held = sum(account.balance for account in ledger.accounts.values())
        assert supply.balances == held
        assert 160_000 + supply.emitted - supply.burned == held + supply.fund
        assert min(account.balance for account in ledger.accounts.values()) >= 0
        assert ledger.state.accounts == ledger.compute_accounts_sum()
        assert ledger.state.price >= MINIMAL.price_floor


def test_the_largest_amounts_stay_in_range() -> None:
    ledger = Ledger({"alice": INTEGER_MAX})
    paid = pay_emission(ledger.state.emission, {get_account("worker"): 1}, INTEGER_MAX)
    assert paid == {}
    ledger.run([pay("alice", 0, "bob", INTEGER_MAX)], payments=paid)
    assert ledger.get("alice").balance == INTEGER_MAX


def test_a_checkpoint_without_transactions_changes_time_alone() -> None:
    ledger = Ledger({"alice": RICH})
    before = ledger.state
    ledger.run([], after_ms=50)
    assert ledger.state == replace(
        before, checkpoint_index=CheckpointIndex(1), timestamp_ms=before.timestamp_ms + 50
    )
