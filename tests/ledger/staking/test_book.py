"""The book of stakes: operations and refusals, epochs, slashing; and a machine of all of them at random."""

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from tangle.core.genesis import Validator
from tangle.core.signing import SigningKey
from tangle.core.staking_rules import DEVNET_STAKING
from tangle.core.transactions import Register, Retire, Stake, StakingOperation, Unstake
from tangle.core.types import ChainId, Grains, PublicKey, Sequence, Signature
from tangle.ledger.accounts import Account
from tangle.ledger.staking.book import StakingBook, prove_possession
from tangle.ledger.staking.errors import (
    CandidateExists,
    CandidatesFull,
    CandidateUnknown,
    PossessionUnproven,
    StakeBelowMinimum,
    StakeShort,
    StakingFault,
    get_staking_refusal_code,
    get_staking_refusal_number,
)
from tangle.ledger.staking.records import (
    Candidate,
    StakingEntry,
    compute_staking_entry,
    decode_entry,
    encode_entry,
    get_shelf,
)

CHAIN = ChainId(b"12345678")
RULES = replace(
    DEVNET_STAKING,
    stake_min=Grains(100),
    candidates_max=4,
    committee_max=3,
    unbonding_epochs=2,
    jail_epochs=3,
)
KEYS = [SigningKey(bytes([number]) * 32) for number in range(1, 9)]
OWNERS = [key.public_key for key in KEYS[:4]]
SIGNERS = KEYS[4:]


class World:
    """Accounts and a book, as the ledger would hold them."""

    def __init__(self) -> None:
        self.book = StakingBook((), RULES)
        self.accounts = {owner: Account(Grains(1_000)) for owner in OWNERS}
        self.epoch = 0
        self.burned = 0

    def apply(self, owner: PublicKey, operation: StakingOperation) -> None:
        self.accounts[owner] = self.book.apply(operation, owner, self.accounts[owner], self.epoch, CHAIN)

    def register(self, owner: PublicKey, signer: SigningKey) -> None:
        self.apply(owner, Register(signer.public_key, prove_possession(signer, owner, CHAIN)))

    def slash(self, validator: PublicKey) -> bool:
        candidate = self.book.find_candidate(validator)
        if candidate is None:
            return False
        slashed = self.book.slash(validator, self.accounts[candidate.owner], self.epoch)
        if slashed is None:
            return False
        self.accounts[candidate.owner], burned = slashed
        self.burned += burned
        return True

    def close(self, committee: tuple[Validator, ...] = (), pool: int = 0) -> tuple[Validator, ...]:
        self.epoch += 1
        closing = self.book.close_epoch(committee, self.epoch, pool, lambda key: self.accounts[key].stake)
        for owner, amount in closing.releases:
            known = self.accounts[owner]
            self.accounts[owner] = Account(
                Grains(known.balance + amount), Sequence(0), Grains(known.stake - amount)
            )
        for paid in closing.rewards:
            known = self.accounts[paid.owner]
            balance = Grains(known.balance + paid.amount)
            self.accounts[paid.owner] = Account(balance, Sequence(0), known.stake)
        return closing.elected


def _stand(world: World, place: int, amount: int) -> None:
    world.apply(OWNERS[place], Stake(Grains(amount)))
    world.register(OWNERS[place], SIGNERS[place])


def test_a_stake_comes_back_after_its_epochs() -> None:
    world = World()
    world.apply(OWNERS[0], Stake(Grains(300)))
    world.apply(OWNERS[0], Unstake(Grains(200)))
    stakes = []
    for _ in range(4):
        world.close()
        stakes.append(world.accounts[OWNERS[0]].stake)

    assert stakes == [300, 300, 100, 100]
    assert world.accounts[OWNERS[0]].balance == 900


