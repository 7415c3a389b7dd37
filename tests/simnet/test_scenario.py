"""Scenario files: what they say is what is played, and every fault in one is told with what to change."""

from pathlib import Path
from typing import Final

import pytest

import simnet
from simnet.adversaries import Adversary, Strategy
from simnet.errors import ImpossiblePlan, InvalidScenario
from simnet.faults import Crash, Direction, Partition, SlowLinks
from simnet.scenario import SCENARIO_SIZE_MAX, load_scenario

EXAMPLES: Final = Path(simnet.__file__).parent / "scenarios"

PLAIN: Final = 'about = "plain"\nnodes = 4\ntime_s = 6.0\n'

POINT: Final = (
    '[[fault]]\nplay = "crash-at"\nat_s = {}\nuntil_s = 4.0\npoint = "guard-after-save"\nnodes = [0]\n'
)

SLOW: Final = (
    '[[fault]]\nplay = "slow-links"\nat_s = 1.0\nuntil_s = 2.0\nnode = 0\nextra_ms = 1.0\nbytes_per_s = 0.0\n'
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "play.toml"


def test_an_example_is_what_it_says() -> None:
    options = load_scenario(EXAMPLES / "split-and-heal.toml")
    assert options.faults == (
        Partition(3.0, 5.0, (0, 1), Direction.BOTH),
        Crash(5.5, 6.5, (2,)),
        SlowLinks(6.0, 8.0, 3, 120.0, 200_000.0),
    )
    assert options.adversaries == (Adversary(3, Strategy.LATE),)
    assert (options.wallets, options.rate, options.jitter_ms, options.seed) == (3, 6.0, 5.0, 7)
    assert load_scenario(EXAMPLES / "split-and-heal.toml", seed=9).seed == 9


def test_every_example_can_be_played() -> None:
    examples = sorted(EXAMPLES.glob("*.toml"))
    assert len(examples) >= 2
    for example in examples:
        assert load_scenario(example, is_byzantine_allowed=True).nodes >= 4


def test_a_validator_and_its_twin_are_one() -> None:
    options = load_scenario(EXAMPLES / "two-faces.toml", is_byzantine_allowed=True)
    assert options.members == 6
    assert [options.find_validator(node) for node in range(6)] == [0, 1, 2, 3, 2, 3]
    assert options.faulty == {2, 3, 4, 5}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nodes =", "no TOML"),
        (PLAIN + "speed = 3", "the file has an unknown key 'speed'"),
        (PLAIN + "cloks = []", "did you mean 'clocks'"),
        (PLAIN + "[load]\nrates = 3", "did you mean 'rate'"),
        (PLAIN + "[machine]\nraid = 3", "known are jitter_ms"),
        (PLAIN + "[[fault]]\nat_s = 4", "play None is none of bad-weather, clog, crash"),
        (PLAIN + '[[fault]]\nplay = "flood"', "number 1: play 'flood' is none of"),
        (PLAIN + '[[fault]]\nplay = "cut"\nfrist = 1', "did you mean 'first'"),
        (
            PLAIN + '[[fault]]\nplay = "cut"\nat_s = 4.0',
            r"fault\[0\]: object missing required field until_s",
        ),
        (PLAIN + '[[adversary]]\nnode = 1\nplan = "late"', "number 1 has an unknown key 'plan'"),
        (PLAIN + '[[adversary]]\nnode = 1\nstrategy = "kind"', "invalid enum value 'kind'"),
        (PLAIN + SLOW, "bytes_per_s: expected float >= 1000|float >= 1000.0"),
        (PLAIN + "fault = 3", "fault: expected array"),
        (PLAIN + "load = 3", "load: expected object"),
        (PLAIN + "[load]\nwallets = 0", "wallets: expected int >= 1"),
        (PLAIN + "[load]\nrate = -1.0", "rate: expected float > 0"),
        ('about = "no nodes"\ntime_s = 6.0', "missing required field nodes"),
        ("#" * (SCENARIO_SIZE_MAX + 1), "longer than 65536 bytes"),
    ],
)
def test_what_is_no_scenario_is_refused_with_its_place(path: Path, text: str, reason: str) -> None:
    path.write_text(text)
    with pytest.raises(InvalidScenario, match=reason) as caught:
        load_scenario(path)
    assert str(caught.value).startswith(str(path))


def test_bytes_that_are_no_text_are_refused(path: Path) -> None:
    path.write_bytes(b'about = "\xff"')
    with pytest.raises(InvalidScenario, match="save it as UTF-8"):
        load_scenario(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[[fault]]\nplay = "crash"\nat_s = 4.0\nuntil_s = 7.0\nnodes = [0]', "ends after the 6 s"),
        ('[[fault]]\nplay = "crash"\nat_s = 4.0\nuntil_s = 5.0\nnodes = [4]', "beyond 3"),
        ("twins = [1, 2]", "take fewer, more nodes, or --allow-byzantine"),
        ('[[fault]]\nplay = "crash"\nat_s = 4.0\nuntil_s = 5.0\nnodes = [1, 1]', "names a node twice"),
        (POINT.format(3.0) + POINT.format(3.5), "guard-after-save is armed twice at 3.5 s"),
        ("twins = [1, 1]", "two strategies"),
        ("twins = [4]", "beyond 3"),
        ('regions = ["virginia"]', "as many regions"),
    ],
)
def test_what_cannot_be_played_is_refused(path: Path, text: str, reason: str) -> None:
    path.write_text(PLAIN + text)
    with pytest.raises(ImpossiblePlan, match=reason):
        load_scenario(path)


def test_beyond_the_tolerance_somebody_must_be_honest(path: Path) -> None:
    path.write_text(PLAIN + "twins = [0, 1, 2, 3]")
    with pytest.raises(ImpossiblePlan, match="nobody is honest"):
        load_scenario(path, is_byzantine_allowed=True)
