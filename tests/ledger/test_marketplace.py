"""The market as part of the ledger: calls, fees, refusals, verdicts, time, and what accounts see of it."""

from collections.abc import Iterator
from typing import get_args

import pytest
from msgspec.structs import replace

from poi.disputes.outcomes import BothSilent, ChallengerWins, DefenderWins, Reason
from poi.errors import WrongSeal
from poi.market import errors
from poi.market.errors import MarketFault, ProgramUnconfirmed, UnfundedJob
from poi.market.machine import Market
from poi.market.operations import CancelJob, ChallengeResult, MakeMove, RetireProgram, encode_operation
from poi.market.outcomes import (
    AttemptFailed,
    DataConfirmed,
    DisputeSettled,
    Ending,
    Fault,
    JobAssigned,
    JobEnded,
    MoveMade,
    ProgramConfirmed,
    ProgramRemoved,
    Purpose,
    Removal,
    ResultChallenged,
    Topic,
    VoteCounted,
)
from poi.market.records import Assigned, Claimed, Disputed, Gathering, Learning, Training, Waiting
from poi.market.refusals import REFUSALS, Refusal, get_refusal_code, get_refusal_number
from poi.market.votes import (
    DISPUTE_RESULTS,
    Verdict,
    compute_claim_subject,
    compute_data_subject,
    compute_dispute_subject,
    compute_program_subject,
    get_dispute_verdict,
)
from poi.presets import DIGITS
from shards.blocks import BlockReference, Vote
from shards.commits import CommitRecord
from tangle.core.encoding import encode
from tangle.core.signing import SigningKey
from tangle.core.transactions import InvalidTransaction, MarketCall
from tangle.core.types import Digest, Grains, Milliseconds
from tangle.ledger.board import Earning
from tangle.ledger.effects import Effect, Status, describe_effect
from tangle.ledger.marketplace import CastBallot, read_call
from tangle.ledger.staking.events import SlashCause, Slashed
from tangle.ledger.staking.records import NEVER
from tests.drawing.subdag import GENESIS_ID, get_account, make_transaction
from tests.ledger.market_shell import CAPACITY, INFERENCE, PROGRAM, REGISTER, RICH, RULES, MarketShell
from tests.poi.market.builders import DATA, PACKAGE

RIVAL = Digest(b"v" * 32)
WORKER = get_account("worker")
SIGNER = SigningKey(b"s" * 32)
PRICE = 50
BOND = 100


def ready() -> MarketShell:
    """A confirmed program and one worker."""
    it = MarketShell()
    it.settle_in("worker")
    return it


def assign(it: MarketShell) -> Digest:
    """A job that has its worker."""
    job = it.open()
    it.run()
    assert isinstance(it.machine.market.get_job(job).phase, Assigned)
    return job


def claim(it: MarketShell) -> Digest:
    """A job with a result."""
    job = assign(it)
    it.run(it.call("worker", it.make_result(job)))
    assert isinstance(it.machine.market.get_job(job).phase, Claimed)
    return job


def refuse(it: MarketShell, code: str, name: str, effect: Effect) -> None:
    """The call is a conflict for this reason, and cost nothing."""
    assert (effect.status, effect.fee, effect.changes) == (Status.OPERATION, 0, ())
    assert get_refusal_code(effect.figures[0]) == code
    it.sequences[name] -= 1


def test_a_job_from_its_program_to_its_pay() -> None:
    it = ready()
    job = claim(it)
    before = it.get_balance("worker")
    outcome = it.run(passed_ms=RULES.challenge_window_ms + 1)
    (row,) = outcome.market.jobs
    assert (row.job.id, row.ending, row.refunded) == (job, Ending.PAID, 150)
    assert isinstance(row.job.phase, Claimed), "the record of an ended job keeps its result"
    paid = PRICE - PRICE * RULES.burn_share // 10**6
    assert it.get_balance("worker") == before + paid
    assert Earning(WORKER, Grains(paid), job, 0, Purpose.PAYMENT) in outcome.earnings  # type: ignore[arg-type] # a job's name
    assert outcome.market.burned == PRICE - paid
    (ended,) = outcome.market_events[job]
    assert (ended.transaction, ended.event) == (None, JobEnded(job, Ending.PAID, Grains(150)))
    assert it.machine.market.held == RULES.program_deposit + CAPACITY.bond


