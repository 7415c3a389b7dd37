"""Results under judgement: votes of validators, challenges, and what a dispute's end does.

Suspicion never slashes: votes withhold pay, and only the referee takes bonds. A result is paid after a whole
window in which nobody challenged it; each dispute that it survives starts a new window, so a worker cannot
use up the challenges with its own.
"""

from msgspec.structs import replace

from poi.disputes.outcomes import BothSilent, compute_settlement, is_claim_upheld
from poi.disputes.outcomes import Outcome as DisputeResult
from poi.disputes.record import Terms
from poi.market.book import Book
from poi.market.errors import ChallengeEmpty, ChallengeLate, InvalidFinding, WrongPhase
from poi.market.jobs import fail_attempt, get_phase_name, pay_result
from poi.market.limits import VERIFIERS_MAX, MarketRules
from poi.market.operations import Caller, ChallengeResult, DisputeDecision, Moment, RejectVote
from poi.market.outcomes import DisputeSettled, Fault, Purpose, ResultChallenged, ResultRejected
from poi.market.records import Claimed, Disputed, Job
from tangle.core.types import Milliseconds


def challenge_result(book: Book, operation: ChallengeResult, caller: Caller, moment: Moment) -> None:
    """Begin a dispute; its challenger puts up as much as the worker.

    :raises UnknownJob: no live job. :raises WrongPhase: no result, or one that is disputed already.
    :raises ChallengeLate, ChallengeEmpty, LacksFunds: too late, about nothing, or without money.
    """
    job = book.get_job(operation.job)
    claim = job.phase
    if not isinstance(claim, Claimed):
        raise WrongPhase(job.id, get_phase_name(claim), "a challenge")
    if moment.now_ms > claim.end_ms:
        raise ChallengeLate(moment.now_ms, claim.end_ms)
    if operation.rival_root == claim.commitment.root:
        raise ChallengeEmpty
    book.debit(caller, claim.bond, Purpose.CHALLENGE)
    end_ms = Milliseconds(moment.now_ms + 2 * book.rules.dispute_clock_ms)
    book.jobs[job.id] = replace(job, phase=Disputed(claim, caller.account, operation.rival_root, end_ms))
    book.tell(ResultChallenged(job.id, caller.account, claim.bond))


def make_terms(job: Job, rules: MarketRules) -> Terms:
    """The terms under which the referee opens the game of a disputed job.

    :raises WrongPhase: it is not disputed.
    """
    phase = job.phase
    if not isinstance(phase, Disputed):
        raise WrongPhase(job.id, get_phase_name(phase), "a game")
    return Terms(
        commitment=phase.claim.commitment,
        challenger=phase.challenger,
        rival_root=phase.rival_root,
        defender_bond=phase.claim.bond,
        challenger_bond=phase.claim.bond,
        winner_share=rules.winner_share,
        clock_ms=rules.dispute_clock_ms,
    )


def count_reject(book: Book, vote: RejectVote, moment: Moment) -> None:
    """Count a validator's vote against a result. Nothing moves before the window ends.

    :raises UnknownJob: no live job.
    :raises InvalidFinding: no such result or validator, a second vote, or a late one.
    """
    job = book.get_job(vote.job)
    phase = job.phase
    claim = phase.claim if isinstance(phase, Disputed) else phase
    if not isinstance(claim, Claimed) or claim.worker != vote.worker:
        raise InvalidFinding("there is no result of this worker to reject")
    if vote.validator >= min(len(moment.weights), VERIFIERS_MAX):
        raise InvalidFinding(f"there is no validator {vote.validator}")
    if vote.validator in claim.rejects:
        raise InvalidFinding(f"validator {vote.validator} has rejected it before")
    if isinstance(phase, Claimed) and moment.now_ms > phase.end_ms:
        raise InvalidFinding("its window is over")
    claim = replace(claim, rejects=tuple(sorted((*claim.rejects, vote.validator))))
    changed = replace(phase, claim=claim) if isinstance(phase, Disputed) else claim
    book.jobs[job.id] = replace(job, phase=changed)
    book.tell(ResultRejected(job.id, vote.validator))


def is_rejected(claim: Claimed, moment: Moment) -> bool:
    """Whether validators of more than a third of the weight are against a result.

    Fewer than a third are faulty, so one honest validator is among them; work is in integers, so one honest
    recomputation is right.
    """
    against = sum(moment.weights[validator] for validator in claim.rejects if validator < len(moment.weights))
    return 3 * against > sum(moment.weights)


def close_window(book: Book, job: Job, claim: Claimed, moment: Moment) -> None:
    """Pay a result, or set it aside, once its window is over."""
    if moment.now_ms <= claim.end_ms:
        return
    if is_rejected(claim, moment):
        fail_attempt(book, job, claim, Fault.REJECTED, moment)
    else:
        pay_result(book, job, claim)


def decide_dispute(book: Book, decision: DisputeDecision, moment: Moment) -> None:
    """Take the referee's word.

    :raises UnknownJob: no live job. :raises InvalidFinding: it is not disputed by this challenger.
    """
    job = book.get_job(decision.job)
    phase = job.phase
    if not isinstance(phase, Disputed) or phase.challenger != decision.challenger:
        raise InvalidFinding("this challenger disputes no result of the job")
    _settle(book, job, phase, decision.result, moment)


def expire_dispute(book: Book, job: Job, phase: Disputed, moment: Moment) -> None:
    """End a dispute about which nobody heard when both clocks had run out: as if both were silent."""
    if moment.now_ms > phase.end_ms:
        _settle(book, job, phase, BothSilent(), moment)


def _settle(book: Book, job: Job, phase: Disputed, result: DisputeResult, moment: Moment) -> None:
    claim = phase.claim
    shares = compute_settlement(result, claim.bond, claim.bond, book.rules.winner_share)
    book.tell(DisputeSettled(job.id, result))
    book.credit(phase.challenger, shares.challenger, Purpose.DISPUTE)
    book.burn(shares.burned, Purpose.DISPUTE)
    if is_claim_upheld(result):
        # The worker's own bond never left its capacity; what it won beyond that is paid out.
        book.credit(claim.worker, shares.defender - claim.bond, Purpose.DISPUTE)
        end_ms = Milliseconds(moment.now_ms + book.rules.challenge_window_ms)
        book.jobs[job.id] = replace(job, phase=replace(claim, end_ms=end_ms))
    else:
        fail_attempt(book, job, claim, Fault.REFUTED, moment, lost=claim.bond)
