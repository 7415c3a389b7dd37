"""The room for jobs: looks at the market after every executed checkpoint and does what is to be done.

Nothing here decides: ``decide_votes``, ``decide_work`` and ``decide_challenges`` do. Nothing here is durable
either: after a restart the market says again what is open, and what was found out before is found out anew.
"""

from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Final, assert_never

import anyio
import structlog
from anyio.abc import TaskStatus
from msgspec import Struct

from poi.disputes.outcomes import is_claim_upheld
from poi.disputes.record import Side
from poi.market.limits import MarketRules
from poi.market.operations import MakeMove, Operation, encode_operation
from poi.market.outcomes import AttemptFailed, DisputeSettled, Fault, JobEnded, ResultChallenged
from poi.market.records import Claimed, Job, MarketState
from shards.blocks import Vote
from tangle.core.blob_id import BlobId
from tangle.core.types import Digest, PublicKey
from tangle.ledger.machine import CheckpointOutcome
from tangle.ledger.marketplace import MarketEvent
from tangle.node.clock import Clock
from tangle.node.jobs.ballots import BallotBox
from tangle.node.jobs.challenging import Retrace, decide_challenges
from tangle.node.jobs.chores import Chores, Name
from tangle.node.jobs.clerk import Clerk
from tangle.node.jobs.deeds import Crew, Deeds
from tangle.node.jobs.examiner import FindProgram
from tangle.node.jobs.keeping import list_needed_blobs, list_own_jobs
from tangle.node.jobs.settings import JobsConfig
from tangle.node.jobs.validating import Cast, Examine, decide_votes, list_matters
from tangle.node.jobs.views import JobsView, Role
from tangle.node.jobs.working import Perform, Play, Send, Standing, decide_work

log = structlog.get_logger("jobs")

NO_JOB: Final = Digest(bytes(32))
"""Stands for the job where something is about none."""


class Setting(Struct, frozen=True):
    """Who this node is in the market, and how it reads the ledger."""

    config: JobsConfig
    """Its settings."""

    rules: MarketRules
    """The network's numbers."""

    get_seat: Callable[[], tuple[int | None, int]]
    """Its number in the present committee, none for a node that does not vote; and how many sit there."""

    get_state: Callable[[], MarketState]
    """The market after the latest checkpoint, on disk or not yet."""

    get_balance: Callable[[PublicKey], int]
    """What an account can spend."""

    find_program: FindProgram
    """A registered program."""

    get_kept: Callable[[], AbstractSet[BlobId]]
    """Training data of models that were ever on the board: who replays history needs them from somebody."""

    on_votes: Callable[[], None]
    """There are votes for the next block."""

    clock: Clock
    """Wall time, for pauses."""

    @property
    def validator(self) -> int | None:
        """Its number in the present committee; none for a node that does not vote."""
        return self.get_seat()[0]

    @property
    def validators(self) -> int:
        """Validators of the present committee."""
        return self.get_seat()[1]


class Moment(Struct, frozen=True):
    """A checkpoint on disk."""

    index: int
    """Its number."""

    timestamp_ms: int
    """Its commit time."""


