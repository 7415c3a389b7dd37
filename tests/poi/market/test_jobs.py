"""Assigned jobs from opening to payment, and each way in which one ends without."""

from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from aivm.verification.trace import Commitment
from poi.disputes.outcomes import BothSilent, BothWrong, ChallengerWins, DefenderWins, Outcome, Reason
from poi.market.errors import (
    AttemptOver,
    ChallengeEmpty,
    ChallengeLate,
    InvalidFinding,
    LacksFunds,
    NotTheOwner,
    ResultLate,
    UnknownJob,
    WrongPhase,
    WrongResult,
    WrongWorker,
)
from poi.market.judging import make_terms
from poi.market.operations import (
    CancelJob,
    ChallengeResult,
    DeclineJob,
    SubmitResult,
    WithdrawCapacity,
)
from poi.market.outcomes import (
    AttemptFailed,
    DisputeSettled,
    Ending,
    Fault,
    JobAssigned,
    JobEnded,
    Topic,
    VoteCounted,
)
from poi.market.records import Assigned, Ballot, Claimed, Disputed, Waiting
from poi.market.votes import Verdict, is_refused
from tangle.core.types import Digest
from tests.poi.market.builders import (
    CAPACITY,
    CHALLENGER,
    CUSTOMER,
    FUNDS,
    OTHER,
    RULES,
    SOURCES,
    WEIGHTS,
    WORKER,
    Scene,
    assign,
    claim,
    get_worker,
    make_commitment,
    make_key,
    make_reject,
    make_result,
    start,
)

PRICE = 50
"""Five rows of one unit at ten grains."""

BOND = 100
"""Twice the price."""

RIVAL = Digest(b"s" * 32)


@dataclass
class End:
    """What a dispute leaves to those in it, as differences."""

    worker: int
    challenger: int
    burned: int


def finish_window(scene: Scene) -> tuple[object, ...]:
    scene.now_ms += RULES.challenge_window_ms + 1
    return scene.advance()


def test_a_job_is_assigned_one_checkpoint_later_done_and_paid() -> None:
    scene = start()
    job = scene.open()
    assert scene.balances[CUSTOMER] == FUNDS - 200
    assert not scene.advance(), "nobody may know the randomness when a job is ordered"
    assert scene.advance(0) == (JobAssigned(job, WORKER, scene.market.get_job(job).phase.due_ms),)  # type: ignore[union-attr] # it is assigned
    scene.apply(WORKER, make_result(scene, job))
    scene.now_ms += RULES.challenge_window_ms
    assert not scene.advance(0), "the window's last moment belongs to it"
    scene.now_ms += 1
    assert scene.advance() == (JobEnded(job, Ending.PAID, 150),)  # type: ignore[arg-type] # a plain integer
    burned = PRICE * RULES.burn_share // 1_000_000
    assert burned == 2
    assert scene.balances[WORKER] == FUNDS - 1_000 + PRICE - burned
    assert scene.balances[CUSTOMER] == FUNDS - PRICE
    assert scene.burned == burned
    assert scene.market.held == 2_000
    scene.refuse(UnknownJob, WORKER, DeclineJob(job))


def test_a_job_that_nobody_can_do_in_time_is_refunded() -> None:
    scene = start(())
    job = scene.open()
    scene.now_ms += 900
    assert not scene.advance(1)
    assert scene.advance() == (JobEnded(job, Ending.EXPIRED, 200),)  # type: ignore[arg-type] # a plain integer
    assert scene.balances[CUSTOMER] == FUNDS


def test_a_waiting_job_is_cancelled_by_its_customer_only() -> None:
    scene = start()
    job = scene.open()
    scene.refuse(NotTheOwner, WORKER, CancelJob(job))
    scene.apply(CUSTOMER, CancelJob(job))
    assert scene.balances[CUSTOMER] == FUNDS
    scene.refuse(UnknownJob, CUSTOMER, CancelJob(job))
    scene.refuse(WrongPhase, CUSTOMER, CancelJob(assign(scene)))


def test_a_late_worker_loses_part_of_its_bond_and_another_tries() -> None:
    scene = start((WORKER, OTHER))
    job = assign(scene)
    late = get_worker(scene, job)
    scene.now_ms += RULES.challenge_window_ms + 1
    scene.refuse(ResultLate, late, make_result(scene, job))
    assert scene.advance() == (AttemptFailed(job, late, Fault.LATE),)
    assert scene.burned == BOND // 10
    assert scene.balances[late] == FUNDS - BOND // 10, "it retired with the rest of its bond"
    phase = scene.market.get_job(job).phase
    assert isinstance(phase, Waiting)
    assert phase.failed == (late,)
    scene.refuse(AttemptOver, late, DeclineJob(job))
    scene.advance()
    assert get_worker(scene, job) == ({WORKER, OTHER} - {late}).pop()
    scene.refuse(AttemptOver, late, DeclineJob(job))


