"""Stakes inside the state machine: operations, elections, slashing, and supply with all of it."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from aivm.backends.numpy_backend import NumpyBackend
from poi.job import compute_job_id
from shards.blocks import BlockReference
from shards.checkpoints import compute_checkpoint_digest
from shards.commits import CommitRecord
from shards.committee import Committee
from tangle.core.encoding import encode
from tangle.core.genesis import Allocation, BoardEntry, Genesis, Validator
from tangle.core.hashing import BLOCK, compute_hash
from tangle.core.multiset import MultisetHash
from tangle.core.parameters import MINIMAL
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    Operation,
    Register,
    Retire,
    SignedEnvelope,
    Stake,
    Transaction,
    Unstake,
    decode_transaction,
)
from tangle.core.types import Digest, Grains, Milliseconds, PublicKey, Shard
from tangle.ledger.accounts import EMPTY_ACCOUNT, Account, encode_account_entry
from tangle.ledger.board import StandingEntry, start_board
from tangle.ledger.effects import Status, describe_effect, get_operation_refusal
from tangle.ledger.machine import CheckpointOutcome, ShardMachine, make_genesis_checkpoint
from tangle.ledger.staking.book import make_first_entries, prove_possession
from tangle.ledger.staking.events import SlashCause, Slashed
from tangle.ledger.staking.records import StakingEntry, compute_entry_key, compute_staking_entry
from tangle.ledger.state import LedgerState, link_checkpoint, make_genesis_state
from tests.drawing.subdag import CHAIN, GENESIS_ID, get_account, make_transaction
from tests.ledger.market_shell import SMALL

BACKEND = NumpyBackend()
START_MS = 1_000_000
STAKE = 10_000
RULES = replace(MINIMAL.staking, stake_min=Grains(1_000), jail_epochs=2)
PARAMETERS = replace(MINIMAL, staking=RULES)
VALIDATORS = tuple(get_account(f"v{number}") for number in range(4))
SIGNER = SigningKey(b"\x07" * 32)


class Network:
    """One shard's machine with four staked validators and some people."""

    def __init__(self, number: int = 0) -> None:
        self.shard = shard = Shard(number)
        self.genesis = Genesis(
            version=1,
            name=b"test",
            timestamp_ms=Milliseconds(START_MS),
            parameters=PARAMETERS,
            validators=tuple(Validator(key, 1) for key in VALIDATORS),
            allocations=(
                *(Allocation(key, Grains(0), Grains(STAKE)) for key in VALIDATORS),
                *(Allocation(get_account(name), Grains(10**9)) for name in ("ann", "ben")),
            ),
            board=(BoardEntry(1, encode(SMALL)),),
        )
        state, self.accounts = make_genesis_state(self.genesis, shard)
        board, _ = start_board(self.genesis, BACKEND)
        first = make_genesis_checkpoint(CHAIN, shard, state, board)
        self.rows: dict[bytes, StakingEntry] = {
            compute_entry_key(each): each for each in make_first_entries(self.genesis, shard)
        }
        self.round = 0
        self.now_ms = START_MS
        self.numbers: dict[str, int] = {}
        self.commits: list[CommitRecord] = []
        self.machine = self._make(link_checkpoint(state, compute_checkpoint_digest(first)), board)

    def restart(self) -> None:
        """Go on from what was stored."""
        committee = self.machine.committee
        self.machine = self._make(self.machine.state, self.machine.board, committee)

    def ask(self, name: str, operation: Operation) -> Transaction:
        """The next transaction of somebody."""
        number = self.numbers.get(name, 0)
        drawn = make_transaction([GENESIS_ID], issuer=name, sequence=number, max_fee=10**8)
        self.numbers[name] = number + 1
        work = replace(drawn.body.work, job=compute_job_id(SMALL))
        anchor = self.machine.state.checkpoint_index
        body = replace(drawn.body, operation=operation, work=work, anchor=anchor)
        return decode_transaction(encode(SignedEnvelope(encode(body), drawn.signature)))

    def run(
        self, *transactions: Transaction, passed_ms: int = 10, authors: Sequence[int] = (0, 1, 2, 3)
    ) -> CheckpointOutcome:
        """A commit with a block of each of ``authors``, in one round; the last one leads."""
        self.round += 1
        self.now_ms += passed_ms
        blocks = tuple(
            BlockReference(self.round, author, compute_hash(BLOCK, bytes([place]) + self.round.to_bytes(8)))
            for place, author in enumerate(authors)
        )
        commit = CommitRecord(
            self.round, Digest(bytes(32)), Milliseconds(self.now_ms), blocks[-1], tuple(sorted(blocks))
        )
        self.machine.observe(commit)
        assert self.machine.is_checkpoint_due(commit, len(transactions)) or not transactions
        outcome = self.machine.process_commit(commit, transactions)
        self.accounts.update(outcome.accounts)
        for change in outcome.staking.changes:
            assert self.rows.pop(change.key, None) == change.before
            if change.after is not None:
                self.rows[change.key] = change.after
        self.commits = [] if outcome.next_committee else [*self.commits, commit]
        self.check_sum()
        return outcome

    def end_epoch(self) -> CheckpointOutcome:
        """A commit beyond the epoch's end."""
        return self.run(passed_ms=PARAMETERS.epoch_ms)

    def check_sum(self) -> None:
        """The running sum covers accounts and stakes, and nothing else."""
        live = MultisetHash()
        for key, account in self.accounts.items():
            if account != EMPTY_ACCOUNT:
                live.add(encode_account_entry(key, account))
        for row in self.rows.values():
            live.add(compute_staking_entry(row))
        assert live.get_state() == self.machine.state.accounts

    def read(self, key: PublicKey) -> Account:
        """An account as of the last checkpoint."""
        return self.accounts.get(key, EMPTY_ACCOUNT)

    def _make(
        self, state: LedgerState, board: Sequence[StandingEntry], committee: Committee | None = None
    ) -> ShardMachine:
        return ShardMachine(
            genesis=self.genesis,
            chain=CHAIN,
            shard=self.shard,
            state=state,
            board=board,
            backend=BACKEND,
            read_account=self.read,
            list_accounts=lambda: sorted(self.accounts.items()),
            committee=committee,
            staking_entries=self.rows.values(),
            commits=self.commits,
        )