def test_what_the_market_holds_is_the_escrow_of_the_supply_at_every_checkpoint() -> None:
    it = ready()
    claim(it)
    for outcome in it.outcomes:
        assert outcome.checkpoint.supply.escrow == outcome.market.held
    assert it.outcomes[-1].market.held == RULES.program_deposit + CAPACITY.bond + 200


def test_an_effect_shows_every_account_that_a_call_changed() -> None:
    it = ready()
    opening = it.call("customer", it.make_opening())
    (effect,) = it.run(opening).effects
    assert effect.status is Status.APPLIED
    (change,) = effect.changes
    assert (change.account, change.sequence) == (get_account("customer"), 1)
    assert change.balance == RICH - 200 - effect.fee == it.get_balance("customer")
    events = it.outcomes[-1].market_events
    assert [[each.transaction for each in told] for told in events.values()] == [[opening.id]]


def test_the_fee_is_taken_before_the_market_asks_for_money() -> None:
    it = ready()
    (effect,) = it.run(it.call("customer", it.make_opening(escrow=10**11))).effects
    left = it.get_balance("customer")
    fee = effect.fee
    it.run(it.call("customer", replace(it.make_opening(), escrow=Grains(left - fee + 1))))
    refuse(it, "market-funds", "customer", it.outcomes[-1].effects[0])
    outcome = it.run(it.call("customer", replace(it.make_opening(), escrow=Grains(left - fee))))
    assert outcome.effects[0].fee == fee, "both are equally long"
    assert it.get_balance("customer") == 0


def test_fee_and_sequence_are_checked_first() -> None:
    it = ready()
    poor = it.run(it.call("stranger", REGISTER))
    assert poor.effects[0].status is Status.FUNDS
    dear = it.run(it.call("challenger", RetireProgram(PROGRAM), max_fee=1))
    assert dear.effects[0].status is Status.FEE
    gap = it.run(it.call("challenger", RetireProgram(PROGRAM)))
    assert gap.effects[0].status is Status.SEQUENCE


def test_a_refused_call_costs_nothing_and_says_why() -> None:
    it = ready()
    before = it.machine.market.make_state()
    call = it.call("customer", RetireProgram(PROGRAM))
    (effect,) = it.run(call).effects
    refuse(it, "market-not-owner", "customer", effect)
    assert describe_effect(effect, call.body) == "operation: the market refuses it: market-not-owner"
    assert it.machine.market.make_state() == before
    assert it.get_balance("customer") == RICH
    assert it.outcomes[-1].market_events == {}
    (again,) = it.run(it.call("customer", it.make_opening())).effects
    assert again.status is Status.APPLIED, "its sequence was not used up"


def list_faults(root: type[MarketFault]) -> Iterator[type[MarketFault]]:
    yield root
    for each in root.__subclasses__():
        yield from list_faults(each)


def test_every_refusal_of_an_operation_has_its_number() -> None:
    faults = set(list_faults(MarketFault)) - {MarketFault, errors.InvalidFinding}
    assert {fault.code for fault in faults} | {WrongSeal.code} == set(REFUSALS)
    assert len(set(REFUSALS)) == len(REFUSALS) < 2**8
    assert get_args(Refusal) == (MarketFault, WrongSeal)
    assert get_refusal_code(get_refusal_number(UnfundedJob(Grains(1), 2))) == "job-unfunded"
    assert get_refusal_code(0) == get_refusal_code(len(REFUSALS) + 1) == "market-refused"


