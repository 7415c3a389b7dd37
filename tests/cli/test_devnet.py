"""Devnets: made once and kept, refused where another runs, told in one line."""

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tangle.cli.devnet import Devnet, compute_arguments, create_devnet
from tangle.cli.devnet_status import DevnetLine
from tangle.cli.errors import DevnetMismatch
from tangle.cli.load import WALLETS_MAX, compute_wallet_count
from tangle.core.genesis import compute_chain_id
from tangle.core.hashing import compute_home_shard
from tangle.core.types import Shard
from tangle.net.errors import InvalidAddress
from tangle.node.config import NodeConfig
from tangle.node.runtime import make_shard_config
from tangle.store.home import open_home
from tangle.wallet.faucet_keys import load_faucet_keys
from tangle.wallet.keyfile import KeyKind, load_key_file
from tests.cli.builders import Terminal
from tests.cli.running import find_free_port, is_alive, kill


def read_keys(devnet: Devnet) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in devnet.root.rglob("*.key")}


def test_a_devnet_is_made_once(tmp_path: Path) -> None:
    devnet = Devnet(tmp_path / "net", 3, 20_000)
    genesis = create_devnet(devnet)
    keys = read_keys(devnet)
    assert len(keys) == 7
    assert create_devnet(devnet) == genesis
    assert read_keys(devnet) == keys
    for index, validator in enumerate(genesis.validators):
        home = open_home(devnet.get_home(index))
        assert (
            load_key_file(home.validator_key, KeyKind.VALIDATOR, "devnet").public_key == validator.public_key
        )


def test_an_interrupted_creation_is_completed_with_the_same_keys(tmp_path: Path) -> None:
    devnet = Devnet(tmp_path / "net", 2, 20_000)
    create_devnet(devnet)
    keys = read_keys(devnet)
    (devnet.root / "genesis.cbor").unlink()
    for index in range(2):
        (devnet.get_home(index) / "genesis.cbor").unlink()
    (devnet.get_home(1) / "node.key").unlink()
    again = create_devnet(devnet)
    found = read_keys(devnet)
    assert {path for path in keys if found[path] != keys[path]} == {str(devnet.get_home(1) / "node.key")}
    assert compute_chain_id(again) == compute_chain_id(create_devnet(devnet))


def test_another_number_of_nodes_is_refused(tmp_path: Path) -> None:
    create_devnet(Devnet(tmp_path / "net", 2, 20_000))
    with pytest.raises(
        DevnetMismatch, match="holds a devnet of 2 nodes, asked for are 3; start it with --nodes 2"
    ):
        create_devnet(Devnet(tmp_path / "net", 3, 20_000))


def test_nodes_get_ports_in_a_row_and_each_other_as_peers() -> None:
    arguments = compute_arguments(Devnet(Path("net"), 3, 20_000), 1)
    peers = [arguments[place + 1] for place, name in enumerate(arguments) if name == "--peer"]
    assert peers == ["127.0.0.1:21335", "127.0.0.1:21337"]
    assert arguments[arguments.index("--api-port") + 1] == "20001"
    assert arguments[arguments.index("--peer-port") + 1] == "21336"
    assert "9311" not in compute_arguments(Devnet(Path("net"), 3, 20_000), 0)
    assert "9311" in compute_arguments(Devnet(Path("net"), 3, 14_265), 0)


def test_a_devnet_of_several_shards(tmp_path: Path) -> None:
    devnet = Devnet(tmp_path / "net", 2, 20_000, 4, 2)
    genesis = create_devnet(devnet)
    assert genesis.parameters.shard_bits == 2
    assert create_devnet(devnet) == genesis
    for index, validator in enumerate(genesis.validators):
        assert compute_home_shard(validator.public_key, 2) == 0, "the market takes its bonds there"
        parts = [open_home(devnet.get_home(index)).get_part(Shard(shard)) for shard in range(4)]
        assert all(part.validator_state.exists() for part in parts)
        assert open_home(devnet.get_home(index)).list_parts() == tuple(parts)
    funded = {allocation.account for allocation in genesis.allocations}
    faucets = load_faucet_keys(devnet.root / "faucet.key", "devnet", 2)
    assert [compute_home_shard(key.public_key, 2) for key in faucets] == [0, 1, 2, 3]
    assert funded.issuperset(key.public_key for key in faucets)


