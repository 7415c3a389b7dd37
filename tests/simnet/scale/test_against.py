"""The model beside the simulator, which runs the real node: apart by no more than docs/scale.md says."""

import pytest

from simnet.scale.against import Comparison, compare
from tests.simnet.scale.builders import COSTS

pytestmark = [pytest.mark.sim, pytest.mark.timeout(900)]


def assert_near(comparison: Comparison, p50: float, p95: float, rounds: float, sent: float) -> None:
    errors = comparison.compute_errors()
    assert abs(errors.p50_ms) < p50, comparison
    assert abs(errors.p95_ms) < p95, comparison
    assert abs(errors.round_ms) < rounds, comparison
    assert abs(errors.sent) < sent, comparison


def test_four_nodes_are_as_in_the_simulator() -> None:
    comparison = compare(4, COSTS, load=40.0, time_s=4.0)
    assert comparison.transactions > 50
    assert_near(comparison, p50=0.25, p95=0.3, rounds=0.15, sent=0.35)


@pytest.mark.slow
@pytest.mark.parametrize(("nodes", "load", "time_s"), [(10, 40.0, 8.0), (25, 20.0, 6.0)])
def test_more_nodes_are_near_to_the_simulator(nodes: int, load: float, time_s: float) -> None:
    comparison = compare(nodes, COSTS, load=load, time_s=time_s)
    assert_near(comparison, p50=0.2, p95=0.25, rounds=0.15, sent=0.5)
