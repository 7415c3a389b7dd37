"""The edge: one sentence and an exit status for whatever ends a command."""

import errno
import json
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from tangle.cli.errors import InvalidConfig, MissingInput, WordsNotConfirmed
from tangle.cli.failures import ExitStatus, describe_failure
from tangle.cli.main import MODULES, main
from tangle.client.errors import NodeUnreachable, NotReached
from tests.cli.builders import Terminal


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (WordsNotConfirmed(), ExitStatus.FAILED, "words-unconfirmed"),
        (InvalidConfig("x", "y"), ExitStatus.USAGE, "config-invalid"),
        (MissingInput("x", "y"), ExitStatus.USAGE, "input-missing"),
        (NodeUnreachable("http://x", "refused"), ExitStatus.UNREACHABLE, "node-unreachable"),
        (NotReached(b"x", "checkpointed", "attached", 3), ExitStatus.TIMEOUT, "wait-timeout"),
        (click.UsageError("no"), ExitStatus.USAGE, "usage"),
        (click.ClickException("no"), ExitStatus.FAILED, "failed"),
        (click.exceptions.Abort(), ExitStatus.INTERRUPTED, "interrupted"),
        (KeyboardInterrupt(), ExitStatus.INTERRUPTED, "interrupted"),
        (PermissionError(errno.EACCES, "Permission denied", "file"), ExitStatus.FAILED, "system"),
        (TimeoutError(), ExitStatus.TIMEOUT, "timeout"),
        (ZeroDivisionError("x"), ExitStatus.BUG, "internal"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_every_kind_of_failure_has_a_status_and_a_code(error: BaseException, status: int, code: str) -> None:
    failure = describe_failure(error)
    assert (failure.status, failure.code) == (status, code)
    assert "\n" not in failure.message


def test_what_a_task_group_wraps_is_unwrapped() -> None:
    group = BaseExceptionGroup("outer", [ExceptionGroup("inner", [WordsNotConfirmed()])])
    assert describe_failure(group).code == "words-unconfirmed"


def test_system_errors_name_the_file_and_the_reason() -> None:
    assert describe_failure(FileNotFoundError(2, "No such file", "/x")).message == "/x: No such file"
    assert describe_failure(OSError("odd")).message == "the system refuses: odd"


def test_a_traceback_is_shown_only_when_asked_for(terminal: Terminal) -> None:
    assert terminal.fail("genesis", "show")[0] == 1
    shown = terminal.run("genesis", "show", "--debug").stderr
    assert "Traceback" in shown
    assert "GenesisMissing" in shown
    assert "Traceback" in terminal.run("genesis", "show", env={"TANGLE_DEBUG": "1"}).stderr


def test_an_unknown_command_gets_a_suggestion(terminal: Terminal) -> None:
    status, message = terminal.fail("walet")
    assert (status, message) == (
        2,
        "tangle: There is no command 'walet'. Did you mean wallet? Try: tangle --help",
    )
    assert terminal.fail("zzz")[0] == 2
    assert terminal.fail("wallet", "nwe")[0] == 2
    assert terminal.fail("status", "--colour")[0] == 2


def test_nobody_answers(terminal: Terminal) -> None:
    status, message = terminal.fail("status")
    assert (status, message) == (
        3,
        "tangle: no answer from http://127.0.0.1:1: connection refused; is the node up?",
    )
    assert terminal.fail("status", "--url", "ftp://x")[0] == 2


def test_errors_are_objects_when_asked_for(terminal: Terminal) -> None:
    result = terminal.run("status", "--json")
    assert json.loads(result.stderr)["error"]["code"] == "node-unreachable"
    assert result.stdout == ""


def test_quiet_leaves_the_talk_out(terminal: Terminal) -> None:
    assert "next:" in terminal.run("init").stderr
    assert terminal.run("init", "--quiet").stderr == ""


def test_a_terminal_program_needs_a_terminal(terminal: Terminal) -> None:
    status, message = terminal.fail("tui")
    assert (status, "use tangle status" in message) == (2, True)


@pytest.mark.parametrize("name", MODULES)
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage: tangle " + name in result.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_command(terminal: Terminal, shell: str) -> None:
    assert "_TANGLE_COMPLETE" in terminal.run("completion", shell).stdout


def test_completion_completes(terminal: Terminal) -> None:
    environment = {"_TANGLE_COMPLETE": "bash_complete", "COMP_WORDS": "tangle wal", "COMP_CWORD": "1"}
    assert terminal.run(env=environment).stdout.strip() == "plain,wallet"


def test_version_is_told(terminal: Terminal) -> None:
    assert terminal.run_json("version")["protocol"] == 1
    assert terminal.run("version").stdout.startswith("tangle ")


def test_libraries_are_told_to_use_one_thread_before_numpy_is_imported() -> None:
    program = (
        "import os, sys; from tangle.cli.main import main; assert 'numpy' not in sys.modules\n"
        "try: main(['version'])\n"
        "finally: print(*(os.environ[name] for name in ('OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS')))"
    )
    environment = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "3"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "1 3", "and what the operator chose stays"
