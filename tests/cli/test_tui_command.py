"""``tangle tui``: what goes together, what is refused, and the dashboard in a browser."""

import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import anyio
import pytest

from tests.cli.builders import Terminal
from tests.tui.scripted import record_devnet
from tui.sources import write_recording

PATIENCE_S = 60.0
"""For a dashboard to start; it takes a second or two."""

LOOK_S = 0.05
"""Between two attempts to reach it."""


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "home")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "session.gz"
    write_recording(path, record_devnet(3))
    return path


def test_without_a_terminal_it_says_what_else_there_is(terminal: Terminal) -> None:
    status, sentence = terminal.fail("tui")
    assert status == 2
    assert "tangle status" in sentence


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--also", "http://127.0.0.1:2"), "leave out --record and --also"),
        (("--record", "new.gz"), "leave out --record and --also"),
        (("--speed", "1000"), "1000"),
    ],
)
def test_options_that_do_not_go_together(
    terminal: Terminal, recording: Path, more: tuple[str, str], sentence: str
) -> None:
    result = terminal.run("tui", "--replay", str(recording), *more)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_a_recording_is_not_written_over(terminal: Terminal, recording: Path) -> None:
    before = recording.read_bytes()
    result = terminal.run("tui", "--record", str(recording))
    assert result.exit_code == 2
    assert "is not written over" in result.stderr
    assert recording.read_bytes() == before


def test_a_browser_records_nothing(terminal: Terminal, tmp_path: Path) -> None:
    result = terminal.run("tui", "--web", "--record", str(tmp_path / "new.gz"))
    assert result.exit_code == 2
    assert "without --web" in result.stderr


def test_what_is_no_recording_is_not_played(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary\n")
    result = terminal.run("tui", "--replay", str(path))
    assert result.exit_code == 2
    assert "notes.txt is not a recording of the dashboard" in result.stderr


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_browser_sees_the_dashboard(anyio_backend: str, recording: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tangle.cli", "tui", "--web", "--port", str(port)]
    async with await anyio.open_process(
        [*command, "--replay", str(recording)], stdout=None, stderr=subprocess.DEVNULL
    ) as process:
        try:
            async with aiohttp.ClientSession() as session:
                with anyio.fail_after(PATIENCE_S):
                    assert "tangle" in await fetch_page(session, f"http://127.0.0.1:{port}/")
                    shown = await read_until(session, f"ws://127.0.0.1:{port}/ws?width=100&height=30")
                    assert b"DAG" in shown
        finally:
            process.terminate()


async def read_until(session: aiohttp.ClientSession, url: str) -> bytes:
    """What the browser is sent, up to the names of the views."""
    shown = b""
    async with session.ws_connect(url) as browser:
        while b"DAG" not in shown:
            message = await browser.receive()
            assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), shown
            shown += message.data if isinstance(message.data, bytes) else message.data.encode()
    return shown


async def fetch_page(session: aiohttp.ClientSession, url: str) -> str:
    """The page, as soon as somebody listens there."""
    while True:
        try:
            async with session.get(url) as answer:
                assert answer.status == 200
                return await answer.text()
        except aiohttp.ClientConnectionError:
            await anyio.sleep(LOOK_S)