def _register(network: Network, name: str = "ann", signer: SigningKey = SIGNER) -> Register:
    chain = network.ask(name, Retire()).body.chain
    network.numbers[name] -= 1
    return Register(signer.public_key, prove_possession(signer, get_account(name), chain))


def test_stakes_of_the_genesis_are_stakes_of_the_supply() -> None:
    network = Network()

    assert network.machine.state.supply.stakes == 4 * STAKE
    assert [each.validator for each in network.machine.stakes.list_candidates()] == sorted(VALIDATORS)


def test_equal_stakes_elect_nobody_new() -> None:
    outcome = Network().end_epoch()

    assert outcome.next_committee is not None
    assert outcome.checkpoint.next_committee == ()


def test_a_candidate_with_stake_is_in_the_next_committee_and_leaves_it_again() -> None:
    network = Network()
    outcome = network.run(network.ask("ann", Stake(Grains(STAKE))), network.ask("ann", _register(network)))
    assert [effect.status for effect in outcome.effects] == [Status.APPLIED, Status.APPLIED]
    elected = network.end_epoch().checkpoint.next_committee
    assert {member.public_key for member in elected} == {*VALIDATORS, SIGNER.public_key}
    assert {member.weight for member in elected} == {2_000}

    network.run(network.ask("ann", Retire()))
    elected = network.end_epoch().checkpoint.next_committee
    assert {member.public_key for member in elected} == set(VALIDATORS)


def test_work_that_counted_raises_a_weight() -> None:
    network = Network()
    network.machine.stakes.record_work(VALIDATORS[0], 1_000)
    elected = network.end_epoch().checkpoint.next_committee

    weights = {member.public_key: member.weight for member in elected}
    assert weights[VALIDATORS[0]] == 3_333
    assert {weights[key] for key in VALIDATORS[1:]} == {2_222}


