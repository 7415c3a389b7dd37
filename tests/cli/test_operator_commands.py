"""``tangle node`` against a running node: its log, leaving the committee, stopping."""

from pathlib import Path

import pytest

from tests.cli.builders import Terminal
from tests.cli.test_peer_commands import run_node_with_door


@pytest.mark.parametrize("words", ["log-level", "log-level debug", "leave", "stop", "stop --now"])
def test_a_shut_door_is_said(terminal: Terminal, words: str) -> None:
    terminal.run_json("init", "--found")
    status, message = terminal.fail("node", *words.split())
    assert status == 1
    assert "admin_port" in message


@pytest.mark.parametrize("level", ["loud", "", "DEBUG", "x" * 5_000])
def test_what_is_no_level_is_refused(terminal: Terminal, level: str) -> None:
    status, _ = terminal.fail("node", "log-level", level)
    assert status == 2


def test_the_whole_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with run_node_with_door(tmp_path, monkeypatch, is_told_to_stop=True) as terminal:
        assert terminal.run_json("node", "log-level") == {"level": "info"}
        assert terminal.run("node", "log-level", "warning").stdout == "warning\n"
        assert terminal.run_json("node", "log-level") == {"level": "warning"}
        assert terminal.run_json("node", "leave") == {"done": "the validator signs nothing more"}
        assert "left, as the operator wished" in terminal.run("status").stdout
        assert terminal.run_json("node", "leave") == {"done": "no validator took part"}
        assert terminal.run_json("node", "stop") == {"done": "the node is stopping"}
