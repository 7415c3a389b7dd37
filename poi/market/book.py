"""The market's lists while a step goes on, and the only places where grains move.

Every function that moves grains changes ``held`` by the same amount, so that what the market holds is always
what it took in less what it gave out.
"""

from collections.abc import Iterable
from typing import assert_never

from msgspec.structs import replace

from poi.market.entries import Change, Entry, Shelf
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
    ProgramRemoved,
    Purpose,
    Removal,
    Topic,
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
    MarketHead,
    MarketState,
    Optimisation,
    ProgramEntry,
    Training,
    Transformation,
    get_kind,
)
from poi.market.votes import compute_program_subject, list_subjects
from tangle.core.types import Digest, Grains, PublicKey


class Book:
    """Programs, workers, jobs and prices."""

    __slots__ = (
        "_before",
        "_ended",
        "_events",
        "_movements",
        "about",
        "capacities",
        "held",
        "jobs",
        "opened",
        "prices",
        "programs",
        "rules",
        "subjects",
        "unconfirmed",
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
        self.about: Digest | None = None
        """What the current step is about, for its movements."""

        self.subjects: dict[Digest, tuple[Topic, Digest]] = {}
        """Whatever may be voted on now, with the job or program that it belongs to."""

        self.unconfirmed: dict[Digest, ProgramEntry] = {}
        """Programs that wait for their confirmation."""

        for entry in state.programs:
            self._watch_program(entry)
        for job in state.jobs:
            self._watch_job(job)
        self._before: dict[tuple[Shelf, bytes], Entry | None] = {}
        self._ended: list[Job] = []
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

    def make_head(self) -> MarketHead:
        """Prices and the number of jobs opened."""
        return MarketHead(self.opened, tuple(self.prices.values()))

    def take_outcome(self) -> Outcome:
        """What moved and happened since the last call."""
        outcome = Outcome(tuple(self._movements), tuple(self._events), tuple(self._ended))
        self._movements, self._events, self._ended = [], [], []
        self.about = None
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
            self._movements.append(Debit(caller.account, amount, purpose, self.about or b""))

    def credit(self, account: PublicKey, amount: int, purpose: Purpose) -> None:
        """Give to an account."""
        self.held -= amount
        if amount:
            self._movements.append(Credit(account, Grains(amount), purpose, self.about or b""))

    def burn(self, amount: int, purpose: Purpose) -> None:
        """Destroy."""
        self.held -= amount
        if amount:
            self._movements.append(Burn(Grains(amount), purpose, self.about or b""))

    def get_job(self, job: Digest) -> Job:
        """A live job.

        :raises UnknownJob: there is none.
        """
        found = self.jobs.get(job)
        if found is None:
            raise UnknownJob(job)
        return found

    def put_program(self, entry: ProgramEntry) -> None:
        """Add a program or change it."""
        before = self.programs.get(entry.program)
        self._note(Shelf.PROGRAM, entry.program, before)
        if before is not None:
            self._forget_program(before)
        self.programs[entry.program] = entry
        self._watch_program(entry)

    def drop_program(self, entry: ProgramEntry, removal: Removal) -> None:
        """Take a program off the list; the owner gets the deposit back."""
        self._note(Shelf.PROGRAM, entry.program, self.programs.pop(entry.program))
        self._forget_program(entry)
        self.credit(entry.owner, entry.deposit, Purpose.PROGRAM)
        self.tell(ProgramRemoved(entry.program, removal))

    def put_capacity(self, capacity: Capacity) -> None:
        """Add a worker or change it."""
        self._note(Shelf.CAPACITY, capacity.worker, self.capacities.get(capacity.worker))
        self.capacities[capacity.worker] = capacity

    def put_job(self, job: Job) -> None:
        """Add a job or change it."""
        before = self.jobs.get(job.id)
        self._note(Shelf.JOB, job.id, before)
        if before is not None:
            self._forget(before)
        self.jobs[job.id] = job
        self._watch_job(job)

    def take_changes(self) -> tuple[Change, ...]:
        """Entries that are not what they were at the last call, in the order of shelves and keys."""
        changes = []
        for (shelf, key), before in sorted(self._before.items(), key=lambda item: item[0]):
            after = self._get_entry(shelf, key)
            if after != before:
                changes.append(Change(shelf, key, before, after))
        self._before = {}
        return tuple(changes)

    def _get_entry(self, shelf: Shelf, key: bytes) -> Entry | None:
        match shelf:
            case Shelf.PROGRAM:
                return self.programs.get(Digest(key))
            case Shelf.CAPACITY:
                return self.capacities.get(PublicKey(key))
            case Shelf.JOB:
                return self.jobs.get(Digest(key))
            case _:
                assert_never(shelf)

    def _note(self, shelf: Shelf, key: bytes, before: Entry | None) -> None:
        self._before.setdefault((shelf, key), before)

    def _watch_program(self, entry: ProgramEntry) -> None:
        if not entry.confirmed:
            self.subjects[compute_program_subject(entry)] = (Topic.PROGRAM, entry.program)
            self.unconfirmed[entry.program] = entry

    def _forget_program(self, entry: ProgramEntry) -> None:
        if not entry.confirmed:
            del self.subjects[compute_program_subject(entry)]
            del self.unconfirmed[entry.program]

    def _watch_job(self, job: Job) -> None:
        for subject, topic in list_subjects(job):
            self.subjects[subject] = (topic, job.id)

    def _forget(self, job: Job) -> None:
        for subject, _ in list_subjects(job):
            del self.subjects[subject]

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
        stored = self.jobs.pop(job.id)
        self._note(Shelf.JOB, job.id, stored)
        self._forget(stored)
        self._ended.append(job)
        self.tell(JobEnded(job.id, ending, refunded))

    def release_worker(
        self, worker: PublicKey, bond: int, *, lost: int = 0, is_retired: bool = False
    ) -> None:
        """Free a worker of one job in hand.

        :param bond: what answered for the job.
        :param lost: how much of it the worker does not get back; where that goes is the caller's affair.
        """
        capacity = self.capacities[worker]
        changed = replace(
            capacity,
            bond=Grains(capacity.bond - lost),
            locked=Grains(capacity.locked - bond),
            used=capacity.used - 1,
            retiring=max(capacity.retiring, int(is_retired)),
        )
        self.put_capacity(changed)
        self.close_if_idle(worker)

    def close_if_idle(self, worker: PublicKey) -> None:
        """Give a retiring worker its bond back once it has no job in hand."""
        capacity = self.capacities[worker]
        if capacity.retiring and not capacity.used:
            self._note(Shelf.CAPACITY, worker, self.capacities.pop(worker))
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