def test_a_worker_that_announces_itself_again_does_not_get_the_job_it_failed() -> None:
    scene = start()
    job = assign(scene)
    assert scene.apply(WORKER, DeclineJob(job)) == (AttemptFailed(job, WORKER, Fault.DECLINED),)
    assert scene.balances[WORKER] == FUNDS
    scene.apply(WORKER, CAPACITY)
    scene.advance()
    assert not scene.advance()
    assert isinstance(scene.market.get_job(job).phase, Waiting)


def test_after_three_workers_the_customer_gets_the_money_back() -> None:
    scene = start(tuple(make_key(number) for number in range(20, 24)))
    job = assign(scene)
    for _ in range(2):
        scene.apply(get_worker(scene, job), DeclineJob(job))
        scene.advance()
        scene.advance()
    events = scene.apply(get_worker(scene, job), DeclineJob(job))
    assert events[1] == JobEnded(job, Ending.FAILED, 200)  # type: ignore[arg-type] # a plain integer
    assert scene.balances[CUSTOMER] == FUNDS


def test_only_the_assigned_worker_gives_a_result() -> None:
    scene = start()
    job = scene.open()
    scene.refuse(WrongPhase, WORKER, DeclineJob(job))
    scene.advance()
    scene.advance()
    commitment = make_commitment(scene, job)
    scene.refuse(WrongWorker, OTHER, SubmitResult(job, commitment, SOURCES, b""))
    scene.apply(WORKER, SubmitResult(job, commitment, SOURCES, b""))
    scene.refuse(WrongPhase, WORKER, SubmitResult(job, commitment, SOURCES, b""))


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("task", lambda each: replace(each, context=replace(each.context, task=RIVAL))),
        ("worker", lambda each: replace(each, context=replace(each.context, worker=OTHER))),
        ("epoch", lambda each: replace(each, context=replace(each.context, epoch=4))),
        ("program", lambda each: replace(each, program_id=RIVAL)),
        ("rows", lambda each: replace(each, rows=6)),
        ("inputs", lambda each: replace(each, inputs=(RIVAL,))),
    ],
)
def test_a_claim_about_something_else_is_refused(reason: str, change: object) -> None:
    scene = start()
    job = assign(scene)
    assert callable(change)
    changed: Commitment = change(make_commitment(scene, job))
    with pytest.raises(WrongResult, match=reason):
        scene.apply(WORKER, SubmitResult(job, changed, SOURCES, b""))
    assert isinstance(scene.market.get_job(job).phase, Assigned)


def test_a_worker_that_withdraws_keeps_its_job_and_its_bond_in_the_market() -> None:
    scene = start()
    job = claim(scene)
    scene.apply(WORKER, WithdrawCapacity())
    assert scene.balances[WORKER] == FUNDS - 1_000
    waiting = scene.open()
    finish_window(scene)
    assert scene.balances[WORKER] == FUNDS + PRICE - 2
    assert scene.market.get_capacity(WORKER) is None
    scene.advance()
    assert isinstance(scene.market.get_job(waiting).phase, Waiting)
    scene.refuse(UnknownJob, WORKER, DeclineJob(job))


def test_votes_of_more_than_a_third_withhold_pay_and_slash_nothing() -> None:
    scene = start()
    job = claim(scene)
    assert scene.find(make_reject(job, WORKER, 0)) == (VoteCounted(job, Topic.CLAIM, 0, Verdict.WRONG),)
    scene.refuse_finding(InvalidFinding, make_reject(job, WORKER, 0))
    scene.refuse_finding(InvalidFinding, make_reject(job, OTHER, 1))
    scene.refuse_finding(InvalidFinding, make_reject(job, WORKER, 4))
    scene.find(make_reject(job, WORKER, 3))
    assert AttemptFailed(job, WORKER, Fault.REJECTED) in finish_window(scene)
    assert scene.balances[WORKER] == FUNDS
    assert scene.burned == 0
    assert isinstance(scene.market.get_job(job).phase, Waiting)


def test_a_single_vote_of_four_does_not_and_a_late_vote_does_not_count() -> None:
    scene = start()
    job = claim(scene)
    scene.find(make_reject(job, WORKER, 2))
    scene.now_ms += RULES.challenge_window_ms + 1
    scene.refuse_finding(InvalidFinding, make_reject(job, WORKER, 1))
    assert JobEnded(job, Ending.PAID, 150) in scene.advance()  # type: ignore[arg-type] # a plain integer


def test_votes_of_exactly_a_third_do_not_withhold_pay() -> None:
    rejected = (Ballot(1, Verdict.WRONG), Ballot(2, Verdict.RIGHT))
    assert not is_refused(rejected, (1, 1, 1))
    assert is_refused(rejected, (1, 2, 2))
    assert not is_refused((Ballot(7, Verdict.WRONG),), WEIGHTS), "a validator that is gone weighs nothing"