class JobsRoom:
    """Everything that doors and the committee driver ask about this node's work for the market."""

    def __init__(self, setting: Setting, crew: Crew, clerk: Clerk, moment: Moment) -> None:
        """:param moment: the latest checkpoint on disk."""
        self.setting = setting
        self.deeds = Deeds(crew, setting.find_program, lambda: self._moment.timestamp_ms)
        self.clerk = clerk
        self.ballots = BallotBox()
        self._is_away = False
        self._challengers: dict[Digest, PublicKey] = {}
        self._beaten: set[Digest] = set()
        self._chores: Chores | None = None
        self._stirred = anyio.Event()
        self._moment = moment
        self._state: MarketState | None = None
        self._looked: set[Name] = set()

    @property
    def account(self) -> PublicKey:
        """Account that this node acts with."""
        return self.clerk.account

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled."""
        try:
            async with anyio.create_task_group() as tasks:
                self._chores = Chores(tasks, self.setting.clock, self.stir)
                task_status.started()
                while True:
                    self._look(self._chores)
                    await self._stirred.wait()
                    self._stirred = anyio.Event()
        finally:
            self._chores = None
            self.deeds.crew.stock.close()

    def stir(self) -> None:
        """Something may have changed: look again soon."""
        self._stirred.set()

    def on_executed(self, outcome: CheckpointOutcome) -> None:
        """A checkpoint is on disk."""
        self._moment = Moment(outcome.checkpoint.index, outcome.checkpoint.timestamp_ms)
        self._looked.clear()
        if outcome.market.changes:
            self._state = None
        for told in outcome.market_events.values():
            self._on_events(told)
        self.stir()

    def _on_events(self, told: Sequence[MarketEvent]) -> None:
        for event in (each.event for each in told):
            match event:
                case AttemptFailed(worker=self.account, fault=Fault.REFUTED | Fault.REJECTED as fault):
                    # A device that computes wrongly, or worse: more work would cost more bonds.
                    log.error("worker-away", job=event.job.hex()[:16], fault=fault.name.lower())
                    self._is_away = True
                case ResultChallenged(job=job, challenger=challenger):
                    self._challengers[job] = challenger
                case DisputeSettled(job=job, result=result):
                    if self._challengers.pop(job, None) == self.account and is_claim_upheld(result):
                        log.error("challenge-lost", job=job.hex()[:16])
                        self._beaten.add(job)
                case JobEnded(job=job):
                    self._beaten.discard(job)
                    self._challengers.pop(job, None)
                case _:
                    pass

    def has_votes(self) -> bool:
        """Whether the next block should carry votes."""
        return self.ballots.has_due(self._now_ms())

    def take_votes(self, limit: int) -> tuple[Vote, ...]:
        """Votes for the next block, at most so many."""
        return self.ballots.take(limit, self._now_ms())

    def get_view(self) -> JobsView:
        """What this node does for the market."""
        deeds, clerk = self.deeds, self.clerk
        return JobsView(
            account=self.account,
            is_worker=self.setting.config.worker,
            is_validator=self.setting.validator is not None,
            is_away=self._is_away,
            doings=() if self._chores is None else self._chores.list(),
            waiting_votes=len(self.ballots),
            held=deeds.crew.stock.held,
            done_total=deeds.done_total,
            examined_total=deeds.examined_total,
            sent_total=clerk.sent_total,
            failed_total=clerk.failed_total,
        )

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────

    def _look(self, chores: Chores) -> None:
        setting, commit_ms = self.setting, self._moment.timestamp_ms
        state = self._state = self._state or setting.get_state()
        self.clerk.settle(self._now_ms())
        self._forget(state)
        own = setting.validator
        if own is not None:
            self._validate(chores, own, state, commit_ms)
            if setting.config.challenge:
                self._challenge(chores, own, state, commit_ms)
        self._work(chores, state, commit_ms)

    def _validate(self, chores: Chores, own: int, state: MarketState, commit_ms: int) -> None:
        window_ms = self.setting.rules.challenge_window_ms
        for action in decide_votes(own, state, self.deeds.findings, commit_ms, window_ms):
            match action:
                case Cast(subject, verdict):
                    if self.ballots.cast(subject, verdict):
                        log.info("verdict", subject=subject.hex()[:16], verdict=verdict)
                case Examine(subject=subject):
                    name = (Role.VALIDATOR, "examine", subject)
                    self._start_once(chores, name, partial(self.deeds.examine, action))
                case _:
                    assert_never(action)
        if self.has_votes():
            self.setting.on_votes()

    def _challenge(self, chores: Chores, own: int, state: MarketState, commit_ms: int) -> None:
        setting, deeds = self.setting, self.deeds
        runs = {subject: deeds.crew.shelf.get(subject) for subject in deeds.findings}
        rivals = {subject: run.trace.commitment.root for subject, run in runs.items() if run is not None}
        for action in decide_challenges(
            own,
            setting.validators,
            self._get_standing(),
            state,
            deeds.findings,
            rivals,
            self._beaten,
            setting.rules,
            commit_ms,
        ):
            match action:
                case Retrace(subject, job, claim):
                    name = (Role.CHALLENGER, "run", job.id)
                    self._start_once(chores, name, partial(self._retrace, subject, job, claim))
                case Send():
                    self._send(chores, Role.CHALLENGER, action)
                case Play():
                    self._play(chores, Role.CHALLENGER, Side.CHALLENGER, action)
                case _:
                    assert_never(action)

    def _work(self, chores: Chores, state: MarketState, commit_ms: int) -> None:
        setting = self.setting
        for action in decide_work(
            setting.config,
            self._get_standing(),
            state,
            self.deeds.notes,
            setting.rules.capacity_bond_min,
            commit_ms,
        ):
            match action:
                case Send():
                    self._send(chores, Role.WORKER, action)
                case Perform(job, phase):
                    chores.start((Role.WORKER, "run", job.id), partial(self.deeds.perform, job, phase))
                case Play():
                    self._play(chores, Role.WORKER, Side.DEFENDER, action)
                case _:
                    assert_never(action)

    def _forget(self, state: MarketState) -> None:
        own, deeds = self.setting.validator, self.deeds
        open_subjects, votable = set(), set()
        for subject, _, votes in list_matters(state):
            open_subjects.add(subject)
            if all(ballot.validator != own for ballot in votes):
                votable.add(subject)
        self.ballots.retain(votable)
        for subject in [each for each in deeds.findings if each not in open_subjects]:
            del deeds.findings[subject]
        live = {job.id for job in list_own_jobs(state, self.account)}
        for job in [each for each in deeds.notes if each not in live]:
            del deeds.notes[job]
        deeds.crew.shelf.retain(open_subjects | live)
        needed = list_needed_blobs(
            state,
            self.account,
            is_validator=own is not None,
            find_bound=deeds.crew.workshop.programs.find,
        )
        deeds.crew.stock.retain(needed | self.setting.get_kept(), live)

    # ── starting ────────────────────────────────────────────────────────────────────────────────────────────

    def _start_once(self, chores: Chores, name: Name, work: Callable[[], Awaitable[bool]]) -> None:
        """Start something that is tried at most once for each checkpoint."""
        if name not in self._looked and chores.start(name, work):
            self._looked.add(name)

    def _send(self, chores: Chores, role: Role, action: Send) -> None:
        name = name_operation(action.operation, action.about)
        if self.clerk.is_sendable(name, self._now_ms()):
            what = f"send {type(action.operation).__name__}"
            work = partial(self._post, name, action.operation)
            chores.start((role, what, action.about or NO_JOB), work)

    def _play(self, chores: Chores, role: Role, side: Side, action: Play) -> None:
        work = partial(self._move, side, action)
        self._start_once(chores, (role, "move", action.job.id), work)

    async def _post(self, name: bytes, operation: Operation) -> bool:
        await self.clerk.send(name, operation, self._now_ms())
        return True

    async def _retrace(self, subject: Digest, job: Job, claim: Claimed) -> bool:
        return await self.deeds.retrace(subject, job, claim) is not None

    async def _move(self, side: Side, action: Play) -> bool:
        operation = await self.deeds.choose(side, action.job, action.phase)
        if operation is not None:
            name = name_operation(operation, action.job.id)
            if self.clerk.is_sendable(name, self._now_ms()):
                await self.clerk.send(name, operation, self._now_ms())
        return True

    def _get_standing(self) -> Standing:
        return Standing(self.account, self.setting.get_balance(self.account), self._is_away)

    def _now_ms(self) -> int:
        return self.setting.clock.now_ms()


def name_operation(operation: Operation, about: Digest | None) -> bytes:
    """Name of the occasion for an operation: of a move all of it, otherwise its kind and what it is about."""
    if isinstance(operation, MakeMove):
        return encode_operation(operation)
    return type(operation).__name__.encode() + (about or NO_JOB)
