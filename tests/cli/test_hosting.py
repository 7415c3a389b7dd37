"""A node of several shards from outside: one address for all of them, and what becomes of lost processes."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shards.bundles import decode_bundle, verify_bundle
from shards.epochs import make_genesis_committee
from tangle.cli.hosting import find_shards, spread_shards
from tangle.core.address import decode_address
from tangle.core.genesis import Genesis, compute_chain_id, decode_genesis
from tangle.core.hashing import compute_home_shard
from tangle.core.types import Shard
from tangle.node.config import NodeConfig
from tangle.node.recovery import NoSuchShard
from tangle.store.home import Home
from tests.cli.builders import Terminal
from tests.cli.running import find_free_port, is_alive, kill, run_single_node

SHARDS = 2

RETURN_TIMEOUT_S = 30.0
"""A lost process is back after two seconds on an idle machine."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    with run_single_node(tmp_path_factory.mktemp("hosting"), shards=SHARDS, processes=SHARDS) as terminal:
        yield terminal


def get(terminal: Terminal, path: str) -> Any:
    with urllib.request.urlopen(f"{terminal.url}{path}", timeout=20) as answer:  # noqa: S310 -- a URL of this test's own
        return json.loads(answer.read())["data"]


def get_refusal(terminal: Terminal, path: str) -> str:
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(terminal, path)
    code: str = json.loads(caught.value.read())["code"]
    return code


def find_process(terminal: Terminal, shard: int) -> int:
    doors = json.loads(Home(terminal.home).get_part(Shard(shard)).doors.read_bytes())
    process: int = doors["process"]
    return process


def make_command(terminal: Terminal) -> list[str]:
    """Of a node with a process for each shard."""
    command = [sys.executable, "-m", "tangle.cli", "--home", str(terminal.home), "up", "--processes", "2"]
    return [*command, "--api-port", str(find_free_port()), "--peer-port", "0", "--metrics-port", "0"]


def find_name(terminal: Terminal, address: str) -> str:
    """Name of the wallet of an address."""
    wallets = terminal.run_json("wallet", "list")["wallets"]
    name: str = next(each["name"] for each in wallets if each["address"] == address)
    return name


def make_wallet_at(terminal: Terminal, shard: int, prefix: str = "w") -> str:
    """The address of a new wallet whose account lives in ``shard``."""
    for number in range(100):
        name = f"{prefix}{shard}-{number}"
        answer = terminal.run_json("wallet", "new", name)
        address: str = answer["address"]
        if compute_home_shard(decode_address(address, None).public_key, 1) == shard:
            return address
    raise AssertionError("a home is drawn evenly")


def test_every_shard_is_told_of(node: Terminal) -> None:
    shards = get(node, "/v1/shards")
    assert [each["shard"] for each in shards] == [0, 1]
    assert all(each["checkpoint"] is not None for each in shards)
    for shard in range(SHARDS):
        assert get(node, f"/v1/committee?shard={shard}")["shard"] == shard
        assert get(node, f"/v1/checkpoints/{shard}/latest")["shard"] == shard
    assert find_process(node, 0) != find_process(node, 1)
    assert get(node, "/v1/status")["is_ready"]


def test_what_other_nodes_serve_is_refused(node: Terminal) -> None:
    assert get_refusal(node, "/v1/committee?shard=2") == "shard-not-served"
    assert get_refusal(node, "/v1/checkpoints/7/latest") == "shard-not-served"
    assert get_refusal(node, "/v1/nowhere") == "route-unknown"
    assert get_refusal(node, "/v1/accounts/nobody") == "address-invalid"
    assert get_refusal(node, "/v1/transactions/" + "0" * 64) == "not-found"


@pytest.mark.parametrize("shard", range(SHARDS))
def test_wallets_of_every_shard_are_served_at_one_address(node: Terminal, shard: int) -> None:
    address = make_wallet_at(node, shard)
    given = node.run_json("faucet", address)["transaction"]
    assert given["status"] == "checkpointed"
    assert given["shard"] == shard
    account = get(node, f"/v1/accounts/{address}")
    assert int(account["balance"]) > 0
    history = get(node, f"/v1/accounts/{address}/transactions")
    assert [each["shard"] for each in history] == [shard]
    shown = node.run_json("tx", "show", given["id"])
    assert (shown["shard"], shown["is_final"]) == (shard, True)


def test_a_transfer_to_another_shard_is_told_to_its_end(node: Terminal) -> None:
    sender = make_wallet_at(node, 0, "from")
    recipient = make_wallet_at(node, 1, "to")
    node.run_json("faucet", sender)
    sent = node.run_json("wallet", "send", find_name(node, sender), recipient, "1.5")["transaction"]
    found = get(node, f"/v1/transactions/{sent['id']}?wait=delivered&timeout_s=20")
    assert found["receipt"]["target"] == 1
    assert found["receipt"]["is_delivered"]
    checkpoint = get(node, f"/v1/checkpoints/1/{found['receipt']['checkpoint']}")
    assert int(checkpoint["received"][0]) > int(found["receipt"]["sequence"])
    assert get(node, f"/v1/accounts/{recipient}")["balance"] == str(1_500_000_000)
    (credit,) = node.run_json("wallet", "credits", recipient)["credits"]
    assert (credit["source"], credit["amount"]) == (0, "1500000000")
    shown = node.run("tx", "show", sent["id"]).stdout
    assert f"checkpoint {found['receipt']['checkpoint']} of shard 1" in shown
    assert "shard 1 " in node.run("status").stdout


