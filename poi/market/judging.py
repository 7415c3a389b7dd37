"""Results under judgement: votes of validators, challenges, and what a dispute's end does.

Suspicion never slashes: votes withhold pay, and only the referee takes bonds. A result is paid after a whole
window in which nobody challenged it; each dispute that it survives starts a new window, so a worker cannot
use up the challenges with its own.
"""

from msgspec.structs import replace

from poi.disputes.outcomes import BothSilent, compute_settlement, is_claim_upheld
from poi.disputes.outcomes import Outcome as DisputeResult
from poi.disputes.record import Side, Terms
from poi.market.book import Book
from poi.market.errors import (
    ChallengeEmpty,
    ChallengeLate,
    InvalidMove,
    MoveLate,
    NotAParty,
    TooManyMoves,
    WrongPhase,
)
from poi.market.jobs import fail_attempt, get_phase_name, pay_result
from poi.market.limits import MOVES_MAX, MarketRules
from poi.market.operations import Caller, ChallengeResult, MakeMove, Moment
from poi.market.outcomes import DisputeSettled, Fault, MoveMade, Purpose, ResultChallenged
from poi.market.records import Claimed, Disputed, Job
from poi.market.registry import verify_blob
from poi.market.votes import is_refused
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
    rules = book.rules
    end_ms = Milliseconds(moment.now_ms + 2 * rules.dispute_clock_ms + rules.verdict_ms)
    phase = Disputed(
        claim=claim,
        challenger=caller.account,
        rival_root=operation.rival_root,
        end_ms=end_ms,
        since=moment.index,
        moves=(0, 0),
        votes=(),
    )
    book.put_job(replace(job, phase=phase))
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


def make_move(book: Book, operation: MakeMove, caller: Caller, moment: Moment) -> None:
    """Order a party's move. Whether it is a right one is the referee's affair, and validators' to vote on.

    :raises UnknownJob, WrongPhase: no disputed job. :raises NotAParty: neither worker nor challenger.
    :raises InvalidMove, InvalidBlob: a move neither here nor in a blob, or both. :raises MoveLate: too late.
    :raises TooManyMoves: more than a party may make.
    """
    job = book.get_job(operation.job)
    phase = job.phase
    if not isinstance(phase, Disputed):
        raise WrongPhase(job.id, get_phase_name(phase), "a move")
    sides = {phase.claim.worker: Side.DEFENDER, phase.challenger: Side.CHALLENGER}
    side = sides.get(caller.account)
    if side is None:
        raise NotAParty(caller.account)
    if bool(operation.move) == bool(operation.blob):
        raise InvalidMove
    if operation.blob:
        verify_blob(operation.blob)
    if moment.now_ms > phase.end_ms:
        raise MoveLate(moment.now_ms, phase.end_ms)
    made = list(phase.moves)
    if made[side] >= MOVES_MAX:
        raise TooManyMoves(caller.account, MOVES_MAX)
    made[side] += 1
    book.put_job(replace(job, phase=replace(phase, moves=(made[0], made[1]))))
    book.tell(MoveMade(job.id, side, operation.move, operation.blob))


def close_window(book: Book, job: Job, claim: Claimed, moment: Moment) -> None:
    """Pay a result, or set it aside, once its window is over."""
    if moment.now_ms <= claim.end_ms:
        return
    if is_refused(claim.votes, moment.weights):
        fail_attempt(book, job, claim, Fault.REJECTED, moment)
    else:
        pay_result(book, job, claim)


def expire_dispute(book: Book, job: Job, phase: Disputed, moment: Moment) -> None:
    """End a dispute on which no quorum agreed in time: as if both parties had been silent."""
    if moment.now_ms > phase.end_ms:
        settle_dispute(book, job, phase, BothSilent(), moment)


def settle_dispute(book: Book, job: Job, phase: Disputed, result: DisputeResult, moment: Moment) -> None:
    """Take the referee's word: divide the bonds, and go on with the claim or with another worker."""
    claim = phase.claim
    shares = compute_settlement(result, claim.bond, claim.bond, book.rules.winner_share)
    book.tell(DisputeSettled(job.id, result))
    book.credit(phase.challenger, shares.challenger, Purpose.DISPUTE)
    book.burn(shares.burned, Purpose.DISPUTE)
    if is_claim_upheld(result):
        # The worker's own bond never left its capacity; what it won beyond that is paid out.
        book.credit(claim.worker, shares.defender - claim.bond, Purpose.DISPUTE)
        end_ms = Milliseconds(moment.now_ms + book.rules.challenge_window_ms)
        book.put_job(replace(job, phase=replace(claim, end_ms=end_ms)))
    else:
        fail_attempt(book, job, claim, Fault.REFUTED, moment, lost=claim.bond)
