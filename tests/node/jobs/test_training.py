"""A customer's table is learnt by a network of four nodes: opened, drawn, folded, paid, ended, replayed."""

import itertools

import anyio
import pytest
from msgspec.structs import replace

from poi.events import CountedWork, ReplayStep
from poi.job import StandingJob, compute_job_id, decode_job
from poi.market.jobs import compute_job_name
from poi.market.operations import OpenJob
from poi.market.outcomes import DataConfirmed, Ending, Event, GenerationPaid, JobEnded
from poi.market.records import Training
from poi.replay import replay
from tangle.core.blob_id import BlobId
from tangle.core.encoding import encode
from tangle.core.transactions import Transaction
from tangle.core.types import Digest, Grains, JobId, Milliseconds
from tangle.ledger.board import open_paid_job
from tangle.node.blobs import open_blob_room
from tangle.node.jobs.opening import make_trainer
from tangle.node.node import Node
from tangle.node.service import Service
from tangle.node.views import NotFound
from tangle.store.blob_files import MemoryBlobFiles
from tests.node.jobs.bazaar import QUOTA, Bazaar, bazaar_of
from tests.node.wallets import Wallet
from tests.node.world import BACKEND, WALLETS, wait_until
from tests.poi.tables.builders import FLOWERS_BLOB, FLOWERS_JOB, FLOWERS_PREPARED

pytestmark = pytest.mark.timeout(120)

QUICK = replace(FLOWERS_JOB, population=6, generation_interval_ms=Milliseconds(100))
"""Generations of a few transactions."""

GENERATIONS = 3


async def open_training(bazaar: Bazaar, job: StandingJob = QUICK, *, deadline_ms: int = 600_000) -> Digest:
    """Put the data into the first node and open the job; its name."""
    blob = await bazaar.shops[0].blobs.put(FLOWERS_BLOB, is_pinned=True)
    now_ms = bazaar.node.executor.machine.state.timestamp_ms
    task = Training(encode(job), GENERATIONS, blob)
    deadline = Milliseconds(now_ms + deadline_ms)
    sent = await bazaar.call(OpenJob(task, Grains(10**6), Grains(10**9), deadline, Milliseconds(0)))
    return compute_job_name(bazaar.customer.address, sent.body.sequence)


def find_model(node: Node, name: Digest) -> JobId | None:
    """The standing job that this job of the market pays for, once the node had it on its board."""
    for job in node.archive.training.list_latest(10):
        record = node.archive.training.get_job(job)
        assert record is not None
        if record.name == name:
            return job
    return None


async def keep_paying(service: Service, name: str) -> None:
    wallet = Wallet(name)
    while True:
        await wallet.send(service)
        await anyio.sleep(0.02)


async def train(bazaar: Bazaar, name: Digest, timeout_s: float = 60.0) -> JobEnded:
    """Pay each other until the job has ended."""
    async with anyio.create_task_group() as tasks:
        for service, wallet in zip(bazaar.world.services, WALLETS[1:], strict=False):
            tasks.start_soon(keep_paying, service, wallet)
        ended = await bazaar.wait_event(name, lambda event: isinstance(event, JobEnded), timeout_s)
        tasks.cancel_scope.cancel()
    assert isinstance(ended, JobEnded)
    return ended


def count_events(events: list[Event], kind: type[Event]) -> int:
    return sum(isinstance(event, kind) for event in events)


