"""The state machine: commits and their transactions in, a chain of checkpoints out, alike on every node."""

from collections.abc import Iterable, Sequence

import pytest
from msgspec.structs import replace

from aivm.backends.numpy_backend import NumpyBackend
from poi.job import StandingJob, compute_job_id
from poi.presets import DIGITS
from shards.blocks import BlockReference
from shards.checkpoints import NO_ROOT, check_supply, compute_checkpoint_digest
from shards.commits import CommitRecord
from shards.committee import Committee
from tangle.core.encoding import encode
from tangle.core.genesis import Allocation, BoardEntry, Genesis, Validator
from tangle.core.merkle import compute_merkle_root
from tangle.core.parameters import MINIMAL, Parameters
from tangle.core.transactions import SignedEnvelope, Transaction, decode_transaction
from tangle.core.types import Digest, Grains, Milliseconds, PublicKey, Shard
from tangle.ledger.accounts import EMPTY_ACCOUNT, Account, encode_account_entry
from tangle.ledger.board import start_board
from tangle.ledger.effects import Status
from tangle.ledger.election import Election, keep_committee
from tangle.ledger.machine import CheckpointOutcome, ShardMachine, make_genesis_checkpoint
from tangle.ledger.state import LedgerState, link_checkpoint, make_genesis_state
from tests.drawing.subdag import CHAIN, GENESIS_ID, get_account, make_transaction

START_MS = 1_000_000
BACKEND = NumpyBackend()
RICH = 10**12
PAYERS = ("alice", "bob", "carol")

SMALL = replace(
    DIGITS, population=3, rows=4, generation_interval_ms=Milliseconds(0), staleness=1, work_window=5
)
"""A generation of three evaluations."""

OTHER = replace(SMALL, init_seed=Digest(b"\x01" * 32))
"""A second job on the same data."""


class Shell:
    """What a node is around its machine: accounts in a dict, commits one after the other."""

    def __init__(
        self,
        board: Sequence[tuple[int, StandingJob]] = ((1, SMALL),),
        parameters: Parameters = MINIMAL,
        *,
        is_reversed: bool = False,
        election: Election = keep_committee,
    ) -> None:
        """:param is_reversed: accounts are kept and listed the other way round."""
        self.is_reversed = is_reversed
        self.genesis = Genesis(
            version=1,
            name=b"test",
            timestamp_ms=Milliseconds(START_MS),
            parameters=parameters,
            validators=tuple(Validator(get_account(name), 1) for name in ("leader", "other leader")),
            allocations=tuple(Allocation(get_account(name), Grains(RICH)) for name in PAYERS),
            board=tuple(BoardEntry(budget, encode(job)) for budget, job in board),
        )
        state, self.accounts = make_genesis_state(self.genesis, Shard(0))
        entries, _ = start_board(self.genesis, BACKEND)
        first = make_genesis_checkpoint(CHAIN, Shard(0), state, entries)
        self.digests = [compute_checkpoint_digest(first)]
        self.sequences = dict.fromkeys(PAYERS, 0)
        self.commits = 0
        self.machine = ShardMachine(
            genesis=self.genesis,
            chain=CHAIN,
            shard=Shard(0),
            state=link_checkpoint(state, self.digests[0]),
            board=entries,
            backend=BACKEND,
            read_account=lambda key: self.accounts.get(key, EMPTY_ACCOUNT),
            list_accounts=self.list_accounts,
            election=election,
        )

    def list_accounts(self) -> Iterable[tuple[PublicKey, Account]]:
        return sorted(self.accounts.items(), reverse=self.is_reversed)

    def make_commit(self, at_ms: int, author: int = 0) -> CommitRecord:
        self.commits += 1
        leader = BlockReference(self.commits, author, Digest(bytes(32)))
        return CommitRecord(
            self.commits, Digest(bytes(32)), Milliseconds(START_MS + at_ms), leader, (leader,)
        )

    def run(self, at_ms: int, *transactions: Transaction, author: int = 0) -> CheckpointOutcome:
        outcome = self.machine.process_commit(self.make_commit(at_ms, author), transactions)
        changed = outcome.accounts.items()
        self.accounts.update(reversed(changed) if self.is_reversed else changed)
        self.digests.append(outcome.digest)
        return outcome

    def pay(
        self,
        worker: str,
        *,
        job: StandingJob = SMALL,
        generation: int = 0,
        results: tuple[int, ...] = (1,),
        payer: str = "alice",
    ) -> Transaction:
        """The payer's next payment, with this work."""
        drawn = make_transaction([GENESIS_ID], name=payer, sequence=self.sequences[payer], results=results)
        self.sequences[payer] += 1
        work = replace(
            drawn.body.work, job=compute_job_id(job), generation=generation, worker=get_account(worker)
        )
        body = replace(drawn.body, work=work, anchor=self.machine.state.checkpoint_index)
        return decode_transaction(encode(SignedEnvelope(encode(body), drawn.signature)))

    def get_balance(self, name: str) -> int:
        return self.accounts.get(get_account(name), EMPTY_ACCOUNT).balance


