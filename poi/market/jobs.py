"""The life of a job up to its result: opened, assigned, done, given back, paid."""

from typing import assert_never

from msgspec.structs import replace

from poi.market.assignment import StakeReader, draw_worker, list_draws
from poi.market.book import Book, get_job_kind
from poi.market.errors import (
    AttemptOver,
    InvalidTask,
    ListFull,
    NotTheOwner,
    ProgramUnconfirmed,
    ResultLate,
    TooManyJobs,
    UnknownProgram,
    WrongPhase,
    WrongResult,
    WrongWorker,
)
from poi.market.limits import (
    ATTEMPTS_MAX,
    DURATION_MAX_MS,
    JOBS_MAX,
    JOBS_PER_CUSTOMER_MAX,
)
from poi.market.operations import Caller, CancelJob, DeclineJob, Moment, OpenJob, SubmitResult
from poi.market.outcomes import (
    AttemptFailed,
    Ending,
    Fault,
    JobAssigned,
    JobOpened,
    Purpose,
    ResultClaimed,
)
from poi.market.pricing import compute_bond, quote
from poi.market.records import (
    Assigned,
    Capacity,
    Claimed,
    Collecting,
    Gathering,
    Inference,
    Job,
    Optimisation,
    Phase,
    ProgramEntry,
    Task,
    Training,
    Transformation,
    Waiting,
    get_kind,
)
from poi.market.registry import verify_blob
from tangle.core.hashing import MARKET, compute_record_hash
from tangle.core.parameters import SHARE_WHOLE
from tangle.core.types import Digest, Grains, Milliseconds, PublicKey


def compute_job_name(customer: PublicKey, sequence: int) -> Digest:
    """``H(tangle/market, [customer, sequence])``: an account has each sequence once."""
    return compute_record_hash(MARKET, customer, sequence)


def open_job(book: Book, operation: OpenJob, caller: Caller, moment: Moment) -> None:
    """Make a job live and hold its escrow.

    :raises ListFull, TooManyJobs: a limit is reached.
    :raises InvalidTask, InvalidProblem, InvalidBlob, LevelNotOffered: it cannot be done.
    :raises UnknownProgram, ProgramUnconfirmed: nobody can run it, or not yet.
    :raises PriceAboveLimit, UnfundedJob, LacksFunds: it cannot be paid.
    """
    if len(book.jobs) >= JOBS_MAX:
        raise ListFull("live jobs", JOBS_MAX)
    if sum(job.customer == caller.account for job in book.jobs.values()) >= JOBS_PER_CUSTOMER_MAX:
        raise TooManyJobs(caller.account, JOBS_PER_CUSTOMER_MAX)
    task = operation.task
    program, phase = _prepare(book, task, moment)
    _verify_times(operation, moment, is_assigned=program is not None)
    unit_price = book.prices[get_kind(task)].price
    quoted = quote(task, program, unit_price, operation.price_limit, operation.escrow)
    name = compute_job_name(caller.account, caller.sequence)
    job = Job(
        id=name,
        customer=caller.account,
        order=book.opened,
        stake=caller.stake,
        task=task,
        units=quoted.units,
        unit_price=unit_price,
        price=quoted.price,
        escrow=operation.escrow,
        deadline_ms=operation.deadline_ms,
        result_ms=operation.result_ms,
        phase=phase,
    )
    book.about = name
    book.debit(caller, operation.escrow, Purpose.ESCROW)
    book.put_job(job)
    book.opened += 1
    book.tell(JobOpened(name, quoted.units, quoted.price))


def cancel_job(book: Book, operation: CancelJob, caller: Caller) -> None:
    """Give a customer its money back while nobody has begun.

    :raises UnknownJob, NotTheOwner: no job of this account. :raises WrongPhase: somebody works on it.
    """
    job = book.get_job(operation.job)
    if job.customer != caller.account:
        raise NotTheOwner(caller.account, job.customer)
    match job.phase:
        case Waiting() | Gathering() | Collecting(sealed=0):
            book.end_job(job, Ending.CANCELLED)
        case _:
            raise WrongPhase(job.id, get_phase_name(job.phase), "a cancellation")