def test_the_last_moment_for_a_result_is_in_time() -> None:
    scene = start()
    job = assign(scene)
    phase = scene.market.get_job(job).phase
    assert isinstance(phase, Assigned)
    scene.now_ms = phase.due_ms
    assert not scene.advance(0)
    scene.apply(WORKER, make_result(scene, job))
    assert isinstance(scene.market.get_job(job).phase, Claimed)


def test_who_may_challenge_and_when() -> None:
    scene = start()
    job = claim(scene)
    phase = scene.market.get_job(job).phase
    assert isinstance(phase, Claimed)
    scene.refuse(ChallengeEmpty, CHALLENGER, ChallengeResult(job, phase.commitment.root))
    scene.balances[CHALLENGER] = BOND - 1
    scene.refuse(LacksFunds, CHALLENGER, ChallengeResult(job, RIVAL))
    scene.balances[CHALLENGER] = BOND
    late = phase.end_ms + 1
    scene.now_ms, now_ms = late, scene.now_ms
    scene.refuse(ChallengeLate, CHALLENGER, ChallengeResult(job, RIVAL))
    scene.now_ms = now_ms
    with pytest.raises(WrongPhase):
        make_terms(scene.market.get_job(job), RULES)
    scene.apply(CHALLENGER, ChallengeResult(job, RIVAL))
    scene.refuse(WrongPhase, OTHER, ChallengeResult(job, RIVAL))
    terms = make_terms(scene.market.get_job(job), RULES)
    assert (terms.challenger, terms.rival_root) == (CHALLENGER, RIVAL)
    assert terms.defender_bond == terms.challenger_bond == BOND


@pytest.mark.parametrize(
    ("result", "end"),
    [
        (ChallengerWins(Reason.RECOMPUTED), End(worker=-BOND, challenger=BOND // 2, burned=BOND // 2)),
        (BothWrong(), End(worker=-BOND, challenger=-BOND // 2, burned=BOND + BOND // 2)),
    ],
)
def test_a_refuted_worker_is_slashed_and_another_tries(result: Outcome, end: End) -> None:
    scene = start((WORKER, OTHER))
    job = assign(scene)
    worker = get_worker(scene, job)
    scene.apply(worker, make_result(scene, job))
    scene.apply(CHALLENGER, ChallengeResult(job, RIVAL))
    assert scene.decide(job, result) == (
        DisputeSettled(job, result),
        AttemptFailed(job, worker, Fault.REFUTED),
    )
    assert End(scene.balances[worker] - FUNDS, scene.balances[CHALLENGER] - FUNDS, scene.burned) == end
    scene.advance()
    scene.advance()
    assert get_worker(scene, job) != worker


@pytest.mark.parametrize("result", [DefenderWins(Reason.NOT_SHOWN), BothSilent()])
def test_a_claim_that_survives_waits_for_a_whole_window_again(result: Outcome) -> None:
    scene = start()
    job = claim(scene)
    scene.now_ms += RULES.challenge_window_ms
    scene.apply(CHALLENGER, ChallengeResult(job, RIVAL))
    scene.now_ms += 7
    scene.decide(job, result)
    phase = scene.market.get_job(job).phase
    assert isinstance(phase, Claimed)
    assert phase.end_ms == scene.now_ms + RULES.challenge_window_ms
    won = scene.balances[WORKER] - (FUNDS - 1_000)
    assert won == (BOND // 2 if isinstance(result, DefenderWins) else 0)
    scene.apply(OTHER, ChallengeResult(job, RIVAL))
    scene.decide(job, ChallengerWins(Reason.RECOMPUTED))
    assert scene.balances[OTHER] == FUNDS + BOND // 2


def test_votes_count_during_a_dispute_that_the_claim_survives() -> None:
    scene = start()
    job = claim(scene)
    scene.apply(CHALLENGER, ChallengeResult(job, RIVAL))
    scene.find(make_reject(job, WORKER, 1))
    scene.find(make_reject(job, WORKER, 0))
    scene.decide(job, DefenderWins(Reason.RESIGNED))
    assert AttemptFailed(job, WORKER, Fault.REJECTED) in finish_window(scene)


def test_a_dispute_without_a_word_ends_when_both_clocks_have_run_out() -> None:
    scene = start()
    job = claim(scene)
    scene.apply(CHALLENGER, ChallengeResult(job, RIVAL))
    scene.now_ms += 2 * RULES.dispute_clock_ms + RULES.verdict_ms
    assert not scene.advance(1)
    assert isinstance(scene.market.get_job(job).phase, Disputed)
    assert scene.advance() == (DisputeSettled(job, BothSilent()),)
    assert scene.balances[CHALLENGER] == FUNDS - BOND + BOND // 2