def test_a_call_that_cannot_be_read_is_no_transaction() -> None:
    body = make_transaction([GENESIS_ID]).body
    for operation in (MarketCall(b"\x80"), MarketCall(encode_operation(REGISTER) + b"\0"), body.operation):
        transaction = make_transaction([GENESIS_ID])
        with pytest.raises(InvalidTransaction):
            read_call(replace(transaction, body=replace(body, operation=operation)))


def test_a_program_can_be_used_once_a_quorum_has_it() -> None:
    it = MarketShell()
    it.run(it.call("other", REGISTER), it.call("worker", CAPACITY))
    it.run(it.call("customer", it.make_opening()))
    refuse(it, "program-unconfirmed", "customer", it.outcomes[-1].effects[0])
    entry = it.machine.market.get_program(PROGRAM)
    assert entry is not None
    subject = compute_program_subject(entry)
    two = it.run(ballots=it.vote(subject, Verdict.RIGHT, 0, 1, 1))
    told = [each.event for each in two.market_events[PROGRAM]]
    assert told == [VoteCounted(PROGRAM, Topic.PROGRAM, validator, Verdict.RIGHT) for validator in (0, 1)]
    three = it.run(ballots=it.vote(subject, Verdict.RIGHT, 3))
    assert three.market_events[PROGRAM][-1].event == ProgramConfirmed(PROGRAM)
    assert it.run(it.call("customer", it.make_opening())).effects[0].status is Status.APPLIED


def test_a_program_that_more_than_a_third_reject_is_removed_and_its_deposit_comes_back() -> None:
    it = MarketShell()
    it.run(it.call("other", REGISTER))
    before = it.get_balance("other")
    outcome = it.confirm(verdict=Verdict.WRONG)
    assert outcome.market_events[PROGRAM][-1].event == ProgramRemoved(PROGRAM, Removal.REJECTED)
    assert it.get_balance("other") == before + RULES.program_deposit
    assert it.machine.market.held == 0
    (earning,) = outcome.earnings
    assert (earning.account, earning.purpose) == (get_account("other"), Purpose.PROGRAM)


def test_a_program_that_nobody_confirms_is_removed_after_its_time() -> None:
    it = MarketShell()
    it.run(it.call("other", REGISTER))
    assert not it.run(passed_ms=RULES.confirm_ms).market_events
    outcome = it.run(passed_ms=1)
    assert outcome.market_events[PROGRAM][-1].event == ProgramRemoved(PROGRAM, Removal.UNCONFIRMED)
    assert it.machine.market.held == 0
    again = it.run(it.call("customer", REGISTER))
    assert again.effects[0].status is Status.APPLIED


def test_a_late_vote_never_counts_for_a_program_that_was_registered_again() -> None:
    it = MarketShell()
    it.run(it.call("other", REGISTER))
    entry = it.machine.market.get_program(PROGRAM)
    assert entry is not None
    it.run(it.call("other", RetireProgram(PROGRAM)))
    lie = replace(REGISTER, macs=1)
    it.run(it.call("other", lie))
    outcome = it.run(ballots=it.vote(compute_program_subject(entry), Verdict.RIGHT, 0, 1, 2, 3))
    assert not outcome.market_events


def test_verdicts_that_do_not_count_are_passed_over() -> None:
    it = ready()
    job = claim(it)
    subject = compute_claim_subject(job, WORKER)
    before = it.machine.market.make_state()
    nothing = (
        CastBallot(0, Vote(Digest(b"?" * 32), 1)),
        CastBallot(0, Vote(subject, 0)),
        CastBallot(0, Vote(subject, 3)),
        CastBallot(4, Vote(subject, Verdict.WRONG)),
        CastBallot(0, Vote(compute_claim_subject(job, get_account("other")), Verdict.WRONG)),
    )
    assert not it.run(ballots=nothing).market_events
    assert it.machine.market.make_state() == before
    first = it.run(ballots=it.vote(subject, Verdict.RIGHT, 0))
    changed = it.run(ballots=it.vote(subject, Verdict.WRONG, 0, 1))
    assert len(first.market_events[job]) == 1
    assert [each.event for each in changed.market_events[job]] == [
        VoteCounted(job, Topic.CLAIM, 1, Verdict.WRONG)
    ]
    assert isinstance(it.run(passed_ms=200).market.jobs[0].ending, Ending), "one of four withholds nothing"


