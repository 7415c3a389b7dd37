"""Who cheats or falls silent on a network of four nodes, and what becomes of it: nobody is paid for what is
wrong, nobody who is right loses, and every grain is somewhere.
"""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from aivm.program.package import encode_package
from poi.disputes.outcomes import ChallengerWins, DefenderWins, Reason
from poi.disputes.outcomes import Outcome as DisputeResult
from poi.market.outcomes import (
    AttemptFailed,
    DisputeSettled,
    Ending,
    Event,
    Fault,
    JobAssigned,
    JobEnded,
    MoveMade,
    Purpose,
    ResultChallenged,
    ResultClaimed,
)
from tangle.core.chunk_tree import compute_tree
from tangle.core.types import Digest
from tangle.node.jobs.settings import JobsConfig
from tests.node.jobs.bazaar import CONFIG, Bazaar, bazaar_of, make_program, make_rows
from tests.node.jobs.cheats import (
    NOWHERE,
    Bend,
    HidingCourt,
    claim_as,
    claim_outputs,
    do_nothing,
    lie_about_the_answer,
    lie_from_the_beginning,
    lie_in_between,
    make_idler,
    make_liar,
    make_silent,
    make_slanderer,
    serve,
)
from tests.node.twins import make_backend, make_key

pytestmark = pytest.mark.timeout(180)

BOUND = make_program()
ROWS = 40
LARGE = make_program(1_024)
LARGE_ROWS = 300
"""So many multiply-accumulates that a worker serves the sums."""

OTHER_BLOB = compute_tree(encode_package(LARGE)).id
"""Everybody has it, and it is not what a worker serves."""

