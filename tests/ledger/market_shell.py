"""A shard with people who use its market: accounts in a dict, verdicts as from blocks, restarts."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from aivm.backends.numpy_backend import NumpyBackend
from aivm.verification.trace import VERSION, Commitment, Context
from poi.dataset import load_dataset
from poi.disputes.outcomes import Outcome as DisputeResult
from poi.job import StandingJob, compute_job_id
from poi.market.entries import Entry, Shelf
from poi.market.operations import (
    AnnounceCapacity,
    OpenJob,
    Operation,
    RegisterProgram,
    SubmitResult,
    encode_operation,
)
from poi.market.records import Assigned, Disputed, Inference, Kind, Task
from poi.market.votes import (
    Verdict,
    compute_claim_subject,
    compute_dispute_subject,
    compute_program_subject,
    get_dispute_verdict,
)
from poi.presets import DIGITS
from poi.training import TrainingParts, encode_training_data
from shards.blocks import BlockReference, Vote
from shards.commits import CommitRecord
from tangle.core.encoding import encode
from tangle.core.genesis import Allocation, BoardEntry, Genesis, Validator
from tangle.core.hashing import BLOCK, compute_hash
from tangle.core.parameters import MINIMAL
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    MarketCall,
    Register,
    SignedEnvelope,
    Stake,
    Transaction,
    decode_transaction,
)
from tangle.core.transactions import Operation as LedgerOperation
from tangle.core.types import Digest, Grains, Milliseconds, PublicKey, Shard
from tangle.ledger.accounts import EMPTY_ACCOUNT, Account
from tangle.ledger.board import StandingEntry, start_board
from tangle.ledger.effects import Status
from tangle.ledger.machine import CheckpointOutcome, ShardMachine, make_genesis_checkpoint
from tangle.ledger.marketplace import CastBallot
from tangle.ledger.staking.book import make_first_entries, prove_possession
from tangle.ledger.staking.records import StakingEntry, compute_entry_key
from tangle.ledger.state import LedgerState, link_checkpoint, make_genesis_state
from tests.drawing.subdag import CHAIN, GENESIS_ID, get_account, make_transaction
from tests.poi.market.builders import PACKAGE, SOURCES
from tests.poi.market.builders import RULES as FAST_RULES

START_MS = 1_000_000
RICH = 10**12
PEOPLE = ("customer", "worker", "other", "challenger")
QUORUM = (0, 1, 2)
BACKEND = NumpyBackend()
SMALL = replace(DIGITS, population=2**20, rows=4)
"""Its generations never close, so that whatever is paid comes from the market."""

DIGITS_BLOB = encode_training_data(
    TrainingParts(load_dataset(DIGITS.dataset), load_dataset(DIGITS.holdout)), b""
)

PARAMETERS = replace(MINIMAL, staking=replace(MINIMAL.staking, stake_min=Grains(1_000)))

RULES = replace(FAST_RULES, answer_bond=Grains(70))

PROGRAM = Digest(b"p" * 32)
INPUTS = (Digest(b"i" * 32),)
REGISTER = RegisterProgram(PROGRAM, macs=2**16, steps=0, bytes_moved=0, package=PACKAGE)
CAPACITY = AnnounceCapacity(
    (Kind.INFERENCE, Kind.TRANSFORMATION), speed=10, units_max=1_000, price_min=1, slots=2, bond=Grains(1_000)
)
INFERENCE = Inference(PROGRAM, INPUTS, rows=5, level=2, sources=SOURCES)


class MarketShell:
    """What a node is around its machine, with a market that moves fast."""

    def __init__(self, standing: StandingJob = SMALL, content: bytes = DIGITS_BLOB) -> None:
        """:param content: what every training job finds under the name of its data."""
        self.content = content
        self.genesis = Genesis(
            version=1,
            name=b"test",
            timestamp_ms=Milliseconds(START_MS),
            parameters=PARAMETERS,
            validators=tuple(Validator(get_account(f"leader {number}"), 1) for number in range(4)),
            allocations=tuple(Allocation(get_account(name), Grains(RICH)) for name in PEOPLE),
            board=(BoardEntry(1, encode(standing)),),
        )
        state, self.accounts = make_genesis_state(self.genesis, Shard(0), RULES)
        board, _ = start_board(self.genesis, BACKEND)
        first = make_genesis_checkpoint(CHAIN, Shard(0), state, board)
        self.entries: dict[tuple[Shelf, bytes], Entry] = {}
        first_entries = make_first_entries(self.genesis, Shard(0))
        self.stakes: dict[bytes, StakingEntry] = {compute_entry_key(each): each for each in first_entries}
        self.sequences: dict[str, int] = defaultdict(int)
        self.outcomes: list[CheckpointOutcome] = []
        self.commits = 0
        self.now_ms = START_MS
        self.machine = self._make_machine(link_checkpoint(state, Digest(encode(first)[:32])), board)

    def restart(self) -> None:
        """Go on from what was stored, in the order of the store's keys."""
        self.machine = self._make_machine(self.machine.state, self.machine.board)

    def call(self, name: str, operation: Operation, max_fee: int = 10**9) -> Transaction:
        """The next transaction of somebody, asking the market for this."""
        return self.ask(name, MarketCall(encode_operation(operation)), max_fee)

    def ask(self, name: str, operation: LedgerOperation, max_fee: int = 10**9) -> Transaction:
        """The next transaction of somebody."""
        drawn = make_transaction([GENESIS_ID], issuer=name, sequence=self.sequences[name], max_fee=max_fee)
        self.sequences[name] += 1
        work = replace(drawn.body.work, job=compute_job_id(SMALL))
        body = replace(drawn.body, operation=operation, work=work, anchor=self.machine.state.checkpoint_index)
        return decode_transaction(encode(SignedEnvelope(encode(body), drawn.signature)))

    def run(
        self, *transactions: Transaction, ballots: Sequence[CastBallot] = (), passed_ms: int = 10
    ) -> CheckpointOutcome:
        """Make one checkpoint, some time after the last."""
        self.commits += 1
        self.now_ms += passed_ms
        beacon = compute_hash(BLOCK, self.commits.to_bytes(8, "big"))
        leader = BlockReference(self.commits, self.commits % 4, beacon)
        commit = CommitRecord(self.commits, Digest(bytes(32)), Milliseconds(self.now_ms), leader, (leader,))
        for job in self.machine.list_opening():
            self.machine.hand_in(job, self.content)
        outcome = self.machine.process_commit(commit, transactions, ballots)
        self.accounts.update(outcome.accounts)
        for change in outcome.market.changes:
            if change.after is None:
                del self.entries[change.shelf, change.key]
            else:
                self.entries[change.shelf, change.key] = change.after
        for row in outcome.staking.changes:
            self.stakes.pop(row.key, None)
            if row.after is not None:
                self.stakes[row.key] = row.after
        self.outcomes.append(outcome)
        return outcome

    def make_candidate(self, name: str, signer: SigningKey, stake: int) -> None:
        """Somebody stakes, and stands for election."""
        bound = self.ask(name, Stake(Grains(stake)))
        possession = prove_possession(signer, bound.body.issuer, bound.body.chain)
        outcome = self.run(bound, self.ask(name, Register(signer.public_key, possession)))
        assert all(effect.status is Status.APPLIED for effect in outcome.effects)

    def vote(self, subject: Digest, verdict: int, *validators: int) -> tuple[CastBallot, ...]:
        """The same verdict of several validators."""
        return tuple(CastBallot(validator, Vote(subject, verdict)) for validator in validators)

    def confirm(self, program: Digest = PROGRAM, verdict: int = Verdict.RIGHT) -> CheckpointOutcome:
        """A quorum says something of a program."""
        entry = self.machine.market.get_program(program)
        assert entry is not None
        return self.run(ballots=self.vote(compute_program_subject(entry), verdict, *QUORUM))

    def decide(self, job: Digest, result: DisputeResult) -> CheckpointOutcome:
        """A quorum saw a game end like this."""
        phase = self.machine.market.get_job(job).phase
        assert isinstance(phase, Disputed)
        verdict = get_dispute_verdict(result)
        return self.run(ballots=self.vote(compute_dispute_subject(job, phase), verdict, *QUORUM))

    def reject(self, job: Digest, worker: PublicKey, *validators: int) -> CheckpointOutcome:
        """Validators say that a result is wrong."""
        return self.run(ballots=self.vote(compute_claim_subject(job, worker), Verdict.WRONG, *validators))

    def settle_in(self, *workers: str) -> None:
        """A confirmed program, and workers."""
        self.run(self.call("other", REGISTER), *(self.call(name, CAPACITY) for name in workers))
        self.confirm()

    def make_opening(self, task: Task = INFERENCE, escrow: int = 200, span_ms: int = 1_000) -> OpenJob:
        """An order with a deadline some time ahead of the next checkpoint."""
        result_ms = 100 if isinstance(task, Inference) else 0
        deadline_ms = Milliseconds(self.now_ms + span_ms)
        return OpenJob(task, Grains(10_000), Grains(escrow), deadline_ms, Milliseconds(result_ms))

    def open(self, task: Task = INFERENCE) -> Digest:
        """A job of the customer."""
        outcome = self.run(self.call("customer", self.make_opening(task)))
        (row,) = outcome.market.jobs
        return row.job.id

    def make_result(self, job: Digest) -> SubmitResult:
        """An honest result of whoever has the job."""
        live = self.machine.market.get_job(job)
        assert isinstance(live.phase, Assigned)
        assert isinstance(live.task, Inference)
        context = Context(job, live.phase.worker, live.phase.epoch)
        outputs = (Digest(b"o" * 32),)
        commitment = Commitment(
            VERSION, context, live.task.program, live.task.rows, INPUTS, outputs, 3, Digest(b"r" * 32)
        )
        return SubmitResult(job, commitment, SOURCES, b"")

    def get_balance(self, name: str) -> int:
        """What somebody can spend."""
        return self.read_account(get_account(name)).balance

    def read_account(self, key: PublicKey) -> Account:
        """An account as of the last checkpoint."""
        return self.accounts.get(key, EMPTY_ACCOUNT)

    def list_accounts(self) -> Iterable[tuple[PublicKey, Account]]:
        """All accounts, in order."""
        return sorted(self.accounts.items())

    def _make_machine(self, state: LedgerState, board: Sequence[StandingEntry]) -> ShardMachine:
        return ShardMachine(
            genesis=self.genesis,
            chain=CHAIN,
            shard=Shard(0),
            state=state,
            board=board,
            backend=BACKEND,
            read_account=self.read_account,
            list_accounts=self.list_accounts,
            market_entries=[entry for _, entry in sorted(self.entries.items(), key=_get_place)],
            rules=RULES,
            staking_entries=self.stakes.values(),
        )


def _get_place(item: tuple[tuple[Shelf, bytes], Entry]) -> tuple[int, bytes]:
    return item[0]