def test_nothing_can_be_unstaked_twice() -> None:
    world = World()
    world.apply(OWNERS[0], Stake(Grains(300)))
    world.apply(OWNERS[0], Unstake(Grains(200)))

    with pytest.raises(StakeShort) as refused:
        world.apply(OWNERS[0], Unstake(Grains(101)))
    assert (refused.value.wanted, refused.value.free) == (101, 100)


def test_what_leaves_gives_no_seat() -> None:
    world = World()
    _stand(world, 0, 150)
    _stand(world, 1, 150)
    world.apply(OWNERS[0], Unstake(Grains(60)))

    assert [member.public_key for member in world.close()] == [SIGNERS[1].public_key]


def test_the_same_committee_again_is_no_news() -> None:
    world = World()
    _stand(world, 0, 150)
    elected = world.close()

    assert elected
    assert world.close(elected) == ()


def _register_below_minimum(world: World) -> None:
    _stand(world, 0, 99)


def _register_owner_twice(world: World) -> None:
    _stand(world, 0, 200)
    world.register(OWNERS[0], SIGNERS[1])


def _register_key_twice(world: World) -> None:
    _stand(world, 0, 200)
    world.apply(OWNERS[1], Stake(Grains(200)))
    world.register(OWNERS[1], SIGNERS[0])


def _register_a_stolen_key(world: World) -> None:
    world.apply(OWNERS[0], Stake(Grains(200)))
    signature = prove_possession(SIGNERS[0], OWNERS[1], CHAIN)
    world.apply(OWNERS[0], Register(SIGNERS[0].public_key, signature))


def _register_without_a_key(world: World) -> None:
    world.apply(OWNERS[0], Stake(Grains(200)))
    world.apply(OWNERS[0], Register(SIGNERS[0].public_key, Signature(bytes(64))))


def _retire_nobody(world: World) -> None:
    world.apply(OWNERS[0], Retire())


def _retire_twice(world: World) -> None:
    _stand(world, 0, 200)
    world.apply(OWNERS[0], Retire())
    world.apply(OWNERS[0], Retire())


@pytest.mark.parametrize(
    ("act", "fault"),
    [
        (_register_below_minimum, StakeBelowMinimum),
        (_register_owner_twice, CandidateExists),
        (_register_key_twice, CandidateExists),
        (_register_a_stolen_key, PossessionUnproven),
        (_register_without_a_key, PossessionUnproven),
        (_retire_nobody, CandidateUnknown),
        (_retire_twice, CandidateUnknown),
    ],
)
def test_refusals(act: Callable[[World], None], fault: type[StakingFault]) -> None:
    world = World()

    with pytest.raises(fault) as refused:
        act(world)
    number = get_staking_refusal_number(refused.value)
    assert get_staking_refusal_code(number) == fault.code


def test_the_book_has_room_for_so_many_candidates() -> None:
    world = World()
    world.book = StakingBook((), replace(RULES, candidates_max=1))
    _stand(world, 0, 200)

    with pytest.raises(CandidatesFull):
        _stand(world, 1, 200)


def test_one_that_signed_twice_loses_leaving_stake_too_and_sits_in_jail() -> None:
    world = World()
    _stand(world, 0, 400)
    world.apply(OWNERS[0], Unstake(Grains(200)))

    assert world.slash(SIGNERS[0].public_key)
    assert not world.slash(SIGNERS[0].public_key)
    assert (world.accounts[OWNERS[0]].stake, world.burned) == (200, 200)
    elections = [bool(world.close()) for _ in range(5)]
    assert elections == [False, False, False, True, True]
    assert world.accounts[OWNERS[0]].stake == 100


def test_a_retired_candidate_can_be_slashed_until_its_stake_may_leave() -> None:
    world = World()
    _stand(world, 0, 400)
    world.apply(OWNERS[0], Retire())
    world.close()
    world.close()

    assert world.slash(SIGNERS[0].public_key)
    world.close()
    assert world.book.find_candidate(OWNERS[0]) is None
    world.register(OWNERS[0], SIGNERS[0])


