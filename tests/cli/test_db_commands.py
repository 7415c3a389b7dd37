"""``tangle db`` on the home of a real node: while it runs, after it, and whatever was done to its files."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tangle.store.pages import PageFile
from tests.cli.builders import Terminal
from tests.cli.running import run_single_node
from tests.store.files import HISTORY, LIVE, PAGE, flip, list_pages

STRANGER: Final = 65_534
"""A user without rights on every Linux."""


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home of a node that ran, with the backup that was made of it meanwhile."""
    directory = tmp_path_factory.mktemp("lived")
    with run_single_node(directory) as terminal:
        terminal.run_json("wallet", "new", "w")
        terminal.run_json("faucet", "w")
        made = terminal.run_json("db", "backup", str(directory / "backup"), "--deep")
        assert made["rows"] > 10
        running = terminal.run_json("db", "check", "--deep")
        assert running["is_sound"]
        exported = terminal.run_json("db", "export", str(directory / "running.export"))
        assert exported["rows"] > 10
        for command in ("repair", "compact"):
            status, text = terminal.fail("db", command)
            assert status == 1
            assert "in use by process" in text
    return directory


@pytest.fixture
def terminal(lived: Path, tmp_path: Path) -> Terminal:
    shutil.copytree(lived / "home", tmp_path / "home")
    return Terminal(tmp_path / "home")


def test_a_backup_is_a_home_without_keys(lived: Path) -> None:
    backup = lived / "backup"
    assert sorted(path.name for path in backup.iterdir()) == ["db", "genesis.cbor"]
    assert Terminal(backup).run_json("db", "check", "--deep")["is_sound"]
    status, text = Terminal(lived / "home").fail("db", "backup", str(backup))
    assert (status, "exists already" in text) == (1, True)


def test_a_node_that_was_stopped_is_sound(terminal: Terminal) -> None:
    record = terminal.run_json("db", "check", "--deep")
    assert record["is_sound"]
    assert record["findings"] == []
    assert "sound" in terminal.run("db", "check").stdout


def test_compaction_keeps_everything(terminal: Terminal) -> None:
    before = terminal.run_json("db", "check")["rows"]
    done = terminal.run_json("db", "compact")["compacted"]
    assert [each["name"] for each in done] == ["live", "history-00000000"]
    assert all(each["after_bytes"] <= each["before_bytes"] for each in done)
    assert terminal.run_json("db", "check", "--deep")["rows"] == before


