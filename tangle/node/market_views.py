"""What a node shows of its market: programs, workers, jobs and what became of them.

The doors know a market by ``MarketQueries`` alone. Whatever is asked for is answered from the latest executed
checkpoint; ended jobs come from history. Amounts are grains, times are milliseconds of commit time.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from poi.market.limits import MarketRules
from poi.market.operations import Operation
from poi.market.outcomes import Ending, Event, Outcome
from poi.market.records import Capacity, Job, Kind, ProgramEntry, Task
from tangle.core.types import Digest, PublicKey, TransactionId


class JobPhase(StrEnum):
    """Where a job stands; the last four are its ends."""

    GATHERING = "gathering"
    """Its data is not confirmed yet."""

    WAITING = "waiting"
    """No worker has it."""

    ASSIGNED = "assigned"
    """A worker has it."""

    CLAIMED = "claimed"
    """A result stands and may be challenged."""

    DISPUTED = "disputed"
    """The referee has it."""

    COLLECTING = "collecting"
    """Answers come in."""

    LEARNING = "learning"
    """A model is trained."""

    PAID = "paid"
    """It was done and paid."""

    CANCELLED = "cancelled"
    """The customer took it back."""

    EXPIRED = "expired"
    """Nobody did it by the deadline."""

    FAILED = "failed"
    """As many workers failed as may try."""

    @property
    def is_end(self) -> bool:
        """Whether nothing happens to the job any more."""
        return self in _ENDS


_ENDS = frozenset({JobPhase.PAID, JobPhase.CANCELLED, JobPhase.EXPIRED, JobPhase.FAILED})


class ProgramView(Struct, frozen=True):
    """A registered program."""

    entry: ProgramEntry
    """What the market keeps of it."""

    is_in_use: bool
    """Whether a live job runs it."""


class ProgramPage(Struct, frozen=True):
    """One page of the registered programs, in rising order of ids."""

    items: tuple[ProgramView, ...]
    """The programs."""

    next_after: Digest | None
    """Pass it as ``after`` for the next page; none at the end."""


class JobView(Struct, frozen=True):
    """A job as it is, or as it was when it ended."""

    job: Job
    """The market's record; of an ended job the last one."""

    ending: Ending | None
    """How it ended; none while it is live."""

    refunded: int | None
    """What the customer got back at the end."""

    @property
    def phase(self) -> JobPhase:
        """Where it stands."""
        if self.ending is not None:
            return JobPhase(self.ending.name.lower())
        return JobPhase(type(self.job.phase).__name__.lower())


class JobPage(Struct, frozen=True):
    """One page of jobs, newest first."""

    items: tuple[JobView, ...]
    """The jobs."""

    next_before: int | None
    """Pass it as ``before`` for the next page, which may be empty; none at the end."""


class JobFilter(Struct, frozen=True):
    """Which jobs are wanted; what is none does not matter."""

    customer: PublicKey | None = None
    """Who pays."""

    worker: PublicKey | None = None
    """Who has it, had it, sealed an answer to it or gave the best one."""

    phase: JobPhase | None = None
    """Where it stands."""

    kind: Kind | None = None
    """What it is."""

    is_live: bool | None = None
    """Whether it has not ended."""


class JobEventView(Struct, frozen=True):
    """Something that happened to a job."""

    number: int
    """Its place among the job's events, from 0."""

    checkpoint: int
    """Checkpoint in which it happened."""

    timestamp_ms: int
    """That checkpoint's commit time."""

    transaction: TransactionId | None
    """The transaction that made it happen; none where time or votes did."""

    event: Event
    """What happened."""


class JobEventPage(Struct, frozen=True):
    """One page of a job's events, oldest first."""

    items: tuple[JobEventView, ...]
    """The events."""

    next_first: int | None
    """Pass it as ``first`` for the next page; none at the end."""


class KindView(Struct, frozen=True):
    """The price of one kind of job."""

    kind: Kind
    """The kind."""

    price: int
    """Grains per unit now."""


class MarketView(Struct, frozen=True):
    """The market at one moment."""

    checkpoint: int
    """Executed checkpoint that this was read at."""

    now_ms: int
    """Its commit time."""

    kinds: tuple[KindView, ...]
    """Price of each kind."""

    programs: int
    """Registered programs."""

    workers: int
    """Announced workers."""

    jobs: int
    """Live jobs."""

    opened: int
    """Jobs opened since the beginning."""

    held: int
    """Grains that the market holds."""


class QuoteView(Struct, frozen=True):
    """What a task costs now. Nothing is promised: the price moves with demand."""

    kind: Kind
    """What it is."""

    units: int
    """How much it is."""

    unit_price: int
    """Grains per unit now."""

    price: int
    """Units times that; for an optimisation job the least escrow."""

    worker_bond: int
    """What the worker puts at stake for it; 0 where nobody is assigned."""


class MarketQueries(Protocol):
    """What a node answers about its market. Reads raise ``NotFound`` for what does not exist."""

    @property
    def rules(self) -> MarketRules:
        """The network's numbers."""

    def get_market(self) -> MarketView:
        """Prices and totals."""

    def list_programs(self, after: Digest | None, limit: int) -> ProgramPage:
        """Registered programs with ids greater than ``after``."""

    def get_program(self, program: Digest) -> ProgramView:
        """One registered program."""

    def list_workers(self) -> Sequence[Capacity]:
        """Announced workers, in rising order of keys."""

    def quote(self, task: Task) -> QuoteView:
        """What a task costs now.

        :raises MarketFault: nobody could order it.
        """

    def try_operation(self, operation: Operation, account: PublicKey) -> Outcome:
        """What an operation would do if it were ordered now; nothing is changed.

        :raises MarketFault, WrongSeal: it would be refused.
        """

    def list_jobs(self, wanted: JobFilter, before: int | None, limit: int) -> JobPage:
        """Jobs opened before the one of that order, newest first."""

    def get_job(self, job: Digest) -> JobView:
        """One job, live or ended."""

    def get_job_events(self, job: Digest, first: int, limit: int) -> JobEventPage:
        """What happened to a job, from event ``first`` on."""

    def get_program_events(self, program: Digest, first: int, limit: int) -> JobEventPage:
        """What happened to a program, retired ones included, from event ``first`` on."""