def assign_jobs(book: Book, moment: Moment, read_stake: StakeReader) -> None:
    """Draw workers for the jobs whose turn it is."""
    for job, phase in list_draws(book.jobs.values(), moment.index):
        drawn = draw_worker(job, phase, book.capacities.values(), moment, read_stake, book.rules)
        if drawn is not None:
            _assign(book, job, phase, drawn, moment)


def submit_result(book: Book, operation: SubmitResult, caller: Caller, moment: Moment) -> None:
    """Take a worker's claim; the window for challenges opens.

    :raises UnknownJob: no live job. :raises WrongWorker, AttemptOver, ResultLate: not (or no longer) its job.
    :raises WrongPhase: nobody has it. :raises WrongResult: the claim is about something else.
    :raises InvalidBlob: what it serves has no id that can be verified.
    """
    job = book.get_job(operation.job)
    phase = get_assignment(job, caller, moment, "a result")
    _verify_claim(job, phase, operation)
    end_ms = Milliseconds(moment.now_ms + book.rules.challenge_window_ms)
    claim = Claimed(
        failed=phase.failed,
        worker=phase.worker,
        bond=phase.bond,
        commitment=operation.commitment,
        end_ms=end_ms,
        votes=(),
        sources=operation.sources,
        served=operation.served,
    )
    book.put_job(replace(job, phase=claim))
    book.tell(ResultClaimed(job.id, end_ms))


def decline_job(book: Book, operation: DeclineJob, caller: Caller, moment: Moment) -> None:
    """Let a worker give a job back; it loses nothing but its place on the list.

    :raises UnknownJob, WrongWorker, AttemptOver, ResultLate, WrongPhase: as for a result.
    """
    job = book.get_job(operation.job)
    phase = get_assignment(job, caller, moment, "a refusal")
    fail_attempt(book, job, phase, Fault.DECLINED, moment)


def get_assignment(job: Job, caller: Caller, moment: Moment, operation: str) -> Assigned:
    """The job's phase, if it is assigned to the caller and there is time.

    :raises AttemptOver, WrongWorker, WrongPhase, ResultLate: it is not, or there is none.
    """
    phase = job.phase
    if isinstance(phase, Waiting | Assigned) and caller.account in phase.failed:
        raise AttemptOver(job.id, caller.account)
    if not isinstance(phase, Assigned):
        raise WrongPhase(job.id, get_phase_name(phase), operation)
    if phase.worker != caller.account:
        raise WrongWorker(caller.account, phase.worker)
    if moment.now_ms > phase.due_ms:
        raise ResultLate(moment.now_ms, phase.due_ms)
    return phase


def expire_waiting(book: Book, job: Job, moment: Moment) -> None:
    """Give the money back once no worker could be in time any more."""
    if moment.now_ms + job.result_ms > job.deadline_ms:
        book.end_job(job, Ending.EXPIRED)


def expire_assigned(book: Book, job: Job, phase: Assigned, moment: Moment) -> None:
    """Take a job from a worker whose time is over; part of its bond is burned."""
    if moment.now_ms > phase.due_ms:
        lost = phase.bond * book.rules.late_share // SHARE_WHOLE
        book.burn(lost, Purpose.LATE)
        fail_attempt(book, job, phase, Fault.LATE, moment, lost=lost)


def fail_attempt(
    book: Book, job: Job, phase: Assigned | Claimed, fault: Fault, moment: Moment, lost: int = 0
) -> None:
    """Take a job from its worker, which retires; another tries, or the customer gets the money back.

    :param lost: what has been taken from the worker's bond.
    """
    book.release_worker(phase.worker, phase.bond, lost=lost, is_retired=True)
    book.tell(AttemptFailed(job.id, phase.worker, fault))
    failed = (*phase.failed, phase.worker)
    if len(failed) >= ATTEMPTS_MAX:
        book.end_job(job, Ending.FAILED)
    elif moment.now_ms + job.result_ms > job.deadline_ms:
        book.end_job(job, Ending.EXPIRED)
    else:
        book.put_job(replace(job, phase=Waiting(moment.index, failed)))


