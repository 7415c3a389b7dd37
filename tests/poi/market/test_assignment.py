"""Draws of workers: who can be drawn, how often, and from which randomness."""

from collections import Counter
from hashlib import blake2b

import cbor2
import pytest
from msgspec.structs import replace

from poi.market.assignment import compute_draw_weight, draw_worker, is_eligible, list_draws
from poi.market.operations import Moment
from poi.market.records import Capacity, Job, Kind, Waiting
from tangle.core.types import CheckpointIndex, Digest, Grains, Milliseconds, PublicKey
from tests.poi.market.builders import (
    CAPACITY,
    CHALLENGER,
    CUSTOMER,
    INFERENCE,
    OTHER,
    RULES,
    WEIGHTS,
    WORKER,
    get_worker,
    make_beacon,
    make_key,
    start,
)

NONE = Waiting(CheckpointIndex(3), ())
BASE = Capacity(
    worker=WORKER,
    kinds=(Kind.INFERENCE,),
    speed=10,
    units_max=1_000,
    price_min=1,
    slots=1,
    bond=Grains(1_000),
    locked=Grains(0),
    used=0,
    retiring=0,
    since=CheckpointIndex(3),
)
JOB = Job(
    id=Digest(b"j" * 32),
    customer=CUSTOMER,
    order=0,
    stake=Grains(0),
    task=INFERENCE,
    units=50,
    unit_price=Grains(10),
    price=Grains(500),
    escrow=Grains(500),
    deadline_ms=Milliseconds(2_000),
    result_ms=Milliseconds(100),
    phase=NONE,
)
NOBODY: dict[PublicKey, Grains] = {}


def make_moment(index: int) -> Moment:
    return Moment(CheckpointIndex(index), Milliseconds(1_000), 0, make_beacon(index), WEIGHTS)


def draw_many(capacities: list[Capacity], stakes: dict[PublicKey, Grains], count: int) -> Counter[PublicKey]:
    drawn: Counter[PublicKey] = Counter()
    for index in range(4, count + 4):
        found = draw_worker(
            JOB, NONE, capacities, make_moment(index), lambda key: stakes.get(key, Grains(0)), RULES
        )
        assert found is not None
        drawn[found.worker] += 1
    return drawn


@pytest.mark.parametrize(
    "change",
    [
        {"retiring": 1},
        {"used": 1},
        {"kinds": (Kind.TRANSFORMATION,)},
        {"units_max": 49},
        {"price_min": 11},
        {"bond": Grains(999)},
        {"locked": Grains(1)},
        {"since": CheckpointIndex(4)},
    ],
    ids=str,
)
def test_who_cannot_be_drawn(change: dict[str, object]) -> None:
    assert is_eligible(BASE, JOB, NONE, CheckpointIndex(4), RULES)
    refused = replace(BASE, **change)
    assert not is_eligible(refused, JOB, NONE, CheckpointIndex(4), RULES)
    assert draw_worker(JOB, NONE, [refused], make_moment(4), lambda _: Grains(9), RULES) is None


def test_who_failed_is_not_drawn_again() -> None:
    failed = Waiting(CheckpointIndex(3), (WORKER,))
    assert not is_eligible(BASE, JOB, failed, CheckpointIndex(4), RULES)


def test_weight_by_hand() -> None:
    assert compute_draw_weight(BASE, 50, Grains(0), RULES) == 10 * 100
    assert compute_draw_weight(BASE, 50, Grains(150), RULES) == 10 * 250
    assert compute_draw_weight(BASE, 50, Grains(10**6), RULES) == 10 * 1_100
    assert compute_draw_weight(BASE, 3, Grains(0), RULES) == 3 * 100


