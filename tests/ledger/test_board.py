"""Paid jobs on the board: when they come, what they are drawn, counted and paid, and how they go."""

import pytest
from msgspec.structs import replace

from poi.errors import InvalidDataset
from poi.events import CountedWork
from poi.job import StandingJob, compute_job_id
from poi.market.jobs import compute_job_name
from poi.market.outcomes import Ending, GenerationPaid, JobEnded
from poi.market.records import Job, Learning, Training
from poi.market.votes import Verdict, compute_data_subject
from shards.checkpoints import check_supply
from tangle.core.encoding import encode
from tangle.core.transactions import SignedEnvelope, Transaction, decode_transaction
from tangle.core.types import Digest, Grains, Milliseconds, Natural
from tangle.ledger import board as board_module
from tangle.ledger.board import Board, compute_paid_budget, make_standing_job, start_board
from tangle.ledger.machine import CheckpointOutcome
from tests.drawing.subdag import GENESIS_ID, get_account, make_transaction
from tests.ledger.market_shell import BACKEND, QUORUM, SMALL, MarketShell
from tests.poi.market.builders import DATA
from tests.poi.tables.builders import FLOWERS_BLOB, FLOWERS_JOB

QUICK = replace(FLOWERS_JOB, population=3, rows=4, generation_interval_ms=Milliseconds(100), staleness=1)
"""Generations of three evaluations."""

ESCROW = 10**6


@pytest.fixture
def it() -> MarketShell:
    return MarketShell(content=FLOWERS_BLOB)


def open_training(
    it: MarketShell, generations: int = 2, job: StandingJob = QUICK, span_ms: int = 100_000
) -> Digest:
    """A training job whose data a quorum has seen; its name."""
    task = Training(encode(job), generations, DATA)
    sequence = it.sequences["customer"]
    it.run(it.call("customer", it.make_opening(task, ESCROW, span_ms)))
    name = compute_job_name(get_account("customer"), sequence)
    it.run(ballots=it.vote(compute_data_subject(name), Verdict.RIGHT, *QUORUM))
    assert isinstance(it.machine.market.get_job(name).phase, Learning)
    return name


def work(
    it: MarketShell, name: Digest, worker: str, generation: int, results: tuple[int, ...]
) -> Transaction:
    """A transaction of somebody with work for a paid job."""
    standing = compute_job_id(replace(QUICK, init_seed=name))
    drawn = make_transaction(
        [GENESIS_ID], issuer="customer", sequence=it.sequences["customer"], results=results, max_fee=10**9
    )
    it.sequences["customer"] += 1
    done = replace(drawn.body.work, job=standing, generation=Natural(generation), worker=get_account(worker))
    body = replace(drawn.body, work=done, anchor=it.machine.state.checkpoint_index)
    return decode_transaction(encode(SignedEnvelope(encode(body), drawn.signature)))


def list_budgets(outcome: CheckpointOutcome) -> list[int]:
    return [model.budget for model in outcome.checkpoint.models]


def close(it: MarketShell, name: Digest, generation: int) -> CheckpointOutcome:
    """A whole generation in one checkpoint, two thirds of it by one worker."""
    works = (work(it, name, "worker", generation, (5, -3)), work(it, name, "rival", generation, (1,)))
    return it.run(*works, passed_ms=100)


def test_a_job_comes_at_the_checkpoint_after_its_data_and_goes_with_its_last_generation(
    it: MarketShell,
) -> None:
    name = open_training(it)
    assert [job.id for job in it.machine.list_opening()] == [name]
    assert list_budgets(it.outcomes[-1]) == [1]
    opened = it.run()
    standing = compute_job_id(replace(QUICK, init_seed=name))
    model = opened.checkpoint.models[1]
    assert (model.job, model.generation, model.budget) == (standing, 0, compute_paid_budget(it.genesis))
    assert [(first.job, first.generation) for first in opened.closed] == [(standing, 0)]
    assert it.machine.list_opening() == ()
    assert list_budgets(close(it, name, 0)) == [1, 1]
    last = close(it, name, 1)
    assert list_budgets(last) == [1, 0]
    assert last.checkpoint.models[1].generation == 2
    assert last.checkpoint.models[1].weights_digest == last.closed[0].digest
    assert list_budgets(it.run()) == [1]


