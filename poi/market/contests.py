"""Jobs that are not assigned: the best answer to a problem, and generations of a model that is trained."""

from msgspec.structs import replace

from poi.market.book import Book, get_job_kind
from poi.market.errors import (
    AlreadySealed,
    AnswerEarly,
    InvalidFinding,
    ListFull,
    NotSealed,
    ResultLate,
    WrongPhase,
)
from poi.market.jobs import get_phase_name, pay
from poi.market.limits import GENERATION_WORKERS_MAX, SEALS_MAX
from poi.market.operations import Caller, GenerationClosed, Moment, SealAnswer, ShowAnswer
from poi.market.outcomes import AnswerSealed, AnswerShown, DataConfirmed, Ending, GenerationPaid, Purpose
from poi.market.problems import Problem, compute_value, decode_problem
from poi.market.records import Best, Collecting, Job, Learning, Optimisation, Seal, Training
from poi.replication import compute_seal, verify_seal
from tangle.core.hashing import MARKET, compute_record_hash
from tangle.core.parameters import SHARE_WHOLE
from tangle.core.types import Digest, Grains, Milliseconds, PublicKey


def compute_answer_seal(job: Digest, worker: PublicKey, answer: bytes, salt: Digest) -> Digest:
    """``H(tangle/replica, [job, worker, H(tangle/market, [answer]), salt])``."""
    return compute_seal(job, worker, compute_record_hash(MARKET, answer), salt)


def seal_answer(book: Book, operation: SealAnswer, caller: Caller, moment: Moment) -> None:
    """Take a sealed answer until the deadline.

    :raises UnknownJob, WrongPhase: no live optimisation job. :raises ResultLate: after the deadline.
    :raises AlreadySealed, ListFull: this worker's second, or one too many. :raises LacksFunds: no bond.
    """
    job = book.get_job(operation.job)
    phase = _get_contest(job, "a sealed answer")
    if moment.now_ms > job.deadline_ms:
        raise ResultLate(moment.now_ms, job.deadline_ms)
    if any(seal.worker == caller.account for seal in phase.seals):
        raise AlreadySealed(caller.account)
    if phase.sealed >= SEALS_MAX:
        raise ListFull("answers", SEALS_MAX)
    book.debit(caller, book.rules.answer_bond, Purpose.ANSWER)
    seals = (*phase.seals, Seal(caller.account, operation.seal, phase.sealed))
    book.tell(AnswerSealed(job.id, caller.account))
    book.put_job(replace(job, phase=replace(phase, sealed=phase.sealed + 1, seals=seals)))


def show_answer(book: Book, operation: ShowAnswer, caller: Caller, moment: Moment) -> None:
    """Check a sealed answer; the better one stays: less cost, at equal cost the earlier seal.

    A refused answer stays sealed; its bond is burned in the end, as the seal fits no other.

    :raises UnknownJob, WrongPhase: no live optimisation job.
    :raises AnswerEarly, ResultLate: not in the time for it.
    :raises NotSealed: none of this worker waits. :raises WrongSeal: another answer than it sealed.
    :raises InfeasibleAnswer: no answer to this problem.
    """
    job = book.get_job(operation.job)
    phase = _get_contest(job, "an answer")
    end_ms = Milliseconds(job.deadline_ms + book.rules.reveal_ms)
    if moment.now_ms <= job.deadline_ms:
        raise AnswerEarly(moment.now_ms, job.deadline_ms)
    if moment.now_ms > end_ms:
        raise ResultLate(moment.now_ms, end_ms)
    seal = next((seal for seal in phase.seals if seal.worker == caller.account), None)
    if seal is None:
        raise NotSealed(caller.account)
    answer_hash = compute_record_hash(MARKET, operation.answer)
    verify_seal(seal.seal, job.id, caller.account, answer_hash, operation.salt)
    value = compute_value(_get_problem(job), operation.answer)
    best = min(
        (*phase.best, Best(caller.account, seal.place, value, operation.answer)),
        key=lambda each: (each.value, each.place),
    )
    seals = tuple(each for each in phase.seals if each != seal)
    book.put_job(replace(job, phase=Collecting(phase.sealed, seals, (best,))))
    book.credit(caller.account, book.rules.answer_bond, Purpose.ANSWER)
    book.tell(AnswerShown(job.id, caller.account, value))


