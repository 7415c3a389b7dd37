"""``tangle sim``: a run from the command line, what it keeps, and how it ends."""

import io
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from rich.console import Console

import simnet
from simnet.artefacts import RECORDING_SIZE_MAX
from simnet.options import OPTIONS_VERSION, draw_options
from simnet.run import Report, run_simulation
from simnet.verdicts import Invariant, Violated
from tangle.cli import sim_command
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


def test_shards_are_told_apart_and_their_line_repeats_them(terminal: Terminal) -> None:
    result = terminal.run("sim", "run", "--seed", "7", *SMALL, "--shards", "2")
    assert result.exit_code == 0, result.output
    for shard in range(2):
        (line,) = [line for line in result.stdout.splitlines() if line.startswith(f"shard {shard}")]
        assert "wallets" in line
    answer = terminal.run_json("sim", "run", "--seed", "7", *SMALL, "--shards", "2")
    (run,) = answer["runs"]
    assert run["digest"] in result.stdout
    assert [shard["shard"] for shard in run["shards"]] == [0, 1]


def test_what_is_kept_repeats(terminal: Terminal, tmp_path: Path) -> None:
    answer = terminal.run_json("sim", "run", "--seed", "7", *SMALL, "--out", str(tmp_path / "out"))
    kept = tmp_path / "out" / "seed-7"
    assert sorted(path.name for path in kept.iterdir()) == [
        "dag.ndjson",
        "events.log",
        "options.json",
        "replay.txt",
        "report.json",
        "run.svg",
    ]
    lines = (kept / "events.log").read_text().splitlines()
    (run,) = answer["runs"]
    assert len(lines) == run["events"]
    assert json.loads((kept / "report.json").read_text())["digest"] == run["digest"]
    assert json.loads((kept / "options.json").read_text())["seed"] == 7
    command = (kept / "replay.txt").read_text().split()[1:]
    assert terminal.run_json(*command)["runs"][0]["digest"] == run["digest"]


def test_several_seeds_are_one_table_and_their_totals(terminal: Terminal, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = terminal.run("sim", "run", "--seed", "7", "--count", "2", *SMALL, "--out", str(out))
    assert result.exit_code == 0, result.output
    assert result.stderr.count("pass: nothing was found") == 2
    table, totals = result.stdout.split("\n\n")
    assert len(table.splitlines()) == 3
    assert "2 Pass, 0 NoProgress, 0 Diverged, 0 Violated" in totals
    kept = json.loads((out / "report.json").read_text())
    assert kept["runs"] == 2
    assert kept["fail_points"]["guard-after-save"]["reached"] > 2
    assert kept["strategies"]["silent"] == {"runs": 0, "actions": 0}


def test_a_terminal_shows_how_far_a_run_is(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, _environ={"TERM": "xterm"})
    with sim_command._make_progress(console) as progress:
        sim_command._run_one(draw_options(7, 1, 4), None, progress)
        progress.refresh()
    shown = console.file.getvalue()  # type: ignore[attr-defined]  # it is the buffer from above
    assert "seed 7, virtual s" in shown
    assert sim_command._make_progress(Console(file=io.StringIO())).disable
    assert capsys.readouterr() == ("", "")


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


def test_a_recorded_run_is_repeated_from_its_options(terminal: Terminal, tmp_path: Path) -> None:
    first = terminal.run_json("sim", "run", "--seed", "7", *SMALL, "--out", str(tmp_path))
    kept = tmp_path / "seed-7"
    for recording in (kept, kept / "options.json"):
        result = terminal.run("sim", "run", "--replay", str(recording))
        assert result.exit_code == 0, result.output
        assert first["runs"][0]["digest"] in result.stdout
        assert f"tangle sim run --replay {recording}" in result.stdout.replace("\n", "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace(f'"version": {OPTIONS_VERSION}', '"version": 5'), "drawn by version 5"),
        (lambda _: '{"version": 5, "kites": 3}', "drawn by version 5"),
        (lambda text: text.replace('"wallets"', '"purses"'), "purses"),
        (lambda text: text.replace('"nodes": 1', '"nodes": 2'), "2 nodes need as many regions"),
        (lambda text: text[:-3], "no options of a run"),
        (lambda _: "[]", "no options of a run"),
        (lambda _: "", "no options of a run"),
        (lambda text: text + " " * RECORDING_SIZE_MAX, "longer than"),
    ],
    ids=["version", "other-fields", "key", "plan", "cut", "list", "empty", "long"],
)
def test_what_no_run_left_is_refused(
    terminal: Terminal, tmp_path: Path, change: Callable[[str], str], words: str
) -> None:
    path = tmp_path / "options.json"
    path.write_text(change(msgspec.json.format(msgspec.json.encode(draw_options(7, 1, 4))).decode()))
    status, sentence = terminal.fail("sim", "run", "--replay", str(path))
    assert status == 2
    assert words in sentence


def test_the_line_of_a_failed_run_can_be_pasted(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simnet.world.INBOX_MAX", -1)  # the planted bug
    result = terminal.run("sim", "run", "--seed", "7", "--nodes", "2", "--time", "3.25s")
    assert result.exit_code == 1
    line = result.stderr.strip().splitlines()[-1].partition(": ")[0]
    again = terminal.run(*shlex.split(line)[1:])
    assert again.exit_code == 1
    assert again.stderr == result.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--time", "soon"), 2, "no duration"),
        (("--time", "1s"), 2, "choose 3 s"),
        (("--nodes", "0"), 2, "nodes"),
        (("--shards", "3"), 2, "3 shards; choose 1, 2, 4 or 8"),
        (("--shards", "0"), 2, "0 shards; choose 1, 2, 4 or 8"),
        (("--shards", "8", "--nodes", "26"), 2, "take fewer nodes or shards"),
        (("--shards", "two"), 2, "not a valid integer"),
        (("--scenario", str(SCENARIOS / "two-faces.toml"), "--shards", "2"), 2, "change them in the file"),
        (("--replay", str(SCENARIOS), "--shards", "2"), 2, "give only --out"),
        (("--seed", "-1"), 2, "seed"),
        (("--scenario", "nowhere.toml"), 2, "nowhere.toml"),
        (("--scenario", str(SCENARIOS / "two-faces.toml"), "--nodes", "7"), 2, "change them in the file"),
        (("--allow-byzantine",), 2, "goes with --scenario"),
        (("--seed", "7", "--draws", "5"), 2, "drawn by version 5"),
        (("--replay", "nowhere"), 2, "nowhere"),
        (("--replay", str(SCENARIOS), "--seed", "7"), 2, "give only --out"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    terminal: Terminal, arguments: tuple[str, ...], status: int, words: str
) -> None:
    found, sentence = terminal.fail("sim", "run", *arguments)
    assert found == status
    assert words in sentence