def test_commits_become_a_chain_of_checkpoints() -> None:
    it = Shell()
    total = 0
    for number in range(1, 5):
        outcome = it.run(10 * number, *(it.pay("worker", results=(0,)) for _ in range(number)))
        checkpoint = outcome.checkpoint
        total += number
        assert (checkpoint.index, checkpoint.previous) == (number, it.digests[number - 1])
        assert outcome.digest == compute_checkpoint_digest(checkpoint) == it.machine.state.previous
        assert (checkpoint.ordered_count, checkpoint.ordered_total) == (number, total)
        assert checkpoint.ordered_root == compute_merkle_root([each.id for each in outcome.transactions])
        assert checkpoint.effects_root == compute_merkle_root(outcome.effects_encoded)
        assert [effect.status for effect in outcome.effects] == [Status.APPLIED] * number
        check_supply(checkpoint.supply)
    assert len(set(it.digests)) == 5


def test_the_author_of_the_leader_is_paid() -> None:
    it = Shell()
    it.run(10, it.pay("worker"), author=1)
    assert it.get_balance("leader") == 0 < it.get_balance("other leader")


def test_two_machines_fed_the_same_agree_however_they_keep_their_accounts() -> None:
    shells = [Shell(((2, SMALL), (1, OTHER)), is_reversed=is_reversed) for is_reversed in (False, True)]
    for it in shells:
        for number in range(1, 9):
            generations = {entry.state.opened.id: entry.state.generation for entry in it.machine.board}
            it.run(
                400 * number,
                *(
                    it.pay(
                        f"worker {place % 2}",
                        job=job,
                        generation=generations[compute_job_id(job)],
                        payer=payer,
                    )
                    for place, payer in enumerate(PAYERS)
                    for job in (SMALL, OTHER)
                ),
                author=number % 2,
            )
    first, second = shells
    assert first.digests == second.digests
    assert first.machine.state == second.machine.state
    assert first.machine.state.epoch == 1
    assert [entry.state.generation for entry in first.machine.board] == [8, 8]


def test_the_order_within_a_commit_is_part_of_the_state() -> None:
    shells = [Shell(), Shell()]
    for it, step in zip(shells, (1, -1), strict=True):
        transactions = [it.pay("worker"), it.pay("worker", payer="bob")]
        it.run(10, *transactions[::step])
    assert shells[0].digests[0] == shells[1].digests[0]
    assert shells[0].digests[1] != shells[1].digests[1]


