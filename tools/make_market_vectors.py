"""Writes ``tests/vectors/market/market.json``: ``python tools/make_market_vectors.py``.

Follows a small market through some checkpoints in which a job is paid, a worker is slashed, a contest is won
and a generation is paid. ``tests/vectors/market/README.md`` says what each field is.
"""

import json
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from aivm.verification.trace import VERSION, Commitment, Context
from poi.disputes.outcomes import ChallengerWins, Reason
from poi.disputes.outcomes import Outcome as DisputeResult
from poi.market.contests import compute_answer_seal
from poi.market.errors import MarketFault
from poi.market.jobs import compute_job_name
from poi.market.limits import DEVNET_RULES
from poi.market.machine import Market
from poi.market.operations import (
    AnnounceCapacity,
    Caller,
    CancelJob,
    CastVote,
    ChallengeResult,
    Finding,
    GenerationClosed,
    MakeMove,
    Moment,
    OpenJob,
    Operation,
    RegisterProgram,
    SealAnswer,
    ShowAnswer,
    SubmitResult,
    encode_operation,
)
from poi.market.outcomes import Burn, Credit, Debit, Outcome
from poi.market.problems import (
    Answer,
    Distances,
    Packing,
    Points,
    Problem,
    compute_value,
    encode_answer,
    encode_problem,
)
from poi.market.records import (
    Assigned,
    Disputed,
    Inference,
    Kind,
    Optimisation,
    Task,
    Training,
    encode_market,
)
from poi.market.votes import (
    Verdict,
    compute_claim_subject,
    compute_data_subject,
    compute_dispute_subject,
    compute_program_subject,
    get_dispute_verdict,
)
from poi.presets import DIGITS
from tangle.core.blob_id import make_blob_id
from tangle.core.encoding import encode
from tangle.core.types import CheckpointIndex, Digest, Grains, Milliseconds, PublicKey

TARGET: Final = Path(__file__).parent.parent / "tests" / "vectors" / "market" / "market.json"
"""Where the tests read it."""

RULES: Final = replace(
    DEVNET_RULES, units_target=100, challenge_window_ms=Milliseconds(1_000), reveal_ms=Milliseconds(1_000)
)
"""Small enough that every window passes."""

START_MS: Final = 1_000_000
STEP_MS: Final = 500
BALANCE: Final = Grains(10**15)
EPOCH: Final = 2
WEIGHTS: Final = (3, 3, 3, 3)

CUSTOMER, FIRST, SECOND, CHALLENGER = (PublicKey(bytes([number]) * 32) for number in (1, 2, 3, 4))
STAKES: Final = {FIRST: Grains(10**12), SECOND: Grains(3 * 10**12), CUSTOMER: Grains(5)}
PROGRAM: Final = Digest(b"\x0a" * 32)
INPUTS: Final = (Digest(b"\x0b" * 32),)
SOURCES: Final = (Digest(b"\x10" * 32),)
PACKAGE: Final = make_blob_id(Digest(b"\x11" * 32))
SALT: Final = Digest(b"\x0c" * 32)
RIVAL: Final = Digest(b"\x0d" * 32)

TOUR: Final = Points(((0, 0), (3, 4), (10, 0), (6, 8)))
PROBLEMS: Final[tuple[tuple[Problem, tuple[int, ...]], ...]] = (
    (TOUR, (0, 1, 3, 2)),
    (TOUR, (0, 1, 2, 3)),
    (Distances(((0, 5, 9), (1, 0, 2), (7, 3, 0))), (2, 0, 1)),
    (Packing(10, (6, 5, 4, 3)), (0, 1, 0, 1)),
)


class Recorder:
    """A market that writes down what goes in and what comes out."""

    def __init__(self) -> None:
        self.market = Market.start(RULES, Milliseconds(START_MS))
        self.index = 1
        self.sequences = dict.fromkeys((CUSTOMER, FIRST, SECOND, CHALLENGER), 0)
        self.checkpoints: list[dict[str, Any]] = []
        self.steps: list[dict[str, Any]] = []

    @property
    def moment(self) -> Moment:
        """The checkpoint that is being made."""
        now_ms = Milliseconds(START_MS + STEP_MS * self.index)
        beacon = Digest(self.index.to_bytes(32, "big"))
        return Moment(CheckpointIndex(self.index), now_ms, EPOCH, beacon, WEIGHTS)

    def ask(self, account: PublicKey, operation: Operation) -> None:
        """Record an operation and its outcome or refusal."""
        stake = STAKES.get(account, Grains(0))
        caller = Caller(account, self.sequences[account], BALANCE, stake)
        self.sequences[account] += 1
        step: dict[str, Any] = {
            "account": account.hex(),
            "sequence": caller.sequence,
            "stake": stake,
            "operation": encode_operation(operation).hex(),
        }
        try:
            step |= describe(self.market.apply(operation, caller, self.moment))
        except MarketFault as fault:
            step["refused"] = fault.code
        self.steps.append(step)

    def open(self, task: Task, escrow: int, result_ms: int = 0) -> Digest:
        """Record a new job."""
        name = compute_job_name(CUSTOMER, self.sequences[CUSTOMER])
        deadline_ms = Milliseconds(self.moment.now_ms + 4_000)
        self.ask(
            CUSTOMER, OpenJob(task, Grains(10_000), Grains(escrow), deadline_ms, Milliseconds(result_ms))
        )
        return name

    def submit(self, job: Digest) -> PublicKey:
        """Record the result of whoever has the job."""
        phase = self.market.get_job(job).phase
        assert isinstance(phase, Assigned)
        context = Context(job, phase.worker, phase.epoch)
        outputs = (Digest(b"\x0e" * 32),)
        commitment = Commitment(VERSION, context, PROGRAM, 7, INPUTS, outputs, 3, Digest(b"\x0f" * 32))
        self.ask(phase.worker, SubmitResult(job, commitment, SOURCES, PACKAGE))
        return phase.worker

    def find(self, finding: Finding) -> None:
        """Record a finding."""
        fields = encode([getattr(finding, each) for each in finding.__struct_fields__])
        outcome = self.market.take_finding(finding, self.moment)
        self.steps.append({"finding": type(finding).__name__, "fields": fields.hex()} | describe(outcome))

    def vote(self, subject: Digest, verdict: int, *validators: int) -> None:
        """Record the same verdict of several validators."""
        for validator in validators:
            self.find(CastVote(subject, verdict, validator))

    def confirm(self, program: Digest) -> None:
        """Record how a quorum confirms a program."""
        entry = self.market.get_program(program)
        assert entry is not None
        self.vote(compute_program_subject(entry), Verdict.RIGHT, 0, 1, 3)

    def decide(self, job: Digest, result: DisputeResult) -> None:
        """Record how a quorum ends a dispute."""
        phase = self.market.get_job(job).phase
        assert isinstance(phase, Disputed)
        self.vote(compute_dispute_subject(job, phase), get_dispute_verdict(result), 0, 1, 3)

    def close(self) -> None:
        """Record the end of the checkpoint."""
        moment = self.moment
        outcome = self.market.advance(moment, lambda key: STAKES.get(key, Grains(0)))
        self.checkpoints.append(
            {
                "index": moment.index,
                "now_ms": moment.now_ms,
                "beacon": moment.beacon.hex(),
                "steps": self.steps,
                "advance": describe(outcome),
                "held": self.market.held,
                "state": encode_market(self.market.make_state()).hex(),
            }
        )
        self.steps = []
        self.index += 1


