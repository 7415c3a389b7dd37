"""What a node takes from outside: what would apply after everything that its issuer has on its way."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from tangle.core.parameters import DEVNET
from tangle.core.transactions import Transaction
from tangle.core.types import Grains, PublicKey, Sequence
from tangle.ledger.accounts import EMPTY_ACCOUNT, Account
from tangle.ledger.errors import FeeLow, FundsShort, SequenceFar, SequenceTaken
from tangle.ledger.fair_queue import WEIGHT_MAX
from tangle.ledger.pending import (
    BALANCE_SHARE_MAX,
    ISSUER_PENDING_MAX,
    MEANS_UNIT_WEIGHT,
    STAKE_SHARE_MAX,
    PendingBook,
    compute_share,
)
from tests.drawing.subdag import GENESIS_ID, get_account, make_transaction

ALICE = get_account("alice")

FEE = 10

UNIT = DEVNET.price_floor * MEANS_UNIT_WEIGHT


def make(sequence: int, amount: int = 1, issuer: str = "alice") -> Transaction:
    return make_transaction([GENESIS_ID], issuer=issuer, sequence=sequence, amount=amount)


def make_book(balance: int, sequence: int = 0) -> PendingBook:
    account = Account(Grains(balance), Sequence(sequence))
    return PendingBook(lambda key: account if key == ALICE else EMPTY_ACCOUNT)


def check(book: PendingBook, transaction: Transaction, fee: int = FEE) -> None:
    book.check(transaction.id, transaction.body, fee)


def test_the_balance_covers_everything_on_its_way() -> None:
    book = make_book(100)
    first, second = make(0, 50), make(1, 20)
    check(book, first)
    book.add(first, FEE)
    check(book, second)
    book.add(second, FEE)
    with pytest.raises(FundsShort) as caught:
        check(book, make(2, 1))
    assert (caught.value.balance, caught.value.needed, caught.value.pending) == (100, 101, 90)
    # Once the first is executed, so is what it cost.
    book.release([first.id])
    book.on_executed({ALICE: Account(Grains(40), Sequence(1))})
    with pytest.raises(FundsShort):
        check(book, make(2, 1))
    book.release([second.id])
    with pytest.raises(SequenceTaken):  # nobody is remembered of whom nothing is on its way
        check(make_book(100, 5), make(4))


def test_a_number_is_given_once() -> None:
    book = make_book(1_000, 3)
    first = make(3)
    book.add(first, FEE)
    check(book, first)  # the same again is no conflict
    with pytest.raises(SequenceTaken) as caught:
        check(book, make(3, 2))
    assert caught.value.taken_by == first.id
    book.add(make(3, 2), FEE)
    assert (book.count(ALICE), book.find(ALICE, 3)) == (1, first.id)
    with pytest.raises(SequenceTaken) as caught:
        check(book, make(2))
    assert caught.value.taken_by is None
    with pytest.raises(SequenceFar):
        check(book, make(3 + ISSUER_PENDING_MAX))
    check(book, make(2 + ISSUER_PENDING_MAX))
    book.release([first.id])
    check(book, make(3, 2))


def test_a_fee_limit_below_the_fee_is_refused() -> None:
    transaction = make(0)
    book = make_book(10**12)
    check(book, transaction, transaction.body.max_fee)
    with pytest.raises(FeeLow):
        check(book, transaction, transaction.body.max_fee + 1)


def test_somebody_without_grains_pays_for_nothing() -> None:
    with pytest.raises(FundsShort):
        check(make_book(0), make(0, 1, "bob"))


def test_the_next_number_is_known() -> None:
    book = make_book(1_000, 3)
    assert book.is_next(make(3).body)
    assert not book.is_next(make(4).body)
    book.add(make(3), FEE)
    assert book.is_next(make(4).body)
    assert not book.is_next(make(5).body)


def test_means_make_weight_within_bounds() -> None:
    def share(balance: int, stake: int = 0) -> int:
        return compute_share(Account(Grains(balance), Sequence(0), Grains(stake)), DEVNET)

    assert share(0) == share(UNIT - 1) == 1
    assert share(10 * UNIT) == 11
    assert share(10**15) == share(10**18) == 1 + BALANCE_SHARE_MAX
    # Ten thousand accounts with next to nothing do not outweigh a dozen ordinary ones.
    assert 10_000 * share(UNIT - 1) < 12 * share(BALANCE_SHARE_MAX * UNIT)
    assert share(0, 100 * UNIT) > share(100 * UNIT)
    assert share(10**18, 10**18) == 1 + BALANCE_SHARE_MAX + STAKE_SHARE_MAX <= WEIGHT_MAX


class Machine(RuleBasedStateMachine):
    """Issuers send, commits order and change accounts: what is admitted in order never lacks funds."""

    NAMES = ("alice", "bob")

    def __init__(self) -> None:
        super().__init__()
        self.accounts: dict[PublicKey, Account] = {
            get_account(name): Account(Grains(500), Sequence(0)) for name in self.NAMES
        }
        self.book = PendingBook(lambda key: self.accounts.get(key, EMPTY_ACCOUNT))
        self.pending: dict[str, list[Transaction]] = {name: [] for name in self.NAMES}

    @rule(name=st.sampled_from(NAMES), ahead=st.integers(-1, 2), amount=st.integers(1, 120))
    def send(self, name: str, ahead: int, amount: int) -> None:
        account = self.accounts[get_account(name)]
        transaction = make(max(0, account.sequence + len(self.pending[name]) + ahead), amount, name)
        try:
            check(self.book, transaction)
        except (FundsShort, SequenceTaken):
            return
        if self.book.is_next(transaction.body):
            if transaction.id not in self.book:
                self.pending[name].append(transaction)
            self.book.add(transaction, FEE)

    @precondition(lambda self: any(self.pending.values()))
    @rule(data=st.data())
    def order(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(name for name, sent in self.pending.items() if sent)))
        first, *self.pending[name] = self.pending[name]
        key = get_account(name)
        account = self.accounts[key]
        cost = FEE + first.body.operation.amount  # type: ignore[union-attr]  # they are transfers
        assert account.sequence == first.body.sequence
        assert account.balance >= cost
        self.accounts[key] = replace(
            account, balance=Grains(account.balance - cost), sequence=Sequence(account.sequence + 1)
        )
        self.book.release([first.id])
        self.book.on_executed({key: self.accounts[key]})

    @precondition(lambda self: any(self.pending.values()))
    @rule(data=st.data())
    def give_up_the_last(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(name for name, sent in self.pending.items() if sent)))
        self.book.release([self.pending[name].pop().id])

    @invariant()
    def books_agree(self) -> None:
        for name, sent in self.pending.items():
            issuer = get_account(name)
            assert self.book.count(issuer) == len(sent)
            assert self.book.list_before(issuer, 2**62) == [transaction.id for transaction in sent]
            assert all(
                self.book.find(issuer, each.body.sequence) == each.id and each.id in self.book
                for each in sent
            )


TestMachine = Machine.TestCase