CHEAT = 0
"""The node that cheats, where it is a worker; the first to take work."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """One loop: minutes of virtual time, and nothing here that the walk does not do on both."""
    return make_backend("asyncio")


def offer_first(index: int) -> JobsConfig:
    return replace(CONFIG, worker=index == CHEAT)


def project(index: int) -> JobsConfig:
    """Nobody computes again."""
    return replace(offer_first(index), check_units_max=0)


async def give_to_cheat(bazaar: Bazaar, *, is_large: bool = False) -> Digest:
    """A job that the cheat has; from then on the others take work too."""
    bound, rows = (LARGE, LARGE_ROWS) if is_large else (BOUND, ROWS)
    await bazaar.register(bound)
    job = await bazaar.open_job(await bazaar.make_task(bound, make_rows(bound, rows)))
    assigned = await bazaar.wait_event(job, lambda event: isinstance(event, JobAssigned))
    assert isinstance(assigned, JobAssigned)
    assert assigned.worker == bazaar.shops[CHEAT].account
    for shop in bazaar.shops[1:]:
        shop.room.setting = replace(shop.room.setting, config=replace(shop.room.setting.config, worker=True))
    return job


async def see_paid(bazaar: Bazaar, job: Digest) -> None:
    """The job ends paid, and the last to have it was honest."""
    ended = await bazaar.wait_event(job, is_a(JobEnded), timeout_s=400)
    assert isinstance(ended, JobEnded)
    assert ended.ending is Ending.PAID
    workers = [event.worker for event in bazaar.list_events(job) if isinstance(event, JobAssigned)]
    assert workers[-1] != bazaar.shops[CHEAT].account
    assert len(workers) == 2
    bazaar.check_books()


def is_a(*kinds: type[Event]) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, kinds)


async def see_failed(bazaar: Bazaar, job: Digest, fault: Fault) -> None:
    failed = await bazaar.wait_event(job, is_a(AttemptFailed), timeout_s=400)
    assert failed == AttemptFailed(job, bazaar.shops[CHEAT].account, fault)


def get_result(bazaar: Bazaar, job: Digest) -> DisputeResult:
    (settled,) = [event for event in bazaar.list_events(job) if isinstance(event, DisputeSettled)]
    return settled.result


@pytest.mark.parametrize("bend", [lie_about_the_answer, lie_from_the_beginning, lie_in_between, do_nothing])
async def test_a_wrong_result_is_refuted_chunk_by_chunk_and_its_worker_pays(bend: Bend) -> None:
    async with bazaar_of(4, crews={CHEAT: make_liar(bend)}, settings=offer_first) as bazaar:
        job = await give_to_cheat(bazaar)
        cheat = bazaar.shops[CHEAT]
        challenged = await bazaar.wait_event(job, is_a(ResultChallenged))
        assert isinstance(challenged, ResultChallenged)
        assert challenged.challenger != cheat.account
        await see_failed(bazaar, job, Fault.REFUTED)
        assert get_result(bazaar, job) == ChallengerWins(Reason.RECOMPUTED)
        sides = {event.side for event in bazaar.list_events(job) if isinstance(event, MoveMade)}
        assert len(sides) == 2
        bond = challenged.bond
        assert (Purpose.CAPACITY, CONFIG.bond - bond) in bazaar.list_earnings(cheat.account)
        assert (Purpose.DISPUTE, bond + bond // 2) in bazaar.list_earnings(challenged.challenger)
        await see_paid(bazaar, job)
        assert cheat.room.get_view().is_away
        assert cheat.account not in bazaar.capacities


async def test_outputs_that_are_not_those_of_the_trace_are_set_aside_by_votes() -> None:
    async with bazaar_of(4, crews={CHEAT: make_liar(alter=claim_outputs)}, settings=offer_first) as bazaar:
        job = await give_to_cheat(bazaar)
        await see_failed(bazaar, job, Fault.REJECTED)
        assert not [event for event in bazaar.list_events(job) if isinstance(event, ResultChallenged)]
        await see_paid(bazaar, job)


async def test_somebody_elses_result_is_refused_and_then_the_worker_is_late() -> None:
    copier = make_liar(alter=claim_as(make_key("validator 1").public_key))
    async with bazaar_of(4, crews={CHEAT: copier}, settings=offer_first) as bazaar:
        job = await give_to_cheat(bazaar)
        await see_failed(bazaar, job, Fault.LATE)
        assert bazaar.shops[CHEAT].room.get_view().failed_total > 0
        await see_paid(bazaar, job)


@pytest.mark.parametrize("served", [b"", NOWHERE, OTHER_BLOB], ids=["nothing", "nowhere", "something else"])
async def test_a_result_whose_sums_are_not_served_is_rejected(served: bytes) -> None:
    async with bazaar_of(4, crews={CHEAT: make_liar(alter=serve(served))}, settings=project) as bazaar:
        job = await give_to_cheat(bazaar, is_large=True)
        await see_failed(bazaar, job, Fault.REJECTED)
        assert not [event for event in bazaar.list_events(job) if isinstance(event, ResultChallenged)]
        await see_paid(bazaar, job)


async def test_a_large_wrong_result_is_found_by_projections_and_refuted() -> None:
    crews = {CHEAT: make_liar(lie_from_the_beginning)}
    async with bazaar_of(4, crews=crews, settings=project) as bazaar:
        job = await give_to_cheat(bazaar, is_large=True)
        await see_failed(bazaar, job, Fault.REFUTED)
        await see_paid(bazaar, job)


@pytest.mark.parametrize("court", [None, HidingCourt])
async def test_a_liar_that_shows_nothing_loses_by_the_clock(court: type[HidingCourt] | None) -> None:
    liar = make_liar(do_nothing)
    crews = {CHEAT: make_silent(liar) if court is None else make_silent(liar, court)}
    async with bazaar_of(4, crews=crews, settings=offer_first) as bazaar:
        job = await give_to_cheat(bazaar)
        await see_failed(bazaar, job, Fault.REFUTED)
        assert get_result(bazaar, job) == ChallengerWins(Reason.NOT_SHOWN)
        await see_paid(bazaar, job)


async def test_a_worker_that_does_nothing_is_late_and_another_does_the_job() -> None:
    async with bazaar_of(4, crews={CHEAT: make_idler}, settings=offer_first) as bazaar:
        job = await give_to_cheat(bazaar)
        await see_failed(bazaar, job, Fault.DECLINED)
        await see_paid(bazaar, job)


@pytest.mark.parametrize("is_silent", [False, True])
async def test_whoever_challenges_what_is_right_pays_and_the_worker_is_paid(is_silent: bool) -> None:
    slanderer = 2
    make = make_silent(make_slanderer) if is_silent else make_slanderer
    async with bazaar_of(4, crews={slanderer: make}, settings=offer_first) as bazaar:
        await bazaar.register(BOUND)
        job = await bazaar.open_job(await bazaar.make_task(BOUND, make_rows(BOUND, ROWS)))
        challenged = await bazaar.wait_event(job, is_a(ResultChallenged))
        assert isinstance(challenged, ResultChallenged)
        assert challenged.challenger == bazaar.shops[slanderer].account
        ended = await bazaar.wait_event(job, is_a(JobEnded), timeout_s=400)
        assert isinstance(ended, JobEnded)
        assert ended.ending is Ending.PAID
        reason = Reason.NOT_SHOWN if is_silent else Reason.RECOMPUTED
        results = [event.result for event in bazaar.list_events(job) if isinstance(event, DisputeSettled)]
        assert set(results) == {DefenderWins(reason)}
        claimed = [event for event in bazaar.list_events(job) if isinstance(event, ResultClaimed)]
        assert len(claimed) == 1
        bazaar.check_books()
