"""What simulated traders want of the market: whatever the ledger, as a node shows it, gives them an occasion
for. They open jobs and do them, cheat, challenge and play, and are late like everybody in a simulation.
"""

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from aivm.verification.trace import VERSION, Commitment, Context
from poi.disputes.moves import Resign, encode_move
from poi.market.contests import compute_answer_seal
from poi.market.limits import DEVNET_RULES
from poi.market.machine import Market
from poi.market.operations import (
    AnnounceCapacity,
    CancelJob,
    ChallengeResult,
    DeclineJob,
    MakeMove,
    OpenJob,
    Operation,
    RegisterProgram,
    SealAnswer,
    ShowAnswer,
    SubmitResult,
    WithdrawCapacity,
)
from poi.market.problems import Answer, Packing, encode_answer, encode_problem
from poi.market.records import (
    Assigned,
    Claimed,
    Collecting,
    Disputed,
    Inference,
    Job,
    Kind,
    Optimisation,
    Task,
    Training,
    Transformation,
    Waiting,
)
from simnet.chance import Chance
from tangle.core.blob_id import make_blob_id
from tangle.core.types import Digest, Grains, Milliseconds, PublicKey

RULES: Final = replace(
    DEVNET_RULES,
    challenge_window_ms=Milliseconds(800),
    dispute_clock_ms=Milliseconds(600),
    verdict_ms=Milliseconds(1_000),
    confirm_ms=Milliseconds(3_000),
    reveal_ms=Milliseconds(1_500),
    program_deposit=Grains(10**6),
    capacity_bond_min=Grains(10**6),
    answer_bond=Grains(10**5),
)
"""A market in which everything comes to its end within the seconds that a simulation has. Prices begin as
everywhere: they are part of the genesis state."""

JOBS_MAX: Final = 6
"""Live jobs beyond which no trader opens another."""

RESULT_MS: Final = 2_000
"""Time of a worker; links break and nodes die meanwhile."""

PROBLEM: Final = encode_problem(Packing(10, (6, 5, 4, 3, 2, 2)))
ANSWERS: Final = tuple(
    encode_answer(Answer(bins))
    for bins in ((0, 1, 0, 1, 1, 2), (0, 1, 2, 3, 4, 5), (0, 1, 1, 0, 2, 2), (0,) * 6)
)
"""A good answer, a poor one, another good one, and one that is none."""


class Trader:
    """What one account wants next."""

    def __init__(self, account: PublicKey, chance: Chance) -> None:
        self._account = account
        self._chance = chance

    def choose(self, market: Market, now_ms: int) -> Operation:
        """Something that the market may take; what happens before it is ordered is another matter."""
        mine = list(self._list_duties(market, now_ms))
        if mine and self._chance.random() < 0.8:
            return self._chance.choice(mine)
        if market.get_capacity(self._account) is None and self._chance.random() < 0.6:
            kinds = (Kind.INFERENCE, Kind.TRANSFORMATION)
            bond = Grains(self._chance.choice([10**6, 10**8]))
            return AnnounceCapacity(kinds, self._chance.randint(1, 100), 2**20, 1, 4, bond)
        if not market.list_programs() or self._chance.random() < 0.05:
            return self._register()
        if len(market.list_jobs()) < JOBS_MAX:
            return self._open(market, now_ms)
        return self._chance.choice([WithdrawCapacity(), self._register()])

    def _list_duties(self, market: Market, now_ms: int) -> Iterator[Operation]:
        for job in market.list_jobs():
            match job.phase:
                case Assigned(worker=worker) if worker == self._account:
                    yield self._claim(job, job.phase) if self._chance.random() < 0.9 else DeclineJob(job.id)
                case Claimed(worker=worker) if worker != self._account:
                    if self._chance.random() < 0.7:
                        yield ChallengeResult(job.id, self._draw_digest())
                case Disputed(challenger=challenger, claim=claim):
                    if self._account in (challenger, claim.worker):
                        yield self._move(job)
                case Collecting():
                    yield from self._compete(job, job.phase, now_ms)
                case Waiting() if job.customer == self._account and self._chance.random() < 0.1:
                    yield CancelJob(job.id)
                case _:
                    pass

    def _compete(self, job: Job, phase: Collecting, now_ms: int) -> Iterator[Operation]:
        salt = Digest(job.id)
        answer = ANSWERS[(self._account[0] + job.id[0]) % len(ANSWERS)]
        if now_ms > job.deadline_ms:
            yield ShowAnswer(job.id, answer, salt)
        elif all(seal.worker != self._account for seal in phase.seals):
            yield SealAnswer(job.id, compute_answer_seal(job.id, self._account, answer, salt))

    def _claim(self, job: Job, phase: Assigned) -> Operation:
        task = job.task
        assert isinstance(task, Inference | Transformation), "only these are assigned"
        context = Context(job.id, phase.worker, phase.epoch)
        outputs = (self._draw_digest(),)
        commitment = Commitment(
            VERSION, context, task.program, task.rows, task.inputs, outputs, 7, self._draw_digest()
        )
        return SubmitResult(job.id, commitment, outputs, b"")

    def _move(self, job: Job) -> Operation:
        if self._chance.random() < 0.3:
            return MakeMove(job.id, b"", make_blob_id(self._draw_digest()))
        return MakeMove(job.id, encode_move(Resign()), b"")

    def _register(self) -> Operation:
        macs = self._chance.randint(1, 2**22)
        return RegisterProgram(self._draw_digest(), macs, 100, 1_000, make_blob_id(self._draw_digest()))

    def _open(self, market: Market, now_ms: int) -> Operation:
        programs = [entry.program for entry in market.list_programs() if entry.confirmed]
        kind = self._chance.random()
        task: Task = Optimisation(PROBLEM)
        span_ms, result_ms = self._chance.randint(500, 2_500), 0
        if programs and kind < 0.7:
            inputs = (self._draw_digest(),)
            make = Inference if kind < 0.5 else Transformation
            task = make(self._chance.choice(programs), inputs, self._chance.randint(1, 20), 2, inputs)
            span_ms, result_ms = span_ms + 3 * RESULT_MS, RESULT_MS
        elif kind > 0.95:
            task = Training(b"no parameters", 1, make_blob_id(self._draw_digest()))  # always refused
        return OpenJob(
            task, Grains(10**9), Grains(10**7), Milliseconds(now_ms + span_ms), Milliseconds(result_ms)
        )

    def _draw_digest(self) -> Digest:
        return Digest(self._chance.randbytes(32))
