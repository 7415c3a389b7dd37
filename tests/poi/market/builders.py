"""A small market with people in it, and books that are kept the naive way."""

from collections import defaultdict
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from aivm.verification.trace import VERSION, Commitment, Context
from poi.disputes.outcomes import Outcome as DisputeResult
from poi.market.errors import MarketFault
from poi.market.limits import DEVNET_RULES
from poi.market.machine import Market
from poi.market.operations import (
    AnnounceCapacity,
    Caller,
    CastVote,
    Finding,
    Moment,
    OpenJob,
    Operation,
    RegisterProgram,
    SubmitResult,
)
from poi.market.outcomes import Burn, Credit, Debit, Event, Outcome
from poi.market.records import Assigned, Disputed, Inference, Kind, Task
from poi.market.votes import (
    Verdict,
    compute_claim_subject,
    compute_dispute_subject,
    compute_program_subject,
    get_dispute_verdict,
)
from tangle.core.blob_id import make_blob_id
from tangle.core.types import CheckpointIndex, Digest, Grains, Milliseconds, PublicKey

RULES = replace(
    DEVNET_RULES,
    price_floor=Grains(10),
    units_target=100,
    challenge_window_ms=Milliseconds(100),
    dispute_clock_ms=Milliseconds(200),
    verdict_ms=Milliseconds(40),
    confirm_ms=Milliseconds(300),
    reveal_ms=Milliseconds(50),
    program_deposit=Grains(1_000),
    capacity_bond_min=Grains(500),
    answer_bond=Grains(70),
    stake_unit=Grains(100),
    stake_max=Grains(1_000),
)
START_MS = 1_000
FUNDS = 1_000_000
WEIGHTS = (1, 1, 1, 1)
QUORUM = (0, 2, 3)
PROGRAM = Digest(b"p" * 32)
INPUTS = (Digest(b"i" * 32),)


def make_key(number: int) -> PublicKey:
    return PublicKey(number.to_bytes(32, "big"))


def make_beacon(index: int) -> Digest:
    return Digest(index.to_bytes(32, "little"))


CUSTOMER, WORKER, OTHER, CHALLENGER = (make_key(number) for number in range(1, 5))
PACKAGE = make_blob_id(Digest(b"k" * 32))
DATA = make_blob_id(Digest(b"d" * 32))
SOURCES = (Digest(b"s" * 32),)
REGISTER = RegisterProgram(PROGRAM, macs=2**16, steps=0, bytes_moved=0, package=PACKAGE)
CAPACITY = AnnounceCapacity(
    (Kind.INFERENCE, Kind.TRANSFORMATION), speed=10, units_max=1_000, price_min=1, slots=2, bond=Grains(1_000)
)
INFERENCE = Inference(PROGRAM, INPUTS, rows=5, level=2, sources=SOURCES)