def test_an_export_goes_into_an_empty_home_and_comes_out_again(terminal: Terminal, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    rows = terminal.run_json("db", "export", str(first))["rows"]
    other = Terminal(tmp_path / "other")
    other.run_json("init", "--genesis", str(terminal.home / "genesis.cbor"))
    assert other.run_json("db", "import", str(first))["rows"] == rows
    assert other.run_json("db", "check", "--deep")["is_sound"]
    assert other.run_json("db", "export", str(second))["rows"] == rows
    assert first.read_bytes() == second.read_bytes()
    status, text = other.fail("db", "import", str(first))
    assert (status, "exists already" in text) == (1, True)
    status, text = terminal.fail("db", "export", str(first))
    assert (status, "exists already" in text) == (1, True)


def test_an_export_of_another_network_or_a_changed_one_is_refused(terminal: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "file"
    terminal.run_json("db", "export", str(path))
    stranger = Terminal(tmp_path / "stranger")
    stranger.run_json("init", "--found")
    status, text = stranger.fail("db", "import", str(path))
    assert (status, "nothing was imported" in text) == (1, True)
    other = Terminal(tmp_path / "other")
    other.run_json("init", "--genesis", str(terminal.home / "genesis.cbor"))
    whole = path.read_bytes()
    for changed in (whole[:-40], whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:]):
        path.write_bytes(changed)
        status, text = other.fail("db", "import", str(path))
        assert (status, "cannot be imported" in text) == (1, True)
        assert not (other.home / "db" / "live").exists()
        assert not (other.home / "db.making").exists()
    status, text = other.fail("db", "export", str(tmp_path / "none"))
    assert (status, "no such file" in text) == (1, True)


@pytest.mark.parametrize("name", [HISTORY, LIVE])
def test_a_file_that_was_deleted_by_hand_is_named(terminal: Terminal, name: Path) -> None:
    (terminal.home / "db" / name).unlink()
    result = terminal.run("db", "check")
    assert result.exit_code == 1
    assert "file-unreadable" in result.stdout
    assert str(name) in result.stdout
    for command in (
        ("up", "--device", "numpy"),
        ("db", "compact"),
        ("db", "backup", str(terminal.home.parent / "b")),
    ):
        status, text = terminal.fail(*command)
        assert status in {1, 2}
        assert "data.mdb" in text
    assert not (terminal.home / "db" / name).exists(), "nothing was put in its place"
    done = terminal.run_json("db", "repair")["repaired"][0]
    assert done["way"] == ("emptied" if name == HISTORY else "executed")
    assert terminal.run_json("db", "check")["is_sound"]
    assert Path(done["kept"]).name == "db.damaged-1"


def test_truncation_and_a_flipped_page_are_found_and_repaired(terminal: Terminal) -> None:
    path = terminal.home / "db" / HISTORY
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    result = terminal.run("--json", "db", "check")
    assert result.exit_code == 1
    assert "page-damaged" in result.stdout
    status, text = terminal.fail("up", "--device", "numpy")
    assert (status, "tangle db repair" in text) == (2, True)
    path.write_bytes(whole)
    for page in list_pages(path, 2):
        flip(path, page * PAGE)
        with PageFile(path) as file:
            file.check()
            if file.faults:
                break
        flip(path, page * PAGE)  # nothing uses that one
    assert terminal.run("db", "check").exit_code == 1
    status, text = terminal.fail("db", "compact")
    assert status == 1
    terminal.run_json("db", "repair")
    assert terminal.run_json("db", "check", "--deep")["is_sound"]


def test_a_home_of_another_chain_is_refused(terminal: Terminal, tmp_path: Path) -> None:
    stranger = Terminal(tmp_path / "stranger")
    stranger.run_json("init", "--found")
    shutil.copy(stranger.home / "genesis.cbor", terminal.home / "genesis.cbor")
    for command in ("check", "export"):
        arguments = ["db", command, *([str(tmp_path / "x")] if command == "export" else [])]
        status, text = terminal.fail(*arguments)
        assert (status, "choose another home" in text) == (1, True)


@contextmanager
def as_stranger(place: Path) -> Iterator[None]:
    """Take away the right to write below ``place``; root, whom no mode stops, becomes somebody else."""
    paths = [place, *place.rglob("*")]
    for path in paths:
        if os.geteuid() == 0:
            os.chown(path, STRANGER, STRANGER)
        path.chmod(0o500 if path.is_dir() else 0o400)
    is_root = os.geteuid() == 0
    try:
        if is_root:
            os.seteuid(STRANGER)
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for path in paths:
            path.chmod(0o700 if path.is_dir() else 0o600)


def test_a_home_that_cannot_be_written_to_is_named_and_left_alone(lived: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:  # a place that every user reaches
        Path(directory).chmod(0o755)
        terminal = Terminal(Path(directory) / "home")
        shutil.copytree(lived / "home", terminal.home)
        before = (terminal.home / "db" / HISTORY).read_bytes()
        terminal.run_json("db", "check")
        with as_stranger(terminal.home):
            for command in ("check", "compact", "repair"):
                status, text = terminal.fail("db", command)
                assert (status, "cannot use" in text) == (1, True)
        assert (terminal.home / "db" / HISTORY).read_bytes() == before
        assert terminal.run_json("db", "check")["is_sound"]


def test_a_place_that_cannot_be_written_to_is_named(terminal: Terminal) -> None:
    for command in ("export", "backup"):
        status, text = terminal.fail("db", command, "/proc/tangle-copy")
        assert (status, "the database is as it was" in text) == (1, True)
    assert terminal.run_json("db", "check")["is_sound"]


@pytest.mark.parametrize("name", [LIVE, Path("live") / "lock.mdb"])
def test_a_repaired_home_runs_and_goes_on(terminal: Terminal, name: Path) -> None:
    """A validator alone on its network: nobody but its own history can bring the state back."""
    (terminal.home / "db" / name).unlink()
    (done,) = terminal.run_json("db", "repair")["repaired"]
    assert done["missing"] is None
    with run_single_node(terminal.home.parent) as running:
        status = running.run_json("status")
        assert int(status["checkpoint_certified"]) >= int(done["checkpoint"])
    assert terminal.run_json("db", "check", "--deep")["is_sound"]
