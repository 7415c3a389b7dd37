"""``init`` makes what is missing and overwrites nothing; ``up`` refuses in one sentence."""

import stat
from pathlib import Path

import pytest

from tangle.cli.networks import read_genesis
from tangle.core.genesis import compute_chain_id
from tangle.node.founding import FAUCET_SUPPLY, VALIDATOR_SUPPLY
from tangle.store.guard_file import open_guard_file
from tangle.store.home import Home, hold_home, open_home
from tangle.wallet.keyfile import KeyKind, load_key_file
from tests.cli.builders import Terminal


def read_files(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}


def test_init_makes_a_home_of_its_owner_alone(terminal: Terminal) -> None:
    record = terminal.run_json("init")
    home = Home(terminal.home)
    assert record["made"] == ["node.key", "config.toml"]
    assert record["node_key"] == load_key_file(home.node_key, KeyKind.NODE, "devnet").public_key.hex()
    assert record["validator_key"] is record["network"] is None
    assert stat.S_IMODE(home.path.stat().st_mode) == stat.S_IMODE(home.database.stat().st_mode) == 0o700
    assert {stat.S_IMODE((home.path / name).stat().st_mode) for name in record["made"]} == {0o600}


def test_init_again_changes_nothing(terminal: Terminal) -> None:
    terminal.run_json("init", "--found")
    before = read_files(terminal.home)
    record = terminal.run_json("init", "--found", "--validator")
    assert record["made"] == []
    assert read_files(terminal.home) == before
    assert "nothing: all was there" in terminal.run("init").stdout


def test_found_makes_a_network_that_opens(terminal: Terminal) -> None:
    record = terminal.run_json("init", "--found")
    home = open_home(terminal.home)
    genesis = read_genesis(home.genesis)
    assert [validator.public_key.hex() for validator in genesis.validators] == [record["validator_key"]]
    faucet = load_key_file(home.path / "faucet.key", KeyKind.FAUCET, "devnet")
    validator = bytes.fromhex(record["validator_key"])
    assert {entry.account: entry.amount for entry in genesis.allocations} == {
        faucet.public_key: FAUCET_SUPPLY,
        validator: VALIDATOR_SUPPLY,
    }
    assert open_guard_file(home.validator_state, create=False).record == b""
    assert terminal.run_json("config", "show")["settings"]["faucet"] is True
    assert terminal.run_json("genesis", "show")["chain"] == compute_chain_id(genesis).hex()


def test_a_main_network_gets_no_faucet(terminal: Terminal) -> None:
    terminal.run_json("init", "--found", "--network", "main")
    assert not (terminal.home / "faucet.key").exists()
    assert terminal.run_json("genesis", "show")["allocations"] == []


def test_joining_takes_the_genesis_over_and_names_keys_after_it(terminal: Terminal, tmp_path: Path) -> None:
    validator = terminal.run_json(
        "key", "new", "validator", "--chain", "lagoon", "-o", str(tmp_path / "v.key")
    )
    path = tmp_path / "lagoon.cbor"
    made = terminal.run_json(
        "genesis", "new", "--name", "lagoon", "--validator", validator["public_key"], "-o", str(path)
    )
    record = terminal.run_json("init", "--genesis", str(path), "--validator")
    assert made["chain"] in record["network"]
    assert (terminal.home / "genesis.cbor").read_bytes() == path.read_bytes()
    assert (
        load_key_file(terminal.home / "node.key", KeyKind.NODE, "lagoon").public_key.hex()
        == record["node_key"]
    )


def test_a_home_of_another_network_is_refused_by_name(terminal: Terminal, tmp_path: Path) -> None:
    terminal.run_json("init", "--found")
    other = Terminal(tmp_path / "other")
    other.run_json("init", "--found")
    before = read_files(terminal.home)
    status, message = terminal.fail("init", "--genesis", str(other.home / "genesis.cbor"))
    assert status == 1
    assert "belongs to devnet (chain" in message
    assert "choose another place with --home" in message
    assert read_files(terminal.home) == before


def test_a_lost_guard_is_not_made_anew(terminal: Terminal) -> None:
    terminal.run_json("init", "--validator")
    (terminal.home / "validator.state").unlink()
    terminal.run_json("init", "--validator")
    assert not (terminal.home / "validator.state").exists()


@pytest.mark.parametrize("content", [b"", b"\x80", b"garbage", b"\xff" * 100])
def test_a_damaged_genesis_is_refused(terminal: Terminal, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "genesis.cbor"
    path.write_bytes(content)
    status, message = terminal.fail("init", "--genesis", str(path))
    assert status == 1
    assert "not a canonical Genesis" in message
    assert not terminal.home.exists()


def test_found_and_genesis_exclude_each_other(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "g").write_bytes(b"")
    status, message = terminal.fail("init", "--found", "--genesis", str(tmp_path / "g"))
    assert status == 2
    assert "choose one of them" in message


def test_up_without_a_home_says_what_to_do(terminal: Terminal) -> None:
    assert terminal.fail("up") == (
        2,
        f"tangle: {terminal.home} does not exist; make a home with `tangle init`",
    )


def test_up_names_a_wrong_setting(terminal: Terminal) -> None:
    terminal.run_json("init", "--found")
    assert terminal.fail("up", "--api-port", "99999") == (
        2,
        "tangle: --api-port: api_port: expected int <= 65535",
    )
    (terminal.home / "config.toml").write_text("colour = 'blue'\n")
    status, message = terminal.fail("up")
    assert status == 2
    assert "config.toml line 1: there is no setting colour" in message


def test_a_home_that_others_can_enter_is_refused(terminal: Terminal) -> None:
    terminal.run_json("init", "--found")
    terminal.home.chmod(0o755)
    status, message = terminal.fail("up")
    assert status == 2
    assert "chmod go=" in message


def test_the_home_can_be_named_before_and_after_the_command(terminal: Terminal, tmp_path: Path) -> None:
    before = terminal.run_json("--home", str(tmp_path / "a"), "init")
    after = terminal.run_json("init", "--home", str(tmp_path / "b"))
    assert (before["home"], after["home"]) == (str(tmp_path / "a"), str(tmp_path / "b"))
    with hold_home(Home(tmp_path / "a")):
        assert (tmp_path / "a" / "lock").exists()
