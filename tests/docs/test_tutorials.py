"""The commands of the shorter tutorials, as they stand there, against a node of its own."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.cli.builders import WORDS
from tests.cli.running import run_single_node
from tests.docs.reading import read_document

LEARNING: Final = "docs/tutorials/watch-it-learn.md"
BUILDING: Final = "docs/tutorials/build-a-wallet.md"
ROOT: Final = Path(__file__).resolve().parents[2]


def read_commands(document: str) -> list[list[str]]:
    """Every command of a page."""
    lines = [line.strip() for line in read_document(document).splitlines()]
    return [shlex.split(line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]


def test_what_the_tutorials_say(tmp_path: Path) -> None:
    with run_single_node(tmp_path) as terminal:
        terminal.run_json("wallet", "import", "alice", "--words-file", "-", input=WORDS)
        last = terminal.run_json("faucet", "alice")["transaction"]["id"]
        job = terminal.run_json("model", "list")["models"][0]["job"]
        commands = read_commands(LEARNING)
        assert len(commands) == 6
        for _, *command in commands:
            if command[:2] == ["wallet", "new"]:
                continue  # it asks a person to write words down
            result = terminal.run(*({"JOB": job, "LAST": last}.get(word, word) for word in command))
            assert result.exit_code == 0, (command, result.output)
        ((_, *arguments),) = read_commands(BUILDING)
        command = [terminal.url if "://" in word else word for word in arguments]
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100
        )
        assert done.returncode == 0, done.stderr
        assert "proven by validators (0,)" in done.stdout
