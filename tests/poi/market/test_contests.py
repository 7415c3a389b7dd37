"""Jobs that nobody is assigned to: optimisation and training."""

import pytest

from poi.errors import WrongSeal
from poi.market import contests
from poi.market.contests import compute_answer_seal
from poi.market.errors import (
    AlreadySealed,
    AnswerEarly,
    InfeasibleAnswer,
    InvalidFinding,
    LacksFunds,
    ListFull,
    NotSealed,
    ResultLate,
    WrongPhase,
)
from poi.market.operations import (
    CancelJob,
    ChallengeResult,
    DeclineJob,
    GenerationClosed,
    SealAnswer,
    ShowAnswer,
)
from poi.market.outcomes import AnswerShown, DataConfirmed, Ending, GenerationPaid, JobEnded
from poi.market.pricing import count_generation
from poi.market.problems import Answer, Points, encode_answer, encode_problem
from poi.market.records import Collecting, Kind, Learning, Optimisation, Training
from poi.market.votes import Verdict, compute_data_subject
from poi.presets import DIGITS
from tangle.core.encoding import encode
from tangle.core.types import Digest, Grains, PublicKey
from tests.poi.market.builders import (
    CHALLENGER,
    CUSTOMER,
    DATA,
    FUNDS,
    OTHER,
    QUORUM,
    RULES,
    WORKER,
    Scene,
    assign,
    make_reject,
    start,
)

SQUARE = Optimisation(encode_problem(Points(((0, 0), (0, 10), (10, 10), (10, 0)))))
AROUND = encode_answer(Answer((0, 1, 2, 3)))
BACKWARDS = encode_answer(Answer((3, 2, 1, 0)))
CROSSING = encode_answer(Answer((0, 2, 1, 3)))
SALT = Digest(b"s" * 32)
BOND = RULES.answer_bond


def seal(scene: Scene, job: Digest, worker: PublicKey, answer: bytes) -> None:
    scene.apply(worker, SealAnswer(job, compute_answer_seal(job, worker, answer, SALT)))


def open_contest() -> tuple[Scene, Digest]:
    scene = start()
    return scene, scene.open(SQUARE, result_ms=0)


def pass_deadline(scene: Scene) -> None:
    scene.now_ms += 1_001


def test_the_best_answer_gets_the_whole_escrow_and_every_shown_bond_comes_back() -> None:
    scene, job = open_contest()
    for worker, answer in ((OTHER, CROSSING), (WORKER, AROUND), (CHALLENGER, BACKWARDS)):
        seal(scene, job, worker, answer)
    pass_deadline(scene)
    assert not scene.advance(0)
    assert scene.apply(CHALLENGER, ShowAnswer(job, BACKWARDS, SALT)) == (AnswerShown(job, CHALLENGER, 40),)
    assert scene.apply(OTHER, ShowAnswer(job, CROSSING, SALT)) == (AnswerShown(job, OTHER, 48),)
    assert scene.apply(WORKER, ShowAnswer(job, AROUND, SALT)) == (AnswerShown(job, WORKER, 40),)
    assert scene.advance() == (JobEnded(job, Ending.PAID, Grains(0)),)
    assert scene.balances[WORKER] == FUNDS - 1_000 + 190, "as good as the other, and sealed before it"
    assert scene.balances[CHALLENGER] == scene.balances[OTHER] == FUNDS
    assert scene.burned == 10
    assert scene.balances[CUSTOMER] == FUNDS - 200


def test_answers_come_in_their_time_only() -> None:
    scene, job = open_contest()
    seal(scene, job, WORKER, AROUND)
    scene.now_ms += 1_000
    scene.refuse(AnswerEarly, WORKER, ShowAnswer(job, AROUND, SALT))
    seal(scene, job, OTHER, AROUND)
    scene.now_ms += 1
    scene.refuse(ResultLate, CHALLENGER, SealAnswer(job, SALT))
    scene.now_ms += RULES.reveal_ms - 1
    scene.apply(OTHER, ShowAnswer(job, AROUND, SALT))
    scene.now_ms += 1
    scene.refuse(ResultLate, WORKER, ShowAnswer(job, AROUND, SALT))
    assert scene.advance() == (JobEnded(job, Ending.PAID, Grains(0)),)
    assert scene.balances[WORKER] == FUNDS - 1_000 - BOND
    assert scene.burned == BOND + 10


def test_an_answer_must_be_the_sealed_one_and_feasible() -> None:
    scene, job = open_contest()
    wrong = encode_answer(Answer((0, 0, 1, 2)))
    seal(scene, job, WORKER, wrong)
    seal(scene, job, OTHER, AROUND)
    copied = compute_answer_seal(job, OTHER, AROUND, SALT)
    scene.apply(CHALLENGER, SealAnswer(job, copied))
    pass_deadline(scene)
    scene.refuse(InfeasibleAnswer, WORKER, ShowAnswer(job, wrong, SALT))
    scene.refuse(WrongSeal, WORKER, ShowAnswer(job, AROUND, SALT))
    scene.refuse(WrongSeal, CHALLENGER, ShowAnswer(job, AROUND, SALT))
    scene.refuse(NotSealed, CUSTOMER, ShowAnswer(job, AROUND, SALT))
    scene.apply(OTHER, ShowAnswer(job, AROUND, SALT))
    scene.refuse(NotSealed, OTHER, ShowAnswer(job, AROUND, SALT))


