"""Homes: private, held by one process at a time, and let go of by the dead."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tangle.store.errors import HomeExists, HomeInUse, HomeMissing, HomeUnsafe, HomeUnusable, StorageFailed
from tangle.store.files import SMALL_FILE_MAX, read_private_file, write_private_file
from tangle.store.home import Home, create_home, hold_home, open_home

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def holding(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that tries to hold the home."""
    command = [sys.executable, "-m", "tests.store.holder", str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = create_home(tmp_path / "deep" / "home")
    write_private_file(made.genesis, b"genesis")
    return made


def test_a_new_home_is_private_and_opens(home: Home) -> None:
    assert home.path.stat().st_mode & 0o777 == 0o700
    assert home.database.stat().st_mode & 0o777 == 0o700
    assert home.genesis.stat().st_mode & 0o777 == 0o600
    assert open_home(home.path) == home


def test_everything_lies_where_the_manual_says(home: Home) -> None:
    names = [
        home.config,
        home.genesis,
        home.node_key,
        home.validator_key,
        home.validator_state,
    ]
    assert [path.name for path in names] == [
        "config.toml",
        "genesis.cbor",
        "node.key",
        "validator.key",
        "validator.state",
    ]


def test_no_home_is_made_over_another(home: Home) -> None:
    with pytest.raises(HomeExists):
        create_home(home.path)
    assert home.genesis.read_bytes() == b"genesis"
    with pytest.raises(HomeExists):
        create_home(home.genesis)
    with pytest.raises(HomeUnusable):
        create_home(home.genesis / "below a file")


def test_a_missing_home_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(HomeMissing, match="tangle init"):
        open_home(tmp_path / "nowhere")
    empty = create_home(tmp_path / "empty")
    with pytest.raises(HomeMissing) as caught:
        open_home(empty.path)
    assert caught.value.path == empty.genesis


def test_a_home_that_others_can_enter_is_refused(home: Home) -> None:
    home.path.chmod(0o755)
    with pytest.raises(HomeUnsafe, match="chmod"):
        open_home(home.path)


def test_the_second_process_on_one_home_is_refused_and_names_the_first(home: Home) -> None:
    with holding(home.path) as first:
        assert read_line(first) == "held"
        with pytest.raises(HomeInUse) as caught, hold_home(home):
            pass
        assert caught.value.pid == first.pid
        with holding(home.path) as second:
            assert read_line(second).startswith("home-in-use: ")
        assert first.stdin is not None
        first.stdin.close()
        first.wait(10)
    with hold_home(home):
        assert home.lock.read_text() != ""
    assert home.lock.read_text() == ""


def test_a_killed_process_lets_go_of_its_home(home: Home) -> None:
    with holding(home.path) as first:
        assert read_line(first) == "held"
        first.send_signal(signal.SIGKILL)
        first.wait(10)
    with hold_home(home), holding(home.path) as second:
        assert read_line(second).startswith("home-in-use: ")


def test_a_lock_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(HomeUnusable), hold_home(Home(tmp_path / "nowhere")):
        pass


def test_private_files_are_replaced_whole(home: Home) -> None:
    write_private_file(home.node_key, b"one")
    write_private_file(home.node_key, b"two")
    assert read_private_file(home.node_key) == b"two"
    assert sorted(path.name for path in home.path.iterdir()) == ["db", "genesis.cbor", "node.key"]


def test_a_left_over_of_a_crash_is_no_hindrance(home: Home) -> None:
    left_over = home.path / ".node.key.new"
    left_over.write_bytes(b"half")
    left_over.chmod(0o644)
    write_private_file(home.node_key, b"whole")
    assert read_private_file(home.node_key) == b"whole"


def test_a_failed_replacement_leaves_the_old_file(home: Home) -> None:
    write_private_file(home.node_key, b"old")
    (home.path / ".node.key.new").mkdir()
    with pytest.raises(StorageFailed):
        write_private_file(home.node_key, b"new")
    assert read_private_file(home.node_key) == b"old"


def test_bad_private_files_are_refused(home: Home) -> None:
    with pytest.raises(HomeMissing):
        read_private_file(home.node_key)
    write_private_file(home.node_key, b"secret")
    home.node_key.chmod(0o640)
    with pytest.raises(HomeUnsafe) as caught:
        read_private_file(home.node_key)
    assert caught.value.mode == 0o640
    assert read_private_file(home.node_key, is_secret=False) == b"secret"
    write_private_file(home.node_key, bytes(SMALL_FILE_MAX + 1))
    with pytest.raises(HomeUnusable):
        read_private_file(home.node_key)
    with pytest.raises(HomeUnusable):
        read_private_file(home.database)