def describe(outcome: Outcome) -> dict[str, Any]:
    """Movements and events of a step, as plain lists."""
    movements: list[list[Any]] = []
    for movement in outcome.movements:
        match movement:
            case Debit(account, amount, purpose) | Credit(account, amount, purpose):
                kind = "debit" if isinstance(movement, Debit) else "credit"
                movements.append([kind, account.hex(), amount, int(purpose)])
            case Burn(amount, purpose):
                movements.append(["burn", amount, int(purpose)])
    return {"movements": movements, "events": [encode(event).hex() for event in outcome.events]}


def record_market() -> list[dict[str, Any]]:
    """The checkpoints of the file."""
    recorder = Recorder()
    kinds = (Kind.INFERENCE, Kind.TRANSFORMATION)
    recorder.ask(FIRST, RegisterProgram(PROGRAM, 700_000, 1_234, 99_999, PACKAGE))
    recorder.confirm(PROGRAM)
    for worker, speed in ((FIRST, 400), (SECOND, 100)):
        recorder.ask(worker, AnnounceCapacity(kinds, speed, 2**20, 1, 4, Grains(2 * 10**9)))
    recorder.close()
    paid, slashed = (
        recorder.open(Inference(PROGRAM, INPUTS, 7, level, SOURCES), 10**6, 1_500) for level in (2, 3)
    )
    contest = recorder.open(Optimisation(encode_problem(TOUR)), 10**6)
    training = recorder.open(Training(encode(DIGITS), 2, PACKAGE), 10**6)
    recorder.open(Inference(PROGRAM, INPUTS, 7, 2, SOURCES), 1, 1_500)
    recorder.ask(CHALLENGER, CancelJob(paid))
    recorder.close()
    answers = {FIRST: (0, 1, 2, 3), SECOND: (0, 1, 3, 2), CHALLENGER: (2, 3, 1, 0)}
    for worker, places in answers.items():
        answer = encode_answer(Answer(places))
        recorder.ask(worker, SealAnswer(contest, compute_answer_seal(contest, worker, answer, SALT)))
    recorder.vote(compute_data_subject(training), Verdict.RIGHT, 0, 1, 2)
    recorder.find(GenerationClosed(training, 0, ((FIRST, 3), (SECOND, 4))))
    recorder.close()
    recorder.submit(paid)
    liar = recorder.submit(slashed)
    recorder.vote(compute_claim_subject(slashed, liar), Verdict.WRONG, 2)
    recorder.close()
    recorder.ask(CHALLENGER, ChallengeResult(slashed, RIVAL))
    recorder.close()
    recorder.ask(liar, MakeMove(slashed, b"", PACKAGE))
    recorder.decide(slashed, ChallengerWins(Reason.RECOMPUTED))
    recorder.close()
    for _ in range(5):
        recorder.close()
    for worker, places in answers.items():
        if worker != CHALLENGER:
            recorder.ask(worker, ShowAnswer(contest, encode_answer(Answer(places)), SALT))
    recorder.close()
    for _ in range(3):
        recorder.close()
    return recorder.checkpoints


def make_vectors() -> dict[str, Any]:
    """Everything in the file."""
    return {
        "format": "tangle-market-1",
        "rules": encode(RULES).hex(),
        "start_ms": START_MS,
        "epoch": EPOCH,
        "weights": list(WEIGHTS),
        "balance": BALANCE,
        "stakes": {key.hex(): stake for key, stake in STAKES.items()},
        "problems": [
            {
                "problem": (data := encode_problem(problem)).hex(),
                "answer": (answer := encode_answer(Answer(places))).hex(),
                "value": compute_value(problem, answer),
                "length": len(data),
            }
            for problem, places in PROBLEMS
        ],
        "checkpoints": record_market(),
    }


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(make_vectors(), indent=1) + "\n")
