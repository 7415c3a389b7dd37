"""Every fail point is reached, and at each of them one node or all of them can be killed."""

import pytest

from simnet.fail_points import FailPoint
from simnet.faults import POINTS, Crash, CrashAt
from simnet.run import run_simulation
from simnet.verdicts import Pass
from simnet.world import World
from tests.simnet.builders import make_options

pytestmark = [pytest.mark.sim, pytest.mark.timeout(120)]


EPOCH_MS = 2_000
"""One ends while a point is armed."""


def test_every_point_is_reached() -> None:
    worlds: list[World] = []
    faults = (Crash(2.0, 4.5, (0,), is_disk_lost=True),)
    report = run_simulation(make_options(faults=faults, epoch_ms=EPOCH_MS), prepare=worlds.append)
    assert isinstance(report.verdict, Pass)
    assert set(worlds[0].fail_points.reached) == set(FailPoint)


FAST = [FailPoint.EXECUTED_TORN, FailPoint.ENDED_TORN, FailPoint.BEGUN_BEFORE, FailPoint.GUARD_AFTER]
"""Those tried in every run of the tests."""


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(point, marks=() if point in FAST else pytest.mark.slow, id=point.value)
        for point in POINTS
    ],
)
@pytest.mark.parametrize("is_everybody", [False, True])
def test_a_kill_at_a_point_is_survived(point: FailPoint, *, is_everybody: bool) -> None:
    # Whoever comes back with an empty disk catches up.
    behind = (Crash(1.0, 3.5, (3,), is_disk_lost=True),)
    fault = CrashAt(3.5, 6.0, point, (0, 1, 2, 3), is_everybody)
    report = run_simulation(make_options(time_s=6.5, faults=(*behind, fault), epoch_ms=EPOCH_MS))
    assert isinstance(report.verdict, Pass), report.verdict
    assert report.faults[point.value] == 1
    assert report.starts == (9 if is_everybody else 6)


@pytest.mark.parametrize(
    "point", [FailPoint.FOUNDING_BEFORE, FailPoint.FOUNDING_TORN, FailPoint.FOUNDING_AFTER]
)
def test_a_kill_during_founding_is_survived(point: FailPoint) -> None:
    fault = CrashAt(0.0, 1.0, point, (0, 1), is_everybody=False)
    report = run_simulation(make_options(time_s=4.0, nodes=2, faults=(fault,)))
    assert isinstance(report.verdict, Pass), report.verdict
    assert report.faults[point.value] == 1
    assert report.starts == 3