def test_verdicts_of_more_than_a_third_withhold_pay() -> None:
    it = ready()
    job = claim(it)
    it.reject(job, WORKER, 0, 3)
    outcome = it.run(passed_ms=RULES.challenge_window_ms + 1)
    assert AttemptFailed(job, WORKER, Fault.REJECTED) in [each.event for each in outcome.market_events[job]]
    assert isinstance(it.machine.market.get_job(job).phase, Waiting)


def test_a_commit_with_verdicts_makes_a_checkpoint() -> None:
    it = ready()
    leader = BlockReference(99, 0, RIVAL)
    commit = CommitRecord(99, RIVAL, Milliseconds(it.now_ms), leader, (leader,))
    assert not it.machine.is_checkpoint_due(commit, 0)
    assert it.machine.is_checkpoint_due(commit, 0, 1)


def dispute(it: MarketShell) -> Digest:
    """A job about whose result there is a dispute."""
    job = claim(it)
    outcome = it.run(it.call("challenger", ChallengeResult(job, RIVAL)))
    assert outcome.market_events[job][-1].event == ResultChallenged(
        job, get_account("challenger"), Grains(BOND)
    )
    return job


@pytest.mark.parametrize("is_upheld", [True, False])
def test_equal_verdicts_of_a_quorum_end_a_dispute(is_upheld: bool) -> None:
    it = ready()
    job = dispute(it)
    held = it.machine.market.held
    result = DefenderWins(Reason.RECOMPUTED) if is_upheld else ChallengerWins(Reason.NOT_SHOWN)
    before = it.get_balance("worker"), it.get_balance("challenger")
    outcome = it.decide(job, result)
    assert DisputeSettled(job, result) in [each.event for each in outcome.market_events[job]]
    assert outcome.market.burned == BOND // 2
    if is_upheld:
        assert it.get_balance("worker") == before[0] + BOND // 2
        assert it.machine.market.held == held - BOND
    else:
        assert it.get_balance("challenger") == before[1] + BOND + BOND // 2
        assert it.get_balance("worker") == before[0] + CAPACITY.bond - BOND
        assert it.machine.market.held == held - BOND - CAPACITY.bond


def test_verdicts_that_differ_end_nothing_until_the_time_is_over() -> None:
    it = ready()
    job = dispute(it)
    phase = it.machine.market.get_job(job).phase
    assert isinstance(phase, Disputed)
    subject = compute_dispute_subject(job, phase)
    ballots = [
        CastBallot(validator, Vote(subject, verdict)) for validator, verdict in enumerate((5, 5, 6, 9))
    ]
    it.run(ballots=ballots)
    assert isinstance(it.machine.market.get_job(job).phase, Disputed)
    it.run(passed_ms=2 * RULES.dispute_clock_ms + RULES.verdict_ms - 10)
    assert isinstance(it.machine.market.get_job(job).phase, Disputed)
    outcome = it.run(passed_ms=1)
    assert outcome.market_events[job][0].event == DisputeSettled(job, BothSilent())


def test_a_refuted_result_costs_a_candidate_a_part_of_its_stake_and_nobody_else() -> None:
    it = ready()
    job = dispute(it)
    it.make_candidate("worker", SIGNER, 1_000)
    outcome = it.decide(job, ChallengerWins(Reason.RESIGNED))

    share = it.genesis.parameters.staking.refuted_share
    lost = 1_000 * share // 1_000_000
    assert outcome.staking.slashed == (Slashed(SIGNER.public_key, WORKER, Grains(lost), SlashCause.REFUTED),)
    assert outcome.accounts[WORKER].stake == 1_000 - lost
    candidate = it.machine.stakes.find_candidate(WORKER)
    assert candidate is not None
    assert candidate.jailed == NEVER


