"""The walk of docs/models.md, as it stands there, and its table of refusals."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from aivm.importers import errors
from aivm.importers.errors import ImportRefused

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "models.md"


def read_commands() -> list[list[str]]:
    """Every command of the page's console blocks."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    return [shlex.split(line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each command of the walk prints."""
    place = tmp_path_factory.mktemp("walk")
    printed = []
    for program, *arguments in read_commands():
        command = ["-m", "tangle.cli", *arguments] if program == "tangle" else arguments
        done = subprocess.run(
            [sys.executable, *command],
            cwd=place,
            env={
                "PYTHONPATH": str(ROOT),
                "PATH": "/usr/bin:/bin",
                "HOME": str(place),
                "OPENBLAS_NUM_THREADS": "1",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        printed.append(done.stdout)
    return printed


def find(shown: list[str], place: int, name: str) -> str:
    """Value of a line of one command's answer."""
    line = next(line for line in shown[place].splitlines() if line.startswith(name))
    return line.removeprefix(name).strip()


def test_the_walk_ends_with_answers(shown: list[str]) -> None:
    _, quantized, inspected, answers, pruned = shown
    assert find(shown, 1, "program") == find(shown, 2, "program"), "the id that was printed is the file's"
    assert "matmul" in inspected
    assert "image: 64 int8" in inspected
    digits = shown[0].split("the rows show ")[1].strip(" []\n").split(", ")
    given = [line.split("answer ")[1].split()[0] for line in answers.splitlines() if "answer" in line]
    assert len(given) == 5
    assert sum(first == second for first, second in zip(digits, given, strict=True)) >= 4
    assert "accuracy before" in quantized
    assert "accuracy after" in pruned


def test_the_walk_loses_no_accuracy(shown: list[str]) -> None:
    before, after = (int(find(shown, 1, f"accuracy {when}").split()[0]) for when in ("before", "after"))
    assert before >= 330, "of 360"
    assert abs(before - after) <= 4
    assert int(find(shown, 1, "agreement").split()[0]) >= 354


def test_every_refusal_has_a_row() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ImportRefused)
    ]
    missing = {kind.code for kind in kinds if kind is not ImportRefused and f"`{kind.code}`" not in text}
    assert not missing
