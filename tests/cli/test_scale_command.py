"""``tangle sim scale``: a table, what it keeps, and what it refuses."""

from pathlib import Path

import pytest

from tests.cli.builders import Terminal

pytestmark = [pytest.mark.timeout(120)]


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "home")


def test_figures_and_charts_are_kept_and_claims_told(terminal: Terminal, tmp_path: Path) -> None:
    kept = tmp_path / "out"
    answer = terminal.run_json("sim", "scale", "--nodes", "4,8", "--shards", "1,2", "--out", str(kept))
    assert [point["plan"]["nodes"] for point in answer["grid"]] == [4, 4, 8, 8]
    assert len(answer["claims"]) == 4
    assert (kept / "scale.json").exists()
    assert len(list(kept.glob("*.svg"))) == 4


def test_people_get_a_table(terminal: Terminal) -> None:
    result = terminal.run("sim", "scale", "--nodes", "4", "--shards", "1", "--load", "100")
    assert result.exit_code == 0, result.output
    assert "under growing load" in result.stdout
    assert "near-linear scaling to 10,000 nodes: not met" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("--nodes", "2", "--shards", "4"), "take more nodes or fewer shards"),
        (("--nodes", "10001"), "no number from 1 to 10,000"),
        (("--nodes", "ten"), "no number"),
        (("--shards", "1,65"), "no number from 1 to 64"),
        (("--nodes", ",".join(["1"] * 33)), "at most 32"),
        (("--load", "0"), "--load"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_measured(
    terminal: Terminal, arguments: tuple[str, ...], hint: str
) -> None:
    status, sentence = terminal.fail("sim", "scale", *arguments)
    assert status == 2
    assert hint in sentence