def test_a_closing_generation_pays_each_evaluation_the_same() -> None:
    it = Shell()
    emission = MINIMAL.emission_per_generation
    first = it.run(10, it.pay("ann", results=(5, -5)))
    assert (first.closed, it.get_balance("ann")) == ((), 0)
    second = it.run(20, it.pay("ben", results=(0, 7)), it.pay("ann", payer="bob"))
    (closed,) = second.closed
    assert (closed.generation, closed.evaluations) == (1, 5)
    share = emission // 5
    assert (it.get_balance("ann"), it.get_balance("ben")) == (3 * share, 2 * share)
    assert second.checkpoint.supply.emitted == 5 * share <= emission
    pay = [(each.account, each.amount) for each in second.earnings if each.job == closed.job]
    assert sorted(pay) == sorted([(get_account("ann"), 3 * share), (get_account("ben"), 2 * share)])
    fees = [each for each in (*first.earnings, *second.earnings) if each.job is None]
    assert {each.account for each in fees} == {get_account("leader")}
    assert sum(each.amount for each in fees) == it.get_balance("leader")
    assert second.checkpoint.models[0].generation == 1
    assert (
        second.checkpoint.models[0].weights_digest
        == closed.digest
        != first.checkpoint.models[0].weights_digest
    )
    third = it.run(30, it.pay("cid", generation=1, results=(1, 1, 1)))
    assert len(third.closed) == 1
    assert (it.get_balance("ann"), it.get_balance("cid")) == (3 * share, emission // 3 * 3)


def test_jobs_share_the_emission_by_their_budgets() -> None:
    it = Shell(((3, SMALL), (1, OTHER)))
    outcome = it.run(10, it.pay("ann", results=(1, 1, 1, 1)), it.pay("ann", job=OTHER, results=(1, 1, 1)))
    assert [closed.job for closed in outcome.closed] == [compute_job_id(SMALL), compute_job_id(OTHER)]
    emission = MINIMAL.emission_per_generation
    assert it.get_balance("ann") == emission * 3 // 4 // 4 * 4 + emission // 4 // 3 * 3


def test_a_checkpoint_is_due_by_its_transactions_or_by_time() -> None:
    it = Shell()
    interval = MINIMAL.checkpoint_interval_ms
    due = [
        it.machine.is_checkpoint_due(it.make_commit(at_ms), ordered)
        for at_ms, ordered in ((interval - 1, 0), (interval, 0), (0, 1))
    ]
    assert due == [False, True, True]
    it.run(interval)
    assert not it.machine.is_checkpoint_due(it.make_commit(2 * interval - 1), 0)
    assert it.machine.is_checkpoint_due(it.make_commit(2 * interval), 0)


def test_a_checkpoint_without_transactions_moves_time_and_nothing_else() -> None:
    it = Shell()
    before = it.machine.state
    outcome = it.run(MINIMAL.checkpoint_interval_ms)
    assert (outcome.effects, outcome.accounts, outcome.counted, outcome.closed) == ((), {}, (), ())
    assert outcome.checkpoint.timestamp_ms == START_MS + MINIMAL.checkpoint_interval_ms
    assert outcome.state.accounts == before.accounts
    assert outcome.checkpoint.supply == before.supply


@pytest.mark.parametrize("is_reversed", [False, True])
def test_where_an_epoch_begins_the_root_covers_every_account(is_reversed: bool) -> None:
    it = Shell(is_reversed=is_reversed)
    epoch_ms = MINIMAL.epoch_ms
    within = it.run(epoch_ms - 1, it.pay("ann", results=(1, 1, 1)), it.pay("ann", payer="bob"))
    assert (within.checkpoint.epoch, within.checkpoint.accounts_root) == (0, NO_ROOT)
    emission = it.machine.state.emission
    across = it.run(epoch_ms, it.pay("ben", generation=1, results=(1, 1, 1), payer="carol"))
    leaves = [
        encode_account_entry(key, account)
        for key, account in sorted(it.accounts.items())
        if account != EMPTY_ACCOUNT
    ]
    # three payers, the leader, the recipient, two workers
    assert len(leaves) == 7
    assert (across.checkpoint.epoch, across.checkpoint.accounts_root) == (1, compute_merkle_root(leaves))
    assert it.get_balance("ben") == emission // 3 * 3, "paid before the emission decays"
    assert it.machine.state.emission < emission
    after = it.run(epoch_ms + 1, it.pay("ann", generation=2))
    assert after.checkpoint.accounts_root == NO_ROOT


def test_a_commit_that_crosses_into_another_epoch_is_the_committees_last() -> None:
    it = Shell()
    within = it.run(MINIMAL.epoch_ms - 1, it.pay("ann"))
    assert (within.next_committee, within.state.committee_epoch) == (None, 0)
    crossing = it.make_commit(MINIMAL.epoch_ms)
    assert it.machine.is_checkpoint_due(crossing, 0), "however young the last checkpoint is"
    last = it.machine.process_commit(crossing, ())
    checkpoint = last.checkpoint
    assert (checkpoint.epoch, checkpoint.committee_epoch, checkpoint.next_committee) == (1, 0, ())
    assert last.next_committee is it.machine.committee
    assert (it.machine.committee.epoch, it.machine.committee.origin) == (1, last.digest)
    assert it.machine.committee.validators == it.genesis.validators
    after = it.run(MINIMAL.epoch_ms + 500)
    assert (after.checkpoint.epoch, after.checkpoint.committee_epoch) == (1, 1)


def test_an_epoch_without_anybody_is_left_out() -> None:
    it = Shell()
    last = it.run(5 * MINIMAL.epoch_ms)
    assert (last.checkpoint.committee_epoch, it.machine.committee.epoch) == (0, 5)


def test_whoever_is_elected_goes_on_and_is_paid_as_leader() -> None:
    elected = (Validator(get_account("ben"), 3), Validator(get_account("leader"), 1))
    asked = []

    def elect(
        state: LedgerState, _parameters: Parameters, committee: Committee, epoch: int
    ) -> tuple[Validator, ...]:
        asked.append((state.checkpoint_index, committee.epoch, epoch))
        return elected

    it = Shell(election=elect)
    it.run(10, it.pay("ann"))
    last = it.run(MINIMAL.epoch_ms, it.pay("ann"), author=1)
    assert last.checkpoint.next_committee == it.machine.committee.validators == elected
    assert it.get_balance("ben") == 0 < it.get_balance("other leader"), "the old committee led it"
    it.run(MINIMAL.epoch_ms + 10, it.pay("ann"), author=0)
    assert it.get_balance("ben") > 0
    again = it.run(2 * MINIMAL.epoch_ms)
    assert again.checkpoint.next_committee == (), "the same go on"
    assert asked == [(1, 0, 1), (3, 1, 2)]


def test_work_that_comes_too_late_is_not_counted_but_the_payment_applies() -> None:
    it = Shell()
    for generation in range(SMALL.staleness + 1):
        it.run(10 + generation, it.pay("ann", generation=generation, results=(1, 1, 1)))
    counted_before = it.machine.board[0].state.evaluations
    assert it.machine.board[0].state.generation == SMALL.staleness + 1
    late, in_time = it.pay("late"), it.pay("in time", generation=1, payer="bob")
    outcome = it.run(50, late, in_time)
    assert [effect.status for effect in outcome.effects] == [Status.APPLIED, Status.APPLIED]
    assert [effect.work_counted for effect in outcome.effects] == [0, 1]
    (row,) = outcome.counted
    assert (row.job, row.generation) == (compute_job_id(SMALL), 1)
    assert row.ordered_index == outcome.checkpoint.ordered_total - 1
    assert it.machine.board[0].state.evaluations == counted_before + 1
    assert it.machine.board[0].workers == {get_account("in time"): 1}


def test_work_beyond_the_window_and_work_of_conflicts_are_not_counted_either() -> None:
    it = Shell()
    for generation in range(SMALL.work_window + 1):
        it.run(10 + generation, it.pay("ann", generation=generation, results=(1, 1, 1)))
    beyond = it.pay("beyond")
    again = it.pay("again", generation=SMALL.work_window + 1, payer="bob")
    outcome = it.run(50, beyond, again, again)
    assert [effect.status for effect in outcome.effects] == [Status.APPLIED, Status.APPLIED, Status.SEQUENCE]
    assert [effect.work_counted for effect in outcome.effects] == [0, 1, 0]
    assert it.machine.board[0].workers == {get_account("again"): 1}


def test_a_machine_that_goes_on_from_what_was_stored_agrees_with_one_that_never_stopped() -> None:
    it, other = Shell(), Shell()
    for shell in (it, other):
        shell.run(10, shell.pay("ann", results=(3, -2)))
    (entry,) = other.machine.board
    resumed = type(entry.state)(entry.state.opened, entry.state.get_snapshot(), {})
    other.machine = ShardMachine(
        genesis=other.genesis,
        chain=CHAIN,
        shard=Shard(0),
        state=other.machine.state,
        board=(type(entry)(entry.budget, resumed, dict(entry.workers), entry.model),),
        backend=BACKEND,
        read_account=lambda key: other.accounts.get(key, EMPTY_ACCOUNT),
        list_accounts=other.list_accounts,
    )
    for shell in (it, other):
        shell.run(20, shell.pay("ben", results=(-1, 4)))
        shell.run(30, shell.pay("ben", generation=1))
    assert it.digests == other.digests
    assert it.machine.board[0].state.generation == 1