def test_ports_of_several_shards_follow_each_other() -> None:
    devnet = Devnet(Path("net"), 3, 20_000, 4, 2)
    arguments = compute_arguments(devnet, 1)
    assert arguments[arguments.index("--peer-port") + 1] == "21339"
    assert arguments[arguments.index("--processes") + 1] == "2"
    peers = [arguments[place + 1] for place, name in enumerate(arguments) if name == "--peer"]
    assert peers == ["127.0.0.1:21335", "127.0.0.1:21343"]
    assert set(range(21_335, 21_347)) <= set(devnet.get_ports())
    config = NodeConfig(peer_port=21_339, peers=("127.0.0.1:21335", "[::1]:21343"))
    moved = make_shard_config(config, Shard(3))
    assert (moved.peer_port, moved.peers) == (21_342, ("127.0.0.1:21338", "[::1]:21346"))
    with pytest.raises(InvalidAddress):
        make_shard_config(NodeConfig(peers=("127.0.0.1:65534",)), Shard(3))


def test_another_number_of_shards_is_refused(tmp_path: Path) -> None:
    create_devnet(Devnet(tmp_path / "net", 1, 20_000, 2))
    with pytest.raises(
        DevnetMismatch, match="holds a devnet of 2 shards, asked for are 4; start it with --shards 2"
    ):
        create_devnet(Devnet(tmp_path / "net", 1, 20_000, 4))


def test_load_is_spread_over_wallets() -> None:
    assert [compute_wallet_count(rate) for rate in (0.1, 20, 10_000)] == [2, 5, WALLETS_MAX]


def test_a_line_fits_into_eighty_columns() -> None:
    line = DevnetLine(4, 4, 0, 20.04, 640.2, 12_345, "digits 64-32-10", 321, 345, 360)
    assert str(line) == "4/4 nodes | 20.0 tx/s | final in 640 ms | checkpoint 12345 | digits #321 95.8%"
    assert len(str(line)) < 80
    line = DevnetLine(3, 4, 2, 0, None, 1, "digits", 0, 0, 360)
    assert str(line) == "3/4 nodes | 0.0 tx/s | final in - ms | checkpoint 1 | digits #0 0.0% | 2 restarts"


def test_taken_ports_are_refused_by_name(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tangle.cli.devnet.PORTS_TIMEOUT_S", 0.1)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        base = port if port <= 64_000 else port - 1_335
        status, message = terminal.fail("devnet", "up", "--nodes", "1", "--port-base", str(base))
    assert status == 1
    assert f"port {port} taken by another program; stop it, or choose other ports with --port-base" in message
    assert not terminal.home.exists()


def test_a_running_devnet_is_named(node: Terminal, tmp_path: Path) -> None:
    port = int(node.url.rpartition(":")[2])
    other = Terminal(tmp_path / "other")
    if port > 64_000:
        pytest.fail(f"port {port} is no first port of a devnet; run this test again")
    status, message = other.fail("devnet", "up", "--nodes", "1", "--port-base", str(port))
    assert status == 1
    assert "taken by tangle of the network devnet, which is running already" in message


@pytest.mark.slow
def test_a_devnet_survives_kills_and_goes_on_after_a_stop(tmp_path: Path) -> None:
    base = min(find_free_port(), 60_000)
    command = [sys.executable, "-m", "tangle.cli", "--json", "devnet", "up", "--nodes", "4", "--load", "20"]
    command += ["--home", str(tmp_path / "net"), "--port-base", str(base)]

    def read_line(process: "subprocess.Popen[str]") -> DevnetLine:
        assert process.stdout is not None
        return DevnetLine(**json.loads(process.stdout.readline()))

    def run_until(process: "subprocess.Popen[str]", checkpoint: int) -> DevnetLine:
        while (
            (line := read_line(process)).checkpoint < checkpoint
            or line.nodes_alive < 4
            or line.rate_final < 5
        ):
            assert process.poll() is None
        return line

    reached = 0
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            line = run_until(process, reached + 20)
            assert line.finality_p50_ms is not None
            pids = [int((tmp_path / f"net/node-{index}/lock").read_text()) for index in range(4)]
            kill(pids[2])
            line = run_until(process, line.checkpoint + 20)
            assert line.restarts == 1
            for index in range(4):
                pid = int((tmp_path / f"net/node-{index}/lock").read_text())
                if is_alive(pid):  # the one that was killed may not have written its new id yet
                    kill(pid)
            reached = run_until(process, line.checkpoint + 20).checkpoint
            process.send_signal(signal.SIGINT)
            _, talk = process.communicate(timeout=30)
        finally:
            process.kill()
        assert process.returncode == 0
        assert re.search(r"stopping \.\.\..*stopped; start again", talk, re.DOTALL)
        assert not any(map(is_alive, pids))