def test_the_proof_of_what_left_holds_under_the_genesis(node: Terminal) -> None:
    sender = make_wallet_at(node, 1, "proven")
    node.run_json("faucet", sender)
    recipient = make_wallet_at(node, 0, "proof")
    sent = node.run_json("wallet", "send", find_name(node, sender), recipient, "2")["transaction"]
    url = f"{node.url}/v1/transactions/{sent['id']}/receipt"
    with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 -- a URL of this test's own
        bundle = decode_bundle(answer.read())
    genesis = decode_genesis(Home(node.home).genesis.read_bytes())
    committee = make_genesis_committee(genesis)
    reference = verify_bundle(bundle, committee, compute_chain_id(genesis), Shard(0), 1)
    assert (reference.source, reference.index) == (1, int(sent["checkpoint"]))
    account = decode_address(recipient, None).public_key
    assert [receipt.amount for receipt in bundle.receipts if receipt.account == account] == [2_000_000_000]


def test_events_of_all_shards_resume_anywhere(node: Terminal) -> None:
    page = get(node, "/v1/events/log?limit=40")
    assert {event["shard"] for event in page} == {0, 1}
    ids = [int(event["id"]) for event in page]
    assert ids == sorted(set(ids))
    middle = ids[len(ids) // 2]
    rest = get(node, f"/v1/events/log?limit=10&after={middle}")
    assert rest == page[len(ids) // 2 + 1 :][:10]


@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_killed_process_is_started_again_and_the_others_go_on(node: Terminal, shard: int) -> None:
    victim, other = find_process(node, shard), 1 - shard
    survivor = find_process(node, other)
    before = int(get(node, f"/v1/checkpoints/{shard}/latest")["index"])
    kill(victim)
    assert get(node, f"/v1/committee?shard={other}")["shard"] == other
    deadline_s = time.monotonic() + RETURN_TIMEOUT_S
    while True:
        assert time.monotonic() < deadline_s, "the process did not come back"
        refusal = None
        try:
            if int(get(node, f"/v1/checkpoints/{shard}/latest")["index"]) > before:
                break
        except urllib.error.HTTPError as error:
            refusal = (error.code, json.loads(error.read())["code"])
        assert refusal in (None, (503, "shard-down"))
        time.sleep(0.05)  # the return of another process can only be polled
    assert find_process(node, shard) != victim
    assert find_process(node, other) == survivor
    assert not is_alive(victim)


def test_a_process_that_refuses_ends_the_node_with_one_sentence(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    terminal.run_json("init", "--found", "--shards", "2")
    Home(terminal.home).get_part(Shard(1)).validator_state.unlink()
    command = make_command(terminal)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("tangle: the process of shards 1 does not go on: ")
    assert "validator.state" in ended.stderr


@pytest.mark.slow
def test_processes_leave_when_the_node_is_killed(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "home")
    terminal.run_json("init", "--found", "--shards", "2")
    command = make_command(terminal)
    for is_last in (False, True):  # the second start finds the first one's shards still held for a moment
        with (tmp_path / "log").open("ab") as log:
            host = subprocess.Popen(
                [*command, "--device", "numpy"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        parts = [Home(terminal.home).get_part(Shard(shard)) for shard in range(2)]
        deadline_s = time.monotonic() + RETURN_TIMEOUT_S
        while not all(part.doors.exists() for part in parts):
            assert host.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        processes = [find_process(terminal, shard) for shard in range(2)]
        os.kill(host.pid, signal.SIGKILL)
        host.wait()
        if is_last:
            while any(map(is_alive, processes)):
                assert time.monotonic() < deadline_s, "orphans"
                time.sleep(0.05)


def read_genesis(directory: Path, shards: int) -> Genesis:
    terminal = Terminal(directory / "home")
    terminal.run_json("init", "--found", "--shards", str(shards))
    return decode_genesis(Home(terminal.home).genesis.read_bytes())


def test_a_founded_network_has_grains_in_every_shard_and_validators_in_the_first(tmp_path: Path) -> None:
    genesis = read_genesis(tmp_path, 8)
    *faucets, validator = genesis.allocations
    assert [compute_home_shard(each.account, 3) for each in genesis.allocations[1:-1]] != []
    assert {compute_home_shard(each.account, 3) for each in faucets} == set(range(8))
    assert compute_home_shard(validator.account, 3) == 0


def test_shards_are_spread_evenly(tmp_path: Path) -> None:
    genesis = read_genesis(tmp_path, 4)
    assert find_shards(genesis, NodeConfig()) == (0, 1, 2, 3)
    assert find_shards(genesis, NodeConfig(shards=(3, 1, 3))) == (1, 3)
    with pytest.raises(NoSuchShard, match="there is no shard 4"):
        find_shards(genesis, NodeConfig(shards=(4,)))
    shards = find_shards(genesis, NodeConfig())
    assert spread_shards(shards, 1) == [(0, 1, 2, 3)]
    assert spread_shards(shards, 3) == [(0, 3), (1,), (2,)]
    assert spread_shards(shards, 9) == [(0,), (1,), (2,), (3,)]
