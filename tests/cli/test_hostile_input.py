"""Every command there is, given what nobody should give it: a sentence and an exit status, never a traceback.

The commands are read from the command line's own parser, so one that is added tomorrow is tried too.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
import pytest
from _pytest.mark import ParameterSet
from click.testing import CliRunner, Result

from tangle.cli.main import main
from tangle.client.client import TangleClient
from tests.cli.builders import Terminal

STATUSES: Final = frozenset({0, 1, 2, 3, 4})
"""What a command may end with; 70 is a fault in the program."""

PLAIN: Final = {
    "amount": "1",
    "digest": "00" * 32,
    "id": "00" * 32,
    "identity": "00" * 32,
    "job": "00" * 32,
    "job_id": "00" * 32,
    "program": "00" * 32,
    "shell": "bash",
    "level": "info",
}
"""Arguments in their right form, by name; what they name does not exist."""

ENDLESS: Final = frozenset({"devnet up", "doctor", "sim run", "sim scale"})
"""Commands that begin something long when nothing is wrong: tried with options that are wrong in any case."""

HOSTILE: Final = {
    "empty": "",
    "enormous": "7" * 1_000_000,
    "path": "../../../../etc/shadow",
    "markup": "[bold]<script>\x1b[2J\u202e\U0001f4a3",
    "negative": "-1",
    "number": "1e400",
}
"""Texts that no command expects."""


CONTENTS: Final = {
    "nothing": b"",
    "half an object": b"{",
    "zeros": b"\x00" * 100,
    "deep": b"[" * 5_000,
    "no text": b"\xff\xfe\xfd",
    "another object": b'{"version": 1}',
}
"""What files may hold that a command is given."""


def choose(cases: Iterable[str], *quick: str) -> list[ParameterSet]:
    """All cases; those that are not quick run with the slow tests, there are many commands."""
    return [pytest.param(case, marks=() if case in quick else pytest.mark.slow) for case in cases]


def list_leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command that is not a group."""
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from list_leaves(child, (*path, name))


LEAVES: Final = tuple(list_leaves(main))


def find(words: tuple[str, ...]) -> click.Command:
    """The command of these words."""
    command: click.Command = main
    for word in words:
        assert isinstance(command, click.Group)
        child = command.get_command(click.Context(command), word)
        assert child is not None
        command = child
    return command


def list_arguments(words: tuple[str, ...]) -> list[click.Parameter]:
    return [parameter for parameter in find(words).params if isinstance(parameter, click.Argument)]


