"""The commands of docs/data-care.md, as they stand there, on the home of a node that ran."""

import shlex
from pathlib import Path

import pytest

from tangle.node.care.findings import Fault
from tests.cli.running import run_single_node
from tests.docs.reading import find_codes, find_table, read_document

DOCUMENT = "docs/data-care.md"


def read_commands() -> list[list[str]]:
    """Every command of the page's console blocks, without the program's name."""
    lines = read_document(DOCUMENT).splitlines()
    return [shlex.split(line.removeprefix("$ tangle ")) for line in lines if line.startswith("$ tangle ")]


def test_every_command_of_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with run_single_node(tmp_path) as terminal:
        terminal.run_json("status")
    monkeypatch.chdir(tmp_path)
    commands = read_commands()
    assert len(commands) >= 6
    for command in commands:
        result = terminal.run(*command)
        assert result.exit_code == 0, (command, result.output)
    # Beside these only the lock of the check that looked at it.
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {"db", "genesis.cbor", "lock"}
    assert (tmp_path / "home" / "db.damaged-1").is_dir()
    assert (tmp_path / "history.tangle").is_file()


def test_every_finding_has_a_row() -> None:
    rows = find_table(read_document(DOCUMENT), "finding")
    named = {code for row in rows for code in find_codes(row[0])}
    assert named == {fault.value for fault in Fault} - {Fault.GUARD_BEHIND.value}