def close_contest(book: Book, job: Job, phase: Collecting, moment: Moment) -> None:
    """Pay the best answer once all are shown or the time is over; bonds of those not shown are burned."""
    is_open = moment.now_ms <= job.deadline_ms
    if is_open or (phase.seals and moment.now_ms <= job.deadline_ms + book.rules.reveal_ms):
        return
    book.burn(len(phase.seals) * book.rules.answer_bond, Purpose.ANSWER)
    if not phase.best:
        book.end_job(job, Ending.EXPIRED)
        return
    pay(book, phase.best[0].worker, job.price)
    book.sell(get_job_kind(job), job.units)
    book.end_job(job, Ending.PAID, spent=job.price)


def pay_generation(book: Book, closed: GenerationClosed, moment: Moment) -> None:
    """Pay everybody who evaluated in a generation, in equal parts.

    A generation costs ``price / generations``. ``burn_share`` of that is burned, ``n`` evaluations get
    ``rest // n`` each; what division leaves stays in the escrow and goes back to the customer in the end.

    :raises UnknownJob, WrongPhase: no live training job.
    :raises InvalidFinding: another generation than the next, a late one, or no proper list of workers.
    """
    job = book.get_job(closed.job)
    phase, task = job.phase, job.task
    if not isinstance(phase, Learning) or not isinstance(task, Training):
        raise WrongPhase(job.id, get_phase_name(phase), "a generation")
    if closed.generation != phase.closed:
        raise InvalidFinding(f"generation {phase.closed} is the next, not {closed.generation}")
    if moment.now_ms > job.deadline_ms:
        raise InvalidFinding("the job's deadline is over")
    count = _count_evaluations(closed)
    cost = job.price // task.generations
    burned = cost * book.rules.burn_share // SHARE_WHOLE
    each = (cost - burned) // count
    book.burn(burned, Purpose.PAYMENT)
    for worker, evaluations in closed.evaluations:
        book.credit(worker, each * evaluations, Purpose.PAYMENT)
    book.sell(get_job_kind(job), job.units // task.generations)
    book.tell(GenerationPaid(job.id, closed.generation, Grains(each * count)))
    job = replace(job, escrow=Grains(job.escrow - burned - each * count), phase=Learning(phase.closed + 1))
    book.put_job(job)
    if phase.closed + 1 == task.generations:
        book.end_job(job, Ending.PAID)


def confirm_data(book: Book, job: Job) -> None:
    """A quorum has the data: the job is trained from the next generations on."""
    book.put_job(replace(job, phase=Learning(0)))
    book.tell(DataConfirmed(job.id))


def close_learning(book: Book, job: Job, moment: Moment) -> None:
    """Give the rest of the budget back once the deadline is over."""
    if moment.now_ms > job.deadline_ms:
        book.end_job(job, Ending.EXPIRED)


def _get_contest(job: Job, operation: str) -> Collecting:
    if not isinstance(job.phase, Collecting):
        raise WrongPhase(job.id, get_phase_name(job.phase), operation)
    return job.phase


def _get_problem(job: Job) -> Problem:
    assert isinstance(job.task, Optimisation), "only optimisation jobs collect answers"
    return decode_problem(job.task.problem)


def _count_evaluations(closed: GenerationClosed) -> int:
    workers = [worker for worker, _ in closed.evaluations]
    if not 1 <= len(workers) <= GENERATION_WORKERS_MAX:
        raise InvalidFinding(f"{len(workers)} workers, not 1 to {GENERATION_WORKERS_MAX}")
    if sorted(set(workers)) != workers:
        raise InvalidFinding("its workers are not in rising order")
    if min(evaluations for _, evaluations in closed.evaluations) < 1:
        raise InvalidFinding("a worker without evaluations")
    return sum(evaluations for _, evaluations in closed.evaluations)