def test_the_committee_is_paid_for_its_epoch_and_absence_costs_no_more() -> None:
    network = Network()
    network.run(authors=(0, 1, 2))
    before = [network.read(key).balance for key in VALIDATORS]
    outcome = network.end_epoch()
    paid = [network.read(key).balance - held for key, held in zip(VALIDATORS, before, strict=True)]

    pool = PARAMETERS.emission_per_generation * RULES.reward_generations
    assert paid == [pool // 4, pool // 4, pool // 4, pool // 8]
    assert outcome.checkpoint.supply.emitted == sum(paid)
    assert [network.read(key).stake for key in VALIDATORS] == [STAKE] * 4


def test_what_is_unstaked_is_a_balance_again_after_its_epochs() -> None:
    network = Network()
    network.run(network.ask("ann", Stake(Grains(5_000))))
    network.run(network.ask("ann", Unstake(Grains(2_000))))
    stakes = []
    for _ in range(4):
        network.end_epoch()
        stakes.append(network.read(get_account("ann")).stake)

    assert stakes == [5_000, 5_000, 3_000, 3_000]


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (Unstake(Grains(1)), "stake-short"),
        (Retire(), "candidate-unknown"),
        (Register(VALIDATORS[0], SIGNER.sign(BLOCK, CHAIN, b"")), "stake-below-minimum"),
    ],
)
def test_what_the_book_refuses_is_a_conflict_that_costs_nothing(operation: Operation, code: str) -> None:
    network = Network()
    before = network.read(get_account("ann"))
    transaction = network.ask("ann", operation)
    (effect,) = network.run(transaction).effects

    assert effect.status is Status.OPERATION
    assert get_operation_refusal(effect.figures[0]) == code
    assert code in describe_effect(effect, transaction.body)
    assert network.read(get_account("ann")) == before


def test_more_than_the_balance_cannot_be_staked() -> None:
    network = Network()
    (effect,) = network.run(network.ask("ann", Stake(Grains(10**9)))).effects

    assert effect.status is Status.FUNDS


def test_two_blocks_of_a_round_burn_stake_and_send_to_jail() -> None:
    network = Network()
    outcome = network.run(authors=(0, 1, 1, 2, 3))

    lost = STAKE * RULES.slash_share // 1_000_000
    (slash,) = outcome.staking.slashed
    assert slash == Slashed(VALIDATORS[1], VALIDATORS[1], Grains(lost), SlashCause.TWIN)
    assert network.read(VALIDATORS[1]).stake == STAKE - lost
    assert outcome.checkpoint.supply.burned == lost
    elected = network.end_epoch().checkpoint.next_committee
    assert {member.public_key for member in elected} == set(VALIDATORS) - {VALIDATORS[1]}


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_twin_that_comes_in_a_later_commit_is_found_after_a_restart_too(is_restarted: bool) -> None:
    network = Network()
    network.run()
    if is_restarted:
        network.restart()
    network.round -= 1
    second = BlockReference(network.round + 1, 2, compute_hash(BLOCK, b"another"))
    leader = BlockReference(network.round + 2, 0, compute_hash(BLOCK, b"leader"))
    commit = CommitRecord(
        network.round + 2, Digest(bytes(32)), Milliseconds(network.now_ms), leader, (second, leader)
    )
    network.machine.observe(commit)

    assert network.machine.is_checkpoint_due(commit, 0), "a commit with a twin is never passed over"
    outcome = network.machine.process_commit(commit, ())
    assert [slash.validator for slash in outcome.staking.slashed] == [VALIDATORS[2]]


def test_one_that_signs_twice_at_an_epochs_end_loses_of_what_that_end_sets_free() -> None:
    network = Network()
    ann = get_account("ann")
    network.run(network.ask("ann", Stake(Grains(2 * STAKE))), network.ask("ann", _register(network)))
    network.end_epoch()
    network.run(network.ask("ann", Unstake(Grains(STAKE + STAKE // 2))))
    for _ in range(RULES.unbonding_epochs):
        network.end_epoch()
    members = [member.public_key for member in network.machine.committee.validators]
    place = members.index(SIGNER.public_key)
    before = network.read(ann)
    outcome = network.run(passed_ms=PARAMETERS.epoch_ms, authors=(place, place))

    (slash,) = outcome.staking.slashed
    assert slash.burned == STAKE
    reward = sum(each.amount for each in outcome.staking.rewards if each.owner == ann)
    after = network.read(ann)
    assert (after.balance - before.balance - reward, after.stake) == (STAKE * 3 // 4, STAKE // 4)


def test_other_shards_keep_no_stakes() -> None:
    network = Network(1)

    assert network.machine.state.supply.stakes == 0
    assert network.machine.stakes.list_candidates() == ()
    assert network.end_epoch().staking.rewards == ()


def test_a_restart_changes_nothing() -> None:
    plain, restarted = Network(), Network()
    digests = []
    for network in (plain, restarted):
        network.run(network.ask("ann", Stake(Grains(STAKE))), network.ask("ann", _register(network)))
        network.run(network.ask("ben", Stake(Grains(7))))
        if network is restarted:
            network.restart()
        network.run(authors=(0, 1, 2, 2, 3))
        network.end_epoch()
        digests.append(network.end_epoch().digest)
    assert digests[0] == digests[1]
