"""The market's answers: live state from the ledger, ended jobs and events from history."""

from collections.abc import Sequence
from typing import Final, Protocol

from poi.market.limits import MarketRules
from poi.market.machine import Market
from poi.market.operations import Moment, Operation
from poi.market.outcomes import Outcome
from poi.market.pricing import compute_bond, compute_units
from poi.market.records import (
    Assigned,
    Capacity,
    Claimed,
    Collecting,
    Disputed,
    Inference,
    Job,
    Kind,
    ProgramEntry,
    Task,
    Transformation,
    Waiting,
    get_kind,
)
from tangle.core.types import Digest, PublicKey
from tangle.node.market_views import (
    JobEventPage,
    JobEventView,
    JobFilter,
    JobPage,
    JobView,
    KindView,
    MarketView,
    ProgramPage,
    ProgramView,
    QuoteView,
)
from tangle.node.views import NotFound

SCANNED_MAX: Final = 2_000
"""Most jobs looked at for one page: a filter that fits few of many answers with a short page and goes on."""


class JobHistory(Protocol):
    """Jobs and their events, as they are kept."""

    def find_job(self, job: Digest) -> JobView | None:
        """A job, live or ended."""

    def list_jobs(self, before: int | None, limit: int) -> Sequence[JobView]:
        """Jobs of orders below ``before``, newest first."""

    def list_job_events(self, job: Digest, first: int, limit: int) -> Sequence[JobEventView]:
        """Events of a job or program from number ``first`` on."""


class LedgerMarket(Protocol):
    """The ledger's market as of the latest executed checkpoint."""

    @property
    def market(self) -> Market:
        """The market; only read here."""

    def get_moment(self) -> Moment:
        """A checkpoint like the next one."""

    def try_operation(self, operation: Operation, account: PublicKey) -> Outcome:
        """What an operation would do if it were ordered now; nothing changes.

        :raises MarketFault, WrongSeal: it would be refused.
        """


class MarketDesk:
    """``MarketQueries`` over a running ledger."""

    def __init__(self, ledger: LedgerMarket, history: JobHistory) -> None:
        """:param history: what is kept of jobs; a moment behind ``ledger`` at most."""
        self._ledger = ledger
        self._history = history

    @property
    def rules(self) -> MarketRules:
        """The network's numbers."""
        return self._ledger.market.rules

    def get_market(self) -> MarketView:
        """Prices and totals."""
        market, moment = self._ledger.market, self._ledger.get_moment()
        state = market.make_state()
        return MarketView(
            checkpoint=moment.index - 1,
            now_ms=moment.now_ms,
            kinds=tuple(KindView(kind, market.get_price(kind)) for kind in Kind),
            programs=len(state.programs),
            workers=len(state.capacities),
            jobs=len(state.jobs),
            opened=state.opened,
            held=market.held,
        )

    def list_programs(self, after: Digest | None, limit: int) -> ProgramPage:
        """Registered programs with ids greater than ``after``."""
        state = self._ledger.market.make_state()
        used = _list_used(state.jobs)
        found = [entry for entry in state.programs if after is None or entry.program > after]
        items = tuple(ProgramView(entry, entry.program in used) for entry in found[:limit])
        return ProgramPage(items, items[-1].entry.program if len(found) > limit else None)

    def get_program(self, program: Digest) -> ProgramView:
        """One registered program."""
        market = self._ledger.market
        entry = market.get_program(program)
        if entry is None:
            raise NotFound("registered program", program.hex())
        return ProgramView(entry, program in _list_used(market.make_state().jobs))

    def list_workers(self) -> Sequence[Capacity]:
        """Announced workers, in rising order of keys."""
        return self._ledger.market.make_state().capacities

    def quote(self, task: Task) -> QuoteView:
        """What a task costs now."""
        market, kind = self._ledger.market, get_kind(task)
        units = compute_units(task, self._find_program(market, task))
        unit_price = market.get_price(kind)
        price = units * unit_price
        is_assigned = kind in (Kind.INFERENCE, Kind.TRANSFORMATION)
        bond = compute_bond(price, market.rules) if is_assigned else 0
        return QuoteView(kind, units, unit_price, price, bond)

    def try_operation(self, operation: Operation, account: PublicKey) -> Outcome:
        """What an operation would do if it were ordered now."""
        return self._ledger.try_operation(operation, account)

    def list_jobs(self, wanted: JobFilter, before: int | None, limit: int) -> JobPage:
        """Jobs opened before the one of that order, newest first."""
        items: list[JobView] = []
        for scanned, view in enumerate(self._history.list_jobs(before, SCANNED_MAX), 1):
            if is_wanted(view, wanted):
                items.append(view)
            if len(items) == limit or scanned == SCANNED_MAX:
                return JobPage(tuple(items), view.job.order or None)
        return JobPage(tuple(items), None)

    def get_job(self, job: Digest) -> JobView:
        """One job, live or ended."""
        found = self._history.find_job(job)
        if found is None:
            raise NotFound("job", job.hex())
        return found

    def get_job_events(self, job: Digest, first: int, limit: int) -> JobEventPage:
        """What happened to a job, from event ``first`` on."""
        self.get_job(job)
        return self._list_events(job, first, limit)

    def get_program_events(self, program: Digest, first: int, limit: int) -> JobEventPage:
        """What happened to a program, from event ``first`` on."""
        page = self._list_events(program, first, limit)
        if not page.items and not first:
            raise NotFound("program", program.hex())
        return page

    def _list_events(self, subject: Digest, first: int, limit: int) -> JobEventPage:
        items = tuple(self._history.list_job_events(subject, first, limit))
        return JobEventPage(items, items[-1].number + 1 if len(items) == limit else None)

    def _find_program(self, market: Market, task: Task) -> ProgramEntry | None:
        match task:
            case Inference(program=program) | Transformation(program=program):
                return market.get_program(program)
            case _:
                return None


def is_wanted(view: JobView, wanted: JobFilter) -> bool:
    """Whether a job passes a filter."""
    return (
        (wanted.customer is None or view.job.customer == wanted.customer)
        and (wanted.worker is None or wanted.worker in list_participants(view.job))
        and (wanted.phase is None or view.phase is wanted.phase)
        and (wanted.kind is None or get_kind(view.job.task) is wanted.kind)
        and (wanted.is_live is None or (view.ending is None) is wanted.is_live)
    )


def list_participants(job: Job) -> tuple[PublicKey, ...]:
    """Everybody who worked on a job, as far as its present phase remembers."""
    match job.phase:
        case Waiting(failed=failed):
            return failed
        case Assigned(failed=failed, worker=worker) | Claimed(failed=failed, worker=worker):
            return (*failed, worker)
        case Disputed(claim=claim, challenger=challenger):
            return (*claim.failed, claim.worker, challenger)
        case Collecting(seals=seals, best=best):
            return (*(seal.worker for seal in seals), *(each.worker for each in best))
        case _:
            return ()


def _list_used(jobs: Sequence[Job]) -> set[Digest]:
    return {job.task.program for job in jobs if isinstance(job.task, Inference | Transformation)}
