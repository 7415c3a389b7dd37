"""``tangle bench`` at the keyboard: what it prints, what it refuses, and its exit status."""

from pathlib import Path

import pytest

from tangle.cli import bench_commands
from tangle.cli.bench.records import write_results
from tests.cli.bench.builders import make_figure, make_results
from tests.cli.builders import Terminal

LIMIT = make_figure("verify-raw", None)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "home")


def write(path: Path, share: float) -> str:
    write_results(path, make_results(LIMIT, make_figure("decode", share)))
    return str(path)


def test_the_list_names_every_stage_and_its_limit(terminal: Terminal) -> None:
    stages = {stage["stage"]: stage["limit"] for stage in terminal.run_json("bench", "list")["stages"]}
    assert stages["verify"] == "verify-raw"
    assert all(limit is None or stages[limit] is None for limit in stages.values())
    assert "decode" in terminal.run("bench", "list").stdout


def test_a_quick_run_measures_a_stage_and_its_limit(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    command = ["bench", "run", "decode", "--quick", "--scratch", str(tmp_path), "--out", str(path)]
    results = terminal.run_json(*command)
    assert [figure["stage"] for figure in results["figures"]] == ["cbor-raw", "decode"]
    assert results["figures"][1]["share"] > 0
    assert path.exists()
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("tangle-bench")] == []
    assert "of cbor-raw" in terminal.run(*command).stdout


def test_a_slower_stage_ends_with_status_1(terminal: Terminal, tmp_path: Path) -> None:
    fast, slow = write(tmp_path / "fast.json", 0.5), write(tmp_path / "slow.json", 0.3)
    result = terminal.run("bench", "compare", fast, slow)
    assert result.exit_code == 1
    assert "-40.0%" in result.stdout
    assert terminal.run("bench", "compare", slow, fast).exit_code == 0
    assert terminal.run("bench", "compare", fast, slow, "--threshold", "80").exit_code == 0


def test_results_of_something_else_are_refused(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    other = str(tmp_path / "other.json")
    status, message = terminal.fail("bench", "compare", other, other)
    assert status == 1
    assert "holds no results" in message


def test_an_unknown_stage_is_refused(terminal: Terminal) -> None:
    status, message = terminal.fail("bench", "run", "decoed", "--quick")
    assert status == 1
    assert "there is no stage 'decoed'" in message


def test_without_a_checkout_the_suite_says_where_it_is(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_commands, "find_spec", lambda _: None)
    assert "checkout of the source" in terminal.fail("bench", "run", "--quick")[1]
    assert "checkout of the source" in terminal.fail("bench", "list")[1]


def test_no_node_and_no_url_are_told_apart(terminal: Terminal) -> None:
    assert terminal.fail("bench", "load", "http://127.0.0.1:1", "--seconds", "0.1", "--quiet")[0] == 3
    assert terminal.fail("bench", "load", "localhost:1")[0] == 2
