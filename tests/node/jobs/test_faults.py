"""What goes wrong without anybody's cheating: wrong programs, missing inputs, a node that is restarted."""

from collections.abc import Callable

import anyio
import pytest
from anyio.abc import TaskGroup
from msgspec.structs import replace

from aivm.program.package import encode_package
from poi.disputes.outcomes import DefenderWins, Reason
from poi.market.operations import RegisterProgram
from poi.market.outcomes import (
    AttemptFailed,
    DisputeSettled,
    Ending,
    Event,
    Fault,
    JobEnded,
    ProgramRemoved,
    Removal,
    ResultChallenged,
    ResultClaimed,
)
from poi.market.records import Inference
from tangle.core.chunk_tree import PIECE_SIZE
from tangle.core.types import Digest, Grains
from tangle.node.jobs.errors import JobDataOversize
from tangle.node.jobs.settings import JobsConfig
from tests.node.jobs.bazaar import CONFIG, Bazaar, bazaar_of, make_program, make_rows
from tests.node.jobs.cheats import make_slanderer
from tests.node.twins import make_backend

pytestmark = pytest.mark.timeout(180)

BOUND = make_program()
ROWS = 20


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """One loop: minutes of virtual time."""
    return make_backend("asyncio")


def is_a(*kinds: type[Event]) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, kinds)


def describe() -> RegisterProgram:
    cost = BOUND.plan.cost
    return RegisterProgram(BOUND.plan.program_id, cost.macs, cost.steps, cost.bytes_moved, b"")


@pytest.mark.parametrize("fault", ["cost", "id", "package"])
async def test_a_program_that_is_not_as_described_is_voted_off_and_its_deposit_comes_back(fault: str) -> None:
    async with bazaar_of(4, settings=lambda _: replace(CONFIG, worker=False)) as bazaar:
        content = b"no package" if fault == "package" else encode_package(BOUND)
        blob = await bazaar.shops[0].blobs.put(content, is_pinned=False)
        said = replace(describe(), package=blob)
        if fault == "cost":
            said = replace(said, macs=said.macs // 2)
        if fault == "id":
            said = replace(said, program=Digest(b"another program".ljust(32)))
        held = bazaar.node.executor.machine.market.held
        await bazaar.call(said)
        removed = await bazaar.wait_event(said.program, is_a(ProgramRemoved))
        assert removed == ProgramRemoved(said.program, Removal.REJECTED)
        assert bazaar.node.executor.machine.market.held == held
        bazaar.check_books()


def hide_inputs(task: Inference) -> Inference:
    """Inputs that nobody has: the task is fine, the data never come."""
    return task


def name_other_inputs(task: Inference) -> Inference:
    """Roots that are not those of the inputs."""
    return replace(task, sources=(Digest(b"\x07" * 32),))


@pytest.mark.parametrize("bend", [hide_inputs, name_other_inputs])
async def test_a_job_whose_inputs_cannot_be_had_is_given_back_by_three_workers_and_refunded(
    bend: Callable[[Inference], Inference],
) -> None:
    async with bazaar_of(4) as bazaar:
        await bazaar.register(BOUND)
        task = await bazaar.make_task(BOUND, make_rows(BOUND, ROWS), is_kept=bend is not hide_inputs)
        escrow = Grains(10**9)
        job = await bazaar.open_job(bend(task), escrow=escrow, result_ms=16_000)
        ended = await bazaar.wait_event(job, is_a(JobEnded), timeout_s=200)
        assert ended == JobEnded(job, Ending.FAILED, escrow)
        faults = [event.fault for event in bazaar.list_events(job) if isinstance(event, AttemptFailed)]
        assert faults == [Fault.DECLINED] * 3
        assert not [event for event in bazaar.list_events(job) if isinstance(event, ResultClaimed)]
        bazaar.check_books()


async def test_a_worker_that_is_restarted_in_a_dispute_makes_its_run_again_and_wins() -> None:
    worker, slanderer = 1, 2

    def offer(index: int) -> JobsConfig:
        return replace(CONFIG, worker=index == worker)

    async with (
        bazaar_of(4, crews={slanderer: make_slanderer}, settings=offer) as bazaar,
        anyio.create_task_group() as tasks,
    ):
        await bazaar.register(BOUND)
        job = await bazaar.open_job(await bazaar.make_task(BOUND, make_rows(BOUND, ROWS)))
        await bazaar.wait_event(job, is_a(ResultChallenged))
        await restart(bazaar, worker, offer(worker), tasks)
        ended = await bazaar.wait_event(job, is_a(JobEnded), timeout_s=300)
        assert isinstance(ended, JobEnded)
        assert ended.ending is Ending.PAID
        (settled,) = [event for event in bazaar.list_events(job) if isinstance(event, DisputeSettled)]
        assert settled.result == DefenderWins(Reason.RECOMPUTED)
        bazaar.check_books()
        tasks.cancel_scope.cancel()


async def restart(bazaar: Bazaar, index: int, config: JobsConfig, tasks: TaskGroup) -> None:
    """Kill a node, its room and its blobs; start it again with what was durable."""
    member = bazaar.world.members[index]
    bazaar.shops[index].close()
    await member.stop()
    await member.start()
    member.node.parts = replace(member.node.parts, config=replace(member.node.parts.config, jobs=config))
    shop = await bazaar.open_shop(member, tasks)
    bazaar.shops.remove(shop)
    bazaar.shops[index] = shop


async def test_a_blob_of_a_peer_that_turns_out_too_long_is_refused() -> None:
    async with bazaar_of(2, settings=lambda _: replace(CONFIG, worker=False)) as bazaar:
        content = bytes(40 * PIECE_SIZE)
        blob = await bazaar.shops[0].blobs.put(content, is_pinned=False)
        stock = bazaar.shops[1].room.deeds.crew.stock
        with pytest.raises(JobDataOversize):
            await stock.get(blob, "a package", len(content) - 1)
        assert not bazaar.shops[1].blobs.fetching
        assert await stock.get(blob, "a package", len(content)) == content
