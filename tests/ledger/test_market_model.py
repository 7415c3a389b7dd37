"""Whatever people and validators do to the market of a ledger, in whatever order, restarts included.

Two machines are fed the same; one of them is made anew from what was stored, again and again. Their digests
must be equal, and at every checkpoint every grain must be somewhere (the machine itself refuses to go on
otherwise), what the market holds must be the escrow, and the accounts must add up.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from poi.market.book import compute_held
from poi.market.contests import compute_answer_seal
from poi.market.operations import (
    CancelJob,
    ChallengeResult,
    DeclineJob,
    MakeMove,
    Operation,
    RetireProgram,
    SealAnswer,
    ShowAnswer,
    WithdrawCapacity,
)
from poi.market.problems import Answer, Packing, encode_answer, encode_problem
from poi.market.records import (
    Assigned,
    Claimed,
    Collecting,
    Disputed,
    Gathering,
    Job,
    Optimisation,
    Task,
    Training,
)
from poi.market.votes import (
    DISPUTE_RESULTS,
    compute_data_subject,
    compute_dispute_subject,
    compute_program_subject,
    list_subjects,
)
from poi.presets import DIGITS
from shards.blocks import Vote
from tangle.core.encoding import encode
from tangle.core.multiset import MultisetHash
from tangle.core.types import Digest
from tangle.ledger.accounts import EMPTY_ACCOUNT, encode_account_entry
from tangle.ledger.effects import Status
from tangle.ledger.marketplace import CastBallot, compute_market_entry
from tangle.ledger.staking.records import compute_staking_entry
from tests.drawing.subdag import get_account
from tests.ledger.market_shell import (
    CAPACITY,
    INFERENCE,
    PEOPLE,
    PROGRAM,
    QUORUM,
    REGISTER,
    RICH,
    RULES,
    MarketShell,
)
from tests.poi.market.builders import DATA, PACKAGE

NAMES = {get_account(name): name for name in PEOPLE}
SALT = Digest(bytes(32))
ANSWER = encode_answer(Answer((0, 1, 0, 1)))
TASKS: list[Task] = [
    INFERENCE,
    replace(INFERENCE, rows=37, level=3),
    Optimisation(encode_problem(Packing(10, (6, 5, 4, 3)))),
    Training(encode(DIGITS), 3, DATA),
]
SPANS = [50, 500, 3_000]
CHANGES: list[Operation] = [REGISTER, RetireProgram(PROGRAM), CAPACITY, WithdrawCapacity()]
VERDICTS = [1, 1, 1, 2, 3, 4, 5, 6, 14, 15, 2**63 - 1]


class SharedLedger(RuleBasedStateMachine):
    """Two machines, one of which forgets everything that is not stored."""

    @initialize()
    def begin(self) -> None:
        self.shells = (MarketShell(), MarketShell())
        self.waiting: list[tuple[str, Operation]] = []
        self.ballots: list[CastBallot] = []
        for it in self.shells:
            it.settle_in("worker", "challenger")
        for task in TASKS:
            self.open(task, 3_000, 9_000)
        for _ in range(2):
            self.close(10)

    def pick(self, data: st.DataObject) -> Job | None:
        """A live job."""
        jobs = self.shells[0].machine.market.list_jobs()
        return data.draw(st.sampled_from(jobs)) if jobs else None

    def ask(self, name: str, operation: Operation) -> None:
        """Something for the next checkpoint."""
        self.waiting.append((name, operation))

    @rule(task=st.sampled_from(TASKS), span_ms=st.sampled_from(SPANS), escrow=st.sampled_from([40, 9_000]))
    def open(self, task: Task, span_ms: int, escrow: int) -> None:
        escrow = escrow if not isinstance(task, Training) else 10**9
        self.ask("customer", self.shells[0].make_opening(task, escrow, span_ms))

    @rule(name=st.sampled_from(PEOPLE), what=st.sampled_from(CHANGES))
    def change_lists(self, name: str, what: Operation) -> None:
        self.ask(name, what)

    @rule(data=st.data(), name=st.sampled_from(PEOPLE))
    def touch(self, data: st.DataObject, name: str) -> None:
        job = self.pick(data)
        if job is None:
            return
        wanted: list[Operation] = [
            CancelJob(job.id),
            DeclineJob(job.id),
            ChallengeResult(job.id, SALT),
            MakeMove(job.id, b"m", b""),
            MakeMove(job.id, b"", PACKAGE),
            SealAnswer(job.id, compute_answer_seal(job.id, get_account(name), ANSWER, SALT)),
            ShowAnswer(job.id, ANSWER, SALT),
        ]
        self.ask(name, data.draw(st.sampled_from(wanted)))

    @rule(data=st.data(), passed_ms=st.sampled_from([0, 1, 10]))
    def push(self, data: st.DataObject, passed_ms: int) -> None:
        """Bring a job one step nearer to an end that people had in mind for it."""
        job = self.pick(data)
        if job is None:
            return
        match job.phase:
            case Assigned(worker=worker):
                self.ask(NAMES[worker], self.shells[0].make_result(job.id))
            case Claimed():
                self.ask("other", ChallengeResult(job.id, SALT))
            case Disputed():
                verdict = data.draw(st.sampled_from(sorted(DISPUTE_RESULTS)))
                self.agree_on(compute_dispute_subject(job.id, job.phase), verdict)
            case Gathering():
                self.agree_on(compute_data_subject(job.id), data.draw(st.sampled_from([1, 1, 2])))
            case Collecting(seals=()):
                seal = compute_answer_seal(job.id, get_account("other"), ANSWER, SALT)
                self.ask("other", SealAnswer(job.id, seal))
            case Collecting():
                passed_ms += max(0, job.deadline_ms - self.shells[0].now_ms)
                self.ask("other", ShowAnswer(job.id, ANSWER, SALT))
            case _:
                pass
        self.close(passed_ms)

    def agree_on(self, subject: Digest, verdict: int) -> None:
        """A quorum says the same."""
        self.ballots.extend(CastBallot(author, Vote(subject, verdict)) for author in QUORUM)

    @rule(data=st.data(), author=st.integers(0, 3), verdict=st.sampled_from(VERDICTS))
    def vote(self, data: st.DataObject, author: int, verdict: int) -> None:
        job = self.pick(data)
        for subject, _ in list_subjects(job) if job else ():
            self.ballots.append(CastBallot(author, Vote(subject, verdict)))

    @rule(data=st.data(), verdict=st.sampled_from(VERDICTS))
    def agree(self, data: st.DataObject, verdict: int) -> None:
        job = self.pick(data)
        subjects = [subject for subject, _ in list_subjects(job)] if job else []
        entry = self.shells[0].machine.market.get_program(PROGRAM)
        if entry is not None and not entry.confirmed:
            subjects.append(compute_program_subject(entry))
        for subject in subjects:
            self.agree_on(subject, verdict)

    @rule(passed_ms=st.sampled_from([0, 1, 5, 10, 10, 30, 101, 450]))
    def close(self, passed_ms: int) -> None:
        outcomes = []
        for place, it in enumerate(self.shells):
            if place:
                it.restart()
            transactions = [it.call(name, operation) for name, operation in self.waiting]
            outcome = it.run(*transactions, ballots=self.ballots, passed_ms=passed_ms)
            for effect in outcome.effects:
                assert effect.status in (Status.APPLIED, Status.OPERATION, Status.SEQUENCE)
                assert effect.fee > 0 or effect.status is not Status.APPLIED
            for name in PEOPLE:
                account = it.read_account(get_account(name))
                it.sequences[name] = account.sequence
            outcomes.append(outcome)
        assert outcomes[0].digest == outcomes[1].digest
        assert outcomes[0].market == outcomes[1].market
        self.waiting, self.ballots = [], []

    @invariant()
    def every_grain_is_somewhere(self) -> None:
        for it in self.shells:
            supply, market = it.machine.state.supply, it.machine.market
            assert supply.escrow == market.held == compute_held(market.make_state(), RULES)
            assert supply.balances == sum(account.balance for account in it.accounts.values())
            held = supply.balances + supply.escrow + supply.burned + supply.fund
            assert held == RICH * len(PEOPLE) + supply.emitted

    @invariant()
    def the_running_sum_covers_exactly_what_there_is(self) -> None:
        it = self.shells[1]
        live = MultisetHash()
        for key, account in it.accounts.items():
            if account != EMPTY_ACCOUNT:
                live.add(encode_account_entry(key, account))
        for (shelf, _), entry in it.entries.items():
            live.add(compute_market_entry(shelf, entry))
        for candidate in it.machine.stakes.list_entries():
            live.add(compute_staking_entry(candidate))
        assert live.get_state() == it.machine.state.accounts
        state = it.machine.market.make_state()
        assert len(it.entries) == len(state.programs) + len(state.capacities) + len(state.jobs)

    def teardown(self) -> None:
        """Everything runs out: no job is live for ever."""
        for _ in range(8 if hasattr(self, "shells") else 0):
            self.close(3_000)
        assert self.shells[0].machine.market.list_jobs() == ()


TestSharedLedger = SharedLedger.TestCase
TestSharedLedger.settings = settings(
    max_examples=100, stateful_step_count=60, deadline=None, derandomize=True
)
