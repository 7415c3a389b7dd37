"""The model as a whole: what must grow or shrink does, bytes are conserved, and equal seeds repeat."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from simnet.errors import ImpossiblePlan
from simnet.scale.model import run_point
from simnet.scale.plan import ScalePlan, check_plan
from simnet.scale.stages import Stage, StageLoad, find_stages
from simnet.scale.sweep import make_grid
from simnet.scale.traffic import compute_traffic
from tests.simnet.scale.builders import COSTS

SMALL = ScalePlan(nodes=10, load=200.0, rounds=32)

PLANS = st.builds(
    ScalePlan,
    nodes=st.integers(64, 10_000),
    shards=st.integers(1, 64),
    load=st.floats(1, 10_000),
    committee=st.integers(1, 256),
)


@given(
    nodes=st.integers(2, 14),
    times=st.floats(0.2, 2),
    further=st.floats(1.3, 3),
    load=st.floats(20, 1_000),
    seed=st.integers(0, 100),
)
@settings(max_examples=25, deadline=None)
def test_more_latency_never_lowers_finality(
    nodes: int, times: float, further: float, load: float, seed: int
) -> None:
    near = ScalePlan(nodes=nodes, load=load, rounds=32, seed=seed, latency_times=times)
    far = run_point(replace(near, latency_times=times * further), COSTS)
    assert far.finality_p50_ms >= run_point(near, COSTS).finality_p50_ms


@given(
    nodes=st.integers(1, 14), cores=st.integers(1, 32), more=st.integers(1, 32), load=st.floats(10, 100_000)
)
@settings(max_examples=25, deadline=None)
def test_more_cores_never_lower_throughput(nodes: int, cores: int, more: int, load: float) -> None:
    plan = ScalePlan(nodes=nodes, load=load, rounds=24, cores=cores)
    few, many = run_point(plan, COSTS), run_point(replace(plan, cores=cores + more), COSTS)
    assert many.throughput >= few.throughput * 0.999  # busier lines make rounds differ a little


@given(plan=PLANS, tips=st.floats(0, 256), rounds_per_s=st.floats(0.1, 16))
@settings(deadline=None)
def test_what_is_sent_is_received(plan: ScalePlan, tips: float, rounds_per_s: float) -> None:
    traffic = compute_traffic(plan, COSTS, tips)
    sent = traffic.compute_sent(plan.shard_load, rounds_per_s)
    assert sent == pytest.approx(traffic.compute_received(plan.shard_load, rounds_per_s))
    assert traffic.validators + traffic.followers == plan.nodes // plan.shards


@given(plan=PLANS, rounds_per_s=st.floats(0.1, 16), more=st.floats(1.01, 10))
@settings(deadline=None)
def test_a_faster_line_never_lowers_what_a_stage_bears(
    plan: ScalePlan, rounds_per_s: float, more: float
) -> None:
    traffic = compute_traffic(plan, COSTS, 1.0)
    slow = find_stages(plan, COSTS, traffic, rounds_per_s)
    fast = find_stages(replace(plan, megabits=plan.megabits * more), COSTS, traffic, rounds_per_s)
    for before, after in zip(slow, fast, strict=True):
        assert after.capacity >= before.capacity


def test_equal_seeds_give_equal_points_and_others_do_not() -> None:
    first = run_point(SMALL, COSTS)
    assert first == run_point(SMALL, COSTS)
    assert first.finality_p95_ms != run_point(replace(SMALL, seed=2), COSTS).finality_p95_ms


def test_traffic_of_two_nodes_by_hand() -> None:
    traffic = compute_traffic(ScalePlan(nodes=2), COSTS, tips=1.0)
    # 100 base, two ancestors, a tip, two attestations, a frame; to the one other.
    assert traffic.block_out == traffic.block_in == 100 + 2 * 40 + 34 + 2 * 106 + 21
    # Each body goes over the one link once, so half of them each way; nobody else hears of it.
    assert traffic.transaction_out == (300 + 21) / 2


def test_a_stage_by_hand() -> None:
    stage = StageLoad(Stage.WORKERS, 2, 0.001, 0.15)
    assert stage.capacity == pytest.approx((0.95 - 0.15) * 2 / 0.001)
    assert stage.compute_busy(1_000) == pytest.approx(0.65)
    idle = StageLoad(Stage.CORE, 1, 0.001, 0.0)
    # M/D/1 at half: mean wait is half a service time.
    assert idle.compute_delay_s(500) == pytest.approx(0.0015)


def test_beyond_its_capacity_a_network_refuses_and_keeps_its_throughput() -> None:
    bearing = run_point(SMALL, COSTS)
    crowded = run_point(replace(SMALL, load=bearing.capacity * 3), COSTS)
    assert not bearing.is_saturated
    assert crowded.is_saturated
    assert crowded.throughput == crowded.capacity < crowded.plan.load
    assert crowded.finality_p50_ms > bearing.finality_p50_ms


def test_one_node_alone_needs_no_network() -> None:
    point = run_point(ScalePlan(nodes=1, load=10.0), COSTS)
    assert point.validator_sent == point.validator_received == 0
    assert point.round_ms == pytest.approx(60)


def test_shards_of_equal_size_add_up() -> None:
    one, four = (run_point(replace(SMALL, nodes=10 * n, shards=n, load=200.0 * n), COSTS) for n in (1, 4))
    assert four.capacity == pytest.approx(4 * one.capacity, rel=0.02)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"nodes": 0}, "nodes is 0; choose 1 to 10000"),
        ({"nodes": 10_001}, "choose 1 to 10000"),
        ({"nodes": 3, "shards": 4}, "take more nodes or fewer shards"),
        ({"committee": 257}, "choose 1 to 256"),
        ({"load": 0.0}, "choose 0.001"),
        ({"load": float("nan")}, "choose 0.001"),
        ({"megabits": 0.0}, "choose 0.1"),
        ({"cores": -1}, "choose 0 to"),
        ({"rounds": 5}, "choose 24"),
        ({"regions": ()}, "name at least one"),
        ({"regions": ("atlantis",)}, "known are virginia"),
        ({"tips_per_block": 0}, "choose 1 to 512"),
        ({"leaders_per_round": 0}, "choose at least 1"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_change(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ImpossiblePlan, match=reason):
        check_plan(replace(SMALL, **changes))


def test_a_grid_leaves_out_what_has_more_shards_than_nodes() -> None:
    plans = make_grid(SMALL, (100, 8), (1, 64))
    assert [(plan.nodes, plan.shards) for plan in plans] == [(8, 1), (100, 1), (100, 64)]
    with pytest.raises(ImpossiblePlan, match="fewer shards"):
        make_grid(SMALL, (8,), (64,))
    with pytest.raises(ImpossiblePlan, match="at most 200"):
        make_grid(SMALL, range(100, 200), range(1, 5))