def test_a_refuted_result_of_a_plain_worker_and_an_upheld_one_of_a_candidate_burn_no_stake() -> None:
    plain = ready()
    assert plain.decide(dispute(plain), ChallengerWins(Reason.NOT_SHOWN)).staking.slashed == ()
    staked = ready()
    job = dispute(staked)
    staked.make_candidate("worker", SIGNER, 1_000)
    assert staked.decide(job, DefenderWins(Reason.RECOMPUTED)).staking.slashed == ()


def test_verdicts_of_one_dispute_never_count_for_the_next_of_the_same_challenger() -> None:
    it = ready()
    job = dispute(it)
    phase = it.machine.market.get_job(job).phase
    assert isinstance(phase, Disputed)
    old = compute_dispute_subject(job, phase)
    it.decide(job, DefenderWins(Reason.RECOMPUTED))
    it.run(it.call("challenger", ChallengeResult(job, RIVAL)))
    outcome = it.run(ballots=it.vote(old, get_dispute_verdict(ChallengerWins(Reason.RESIGNED)), 0, 1, 2, 3))
    assert not outcome.market_events
    assert isinstance(it.machine.market.get_job(job).phase, Disputed)


def test_every_end_of_a_game_has_one_verdict() -> None:
    assert sorted(DISPUTE_RESULTS) == [3, 4, 5, 6, 9, 10, 13, 14]
    assert all(get_dispute_verdict(result) == verdict for verdict, result in DISPUTE_RESULTS.items())


def test_moves_are_ordered_and_timed_and_only_the_parties_move() -> None:
    it = ready()
    job = dispute(it)
    moves = [
        it.call("worker", MakeMove(job, b"one", b"")),
        it.call("challenger", MakeMove(job, b"", PACKAGE)),
    ]
    outcome = it.run(*moves)
    told = outcome.market_events[job]
    assert [each.event for each in told] == [MoveMade(job, 0, b"one", b""), MoveMade(job, 1, b"", PACKAGE)]  # type: ignore[arg-type] # plain numbers of sides
    assert [each.transaction for each in told] == [move.id for move in moves]
    for code, name, move in (
        ("move-party", "customer", MakeMove(job, b"one", b"")),
        ("move-invalid", "worker", MakeMove(job, b"", b"")),
        ("move-invalid", "worker", MakeMove(job, b"one", PACKAGE)),
        ("blob-invalid", "worker", MakeMove(job, b"", b"no blob")),
        ("job-not-live", "worker", MakeMove(RIVAL, b"one", b"")),
    ):
        refuse(it, code, name, it.run(it.call(name, move)).effects[0])
    for _ in range(31):
        assert it.run(it.call("worker", MakeMove(job, b"more", b""))).effects[0].status is Status.APPLIED
    refuse(it, "moves-too-many", "worker", it.run(it.call("worker", MakeMove(job, b"more", b""))).effects[0])
    late = it.run(it.call("challenger", MakeMove(job, b"late", b"")), passed_ms=10_000)
    refuse(it, "move-late", "challenger", late.effects[0])
    assert not isinstance(it.machine.market.get_job(job).phase, Disputed)
    refuse(it, "job-phase", "worker", it.run(it.call("worker", MakeMove(job, b"one", b""))).effects[0])


TRAINING = Training(encode(DIGITS), 2, DATA)


@pytest.mark.parametrize("verdict", Verdict)
def test_training_waits_until_a_quorum_has_the_data(verdict: Verdict) -> None:
    it = MarketShell()
    outcome = it.run(it.call("customer", it.make_opening(TRAINING, escrow=10**9)))
    (row,) = outcome.market.jobs
    job = row.job.id
    assert isinstance(row.job.phase, Gathering)
    outcome = it.run(ballots=it.vote(compute_data_subject(job), verdict, 0, 1, 2))
    events = [each.event for each in outcome.market_events[job]]
    if verdict is Verdict.RIGHT:
        assert DataConfirmed(job) in events
        assert it.machine.market.get_job(job).phase == Learning(0)
    else:
        assert JobEnded(job, Ending.FAILED, Grains(10**9)) in events
        assert it.machine.market.held == 0