async def test_a_table_is_learnt_and_paid_for_and_every_node_has_the_same_model() -> None:
    async with bazaar_of(4) as bazaar:
        name = await open_training(bazaar)
        ended = await train(bazaar, name)
        assert ended.ending is Ending.PAID
        events = bazaar.list_events(name)
        assert count_events(events, DataConfirmed) == 1
        assert count_events(events, GenerationPaid) == GENERATIONS
        model = find_model(bazaar.node, name)
        assert model is not None
        level = bazaar.node.executor.machine.state.checkpoint_index
        curves = []
        for member in bazaar.world.members:
            await member.service.wait_checkpoint(level, 20)
            curves.append(member.node.archive.get_generations(model, 0, 100))
        assert len(curves[0]) == GENERATIONS + 1
        assert all(curve == curves[0] for curve in curves)
        bazaar.check_books()
        assert model not in {entry.job for entry in bazaar.node.board.get_facts(level).board}
        check_replay(bazaar.node, model)
        check_views(bazaar.service, name, model)


def check_views(service: Service, name: Digest, model: JobId) -> None:
    """What people and wallets can still ask about a model whose job has ended."""
    genesis, ended = service.get_models()
    assert genesis.paid_by is None
    assert (ended.job, ended.paid_by, ended.budget) == (model, name, 0)
    assert (ended.current.generation, ended.counted_open) == (GENERATIONS, 0)
    assert ended.counted_total >= GENERATIONS * QUICK.population
    assert ended == service.get_model(model)
    assert ended.holdout_rows == len(FLOWERS_PREPARED.holdout.labels)
    assert compute_job_id(decode_job(service.get_parameters(model))) == model
    assert service.get_parameters(genesis.job) == service.genesis.board[0].parameters
    assert service.get_training_data(model) == FLOWERS_BLOB
    assert service.get_weights(model, None) == service.get_weights(model, GENERATIONS)
    for ask in (service.get_model, service.get_parameters, service.get_training_data):
        with pytest.raises(NotFound):
            ask(JobId(bytes(32)))
    with pytest.raises(NotFound):
        service.get_training_data(genesis.job)


def make_work(transaction: Transaction) -> CountedWork:
    body = transaction.body
    return CountedWork(body.work.generation, body.issuer, body.sequence, body.work.results)


def check_replay(node: Node, model: JobId) -> None:
    """The archive alone gives every generation again, each evaluation recomputed."""
    archive = node.archive
    record = archive.training.get_job(model)
    assert record is not None
    content = archive.training.get_content(BlobId(record.data))
    assert content == FLOWERS_BLOB
    job = decode_job(record.parameters)
    assert job == replace(QUICK, init_seed=record.name)
    assert compute_job_id(job) == model
    curve = archive.get_generations(model, 0, 100)
    steps = []
    rows = node.executor.machine.state.ordered_total
    for before, after in itertools.pairwise(curve):
        first, last = (archive.get_checkpoint(each.checkpoint) for each in (before, after))
        assert first is not None
        assert last is not None
        works = []
        for index, _ in archive.get_evaluations(model, first.ordered_total, 10_000):
            if index >= min(rows, last.ordered_total):
                break
            row = archive.get_ordered(index)
            assert row is not None
            transaction = archive.get_transaction(row.effect.transaction)
            assert transaction is not None
            works.append(make_work(transaction))
        steps.append(ReplayStep(last.timestamp_ms, tuple(works)))
    start = archive.get_checkpoint(curve[0].checkpoint)
    assert start is not None
    opened = open_paid_job(job, FLOWERS_BLOB)
    rebuilt = list(replay(opened, start.timestamp_ms, steps, BACKEND, is_recomputed=True))
    assert [each.digest for each in rebuilt] == [each.weights_digest for each in curve]
    assert [each.score for each in rebuilt] == [each.score for each in curve]


async def wait_paid(bazaar: Bazaar, name: Digest, generations: int) -> None:
    """Pay each other until so many generations are paid."""
    async with anyio.create_task_group() as tasks:
        for service, wallet in zip(bazaar.world.services, WALLETS[1:], strict=False):
            tasks.start_soon(keep_paying, service, wallet)
        await wait_until(
            lambda: count_events(bazaar.list_events(name), GenerationPaid) >= generations, timeout_s=60
        )
        tasks.cancel_scope.cancel()


