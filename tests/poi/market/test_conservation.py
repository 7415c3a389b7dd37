"""No grain is made or lost, whatever happens in whatever order.

A naive model keeps, from operations and events alone, what everybody has in the market: deposits, bonds,
escrows. After every step its sum, the market's own, and the sum over the state must agree, and together with
accounts and burned grains nothing may have changed since the beginning.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from poi.disputes.outcomes import BothSilent, BothWrong, ChallengerWins, DefenderWins, Outcome, Reason
from poi.errors import WrongSeal
from poi.market.book import compute_held
from poi.market.contests import compute_answer_seal
from poi.market.errors import InvalidFinding, MarketFault
from poi.market.machine import Market
from poi.market.operations import (
    CancelJob,
    CastVote,
    ChallengeResult,
    DeclineJob,
    GenerationClosed,
    MakeMove,
    Operation,
    RetireProgram,
    SealAnswer,
    ShowAnswer,
    SubmitResult,
    WithdrawCapacity,
)
from poi.market.outcomes import (
    AttemptFailed,
    DisputeSettled,
    Event,
    Fault,
    GenerationPaid,
    JobEnded,
    ProgramRemoved,
)
from poi.market.problems import Answer, Packing, encode_answer, encode_problem
from poi.market.records import (
    Assigned,
    Claimed,
    Collecting,
    Disputed,
    Gathering,
    Inference,
    Learning,
    Optimisation,
    Phase,
    Task,
    Training,
    Waiting,
    decode_market,
    encode_market,
)
from poi.market.votes import (
    compute_data_subject,
    compute_dispute_subject,
    compute_program_subject,
    get_dispute_verdict,
)
from poi.presets import DIGITS
from tangle.core.encoding import encode
from tangle.core.types import Digest, Grains, PublicKey
from tests.poi.market.builders import (
    CAPACITY,
    CUSTOMER,
    DATA,
    FUNDS,
    INFERENCE,
    PACKAGE,
    PROGRAM,
    REGISTER,
    RULES,
    SOURCES,
    Scene,
    make_commitment,
    make_key,
    make_reject,
)

PEOPLE = [make_key(number) for number in range(1, 7)]
SALT = Digest(bytes(32))
PACKING = Optimisation(encode_problem(Packing(10, (6, 5, 4, 3))))
ANSWERS = [encode_answer(Answer(places)) for places in ((0, 1, 2, 3), (0, 1, 0, 1), (0, 0, 0, 0))]
SPANS = [30, 900, 1_000, 3_000]
TASKS: list[Task] = [
    INFERENCE,
    replace(INFERENCE, rows=37, level=3),
    PACKING,
    Training(encode(DIGITS), 3, DATA),
]
RESULTS: list[Outcome] = [
    DefenderWins(Reason.RECOMPUTED),
    ChallengerWins(Reason.NOT_SHOWN),
    BothWrong(),
    BothSilent(),
]

people = st.sampled_from(PEOPLE)


def is_any_in(*phases: type[Phase]) -> Callable[["Books"], bool]:
    """Whether a rule about jobs in these phases has anything to do."""
    return lambda books: any(isinstance(job.phase, phases) for job in books.scene.market.make_state().jobs)


class Books(RuleBasedStateMachine):
    """The market beside the model."""

    @initialize()
    def start(self) -> None:
        self.scene = Scene()
        for person in PEOPLE:
            self.scene.balances[person] = FUNDS
        self.deposits: dict[Digest, int] = {}
        self.bonds: dict[PublicKey, int] = {}
        self.escrows: dict[Digest, int] = {}
        self.challenges: dict[Digest, int] = {}
        self.seals: dict[Digest, int] = {}
        for person in PEOPLE[3:]:
            self.do(person, CAPACITY)
        self.do(PEOPLE[5], REGISTER)
        for validator in range(3):
            self.look_at_program(validator, 1)
        self.prices: dict[Digest, int] = {}
        self.bonds_of_jobs: dict[Digest, int] = {}
        for task in TASKS:
            self.open_job(task, 8_001, 3_000)
        (training,) = (job for job in self.scene.market.list_jobs() if isinstance(job.phase, Gathering))
        for validator in range(3):
            self.cast(CastVote(compute_data_subject(training.id), 1, validator))
        self.assign()

    def do(self, person: PublicKey, operation: Operation) -> bool:
        """Ask for something; what a refusal leaves behind must be exactly what was."""
        before = encode_market(self.scene.market.make_state())
        balance = self.scene.balances[person]
        try:
            events = self.scene.apply(person, operation)
        except (MarketFault, WrongSeal):
            assert encode_market(self.scene.market.make_state()) == before
            assert self.scene.balances[person] == balance
            return False
        match operation:
            case _ if operation == REGISTER:
                self.deposits[PROGRAM] = RULES.program_deposit
            case _ if operation == CAPACITY:
                self.bonds[person] = CAPACITY.bond
            case ChallengeResult(job=job):
                self.challenges[job] = balance - self.scene.balances[person]
            case SealAnswer(job=job):
                self.seals[job] = self.seals.get(job, 0) + 1
            case ShowAnswer(job=job):
                self.seals[job] -= 1
            case _:
                pass
        self.follow(events)
        return True

    def follow(self, events: tuple[Event, ...]) -> None:
        """Bring the model up to date."""
        for event in events:
            match event:
                case AttemptFailed(worker=worker, fault=fault) if fault in (Fault.LATE, Fault.REFUTED):
                    bond = self.bonds_of_jobs[event.job]
                    self.bonds[worker] -= bond if fault == Fault.REFUTED else bond // 10
                case DisputeSettled(job=job):
                    del self.challenges[job]
                case GenerationPaid(job=job, paid=paid):
                    price = self.prices[job] // 3
                    self.escrows[job] -= paid + price // 20
                case JobEnded(job=job, refunded=refunded):
                    left = self.escrows.pop(job)
                    assert refunded in (left, left - self.prices[job])
                    self.seals.pop(job, None)
                case ProgramRemoved(program=program):
                    del self.deposits[program]
                case _:
                    pass
        market = self.scene.market
        self.bonds = {worker: bond for worker, bond in self.bonds.items() if market.get_capacity(worker)}

    def pick(self, data: st.DataObject, *phases: type[Phase]) -> tuple[Digest, Any]:
        """A live job in one of these phases, and its phase."""
        jobs = [job for job in self.scene.market.make_state().jobs if isinstance(job.phase, phases)]
        job = data.draw(st.sampled_from(jobs))
        return job.id, job.phase

    @rule(
        task=st.sampled_from(TASKS),
        spare=st.sampled_from([0, 777, 8_001]),
        span_ms=st.sampled_from([30, 900, 1_000, 3_000]),
    )
    def open_job(self, task: Task, spare: int, span_ms: int) -> None:
        is_run = isinstance(task, Inference)
        try:
            job = self.scene.open(
                task,
                price_limit=10_000,
                escrow=500 + spare,
                result_ms=span_ms // 3 if is_run else 0,
                deadline_ms=self.scene.now_ms + span_ms,
            )
        except MarketFault:
            return
        live = self.scene.market.get_job(job)
        self.escrows[job], self.prices[job] = 500 + spare, live.price
        self.bonds_of_jobs[job] = 2 * live.price

    @rule(person=st.sampled_from(PEOPLE[3:]))
    def announce(self, person: PublicKey) -> None:
        self.do(person, CAPACITY)

    @rule()
    def withdraw(self) -> None:
        self.do(PEOPLE[3], WithdrawCapacity())

    @rule(is_new=st.booleans())
    def change_programs(self, is_new: bool) -> None:
        self.do(PEOPLE[5], REGISTER if is_new else RetireProgram(PROGRAM))

    @precondition(is_any_in(Waiting, Collecting, Learning, Gathering))
    @rule(data=st.data(), person=st.sampled_from([CUSTOMER, PEOPLE[1]]))
    def cancel(self, data: st.DataObject, person: PublicKey) -> None:
        job, _ = self.pick(data, Waiting, Collecting, Learning, Gathering)
        self.do(person, CancelJob(job))

    @precondition(is_any_in(Assigned))
    @rule(data=st.data(), is_declined=st.sampled_from([False, False, True]))
    def work(self, data: st.DataObject, is_declined: bool) -> None:
        job, phase = self.pick(data, Assigned)
        commitment = make_commitment(self.scene, job)
        self.do(phase.worker, DeclineJob(job) if is_declined else SubmitResult(job, commitment, SOURCES, b""))

    @precondition(is_any_in(Claimed))
    @rule(data=st.data(), person=people)
    def challenge(self, data: st.DataObject, person: PublicKey) -> None:
        self.do(person, ChallengeResult(self.pick(data, Claimed)[0], SALT))

    @precondition(is_any_in(Claimed, Disputed))
    @rule(data=st.data(), validator=st.integers(0, 4))
    def reject(self, data: st.DataObject, validator: int) -> None:
        job, phase = self.pick(data, Claimed, Disputed)
        claim = phase if isinstance(phase, Claimed) else phase.claim
        self.cast(make_reject(job, claim.worker, validator))

    def cast(self, vote: CastVote) -> None:
        """A vote that counts, or that leaves nothing behind."""
        before = encode_market(self.scene.market.make_state())
        try:
            self.follow(self.scene.find(vote))
        except InvalidFinding:
            assert encode_market(self.scene.market.make_state()) == before

    @precondition(is_any_in(Gathering))
    @rule(data=st.data(), validator=st.integers(0, 4), verdict=st.sampled_from([1, 1, 1, 2, 3]))
    def look_at_data(self, data: st.DataObject, validator: int, verdict: int) -> None:
        job, _ = self.pick(data, Gathering)
        self.cast(CastVote(compute_data_subject(job), verdict, validator))

    @rule(validator=st.integers(0, 4), verdict=st.sampled_from([1, 1, 1, 2, 3]))
    def look_at_program(self, validator: int, verdict: int) -> None:
        entry = self.scene.market.get_program(PROGRAM)
        if entry is not None:
            self.cast(CastVote(compute_program_subject(entry), verdict, validator))

    @precondition(is_any_in(Disputed))
    @rule(data=st.data(), person=people, is_blob=st.booleans())
    def move(self, data: st.DataObject, person: PublicKey, is_blob: bool) -> None:
        job, _ = self.pick(data, Disputed)
        self.do(person, MakeMove(job, b"" if is_blob else b"move", PACKAGE if is_blob else b""))

    @precondition(is_any_in(Disputed))
    @rule(data=st.data(), result=st.sampled_from(RESULTS), validator=st.integers(0, 4))
    def decide(self, data: st.DataObject, result: Outcome, validator: int) -> None:
        job, phase = self.pick(data, Disputed)
        said = CastVote(compute_dispute_subject(job, phase), get_dispute_verdict(result), validator)
        self.cast(said)

    @precondition(is_any_in(Collecting))
    @rule(data=st.data(), person=people, salt=st.sampled_from([SALT, PROGRAM]))
    def seal(self, data: st.DataObject, person: PublicKey, salt: Digest) -> None:
        job, _ = self.pick(data, Collecting)
        answer = ANSWERS[person[-1] % 3]
        self.do(person, SealAnswer(job, compute_answer_seal(job, person, answer, salt)))

    @precondition(is_any_in(Collecting))
    @rule(data=st.data())
    def show(self, data: st.DataObject) -> None:
        job, phase = self.pick(data, Collecting)
        deadline_ms = self.scene.market.get_job(job).deadline_ms
        if phase.seals:
            self.scene.now_ms = max(self.scene.now_ms, deadline_ms + 1)
            person = data.draw(st.sampled_from(phase.seals)).worker
            self.do(person, ShowAnswer(job, ANSWERS[person[-1] % 3], SALT))

    @precondition(is_any_in(Learning))
    @rule(data=st.data(), counts=st.lists(st.integers(1, 50), min_size=1, max_size=4))
    def learn(self, data: st.DataObject, counts: list[int]) -> None:
        job, phase = self.pick(data, Learning)
        work = tuple(zip(PEOPLE, counts, strict=False))
        try:
            self.follow(self.scene.find(GenerationClosed(job, phase.closed, work)))
        except MarketFault:
            return

    @precondition(is_any_in(Waiting))
    @rule()
    def assign(self) -> None:
        self.follow(self.scene.advance(1))
        self.follow(self.scene.advance(1))

    @rule(passed_ms=st.sampled_from([0, 1, 5, 10, 20, 101]))
    def advance(self, passed_ms: int) -> None:
        self.follow(self.scene.advance(passed_ms))

    @rule()
    def restart(self) -> None:
        data = encode_market(self.scene.market.make_state())
        state = decode_market(data)
        self.scene.market = Market(state, RULES)
        assert encode_market(self.scene.market.make_state()) == data

    @invariant()
    def nothing_is_made_or_lost(self) -> None:
        scene = self.scene
        held = scene.market.held
        assert sum(scene.balances[person] for person in PEOPLE) + scene.burned + held == FUNDS * len(PEOPLE)
        assert held == compute_held(scene.market.make_state(), RULES)
        assert held == (
            sum(self.deposits.values())
            + sum(self.bonds.values())
            + sum(self.escrows.values())
            + sum(self.challenges.values())
            + sum(self.seals.values()) * RULES.answer_bond
        )

    @invariant()
    def every_worker_answers_for_exactly_its_jobs(self) -> None:
        state = self.scene.market.make_state()
        for capacity in state.capacities:
            bonds = []
            for job in state.jobs:
                phase = job.phase.claim if isinstance(job.phase, Disputed) else job.phase
                if isinstance(phase, Assigned | Claimed) and phase.worker == capacity.worker:
                    bonds.append(phase.bond)
            assert (capacity.used, capacity.locked) == (len(bonds), sum(bonds))
            assert capacity.locked <= capacity.bond == self.bonds[capacity.worker]

    def teardown(self) -> None:
        """Once all have run out and withdrawn, nothing is left in the market."""
        if not hasattr(self, "scene"):
            return
        for _ in range(4):
            self.scene.now_ms += 2_000
            self.follow(self.scene.advance(1))
        for person in PEOPLE:
            self.do(person, WithdrawCapacity())
        self.do(PEOPLE[5], RetireProgram(PROGRAM))
        assert self.scene.market.held == Grains(0)
        assert sum(self.scene.balances[person] for person in PEOPLE) + self.scene.burned == FUNDS * len(
            PEOPLE
        )


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=60, stateful_step_count=80, deadline=None, derandomize=True)
