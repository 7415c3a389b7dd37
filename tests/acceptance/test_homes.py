"""Homes that a node must not run on, and ports that it cannot have: refused by name in one sentence, with
exit status 2, so that a supervisor does not try again.
"""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tangle.core.genesis import encode_genesis
from tangle.store.home import Home
from tangle.wallet.keyfile import KeyKind, generate_key_file
from tests.acceptance.support import NodeUnderTest, found_devnet, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

Damage = Callable[[NodeUnderTest, Path], None]


async def refuse(node: NodeUnderTest) -> str:
    """Start a node that must refuse: its one sentence."""
    node.log_path.unlink(missing_ok=True)
    node.start()
    status = await node.wait_exit()
    log = node.read_log()
    assert "Traceback" not in log
    sentences = [line for line in log.splitlines() if line.startswith("tangle: ")]
    assert (status, len(sentences)) == (2, 1), log
    return sentences[0]


def swap_genesis(node: NodeUnderTest, other: Path) -> None:
    shutil.copy(other / "genesis.cbor", node.home / "genesis.cbor")


def tear_genesis(node: NodeUnderTest, other: Path) -> None:
    path = node.home / "genesis.cbor"
    path.write_bytes(path.read_bytes()[:-1])


def lose_genesis(node: NodeUnderTest, other: Path) -> None:
    (node.home / "genesis.cbor").unlink()


def lose_guard(node: NodeUnderTest, other: Path) -> None:
    Home(node.home).validator_state.unlink()


def tear_guard(node: NodeUnderTest, other: Path) -> None:
    path = Home(node.home).validator_state
    path.write_bytes(b"\x00" + path.read_bytes()[1:])


def show_key(node: NodeUnderTest, other: Path) -> None:
    Home(node.home).validator_key.chmod(0o644)


def lose_node_key(node: NodeUnderTest, other: Path) -> None:
    Home(node.home).node_key.unlink()


def swap_keys(node: NodeUnderTest, other: Path) -> None:
    shutil.copy(Home(node.home).node_key, Home(node.home).validator_key)


def swap_network_of_key(node: NodeUnderTest, other: Path) -> None:
    Home(node.home).node_key.unlink()
    generate_key_file(Home(node.home).node_key, KeyKind.NODE, "elsewhere", b"n" * 32)


def break_config(node: NodeUnderTest, other: Path) -> None:
    (node.home / "config.toml").write_text("api_prot = 1\n")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (swap_genesis, "chain"),
        (tear_genesis, "canonical Genesis"),
        (lose_genesis, "genesis.cbor"),
        (lose_guard, "validator.state"),
        (tear_guard, "validator.state"),
        (show_key, "validator.key"),
        (lose_node_key, "node.key"),
        (swap_keys, "validator.key"),
        (swap_network_of_key, "elsewhere"),
        (break_config, "api_prot"),
    ],
)
async def test_a_home_that_is_not_whole_is_refused_by_name(
    tmp_path: Path, damage: Damage, words: str
) -> None:
    network = found_devnet(tmp_path / "net", 1)
    other = found_devnet(tmp_path / "other", 1)
    assert encode_genesis(network.genesis) != encode_genesis(other.genesis)
    (node,) = network.nodes
    with running(network):
        await node.wait_ready()
        assert await node.stop() == 0
        damage(node, other.nodes[0].home)
        sentence = await refuse(node)
    assert words in sentence


async def test_two_nodes_on_one_home(tmp_path: Path) -> None:
    network = found_devnet(tmp_path / "net", 1)
    (node,) = network.nodes
    with running(network):
        await node.wait_ready()
        second = NodeUnderTest(network.devnet, 0, ["--api-port", "0", "--peer-port", "0"])
        second.log_path = tmp_path / "second.log"
        try:
            sentence = await refuse(second)
        finally:
            second.end_group()
        assert f"in use by process {node.pid}" in sentence
        assert node.is_running
        assert await node.stop() == 0


@pytest.mark.parametrize("door", ["api", "peer"])
async def test_a_port_that_is_taken(tmp_path: Path, door: str) -> None:
    network = found_devnet(tmp_path / "net", 1)
    (node,) = network.nodes
    port = node.api_port if door == "api" else node.peer_port
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        try:
            sentence = await refuse(node)
        finally:
            node.end_group()
        assert str(port) in sentence
    with running(network):
        await node.wait_ready()
        assert await node.stop() == 0