def pay_result(book: Book, job: Job, claim: Claimed) -> None:
    """Pay a result that stood."""
    pay(book, claim.worker, job.price)
    book.release_worker(claim.worker, claim.bond)
    book.end_job(job, Ending.PAID, spent=job.price)


def pay(book: Book, worker: PublicKey, price: int) -> None:
    """Pay a worker; ``burn_share`` of it, rounded down, is burned."""
    burned = price * book.rules.burn_share // SHARE_WHOLE
    book.credit(worker, price - burned, Purpose.PAYMENT)
    book.burn(burned, Purpose.PAYMENT)


def get_phase_name(phase: Phase) -> str:
    """What people call a phase."""
    return type(phase).__name__.lower()


def _prepare(book: Book, task: Task, moment: Moment) -> tuple[ProgramEntry | None, Phase]:
    match task:
        case Inference(program=program) | Transformation(program=program):
            entry = book.programs.get(program)
            if entry is None:
                raise UnknownProgram(program)
            if not entry.confirmed:
                raise ProgramUnconfirmed(program)
            _verify_sources(task)
            return entry, Waiting(moment.index, ())
        case Optimisation():
            return None, Collecting(0, (), ())
        case Training(data=data):
            verify_blob(data)
            return None, Gathering(moment.index, ())
        case _:
            assert_never(task)


def _verify_times(operation: OpenJob, moment: Moment, *, is_assigned: bool) -> None:
    span_ms = operation.deadline_ms - moment.now_ms
    if not 1 <= span_ms <= DURATION_MAX_MS:
        raise InvalidTask(f"its deadline is in {span_ms} ms, not in 1 to {DURATION_MAX_MS}")
    low, high = (1, span_ms) if is_assigned else (0, 0)
    if not low <= operation.result_ms <= high:
        raise InvalidTask(f"a worker's time of {operation.result_ms} ms is not within {low} to {high}")


def _assign(book: Book, job: Job, phase: Waiting, capacity: Capacity, moment: Moment) -> None:
    bond = compute_bond(job.price, book.rules)
    due_ms = Milliseconds(moment.now_ms + job.result_ms)
    book.put_capacity(replace(capacity, locked=Grains(capacity.locked + bond), used=capacity.used + 1))
    assigned = Assigned(phase.failed, capacity.worker, bond, moment.epoch, due_ms)
    book.put_job(replace(job, phase=assigned))
    book.sell(get_job_kind(job), job.units)
    book.tell(JobAssigned(job.id, capacity.worker, due_ms))


def _verify_sources(task: Inference | Transformation) -> None:
    if len(task.sources) != len(task.inputs):
        raise InvalidTask(f"it has {len(task.inputs)} inputs and sources of {len(task.sources)}")


def _verify_claim(job: Job, phase: Assigned, operation: SubmitResult) -> None:
    task, commitment = job.task, operation.commitment
    if not isinstance(task, Inference | Transformation):
        raise WrongPhase(job.id, get_phase_name(phase), "a commitment")
    context = commitment.context
    expected = {
        "another task": context.task == job.id,
        "another worker": context.worker == phase.worker,
        "another epoch": context.epoch == phase.epoch,
        "another program": commitment.program_id == task.program,
        "another number of rows": commitment.rows == task.rows,
        "other inputs": commitment.inputs == task.inputs,
        "other outputs than it has sources of": len(operation.sources) == len(commitment.outputs),
    }
    for reason, is_right in expected.items():
        if not is_right:
            raise WrongResult(f"it is about {reason}")
    if operation.served:
        verify_blob(operation.served)
