"""What validators, workers and challengers should do next: every phase of a job, from real markets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from poi.market.operations import (
    AnnounceCapacity,
    ChallengeResult,
    DeclineJob,
    WithdrawCapacity,
)
from poi.market.records import Assigned, Claimed, Disputed
from poi.market.votes import (
    Verdict,
    compute_claim_subject,
    compute_data_subject,
    compute_dispute_subject,
    compute_program_subject,
)
from tangle.core.types import Digest
from tangle.node.jobs.challenging import ChallengerAction, Retrace, compute_turn, decide_challenges
from tangle.node.jobs.settings import JobsConfig
from tangle.node.jobs.validating import (
    Cast,
    ClaimMatter,
    DisputeMatter,
    Examine,
    Finding,
    Found,
    Missing,
    ProgramMatter,
    ValidatorAction,
    decide_votes,
)
from tangle.node.jobs.working import (
    FEE_RESERVE,
    Obstacle,
    Perform,
    Play,
    Result,
    Send,
    Standing,
    WorkerAction,
    WorkNote,
    decide_work,
)
from tests.poi.market.builders import (
    CHALLENGER,
    OTHER,
    PROGRAM,
    REGISTER,
    RULES,
    WORKER,
    Scene,
    assign,
    claim,
    make_key,
    make_result,
    start,
)

OWN = 1
WITHHELD = Missing("nobody gives it", is_withheld=True)
TROUBLE = Missing("the sandbox is busy", is_withheld=False)
ROOT = Digest(b"my root" + bytes(25))
CONFIG = JobsConfig(worker=True, bond=3 * FEE_RESERVE, speed=7, slots=3, units_max=99, price_min=5)


def decide_as_validator(scene: Scene, findings: dict[Digest, Finding] | None = None) -> list[ValidatorAction]:
    state = scene.market.make_state()
    return list(decide_votes(OWN, state, findings or {}, scene.now_ms, RULES.challenge_window_ms))


def get_claim(scene: Scene, job: Digest) -> Claimed:
    phase = scene.market.get_job(job).phase
    assert isinstance(phase, Claimed)
    return phase


def dispute(scene: Scene) -> tuple[Digest, Disputed]:
    job = claim(scene)
    scene.apply(CHALLENGER, ChallengeResult(job, ROOT))
    phase = scene.market.get_job(job).phase
    assert isinstance(phase, Disputed)
    return job, phase


# ── validators ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_program_is_examined_until_its_verdict_is_known_and_voted_until_counted(verdict: Verdict) -> None:
    scene = Scene()
    scene.apply(OTHER, REGISTER)
    entry = scene.market.get_program(PROGRAM)
    assert entry is not None
    subject = compute_program_subject(entry)
    look = Examine(subject, ProgramMatter(entry))
    assert decide_as_validator(scene) == [look]
    for missing in (WITHHELD, TROUBLE):
        scene.now_ms = entry.end_ms
        assert decide_as_validator(scene, {subject: missing}) == [look]
    assert decide_as_validator(scene, {subject: Found(verdict)}) == [Cast(subject, verdict)]
    scene.vote(subject, verdict, OWN)
    assert decide_as_validator(scene, {subject: Found(verdict)}) == []


def test_a_confirmed_program_needs_nothing_more() -> None:
    assert decide_as_validator(start()) == []


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_result_is_examined_and_voted_on_once(verdict: Verdict) -> None:
    scene = start()
    job = claim(scene)
    subject = compute_claim_subject(job, WORKER)
    look = Examine(subject, ClaimMatter(scene.market.get_job(job), get_claim(scene, job)))
    assert decide_as_validator(scene) == [look]
    assert decide_as_validator(scene, {subject: Found(verdict)}) == [Cast(subject, verdict)]
    scene.vote(subject, verdict, OWN)
    assert decide_as_validator(scene, {subject: Found(verdict)}) == []


@given(passed_ms=st.integers(0, RULES.challenge_window_ms + 50), is_withheld=st.booleans())
def test_a_result_that_nobody_can_check_is_voted_against_when_most_of_its_window_is_over(
    passed_ms: int, is_withheld: bool
) -> None:
    scene = start()
    job = claim(scene)
    subject = compute_claim_subject(job, WORKER)
    scene.now_ms = get_claim(scene, job).end_ms - RULES.challenge_window_ms + passed_ms
    (action,) = decide_as_validator(scene, {subject: WITHHELD if is_withheld else TROUBLE})
    is_late = 3 * passed_ms >= 2 * RULES.challenge_window_ms - 2
    assert isinstance(action, Cast if is_withheld and is_late else Examine)
    if isinstance(action, Cast):
        assert action.verdict == Verdict.WRONG, "nobody says that what cannot be had is right"


def test_in_a_dispute_both_the_result_and_the_game_are_voted_on() -> None:
    scene = start()
    job, phase = dispute(scene)
    subjects = compute_claim_subject(job, WORKER), compute_dispute_subject(job, phase)
    actions = decide_as_validator(scene)
    assert [type(each.matter) for each in actions if isinstance(each, Examine)] == [
        ClaimMatter,
        DisputeMatter,
    ]
    votes = decide_as_validator(scene, {subjects[0]: Found(Verdict.WRONG), subjects[1]: Found(6)})
    assert votes == [Cast(subjects[0], 2), Cast(subjects[1], 6)]
    scene.now_ms = phase.end_ms
    late = decide_as_validator(scene, {subjects[0]: Found(Verdict.WRONG), subjects[1]: WITHHELD})
    assert [type(each) for each in late] == [Cast, Examine], "a game ends by its clocks, not by a guess"


def test_subjects_of_training_data_have_their_own_name() -> None:
    job = Digest(b"j" * 32)
    assert compute_data_subject(job) != compute_claim_subject(job, WORKER)


# ── workers ─────────────────────────────────────────────────────────────────────────────────────────────────


def decide_as_worker(
    scene: Scene,
    notes: dict[Digest, WorkNote] | None = None,
    *,
    config: JobsConfig = CONFIG,
    balance: int = 10 * FEE_RESERVE,
    is_away: bool = False,
) -> list[WorkerAction]:
    standing = Standing(WORKER, balance, is_away)
    state = scene.market.make_state()
    return list(decide_work(config, standing, state, notes or {}, RULES.capacity_bond_min, scene.now_ms))


def test_a_worker_offers_itself_once_it_has_bond_and_fee() -> None:
    scene = start(workers=())
    (action,) = decide_as_worker(scene)
    assert isinstance(action, Send)
    assert isinstance(action.operation, AnnounceCapacity)
    offered = action.operation
    assert (offered.speed, offered.slots, offered.units_max) == (7, 3, 99)
    assert (offered.price_min, offered.bond) == (5, CONFIG.bond)
    assert decide_as_worker(scene, balance=CONFIG.bond + FEE_RESERVE)
    assert not decide_as_worker(scene, balance=CONFIG.bond + FEE_RESERVE - 1)
    assert not decide_as_worker(scene, is_away=True)
    assert not decide_as_worker(scene, config=replace(CONFIG, worker=False))


def test_the_least_bond_of_the_market_is_put_up_where_the_settings_say_less() -> None:
    (action,) = decide_as_worker(start(workers=()), config=replace(CONFIG, bond=1))
    assert isinstance(action, Send)
    assert isinstance(action.operation, AnnounceCapacity)
    assert action.operation.bond == RULES.capacity_bond_min


def test_a_worker_that_shall_not_work_withdraws_once() -> None:
    scene = start()
    assert decide_as_worker(scene) == []
    for unwilling in ({"is_away": True}, {"config": replace(CONFIG, worker=False)}):
        assert decide_as_worker(scene, **unwilling) == [Send(WithdrawCapacity(), None)]
    assign(scene)
    scene.apply(WORKER, WithdrawCapacity())
    assert not [each for each in decide_as_worker(scene, is_away=True) if isinstance(each, Send)]


def test_a_job_is_done_and_handed_in() -> None:
    scene = start()
    job = assign(scene)
    live = scene.market.get_job(job)
    assert isinstance(live.phase, Assigned)
    assert decide_as_worker(scene) == [Perform(live, live.phase)]
    submission = make_result(scene, job)
    assert decide_as_worker(scene, {job: Result(submission)}) == [Send(submission, job)]
    scene.apply(WORKER, submission)
    assert decide_as_worker(scene, {job: Result(submission)}) == []


def test_a_job_that_cannot_be_done_is_given_back_at_once() -> None:
    scene = start()
    job = assign(scene)
    obstacle = Obstacle("the program does not take these inputs", is_final=True)
    assert decide_as_worker(scene, {job: obstacle}) == [Send(DeclineJob(job), job)]


@given(passed_ms=st.integers(0, 120))
def test_missing_data_is_waited_for_until_a_quarter_of_the_time_is_left(passed_ms: int) -> None:
    scene = start()
    job = assign(scene)
    live = scene.market.get_job(job)
    assert isinstance(live.phase, Assigned)
    scene.now_ms = live.phase.due_ms - live.result_ms + passed_ms
    (action,) = decide_as_worker(scene, {job: Obstacle("not here yet", is_final=False)})
    is_late = passed_ms >= live.result_ms - live.result_ms // 4
    assert action == (Send(DeclineJob(job), job) if is_late else Perform(live, live.phase))


def test_jobs_of_others_are_none_of_a_workers_business() -> None:
    scene = start(workers=(OTHER,))
    assign(scene)
    assert not decide_as_worker(scene, balance=0)
    scene = start(workers=(OTHER,))
    dispute_of_others(scene)
    assert not decide_as_worker(scene, balance=0)


def dispute_of_others(scene: Scene) -> None:
    job = claim(scene)
    scene.apply(CHALLENGER, ChallengeResult(job, ROOT))


def test_a_disputed_result_is_defended() -> None:
    scene = start()
    job, phase = dispute(scene)
    assert decide_as_worker(scene) == [Play(scene.market.get_job(job), phase)]


# ── challengers ─────────────────────────────────────────────────────────────────────────────────────────────


def decide_as_challenger(
    scene: Scene,
    findings: dict[Digest, Finding],
    rivals: dict[Digest, Digest] | None = None,
    *,
    balance: int = 10 * FEE_RESERVE,
    own: int = 0,
    validators: int = 1,
    account: int = 4,
    beaten: tuple[Digest, ...] = (),
) -> list[ChallengerAction]:
    standing = Standing(make_key(account), balance, is_away=False)
    state = scene.market.make_state()
    return list(
        decide_challenges(
            own, validators, standing, state, findings, rivals or {}, beaten, RULES, scene.now_ms
        )
    )


def test_the_usual_settings_take_sixteen_rows_of_a_real_classifier() -> None:
    # What magika's network costs a row, and the units of a job: docs/market.md, Price.
    macs, steps, bytes_moved, rows = 333_032_448, 3_147_509, 10_562_144, 16
    units = -(-rows * (macs + steps) // 2**16) + -(-rows * bytes_moved // 2**12)
    assert units * 11 // 10 + 1 <= JobsConfig().units_max, "V3 costs a tenth more"


def test_only_what_was_found_wrong_is_challenged_and_with_a_trace_of_ones_own() -> None:
    scene = start()
    job = claim(scene)
    subject = compute_claim_subject(job, WORKER)
    wrong: dict[Digest, Finding] = {subject: Found(Verdict.WRONG)}
    for finding in (Found(Verdict.RIGHT), WITHHELD, TROUBLE):
        assert not decide_as_challenger(scene, {subject: finding}, {subject: ROOT})
    assert not decide_as_challenger(scene, {}, {subject: ROOT})
    live = scene.market.get_job(job)
    assert decide_as_challenger(scene, wrong) == [Retrace(subject, live, get_claim(scene, job))]
    assert decide_as_challenger(scene, wrong, {subject: ROOT}) == [Send(ChallengeResult(job, ROOT), job)]


def test_a_right_trace_with_wrong_outputs_is_no_dispute() -> None:
    scene = start()
    job = claim(scene)
    subject = compute_claim_subject(job, WORKER)
    root = get_claim(scene, job).commitment.root
    assert not decide_as_challenger(scene, {subject: Found(Verdict.WRONG)}, {subject: root})


def test_nobody_challenges_itself_or_without_money() -> None:
    scene = start()
    job = claim(scene)
    subject = compute_claim_subject(job, WORKER)
    wrong: dict[Digest, Finding] = {subject: Found(Verdict.WRONG)}
    bond = get_claim(scene, job).bond
    assert decide_as_challenger(scene, wrong, {subject: ROOT}, balance=bond + FEE_RESERVE)
    assert not decide_as_challenger(scene, wrong, {subject: ROOT}, balance=bond + FEE_RESERVE - 1)
    assert not decide_as_challenger(scene, wrong, {subject: ROOT}, account=2)


def test_who_lost_a_dispute_about_a_result_does_not_challenge_it_again() -> None:
    scene = start()
    job = claim(scene)
    subject = compute_claim_subject(job, WORKER)
    wrong: dict[Digest, Finding] = {subject: Found(Verdict.WRONG)}
    assert decide_as_challenger(scene, wrong, {subject: ROOT}, beaten=(subject,))
    assert not decide_as_challenger(scene, wrong, {subject: ROOT}, beaten=(job,))


def test_a_challenger_plays_its_dispute_and_nobody_elses() -> None:
    scene = start()
    job, phase = dispute(scene)
    assert decide_as_challenger(scene, {}) == [Play(scene.market.get_job(job), phase)]
    assert not decide_as_challenger(scene, {}, account=5)


@pytest.mark.parametrize("validators", [1, 4, 7])
def test_validators_take_turns_and_all_have_had_theirs_in_half_of_the_window(validators: int) -> None:
    scene = start()
    job = claim(scene)
    subject = compute_claim_subject(job, WORKER)
    wrong: dict[Digest, Finding] = {subject: Found(Verdict.WRONG)}
    end_ms = get_claim(scene, job).end_ms
    turns = [compute_turn(own, validators, job) for own in range(validators)]
    assert sorted(turns) == list(range(validators))
    willing = []
    for now_ms in range(end_ms - RULES.challenge_window_ms, end_ms):
        scene.now_ms = now_ms
        ready = [
            own
            for own in range(validators)
            if decide_as_challenger(scene, wrong, {subject: ROOT}, own=own, validators=validators)
        ]
        willing.append(len(ready))
        assert {turns[own] for own in ready} == set(range(len(ready)))
    assert willing[0] == 1
    assert willing[len(willing) // 2] == validators


def test_turns_change_from_job_to_job() -> None:
    firsts = {compute_turn(0, 4, Digest(bytes([number]) * 32)) for number in range(32)}
    assert firsts == {0, 1, 2, 3}
