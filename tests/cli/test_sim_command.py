"""``tangle sim``: a run from the command line, what it keeps, and how it ends."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

import simnet
from simnet.options import draw_options
from simnet.run import Report, run_simulation
from simnet.verdicts import Invariant, Violated
from tests.cli.builders import Terminal

pytestmark = [pytest.mark.sim, pytest.mark.timeout(120)]

SCENARIOS = Path(simnet.__file__).parent / "scenarios"

SMALL = ("--nodes", "1", "--time", "4s")


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "home")


def test_a_run_tells_its_verdict_and_the_line_that_repeats_it(terminal: Terminal) -> None:
    result = terminal.run("sim", "run", "--seed", "7", *SMALL)
    assert result.exit_code == 0, result.output
    assert "pass: nothing was found" in result.stdout
    assert "tangle sim run --seed 7 --nodes 1 --time 4s" in result.stdout


def test_what_is_kept_repeats(terminal: Terminal, tmp_path: Path) -> None:
    answer = terminal.run_json("sim", "run", "--seed", "7", *SMALL, "--out", str(tmp_path / "out"))
    kept = tmp_path / "out" / "seed-7"
    assert sorted(path.name for path in kept.iterdir()) == [
        "events.log",
        "options.json",
        "replay.txt",
        "report.json",
    ]
    lines = (kept / "events.log").read_text().splitlines()
    (run,) = answer["runs"]
    assert len(lines) == run["events"]
    assert json.loads((kept / "report.json").read_text())["digest"] == run["digest"]
    assert json.loads((kept / "options.json").read_text())["seed"] == 7
    command = (kept / "replay.txt").read_text().split()[1:]
    assert terminal.run_json(*command)["runs"][0]["digest"] == run["digest"]


def test_several_seeds_are_one_table(terminal: Terminal) -> None:
    result = terminal.run("sim", "run", "--seed", "7", "--count", "2", *SMALL)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("pass: nothing was found") == 2
    assert len(result.stdout.splitlines()) == 3


def test_a_scenario_is_played_and_its_line_repeats_it(terminal: Terminal) -> None:
    answer = terminal.run_json("sim", "run", "--scenario", str(SCENARIOS / "split-and-heal.toml"))
    (run,) = answer["runs"]
    assert run["verdict"]["type"] == "pass"
    assert run["faults"] == {"Crash": 1, "Partition": 1, "SlowLinks": 1}
    assert run["adversaries"]["late"] > 0
    assert run["options"]["seed"] == 7


def test_beyond_the_tolerance_divergence_is_reported_and_allowed(terminal: Terminal) -> None:
    path = str(SCENARIOS / "two-faces.toml")
    status, sentence = terminal.fail("sim", "run", "--scenario", path)
    assert status == 2
    assert "2 adversaries and the committee tolerates 1" in sentence
    result = terminal.run("sim", "run", "--scenario", path, "--allow-byzantine")
    assert result.exit_code == 0, result.output
    assert "diverged at checkpoint" in result.stdout
    assert "two-faces.toml --seed 1 --allow-byzantine" in result.stdout


def test_a_finding_is_exit_status_one(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_and_find(*arguments: object, **settings: object) -> Report:
        report = run_simulation(draw_options(7, 1, 4))
        return replace(report, verdict=Violated(Invariant.SUPPLY, "node0", "a grain too many"))

    monkeypatch.setattr("tangle.cli.sim_command.run_simulation", run_and_find)
    result = terminal.run("sim", "run", "--seed", "7", *SMALL)
    assert result.exit_code == 1
    assert "violated supply at node0: a grain too many" in result.stderr
    assert "tangle sim run --seed 7 --nodes 1 --time 4s" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--time", "soon"), 2, "no duration"),
        (("--time", "1s"), 2, "choose 4 s"),
        (("--nodes", "0"), 2, "nodes"),
        (("--seed", "-1"), 2, "seed"),
        (("--scenario", "nowhere.toml"), 2, "nowhere.toml"),
        (("--scenario", str(SCENARIOS / "two-faces.toml"), "--nodes", "7"), 2, "change them in the file"),
        (("--allow-byzantine",), 2, "goes with --scenario"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    terminal: Terminal, arguments: tuple[str, ...], status: int, words: str
) -> None:
    found, sentence = terminal.fail("sim", "run", *arguments)
    assert found == status
    assert words in sentence
