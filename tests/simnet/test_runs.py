"""One seed decides everything, and what seeds draw passes."""

import os
import subprocess
import sys
from typing import Final, get_args

import pytest
from msgspec.structs import replace

from simnet.errors import ImpossiblePlan
from simnet.fail_points import FailPoint
from simnet.faults import (
    BadWeather,
    Clog,
    Crash,
    CrashAt,
    Cut,
    Direction,
    Fault,
    HalfOpen,
    OldHandshake,
    Partition,
    SlowLinks,
    Tamper,
)
from simnet.options import ClockError, SimulationOptions, check_options, draw_options
from simnet.run import run_simulation
from simnet.tampering import Tampering
from simnet.verdicts import Pass
from tests.simnet.builders import make_options

pytestmark = [pytest.mark.sim, pytest.mark.timeout(300)]

EVERYTHING: Final = (
    Partition(1.0, 2.0, (0,), Direction.INTO),
    SlowLinks(1.5, 2.5, 2, 80.0, 200_000.0),
    BadWeather(2.0, 3.0, 0.05, 20.0),
    Crash(2.5, 3.0, (3,)),
    Tamper(3.0, 3.4, 0, 1, Tampering.CHANGED, 0.2),
    OldHandshake(3.1, 3.2, 2, 0),
    Cut(3.2, 3.2, 1, 2),
    HalfOpen(3.2, 3.2, 2, 1),
    Clog(3.2, 3.5, 1, 2),
    CrashAt(3.1, 3.4, FailPoint.BLOCKS_AFTER, (1, 2), is_everybody=False),
    Crash(3.5, 4.0, (0, 1, 2, 3)),
)
"""One fault of each kind, some of them at the same time."""

REPEATED: Final = range(10)
"""Seeds that are run three times."""

REPEATED_S: Final = 4.0

PROGRAM: Final = """
from simnet.options import draw_options
from simnet.run import run_simulation
for seed in {seeds}:
    print(run_simulation(draw_options(seed, time_s={time_s})).digest)
"""


def run_program(program: str, hash_seed: str) -> list[str]:
    """What another interpreter prints."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return ended.stdout.split()


def run_whole(options: SimulationOptions) -> tuple[str, list[str]]:
    lines: list[str] = []
    report = run_simulation(options, sink=lines.append)
    assert isinstance(report.verdict, Pass), report.verdict
    return report.digest, lines


def test_the_same_seed_gives_the_same_log_byte_for_byte() -> None:
    options = make_options(7, time_s=5.0, faults=EVERYTHING, double_spends=0.2)
    (digest, lines), (again, lines_again) = run_whole(options), run_whole(options)
    assert lines == lines_again
    assert digest == again
    assert len(lines) > 1_000


def test_another_seed_goes_another_way() -> None:
    first, second = (make_options(seed, nodes=1, time_s=4.5) for seed in (1, 2))
    assert run_whole(first)[0] != run_whole(second)[0]


@pytest.mark.parametrize("seed", [101, 103, 104, 108])
def test_what_a_seed_draws_passes(seed: int) -> None:
    report = run_simulation(draw_options(seed, time_s=10))
    assert isinstance(report.verdict, Pass), report.verdict
    assert report.ordered > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1_000, 1_040))
def test_what_many_seeds_draw_passes_for_longer(seed: int) -> None:
    report = run_simulation(draw_options(seed, time_s=30))
    assert isinstance(report.verdict, Pass), report.verdict


def test_ten_drawn_seeds_repeat_byte_for_byte_whatever_strings_hash_to() -> None:
    digests = []
    assert {draw_options(seed).shards for seed in REPEATED} == {1, 2}, "both are repeated"
    for seed in REPEATED:
        options = draw_options(seed, time_s=REPEATED_S)
        digest, lines = run_whole(options)
        assert run_whole(options) == (digest, lines)
        digests.append(digest)
    program = PROGRAM.format(seeds=list(REPEATED), time_s=REPEATED_S)
    assert run_program(program, hash_seed="1") == digests


def test_what_is_drawn_is_possible_and_various() -> None:
    drawn = [draw_options(seed) for seed in range(200)]
    assert {options.nodes for options in drawn} == set(range(1, 8))
    kinds = {type(fault) for options in drawn for fault in options.faults}
    assert kinds == set(get_args(Fault))
    for options in drawn:
        crashes = [fault for fault in options.faults if isinstance(fault, Crash)]
        assert all(
            len(crash.nodes) in (options.nodes, *range(1, max(1, options.tolerated) + 1)) for crash in crashes
        )
    assert draw_options(3) == draw_options(3)
    assert draw_options(3, nodes=5).nodes == 5


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (replace(make_options(), version=0), "version 0"),
        (replace(make_options(), nodes=5), "as many regions"),
        (replace(make_options(), nodes=0), "choose 1 to 100"),
        (make_options(time_s=1.0), "choose 3 s"),
        (replace(make_options(nodes=1), regions=("atlantis",)), "atlantis"),
        (replace(make_options(nodes=1), clocks=(ClockError(0, 0),) * 2), "as many"),
        (make_options(faults=(Crash(5.0, 7.0, (0,)),)), "ends after"),
        (make_options(faults=(Cut(1.0, 2.0, 0, 4),)), "beyond 3"),
        (make_options(faults=(Crash(1.0, 2.0, (0, 1), is_disk_lost=True),)), "tolerates 1"),
    ],
)
def test_what_cannot_be_is_refused(options: SimulationOptions, reason: str) -> None:
    with pytest.raises(ImpossiblePlan, match=reason):
        check_options(options)
