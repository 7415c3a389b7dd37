"""The oracle: with more faulty validators than are tolerated, honest nodes diverge, and that is seen."""

import pytest
from msgspec.structs import replace

from simnet.faults import Direction, Partition
from simnet.founding import make_genesis
from simnet.run import run_simulation
from simnet.verdicts import Diverged, Pass
from simnet.world import World
from tests.simnet.builders import make_options

pytestmark = [pytest.mark.sim, pytest.mark.timeout(120)]

VALIDATORS = 4
"""Two honest ones, 0 and 1, and two with two faces each: 2 and 3 here, 4 and 5 there."""


def give_two_faces(world: World) -> None:
    """Validators 2 and 3 run twice, once on each side, and the sides never hear of each other."""
    world.genesis = make_genesis(replace(world.options, nodes=VALIDATORS))
    for copy, original in ((4, 2), (5, 3)):
        world.members[copy].validator_key = world.members[original].validator_key
    world.checkers[0].expect_nothing_of(2, 3, 4, 5)


def test_two_faced_validators_beyond_the_tolerance_are_caught() -> None:
    split = (Partition(0.0, 6.0, (0, 2, 3), Direction.BOTH),)
    report = run_simulation(make_options(nodes=6, faults=split), prepare=give_two_faces)
    verdict = report.verdict
    assert isinstance(verdict, Diverged), verdict
    assert set(verdict.nodes) == {"node0", "node1"}


def test_the_same_two_faces_within_the_tolerance_change_nothing() -> None:
    def give_one_two_faces(world: World) -> None:
        world.genesis = make_genesis(replace(world.options, nodes=VALIDATORS))
        world.members[4].validator_key = world.members[3].validator_key
        world.checkers[0].expect_nothing_of(3, 4)

    split = (Partition(0.0, 3.0, (0, 3), Direction.BOTH),)
    report = run_simulation(make_options(nodes=5, faults=split), prepare=give_one_two_faces)
    assert isinstance(report.verdict, Pass), report.verdict
    assert report.checkpoints > 10
    assert report.caught == 1