def test_who_may_seal() -> None:
    scene, job = open_contest()
    seal(scene, job, WORKER, AROUND)
    scene.refuse(AlreadySealed, WORKER, SealAnswer(job, SALT))
    scene.balances[OTHER] = BOND - 1
    scene.refuse(LacksFunds, OTHER, SealAnswer(job, SALT))
    scene.refuse(WrongPhase, CUSTOMER, CancelJob(job))
    scene.refuse(WrongPhase, WORKER, DeclineJob(job))
    scene.refuse(WrongPhase, WORKER, ChallengeResult(job, SALT))
    scene.refuse_finding(InvalidFinding, make_reject(job, WORKER, 0))
    other = assign(scene)
    scene.refuse(WrongPhase, CHALLENGER, SealAnswer(other, SALT))
    scene.refuse(WrongPhase, CHALLENGER, ShowAnswer(other, AROUND, SALT))


def test_no_more_answers_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contests, "SEALS_MAX", 1)
    scene, job = open_contest()
    seal(scene, job, WORKER, AROUND)
    scene.refuse(ListFull, OTHER, SealAnswer(job, SALT))


def test_without_any_answer_the_customer_gets_the_money_back() -> None:
    scene, job = open_contest()
    pass_deadline(scene)
    assert scene.advance() == (JobEnded(job, Ending.EXPIRED, Grains(200)),)
    other = scene.open(SQUARE, result_ms=0)
    assert isinstance(scene.market.get_job(other).phase, Collecting)
    scene.apply(CUSTOMER, CancelJob(other))
    assert scene.balances[CUSTOMER] == FUNDS


GENERATION_PRICE = 10 * count_generation(DIGITS)


def open_training(generations: int = 2, spare: int = 5) -> tuple[Scene, Digest]:
    scene = start()
    task = Training(encode(DIGITS), generations, DATA)
    job = scene.open(task, result_ms=0, escrow=GENERATION_PRICE * generations + spare)
    assert scene.vote(compute_data_subject(job), Verdict.RIGHT, *QUORUM)[1:] == (DataConfirmed(job),)
    return scene, job


def test_generations_are_paid_in_equal_parts_and_the_rest_comes_back() -> None:
    scene, job = open_training()
    burned = GENERATION_PRICE // 20
    each = (GENERATION_PRICE - burned) // 7
    assert each > 0
    work = ((WORKER, 3), (OTHER, 4))
    assert scene.find(GenerationClosed(job, 0, work)) == (GenerationPaid(job, 0, Grains(7 * each)),)
    assert scene.balances[WORKER] == FUNDS - 1_000 + 3 * each
    assert scene.balances[OTHER] == FUNDS + 4 * each
    phase = scene.market.get_job(job).phase
    assert phase == Learning(1)
    events = scene.find(GenerationClosed(job, 1, ((OTHER, 1),)))
    rest = 5 + GENERATION_PRICE - burned - 7 * each
    assert events[1] == JobEnded(job, Ending.PAID, Grains(rest))
    assert scene.balances[CUSTOMER] == FUNDS - 2 * GENERATION_PRICE - 5 + rest
    assert scene.burned == 2 * burned
    assert scene.market.held == 2_000


def test_generations_that_do_not_count() -> None:
    scene, job = open_training()
    for generation, work in (
        (1, ((WORKER, 1),)),
        (0, ()),
        (0, ((OTHER, 1), (WORKER, 1))),
        (0, ((WORKER, 1), (WORKER, 1))),
        (0, ((WORKER, 0),)),
    ):
        scene.refuse_finding(InvalidFinding, GenerationClosed(job, generation, work))
    scene.refuse_finding(WrongPhase, GenerationClosed(assign(scene), 0, ((WORKER, 1),)))
    pass_deadline(scene)
    scene.refuse_finding(InvalidFinding, GenerationClosed(job, 0, ((WORKER, 1),)))


def test_a_training_job_ends_at_its_deadline_and_is_not_cancelled() -> None:
    scene, job = open_training()
    scene.refuse(WrongPhase, CUSTOMER, CancelJob(job))
    scene.find(GenerationClosed(job, 0, ((WORKER, 1),)))
    scene.now_ms += 1_000
    assert not scene.advance(1)
    assert scene.advance() == (JobEnded(job, Ending.EXPIRED, Grains(GENERATION_PRICE + 5)),)


def test_what_is_sold_moves_the_price_of_its_kind_only() -> None:
    scene, job = open_training()
    scene.find(GenerationClosed(job, 0, ((WORKER, 1),)))
    scene.now_ms += RULES.price_interval_ms
    scene.advance()
    assert scene.market.get_price(Kind.TRAINING) > RULES.price_floor
    assert scene.market.get_price(Kind.INFERENCE) == RULES.price_floor
