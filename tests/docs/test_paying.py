"""The tutorial of paying for an answer, command by command as it stands there, on a real network; and that
troubleshooting knows every refusal of the market.
"""

import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from poi.market import errors
from poi.market.errors import MarketFault
from tests.cli.running import find_free_port

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorials" / "pay-for-an-answer.md"
START_TIMEOUT_S = 120.0
STEP_TIMEOUT_S = 240.0


class Walk:
    """Runs the tutorial's commands in a directory of their own, against a network."""

    def __init__(self, place: Path, port: int) -> None:
        self.place = place
        self.printed: list[tuple[str, str]] = []
        self._job = ""
        self._environment = {
            "PYTHONPATH": str(ROOT),
            "PATH": "/usr/bin:/bin",
            "HOME": str(place),
            "TANGLE_HOME": str(place / "home"),
            "TANGLE_URL": f"http://127.0.0.1:{port}",
            "TANGLE_PASSWORD_FILE": str(place / "password"),
            "OPENBLAS_NUM_THREADS": "1",
        }
        (place / "password").write_text("correct horse\n")

    def run(self, line: str) -> None:
        """Run one line; ``JOB`` is the job that was opened last."""
        command, _, target = line.partition(" > ")
        program, *arguments = shlex.split(command.replace("JOB", self._job))
        module = ["-m", "tangle.cli", *arguments] if program == "tangle" else arguments
        done = subprocess.run(
            [sys.executable, *module],
            cwd=self.place,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=STEP_TIMEOUT_S,
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        if target:
            (self.place / target).write_text(done.stdout)
        self.printed.append((line, done.stdout))
        found = re.search(r"^job +([0-9a-f]{64})$", done.stdout, re.MULTILINE)
        if "job open" in line and found is not None:
            self._job = found[1]

    def find(self, beginning: str) -> str:
        """What the first command that begins like this printed."""
        return next(text for line, text in self.printed if line.startswith(beginning))


def read_commands() -> list[str]:
    """Every command of the tutorial."""
    lines = TUTORIAL.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The whole tutorial, walked."""
    place = tmp_path_factory.mktemp("paying")
    port = 20_000 + find_free_port() % 20_000
    command = [sys.executable, "-m", "tangle.cli", "devnet", "up", "--load", "0", "--port-base", str(port)]
    command += ["--home", str(place / "devnet")]
    with (place / "devnet.log").open("wb") as log:
        network = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait_ready(port, network, place / "devnet.log")
        made = Walk(place, port)
        for line in read_commands():
            made.run(line)
        yield made
    finally:
        network.send_signal(signal.SIGINT)
        network.wait(60)


def _wait_ready(port: int, network: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        assert network.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)  # the readiness of another process can only be polled
    raise AssertionError(f"not ready: {log.read_text()}")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_answer_is_right_paid_and_proven(walk: Walk) -> None:
    assert "confirmed    yes" in walk.find("tangle model register")
    digits = walk.find("python -m examples").split("the rows show ")[1].strip(" []\n").split(", ")
    opened = walk.find("tangle job open --model")
    given = [line.split("answer ")[1].split()[0] for line in opened.splitlines() if "  answer " in line]
    given = [answer for answer in given if answer.isdecimal()]
    assert sum(first == second for first, second in zip(digits, given, strict=True)) >= 4
    story = walk.find("tangle explain")
    assert "assigned by lot" in story
    assert "committed to a result" in story
    checked = walk.find("tangle verify")
    assert "V3" in checked
    assert "error bound" in checked


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_best_answer_wins_the_prize(walk: Walk) -> None:
    assert "shown" in walk.find("tangle job answer")
    assert "[0, " in walk.find("tangle job result")
    assert "+1.9 MST" in walk.find("tangle wallet earnings")


def test_every_refusal_of_the_market_has_a_row() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.code for kind in kinds if issubclass(kind, MarketFault)}
    assert len(codes) > 20
    assert not {code for code in codes if f"`{code}`" not in text}


def test_the_tutorial_names_commands_that_exist() -> None:
    from tangle.cli.main import MODULES

    named = {shlex.split(line)[1] for line in read_commands() if line.startswith("tangle ")}
    assert named <= set(MODULES)
    assert {"job", "explain", "verify", "model", "faucet", "wallet"} <= named