def test_data_that_nobody_has_can_be_given_up_and_ends_with_the_deadline() -> None:
    it = MarketShell()
    first, second = (it.call("customer", it.make_opening(TRAINING, escrow=10**9)) for _ in range(2))
    rows = it.run(first, second).market.jobs
    it.run(it.call("customer", CancelJob(rows[0].job.id)))
    assert it.machine.market.held == 10**9
    outcome = it.run(passed_ms=1_000)
    assert outcome.market.jobs[0].ending is Ending.EXPIRED
    assert it.machine.market.held == 0


def test_a_job_that_opens_and_ends_in_one_checkpoint_is_in_its_records() -> None:
    it = ready()
    opening = it.call("customer", it.make_opening())
    it.run(opening)
    job = it.outcomes[-1].market.jobs[0].job.id
    fresh = MarketShell()
    fresh.settle_in("worker")
    outcome = fresh.run(fresh.call("customer", fresh.make_opening()), fresh.call("customer", CancelJob(job)))
    (row,) = outcome.market.jobs
    assert (row.job.id, row.ending, row.refunded) == (job, Ending.CANCELLED, 200)
    assert len(outcome.market_events[job]) == 2
    assert not outcome.market.changes


def test_the_beacon_is_the_leaders_block() -> None:
    drawn = set()
    for shift in range(8):
        it = MarketShell()
        it.settle_in("worker", "other")
        it.commits += shift
        outcome = (it.open(), it.run())[1]
        (told,) = outcome.market_events.values()
        event = told[-1].event
        assert isinstance(event, JobAssigned)
        drawn.add(event.worker)
    assert drawn == {WORKER, get_account("other")}


def test_trying_changes_nothing() -> None:
    it = ready()
    machine, before = it.machine, it.machine.market.make_state()
    outcome = machine.try_operation(it.make_opening(), get_account("customer"))
    assert outcome.events
    with pytest.raises(errors.LacksFunds):
        machine.try_operation(it.make_opening(), get_account("nobody"))
    with pytest.raises(errors.LacksFunds):
        machine.try_operation(it.make_opening(), get_account("customer"), fee=RICH - 199)
    it.run(it.call("challenger", replace(REGISTER, program=RIVAL)))
    with pytest.raises(ProgramUnconfirmed):
        machine.try_operation(it.make_opening(replace(INFERENCE, program=RIVAL)), get_account("customer"))
    assert [entry for entry in machine.market.make_state().programs if entry.program == PROGRAM] == list(
        before.programs
    )
    assert machine.market.make_state().jobs == before.jobs


def test_a_ledger_without_a_market_has_no_entries_and_no_events() -> None:
    it = MarketShell()
    for _ in range(5):
        outcome = it.run(passed_ms=700)
        assert (outcome.market.changes, outcome.market.jobs, outcome.market.paid) == ((), (), ())
        assert (outcome.market.held, outcome.market.burned, outcome.market_events) == (0, 0, {})
    assert isinstance(it.machine.market, Market)


def test_a_restart_at_any_point_leads_to_the_same_digests() -> None:
    digests = []
    for is_restarting in (False, True):
        it = ready()
        job = dispute(it)
        for step in range(12):
            if is_restarting:
                it.restart()
            it.run(passed_ms=40)
            if step == 3:
                it.decide(job, DefenderWins(Reason.RECOMPUTED))
        digests.append([outcome.digest for outcome in it.outcomes])
    assert digests[0] == digests[1]


def test_the_digest_covers_every_entry() -> None:
    states = []
    for units_max in (1_000, 1_001):
        it = MarketShell()
        it.run(it.call("worker", replace(CAPACITY, units_max=units_max)))
        states.append(it.machine.state)
    assert states[0].accounts != states[1].accounts
    assert replace(states[0], accounts=b"", previous=RIVAL) == replace(
        states[1], accounts=b"", previous=RIVAL
    )