def test_the_committee_is_paid_by_weight_and_diligence() -> None:
    world = World()
    _stand(world, 0, 300)
    _stand(world, 1, 300)
    committee = world.close()
    world.book.record_blocks([SIGNERS[0].public_key] * 10 + [SIGNERS[1].public_key] * 5)
    world.close(committee, pool=100)

    assert [world.accounts[owner].balance for owner in OWNERS[:2]] == [750, 725]


def test_work_is_remembered_and_decays() -> None:
    world = World()
    _stand(world, 0, 300)
    world.book.record_work(OWNERS[0], 70)
    world.book.record_work(SIGNERS[0].public_key, 30)
    world.book.record_work(OWNERS[3], 1_000)
    world.close()
    world.close()

    candidate = world.book.find_candidate(OWNERS[0])
    assert candidate is not None
    assert (candidate.work, candidate.fresh) == (75, 0)


def test_entries_survive_the_store() -> None:
    world = World()
    _stand(world, 0, 300)
    world.apply(OWNERS[0], Unstake(Grains(10)))
    entries = [change.after for change in world.book.take_changes() if change.after is not None]

    assert len(entries) == 2
    assert [decode_entry(get_shelf(entry), encode_entry(entry)) for entry in entries] == entries


class StakingMachine(RuleBasedStateMachine):
    """Whatever is asked: no grain is made or lost, the rows that changes tell of are the book."""

    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.rows: dict[bytes, StakingEntry] = {}

    @rule(place=st.integers(0, 3), amount=st.integers(1, 400), kind=st.sampled_from([Stake, Unstake]))
    def move(self, place: int, amount: int, kind: type[Stake | Unstake]) -> None:
        owner = OWNERS[place]
        if kind is Stake and self.world.accounts[owner].balance < amount:
            return
        self._try(owner, kind(Grains(amount)))

    @rule(place=st.integers(0, 3), signer=st.integers(0, 3))
    def register(self, place: int, signer: int) -> None:
        possession = prove_possession(SIGNERS[signer], OWNERS[place], CHAIN)
        self._try(OWNERS[place], Register(SIGNERS[signer].public_key, possession))

    @rule(place=st.integers(0, 3))
    def retire(self, place: int) -> None:
        self._try(OWNERS[place], Retire())

    @rule(signer=st.integers(0, 3))
    def slash(self, signer: int) -> None:
        self.world.slash(SIGNERS[signer].public_key)

    @rule()
    def close(self) -> None:
        self.world.close()

    @rule()
    def restart(self) -> None:
        self._take()
        self.world.book = StakingBook(self.rows.values(), RULES)

    @invariant()
    def every_grain_is_somewhere(self) -> None:
        accounts = self.world.accounts.values()
        assert sum(each.balance + each.stake for each in accounts) + self.world.burned == 4_000

    @invariant()
    def nothing_leaves_that_is_not_there(self) -> None:
        world = self.world
        for owner, account in world.accounts.items():
            leaving = world.book.list_leaving(owner, world.epoch)
            assert sum(part.amount for part in leaving) <= account.stake

    @invariant()
    def changes_tell_everything(self) -> None:
        self._take()
        candidates = [row for row in self.rows.values() if isinstance(row, Candidate)]
        assert {row.validator for row in candidates} == {
            each.validator for each in self.world.book.list_candidates()
        }
        assert len({row.owner for row in candidates}) == len(candidates)

    def _try(self, owner: PublicKey, operation: StakingOperation) -> None:
        before = self.world.book.list_candidates()
        try:
            self.world.apply(owner, operation)
        except StakingFault:
            assert self.world.book.list_candidates() == before

    def _take(self) -> None:
        for change in self.world.book.take_changes():
            known = self.rows.pop(change.key, None)
            assert known == change.before
            if change.after is not None:
                assert compute_staking_entry(change.after)
                self.rows[change.key] = change.after


StakingMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestStaking = StakingMachine.TestCase