async def test_who_was_away_goes_on_and_who_lost_everything_learns_it_again() -> None:
    async with bazaar_of(4) as bazaar, anyio.create_task_group() as tasks:
        name = await open_training(bazaar)
        await wait_paid(bazaar, name, 1)
        back, lost = bazaar.world.members[2:]
        await back.stop()
        await back.start()
        board = back.node.executor.machine.board
        assert [entry.paid_by for entry in board] == [None, name]
        assert (await train(bazaar, name)).ending is Ending.PAID
        await lost.stop()
        lost.lose_disk()
        await lost.start()
        blobs = await open_blob_room(
            MemoryBlobFiles(), lost.node.peering, bazaar.world.clock, quota_bytes=QUOTA
        )
        await tasks.start(blobs.run)
        lost.node.depot.open(blobs)
        level = bazaar.node.executor.machine.state.checkpoint_index
        model = find_model(bazaar.node, name)
        assert model is not None
        for member in bazaar.world.members:
            await member.service.wait_checkpoint(level, 60)
            found = member.node.archive.get_generations(model, 0, 100)
            assert found == bazaar.node.archive.get_generations(model, 0, 100)
            checkpoint = member.node.archive.get_checkpoint(level)
            assert checkpoint == bazaar.node.archive.get_checkpoint(level)
        tasks.cancel_scope.cancel()


async def test_a_job_whose_data_are_not_what_it_says_ends_with_the_money_back() -> None:
    async with bazaar_of(4) as bazaar:
        before = bazaar.get_balance(bazaar.customer.address)
        name = await open_training(bazaar, replace(QUICK, holdout=QUICK.dataset))
        ended = await bazaar.wait_event(name, lambda event: isinstance(event, JobEnded))
        assert isinstance(ended, JobEnded)
        assert (ended.ending, ended.refunded) == (Ending.FAILED, 10**9)
        assert find_model(bazaar.node, name) is None
        assert before - bazaar.get_balance(bazaar.customer.address) < 10**6  # fees alone
        bazaar.check_books()


async def test_a_deadline_ends_a_model_with_its_last_weights() -> None:
    async with bazaar_of(4) as bazaar:
        name = await open_training(bazaar, deadline_ms=6_000)
        await wait_paid(bazaar, name, 1)
        ended = await bazaar.wait_event(name, lambda event: isinstance(event, JobEnded))
        assert isinstance(ended, JobEnded)
        assert ended.ending is Ending.EXPIRED
        assert ended.refunded > 0
        model = find_model(bazaar.node, name)
        assert model is not None
        level = bazaar.node.executor.machine.state.checkpoint_index
        listed = [bazaar.node.archive.get_checkpoint(index) for index in range(level + 1)]
        budgets = [
            state.budget for each in listed if each is not None for state in each.models if state.job == model
        ]
        assert budgets[-1] == 0 < budgets[-2]
        assert budgets.count(0) == 1
        bazaar.check_books()


async def test_on_a_quiet_network_the_nodes_evaluate_themselves() -> None:
    async with bazaar_of(4) as bazaar, anyio.create_task_group() as tasks:
        trainers = [make_trainer(shop.member.node, shop.room.clerk) for shop in bazaar.shops]
        assert not any(trainer.is_needed() for trainer in trainers)
        for trainer in trainers:
            tasks.start_soon(trainer.run)
        name = await open_training(bazaar)
        ended = await bazaar.wait_event(name, lambda event: isinstance(event, JobEnded))
        assert isinstance(ended, JobEnded)
        assert ended.ending is Ending.PAID
        await wait_until(lambda: not any(trainer.is_needed() for trainer in trainers), timeout_s=20)
        sent = sum(trainer.sent_total for trainer in trainers)
        assert sent >= GENERATIONS * QUICK.population
        await anyio.sleep(1)
        assert sum(trainer.sent_total for trainer in trainers) <= sent + len(trainers)
        tasks.cancel_scope.cancel()
