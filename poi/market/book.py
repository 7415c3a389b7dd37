"""The market's lists while a step goes on, and the only places where grains move.

Every function that moves grains changes ``held`` by the same amount, so that what the market holds is always
what it took in less what it gave out.
"""

from collections.abc import Iterable
from typing import assert_never

from msgspec.structs import replace

from poi.market.errors import LacksFunds, UnknownJob
from poi.market.limits import MarketRules
from poi.market.operations import Caller
from poi.market.outcomes import (
    Burn,
    Credit,
    Debit,
    Ending,
    Event,
    JobEnded,
    Movement,
    Outcome,
    Purpose,
)
from poi.market.records import (
    VERSION,
    Capacity,
    Collecting,
    Disputed,
    Inference,
    Job,
    Kind,
    KindPrice,
    MarketState,
    Optimisation,
    ProgramEntry,
    Training,
    Transformation,
    get_kind,
)
from tangle.core.types import Digest, Grains, PublicKey


class Book:
    """Programs, workers, jobs and prices."""

    __slots__ = (
        "_events",
        "_movements",
        "capacities",
        "held",
        "jobs",
        "opened",
        "prices",
        "programs",
        "rules",
    )

    def __init__(self, state: MarketState, rules: MarketRules) -> None:
        """Go on from a state."""
        self.rules = rules
        self.opened = state.opened
        self.prices: dict[Kind, KindPrice] = dict(zip(Kind, state.prices, strict=True))
        self.programs = {entry.program: entry for entry in state.programs}
        self.capacities = {capacity.worker: capacity for capacity in state.capacities}
        self.jobs = {job.id: job for job in state.jobs}
        self.held = compute_held(state, rules)
        self._movements: list[Movement] = []
        self._events: list[Event] = []

    def make_state(self) -> MarketState:
        """The state as it is now."""
        return MarketState(
            VERSION,
            self.opened,
            tuple(self.prices[kind] for kind in Kind),
            tuple(sorted(self.programs.values(), key=_get_program)),
            tuple(sorted(self.capacities.values(), key=_get_worker)),
            tuple(sorted(self.jobs.values(), key=_get_order)),
        )

    def take_outcome(self) -> Outcome:
        """What moved and happened since the last call."""
        outcome = Outcome(tuple(self._movements), tuple(self._events))
        self._movements, self._events = [], []
        return outcome

    def tell(self, event: Event) -> None:
        """Note an event."""
        self._events.append(event)

    def debit(self, caller: Caller, amount: Grains, purpose: Purpose) -> None:
        """Take from an account. The last check of every operation: nothing may have changed before.

        :raises LacksFunds: it has less.
        """
        if caller.balance < amount:
            raise LacksFunds(caller.balance, amount)
        self.held += amount
        if amount:
            self._movements.append(Debit(caller.account, amount, purpose))

    def credit(self, account: PublicKey, amount: int, purpose: Purpose) -> None:
        """Give to an account."""
        self.held -= amount
        if amount:
            self._movements.append(Credit(account, Grains(amount), purpose))

    def burn(self, amount: int, purpose: Purpose) -> None:
        """Destroy."""
        self.held -= amount
        if amount:
            self._movements.append(Burn(Grains(amount), purpose))

    def get_job(self, job: Digest) -> Job:
        """A live job.

        :raises UnknownJob: there is none.
        """
        found = self.jobs.get(job)
        if found is None:
            raise UnknownJob(job)
        return found

    def sell(self, kind: Kind, units: int) -> None:
        """Count sold units for the price."""
        price = self.prices[kind]
        self.prices[kind] = replace(price, units=price.units + units)

    def end_job(self, job: Job, ending: Ending, spent: int = 0) -> None:
        """Take a job off the list; what is left of its escrow goes back to the customer.

        :param spent: already taken out of the escrow in this step.
        """
        refunded = Grains(job.escrow - spent)
        self.credit(job.customer, refunded, Purpose.ESCROW)
        del self.jobs[job.id]
        self.tell(JobEnded(job.id, ending, refunded))

    def release_worker(
        self, worker: PublicKey, bond: int, *, lost: int = 0, is_retired: bool = False
    ) -> None:
        """Free a worker of one job in hand.

        :param bond: what answered for the job.
        :param lost: how much of it the worker does not get back; where that goes is the caller's affair.
        """
        capacity = self.capacities[worker]
        self.capacities[worker] = replace(
            capacity,
            bond=Grains(capacity.bond - lost),
            locked=Grains(capacity.locked - bond),
            used=capacity.used - 1,
            retiring=max(capacity.retiring, int(is_retired)),
        )
        self.close_if_idle(worker)

    def close_if_idle(self, worker: PublicKey) -> None:
        """Give a retiring worker its bond back once it has no job in hand."""
        capacity = self.capacities[worker]
        if capacity.retiring and not capacity.used:
            del self.capacities[worker]
            self.credit(worker, capacity.bond, Purpose.CAPACITY)


def compute_held(state: MarketState, rules: MarketRules) -> int:
    """Every grain that a state holds: deposits, workers' bonds, escrows, and the bonds within phases."""
    return (
        sum(entry.deposit for entry in state.programs)
        + sum(capacity.bond for capacity in state.capacities)
        + sum(job.escrow for job in state.jobs)
        + sum(_list_phase_bonds(state.jobs, rules))
    )


def get_program_id(job: Job) -> Digest | None:
    """The program that a job runs, if its kind has one."""
    match job.task:
        case Inference(program=program) | Transformation(program=program):
            return program
        case Optimisation() | Training():
            return None
        case _:
            assert_never(job.task)


def _list_phase_bonds(jobs: Iterable[Job], rules: MarketRules) -> Iterable[int]:
    for job in jobs:
        match job.phase:
            case Disputed(claim=claim):
                yield claim.bond
            case Collecting(seals=seals):
                yield len(seals) * rules.answer_bond
            case _:
                yield 0


def _get_program(entry: ProgramEntry) -> Digest:
    return entry.program


def _get_worker(capacity: Capacity) -> PublicKey:
    return capacity.worker


def _get_order(job: Job) -> int:
    return job.order


def get_job_kind(job: Job) -> Kind:
    """Kind of a job."""
    return get_kind(job.task)
