"""``tangle peers`` against a running node: what it shows, what it changes, what it refuses."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tangle.cli.peer_commands import SpanType
from tests.cli.builders import Terminal
from tests.cli.running import _wait_ready, find_free_port

KEY = "ab" * 32


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("10min", 600), ("12h", 43_200), ("7d", 604_800)])
def test_spans(text: str, seconds: int) -> None:
    assert SpanType().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "7", "0s", "-1d", "7w", "1.5h", "4000d", "9" * 40 + "s"])
def test_what_is_no_span_is_refused(terminal: Terminal, text: str) -> None:
    status, message = terminal.fail("peers", "ban", KEY, "--for", text)
    assert status == 2
    assert "span" in message


def test_a_shut_door_is_said(terminal: Terminal) -> None:
    terminal.run_json("init", "--found")
    status, message = terminal.fail("peers", "bans")
    assert status == 1
    assert "admin_port" in message


@contextmanager
def run_node_with_door(
    directory: Path, monkeypatch: pytest.MonkeyPatch, *, is_told_to_stop: bool = False
) -> Iterator[Terminal]:
    """A node of its own network; with ``is_told_to_stop`` the test stops it itself."""
    terminal = Terminal(directory / "home")
    terminal.run_json("init", "--found")
    ports = [find_free_port() for _ in range(3)]
    monkeypatch.setenv("TANGLE_ADMIN_PORT", str(ports[2]))
    terminal.url = f"http://127.0.0.1:{ports[0]}"
    command = [sys.executable, "-m", "tangle.cli", "--home", str(terminal.home), "up", "--device", "numpy"]
    arguments = ["--api-port", str(ports[0]), "--peer-port", str(ports[1]), "--metrics-port", "0"]
    with (directory / "node.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--workers", "1", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ,
        )
    try:
        _wait_ready(terminal.url, process, directory / "node.log")
        yield terminal
        if not is_told_to_stop:
            process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()


def test_the_whole_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with run_node_with_door(tmp_path, monkeypatch) as terminal:
        assert terminal.run_json("peers", "list") == []
        assert "kept connected" in terminal.run("peers", "add", "127.0.0.1:1").stdout
        (known,) = terminal.run_json("peers", "known")
        assert (known["address"], known["is_added"], known["is_connected"]) == ("127.0.0.1:1", True, False)
        assert "127.0.0.1:1" in terminal.run("peers", "known").stdout
        assert "forgotten" in terminal.run("peers", "remove", "127.0.0.1:1").stdout
        assert "no address" in terminal.fail("peers", "remove", "127.0.0.1:1")[1]
        ban = terminal.run_json("peers", "ban", KEY, "--reason", "spam", "--for", "1h")
        assert (ban["subject"], ban["reason"], ban["is_manual"]) == (KEY, "spam", True)
        assert int(ban["until_ms"]) - int(ban["since_ms"]) == 3_600_000
        terminal.run("peers", "ban", "192.0.2.0/24")
        shown = terminal.run("peers", "bans").stdout
        assert KEY in shown
        assert "for ever" in shown
        terminal.run("peers", "unban", KEY)
        assert [each["subject"] for each in terminal.run_json("peers", "bans")] == ["192.0.2.0/24"]
        assert terminal.fail("peers", "ban", "a.name")[0] == 1
        assert terminal.run_json("peers", "drain")["is_draining"] is True
        assert "open to peers" in terminal.run("peers", "drain", "--stop").stdout