class Scene:
    """A market, the accounts beside it, and a clock that the test moves."""

    def __init__(self) -> None:
        self.market = Market.start(RULES, Milliseconds(START_MS))
        self.balances: dict[PublicKey, int] = defaultdict(lambda: FUNDS)
        self.stakes: dict[PublicKey, int] = defaultdict(int)
        self.sequences: dict[PublicKey, int] = defaultdict(int)
        self.burned = 0
        self.index = 1
        self.now_ms = START_MS
        self.epoch = 3

    @property
    def moment(self) -> Moment:
        return Moment(
            CheckpointIndex(self.index),
            Milliseconds(self.now_ms),
            self.epoch,
            make_beacon(self.index),
            WEIGHTS,
        )

    def make_caller(self, account: PublicKey) -> Caller:
        return Caller(
            account, self.sequences[account], Grains(self.balances[account]), Grains(self.stakes[account])
        )

    def apply(self, account: PublicKey, operation: Operation) -> tuple[Event, ...]:
        outcome = self.market.apply(operation, self.make_caller(account), self.moment)
        self.sequences[account] += 1
        return self._book(outcome)

    def find(self, finding: Finding) -> tuple[Event, ...]:
        return self._book(self.market.take_finding(finding, self.moment))

    def vote(self, subject: Digest, verdict: int, *validators: int) -> tuple[Event, ...]:
        """Verdicts of several validators; what the last of them led to."""
        events: tuple[Event, ...] = ()
        for validator in validators:
            events = self.find(CastVote(subject, verdict, validator))
        return events

    def confirm(self, program: Digest = PROGRAM) -> tuple[Event, ...]:
        """A quorum has the program."""
        entry = self.market.get_program(program)
        assert entry is not None
        return self.vote(compute_program_subject(entry), Verdict.RIGHT, *QUORUM)

    def decide(self, job: Digest, result: DisputeResult) -> tuple[Event, ...]:
        """A quorum saw the game end like this."""
        phase = self.market.get_job(job).phase
        assert isinstance(phase, Disputed)
        subject = compute_dispute_subject(job, phase)
        return self.vote(subject, get_dispute_verdict(result), *QUORUM)[1:]

    def advance(self, passed_ms: int = 10) -> tuple[Event, ...]:
        """Close the checkpoint; the next one comes some time later."""
        events = self._book(
            self.market.advance(self.moment, lambda account: Grains(self.stakes.get(account, 0)))
        )
        self.index += 1
        self.now_ms += passed_ms
        return events

    def refuse(self, fault: type[Exception], account: PublicKey, operation: Operation) -> None:
        """The operation is refused for this reason, and the market is as it was."""
        before, held = self.market.make_state(), self.market.held
        with pytest.raises(fault):
            self.apply(account, operation)
        assert (self.market.make_state(), self.market.held) == (before, held)

    def refuse_finding(self, fault: type[MarketFault], finding: Finding) -> None:
        before = self.market.make_state()
        with pytest.raises(fault):
            self.find(finding)
        assert self.market.make_state() == before

    def open(self, task: Task = INFERENCE, **changes: int) -> Digest:
        """A job of the customer; every test's job has room for two attempts."""
        numbers = {"price_limit": 100, "escrow": 200, "result_ms": 100, "deadline_ms": self.now_ms + 1_000}
        opened = self.apply(CUSTOMER, OpenJob(task, **(numbers | changes)))  # type: ignore[arg-type] # plain integers for grains
        event = opened[0]
        assert hasattr(event, "job")
        return Digest(event.job)

    def _book(self, outcome: Outcome) -> tuple[Event, ...]:
        for movement in outcome.movements:
            assert movement.amount > 0
            match movement:
                case Debit(account=account, amount=amount):
                    self.balances[account] -= amount
                    assert self.balances[account] >= 0
                case Credit(account=account, amount=amount):
                    self.balances[account] += amount
                case Burn(amount=amount):
                    self.burned += amount
        return outcome.events


def start(workers: tuple[PublicKey, ...] = (WORKER,)) -> Scene:
    """A registered program and announced workers; a new checkpoint has begun."""
    scene = Scene()
    scene.apply(make_key(9), REGISTER)
    scene.confirm()
    for worker in workers:
        scene.apply(worker, CAPACITY)
    scene.advance()
    return scene


def assign(scene: Scene, task: Task = INFERENCE) -> Digest:
    """A job that has a worker; a new checkpoint has begun."""
    job = scene.open(task)
    scene.advance()
    scene.advance()
    assert isinstance(scene.market.get_job(job).phase, Assigned)
    return job


def get_worker(scene: Scene, job: Digest) -> PublicKey:
    phase = scene.market.get_job(job).phase
    assert isinstance(phase, Assigned)
    return phase.worker


def make_commitment(scene: Scene, job: Digest, root: bytes = b"r") -> Commitment:
    """An honest claim of the assigned worker."""
    live = scene.market.get_job(job)
    phase = live.phase
    assert isinstance(phase, Assigned)
    assert isinstance(live.task, Inference)
    context = Context(job, phase.worker, phase.epoch)
    outputs = (Digest(b"o" * 32),)
    return Commitment(
        VERSION, context, live.task.program, live.task.rows, live.task.inputs, outputs, 3, Digest(root * 32)
    )


def make_reject(job: Digest, worker: PublicKey, validator: int) -> CastVote:
    """A validator's word against a result."""
    return CastVote(compute_claim_subject(job, worker), Verdict.WRONG, validator)


def make_result(scene: Scene, job: Digest) -> SubmitResult:
    """An honest result of the assigned worker."""
    return SubmitResult(job, make_commitment(scene, job), SOURCES, b"")


def claim(scene: Scene, change: Callable[[Commitment], Commitment] = lambda each: each) -> Digest:
    """A job with a result that may be challenged."""
    job = assign(scene)
    worker = get_worker(scene, job)
    scene.apply(worker, SubmitResult(job, change(make_commitment(scene, job)), SOURCES, b""))
    return job