def test_every_evaluation_is_paid_alike_from_the_escrow_and_nothing_is_emitted(it: MarketShell) -> None:
    name = open_training(it)
    it.run()
    price, held = it.machine.market.get_job(name).price, it.machine.market.held
    before = {who: it.read_account(get_account(who)).balance for who in ("worker", "rival")}
    outcome = close(it, name, 0)
    cost = price // 2
    each = (cost - cost * it.machine.market.rules.burn_share // 10**6) // 3
    (paid,) = [told.event for told in outcome.market_events[name] if isinstance(told.event, GenerationPaid)]
    assert (paid.generation, paid.paid) == (0, 3 * each)
    gained = {who: it.read_account(get_account(who)).balance - before[who] for who in before}
    assert gained == {"worker": 2 * each, "rival": each}
    assert outcome.state.supply.emitted == 0
    assert outcome.state.supply.escrow == it.machine.market.held < held
    check_supply(outcome.checkpoint.supply)


def test_the_deadline_ends_a_job_and_later_work_is_worth_nothing(it: MarketShell) -> None:
    name = open_training(it, span_ms=500)
    it.run()
    it.run(work(it, name, "worker", 0, (4,)))
    ended = it.run(passed_ms=1_000)
    (end,) = [told.event for told in ended.market_events[name] if isinstance(told.event, JobEnded)]
    assert (end.ending, end.refunded) == (Ending.EXPIRED, ESCROW)
    assert list_budgets(ended) == [1, 0]
    late = it.run(work(it, name, "worker", 0, (4,)))
    assert late.effects[0].status == 0
    assert late.effects[0].work_counted == 0
    assert late.counted == ()


def test_a_generation_that_closes_too_late_is_not_paid(it: MarketShell) -> None:
    name = open_training(it, span_ms=500)
    it.run()
    it.run(work(it, name, "worker", 0, (4, 4)))
    before = it.read_account(get_account("worker")).balance
    ended = it.run(work(it, name, "worker", 0, (4,)), passed_ms=1_000)
    assert [closed.generation for closed in ended.closed] == [1]
    assert it.read_account(get_account("worker")).balance == before
    check_supply(ended.checkpoint.supply)


def test_equal_parameters_make_two_models(it: MarketShell) -> None:
    first, second = open_training(it), open_training(it)
    outcome = it.run()
    assert len({model.job for model in outcome.checkpoint.models}) == 3
    assert [entry.paid_by for entry in it.machine.board] == [None, first, second]


def test_the_board_has_room_for_so_many_and_the_others_wait(
    it: MarketShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_module, "PAID_JOBS_MAX", 1)
    it = MarketShell(content=FLOWERS_BLOB)
    first, second = open_training(it, generations=1), open_training(it)
    it.run()
    assert [entry.paid_by for entry in it.machine.board] == [None, first]
    close(it, first, 0)
    assert [job.id for job in it.machine.list_opening()] == [second]
    it.run()
    assert [entry.paid_by for entry in it.machine.board] == [None, second]


def test_a_restart_in_the_middle_leads_to_the_same_digests() -> None:
    digests = []
    for is_restarted in (False, True):
        it = MarketShell(content=FLOWERS_BLOB)
        name = open_training(it)
        steps: list[CheckpointOutcome] = []
        for generation in (0, 1):
            steps.append(it.run())
            if is_restarted:
                it.restart()
            steps.append(it.run(work(it, name, "worker", generation, (2,)), passed_ms=100))
            if is_restarted:
                it.restart()
            steps.append(close(it, name, generation))
        digests.append([step.digest for step in steps])
    assert digests[0] == digests[1]


def test_other_data_than_the_job_names_cannot_be_handed_in(it: MarketShell) -> None:
    open_training(it, job=replace(QUICK, holdout=QUICK.dataset))
    (job,) = it.machine.list_opening()
    with pytest.raises(InvalidDataset):
        it.machine.hand_in(job, FLOWERS_BLOB)


def test_work_is_counted_for_the_job_that_it_names(it: MarketShell) -> None:
    name = open_training(it)
    it.run()
    before = it.machine.board[0].state.evaluations
    outcome = it.run(work(it, name, "worker", 0, (7,)))
    assert [row.job for row in outcome.counted] == [compute_job_id(replace(QUICK, init_seed=name))]
    own, paid = it.machine.board
    assert (own.state.evaluations, paid.state.evaluations) == (before, 1)
    assert paid.workers == {get_account("worker"): 1}


def test_only_the_busiest_workers_of_a_crowd_are_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_module, "GENERATION_WORKERS_MAX", 2)
    it = MarketShell(content=FLOWERS_BLOB)
    name = open_training(it)
    (job,) = it.machine.list_opening()
    entries, _ = start_board(it.genesis, BACKEND)
    board = Board(it.genesis, entries, BACKEND)
    board.hand_in(job, FLOWERS_BLOB)
    board.begin([job], Milliseconds(0))
    entry = board.entries[1]
    for place, count in enumerate((1, 3, 2)):
        worker = get_account(f"worker {place}")
        entry.state.count(CountedWork(0, worker, 0, (1,) * count))  # type: ignore[arg-type] # plain integers
        entry.workers[worker] = count
    (finding,) = board.close_generations(Milliseconds(1_000), Grains(0), 0).findings
    busiest = sorted([(get_account("worker 1"), 3), (get_account("worker 2"), 2)])
    assert finding.job == name == make_standing_job(job).init_seed
    assert list(finding.evaluations) == busiest


def test_a_job_of_the_genesis_stays(it: MarketShell) -> None:
    live: list[Job] = []
    entries, _ = start_board(it.genesis, BACKEND)
    board = Board(it.genesis, entries, BACKEND)
    board.end(live)
    assert board.begin(live, Milliseconds(0)) == ()
    assert [entry.state.opened.job for entry in board.entries] == [SMALL]