def judge(result: Result, words: tuple[str, ...]) -> None:
    """One sentence and a status that says whose fault it is."""
    shown = result.output[-2_000:]
    assert result.exit_code in STATUSES, (words, result.exit_code, shown)
    assert "Traceback" not in result.output, (words, shown)
    if result.exit_code and "outcome" not in result.stdout:
        told = [line for line in result.stderr.splitlines() if line.startswith("tangle: ")]
        assert len(told) == 1, (words, shown)
        assert told[0].isprintable(), (words, "nothing that moves the cursor")
        assert len(told[0]) < 2_000, (words, len(told[0]), "a sentence, not what was typed")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody waits between tries, and files land where the test ends."""

    async def go_on(_: float) -> None:
        return

    defaults = TangleClient.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "sleep", go_on)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def odd(tmp_path: Path) -> Terminal:
    """A home that is a file."""
    terminal = Terminal(tmp_path / "home")
    terminal.home.write_bytes(b"\x00")
    return terminal


def name(words: tuple[str, ...]) -> str:
    return " ".join(words)


@pytest.mark.parametrize("words", LEAVES, ids=name)
def test_wrong_usage(odd: Terminal, words: tuple[str, ...]) -> None:
    unknown = odd.run(*words, "--no-such-option")
    assert unknown.exit_code == 2
    judge(unknown, words)
    many = odd.run(*words, *["x"] * 40)
    assert many.exit_code != 0
    judge(many, words)
    if any(argument.required for argument in list_arguments(words)):
        missing = odd.run(*words)
        assert missing.exit_code == 2
        judge(missing, words)


@pytest.mark.parametrize("words", LEAVES, ids=name)
@pytest.mark.parametrize("kind", choose(HOSTILE, "enormous", "markup"))
def test_hostile_arguments_and_options(terminal: Terminal, words: tuple[str, ...], kind: str) -> None:
    text = HOSTILE[kind]
    given = [text for _ in list_arguments(words)]
    if given:
        judge(terminal.run(*words, "--", *given), words)
    for option in find(words).params:
        if not isinstance(option, click.Option) or option.is_flag or option.opts[-1] == "--home":
            continue
        is_bounded = isinstance(option.type, click.IntRange | click.FloatRange | click.Choice)
        if name(words) not in ENDLESS or is_bounded:
            judge(terminal.run(*words, f"{option.opts[-1]}={text}", "--", *given), words)


@pytest.mark.parametrize("words", LEAVES, ids=name)
def test_a_home_that_is_a_file(odd: Terminal, words: tuple[str, ...]) -> None:
    given = [PLAIN.get(argument.name or "", "x") for argument in list_arguments(words)]
    result = odd.run(*words, *given)
    judge(result, words)
    assert result.exit_code == 2


@pytest.mark.parametrize("words", [words for words in LEAVES if list_arguments(words)], ids=name)
@pytest.mark.parametrize("kind", choose(CONTENTS, "half an object", "zeros"))
def test_files_that_hold_something_else(tmp_path: Path, words: tuple[str, ...], kind: str) -> None:
    file = tmp_path / "file.json"
    file.write_bytes(CONTENTS[kind])
    terminal = Terminal(tmp_path / "home")
    judge(terminal.run(*words, "--", *[str(file)] * len(list_arguments(words))), words)


@contextmanager
def serve_badly(answer: bytes) -> Iterator[str]:
    """A node that says ``answer`` to whoever comes, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_all() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(5)
                    try:
                        connection.recv(65_536)
                        connection.sendall(answer)
                    except OSError:
                        continue

        thread = threading.Thread(target=answer_all, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

ANSWERS: Final = {
    "gone at once": b"",
    "gone in the middle": HEAD + b'Content-Length: 1000\r\n\r\n{"data": {"name": "no',
    "not json": HEAD + b"Content-Length: 5\r\nConnection: close\r\n\r\nhello",
    "another record": HEAD + b'Content-Length: 11\r\nConnection: close\r\n\r\n{"data": 1}',
    "not http": b"220 mail.example ESMTP\r\n",
    "a page": b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 6\r\n"
    b"Connection: close\r\n\r\n<html>",
}
"""What stands behind a wrong port, or is left of a node that goes away."""


ASKING: Final = frozenset({"status", "fees", "committee", "dag recent", "dag blocks", "dag checkpoints"})
"""Commands without arguments that ask a node and end by themselves."""

ASKED: Final = tuple(words for words in LEAVES if list_arguments(words) or name(words) in ASKING)
"""Commands that can be given what is of the right form."""


@pytest.mark.parametrize("kind", choose(ANSWERS, "gone in the middle"))
@pytest.mark.parametrize("words", ASKED, ids=name)
def test_something_else_than_a_node_answers(terminal: Terminal, words: tuple[str, ...], kind: str) -> None:
    given = [PLAIN.get(argument.name or "", "11" * 32) for argument in list_arguments(words)]
    with serve_badly(ANSWERS[kind]) as url:
        terminal.url = url
        result = terminal.run(*words, *given)
    judge(result, words)
    if name(words) in ASKING:
        assert result.exit_code in {1, 3}, result.output


def run_elsewhere(home: Path, *arguments: str, **settings: object) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "TANGLE_HOME": str(home),
        "TANGLE_URL": "http://127.0.0.1:1",
        "NO_COLOR": "1",
    }
    command = [sys.executable, "-m", "tangle.cli", *arguments]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, **settings)  # type: ignore[call-overload,no-any-return]  # settings are those of Popen


@pytest.mark.parametrize("arguments", [("--help",), ("version",), ("completion", "bash"), ("config", "show")])
def test_a_pipe_that_nobody_reads(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = run_elsewhere(tmp_path / "home", *arguments, stdout=writing)
    os.close(writing)
    _, told = process.communicate(timeout=50)
    assert b"Traceback" not in told
    assert process.returncode in STATUSES | {-13, 141}


def test_no_colour_where_none_is_wanted(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["version"], env={"NO_COLOR": "1", "FORCE_COLOR": "1"})
    assert "\x1b" not in result.output


def test_errors_stay_one_object_in_json(odd: Terminal) -> None:
    for words in LEAVES:
        result = odd.run("--json", *words, "--no-such-option")
        assert set(json.loads(result.stderr)) == {"error"}, words