def test_a_draw_done_by_hand() -> None:
    capacities = [replace(BASE, worker=worker, speed=speed) for worker, speed in ((OTHER, 7), (WORKER, 10))]
    stakes = {OTHER: Grains(50)}
    weights = [(WORKER, 10 * 100), (OTHER, 7 * 150)]
    winners = set()
    for index in range(4, 40):
        message = cbor2.dumps([make_beacon(index), JOB.id, 0])
        digest = blake2b(message, digest_size=32, person=b"tangle/market").digest()
        place = int.from_bytes(digest, "big") % 2_050
        expected = weights[0][0] if place < weights[0][1] else weights[1][0]
        found = draw_worker(
            JOB, NONE, capacities, make_moment(index), lambda key: stakes.get(key, Grains(0)), RULES
        )
        assert found is not None
        assert found.worker == expected
        winners.add(expected)
    assert len(winners) == 2


def test_shares_of_draws_follow_speed_and_stake() -> None:
    capacities = [
        BASE,
        replace(BASE, worker=OTHER, speed=20),
        replace(BASE, worker=CHALLENGER),
    ]
    drawn = draw_many(capacities, {CHALLENGER: Grains(400)}, 4_000)
    expected = {WORKER: 500, OTHER: 1_000, CHALLENGER: 2_500}
    for worker, count in expected.items():
        assert abs(drawn[worker] - count) < 5 * count**0.5


def test_speed_beyond_the_job_brings_nothing() -> None:
    fast = replace(BASE, worker=OTHER, speed=10**6)
    drawn = draw_many([replace(BASE, speed=50), fast], NOBODY, 2_000)
    assert abs(drawn[OTHER] - 1_000) < 150


def test_the_order_of_the_list_does_not_matter() -> None:
    capacities = [replace(BASE, worker=make_key(number)) for number in range(5)]
    assert draw_many(capacities, NOBODY, 50) == draw_many(capacities[::-1], NOBODY, 50)


def test_another_attempt_is_another_draw() -> None:
    capacities = [replace(BASE, worker=make_key(number)) for number in range(50)]
    second = Waiting(CheckpointIndex(3), (make_key(99),))
    pairs = [
        (
            draw_worker(JOB, NONE, capacities, make_moment(index), lambda _: Grains(0), RULES),
            draw_worker(JOB, second, capacities, make_moment(index), lambda _: Grains(0), RULES),
        )
        for index in range(4, 24)
    ]
    assert any(first != other for first, other in pairs)


def test_stake_is_served_first_and_then_age() -> None:
    jobs = [replace(JOB, order=order, stake=Grains(stake)) for order, stake in enumerate((0, 5, 0, 9, 5))]
    assert [job.order for job, _ in list_draws(jobs, CheckpointIndex(4))] == [3, 1, 4, 0, 2]
    assert not list_draws(jobs, CheckpointIndex(3))


def test_a_head_of_the_queue_that_nobody_can_do_blocks_nobody() -> None:
    jobs = [replace(JOB, order=order) for order in range(300)]
    tried: Counter[int] = Counter()
    for index in range(4, 12):
        drawn = [job.order for job, _ in list_draws(jobs, CheckpointIndex(index))]
        assert drawn[:64] == list(range(64))
        assert len(drawn) == len(set(drawn)) == 128
        tried.update(drawn)
    assert set(tried) == set(range(300))
    assert {tried[order] for order in range(64, 300)} <= {2, 3}
    assert len(list_draws(jobs[:70], CheckpointIndex(4))) == 70


def test_the_only_slot_goes_to_the_customer_with_stake() -> None:
    scene = start(())
    scene.apply(WORKER, replace(CAPACITY, slots=1))
    first = scene.open()
    scene.stakes[CUSTOMER] = 1
    second = scene.open()
    scene.advance()
    scene.advance()
    assert get_worker(scene, second) == WORKER
    assert isinstance(scene.market.get_job(first).phase, Waiting)


def test_a_worker_that_came_with_the_beacon_is_not_drawn_from_it() -> None:
    scene = start(())
    job = scene.open()
    scene.advance()
    scene.apply(WORKER, CAPACITY)
    scene.advance()
    assert isinstance(scene.market.get_job(job).phase, Waiting)
    scene.advance()
    assert get_worker(scene, job) == WORKER
