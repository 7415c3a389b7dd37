"""The wallet's walk against a real node: coins, a transfer, its proof, and the model that it trained."""

import json
from pathlib import Path
from typing import Any

import pytest

from tangle.core.genesis import GENESIS_SIZE_MAX
from tests.cli.builders import ADDRESS_OF_WORDS, WORDS, Terminal


@pytest.fixture(scope="module")
def alice(node: Terminal) -> str:
    """A wallet with coins."""
    node.run_json("wallet", "import", "alice", "--words-file", "-", input=WORDS)
    record = node.run_json("faucet", "alice")
    assert record["transaction"]["is_final"] is True
    return "alice"


@pytest.fixture(scope="module")
def sent(node: Terminal, alice: str) -> dict[str, Any]:
    """A transfer that is final."""
    node.run_json("wallet", "new", "bob")
    record: dict[str, Any] = node.run_json("wallet", "send", alice, "bob", "1.5")
    return record


@pytest.fixture(scope="module")
def proof(node: Terminal, sent: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The transfer's proof, on disk."""
    path = tmp_path_factory.mktemp("proof") / "transfer.proof"
    node.run_json("tx", "proof", sent["transaction"]["id"], "-o", str(path))
    return path


def test_status_fits_on_a_screen(node: Terminal) -> None:
    shown = node.run("status").stdout
    assert "validator" in shown
    assert len(shown.splitlines()) <= 24
    assert node.run_json("status")["is_ready"] is True


def test_a_transfer_is_final_and_arrives(node: Terminal, sent: dict[str, Any]) -> None:
    transaction = sent["transaction"]
    assert transaction["status"] == "checkpointed"
    assert sent["elapsed_s"] > 0
    assert node.run_json("wallet", "balance", "bob")["balance"] == "1500000000"
    spent = int(transaction["fee"]) + 1_500_000_000
    assert int(node.run_json("wallet", "balance", ADDRESS_OF_WORDS)["balance"]) >= 100 * 10**9 - spent
    shown = node.run("tx", "show", transaction["id"]).stdout
    assert "1.5 MST" in shown
    assert "(counted)" in shown


def test_work_can_be_done_here(node: Terminal, alice: str, sent: dict[str, Any]) -> None:
    record = node.run_json("wallet", "send", alice, "bob", "1grain", "--local-work")
    assert record["transaction"]["is_work_counted"] is True
    assert record["work_ms"] > 0


def test_history_tells_both_sides(node: Terminal, sent: dict[str, Any]) -> None:
    identity = sent["transaction"]["id"]
    for name in ("alice", "bob"):
        items = node.run_json("wallet", "history", name)["transactions"]
        assert identity in [item["id"] for item in items]
    assert len(node.run_json("wallet", "history", "alice", "--limit", "1")["transactions"]) == 1
    assert "+1.5 MST" in node.run("wallet", "history", "bob").stdout


def test_earnings_say_what_a_validator_got(node: Terminal, sent: dict[str, Any]) -> None:
    (validator,) = node.run_json("genesis", "show")["validators"]
    leader = validator["public_key"]
    record = node.run_json("wallet", "earnings", leader)
    assert any(item["job"] is None for item in record["earnings"])
    assert "fees" in node.run("wallet", "earnings", leader).stdout
    assert node.run_json("wallet", "earnings", "11" * 32)["earnings"] == []


def test_a_transfer_beyond_the_balance_says_why(node: Terminal, sent: dict[str, Any]) -> None:
    status, message = node.fail("wallet", "send", "bob", "alice", "1000000")
    assert status == 1
    assert "fund it" in message
    assert "the account holds" in message


def test_a_fee_limit_that_is_too_low_says_why(node: Terminal, alice: str, sent: dict[str, Any]) -> None:
    status, message = node.fail("wallet", "send", alice, "bob", "1", "--max-fee", "1grain")
    assert status == 1
    assert "fee" in message


def test_the_proof_holds_without_the_node(node: Terminal, sent: dict[str, Any], proof: Path) -> None:
    elsewhere = Terminal(proof.parent / "elsewhere")
    genesis = str(node.home / "genesis.cbor")
    record = elsewhere.run_json("verify", str(proof), "--genesis", genesis)
    transaction = sent["transaction"]
    assert record["transaction"] == transaction["id"]
    assert (record["amount"], record["fee"]) == ("1500000000", transaction["fee"])
    assert (record["weight"], record["quorum"], record["signers"]) == (1, 1, [0])
    shown = elsewhere.run("verify", str(proof), "--genesis", genesis).stdout
    assert "this transaction was ordered, and is final" in shown


def test_epochs_are_listed_and_saved_for_light_clients(node: Terminal, proof: Path, tmp_path: Path) -> None:
    (epoch,) = node.run_json("epochs", "list")["epochs"]
    assert (epoch["epoch"], epoch["begun"], epoch["ended"]) == ("0", "0", None)
    assert "at work" in node.run("epochs", "list").stdout
    ends = tmp_path / "ends"
    record = node.run_json("epochs", "export", str(ends))
    assert (record["ends"], record["epoch"]) == (0, "0")
    assert node.run_json("verify", str(proof), "--light", str(ends))["epoch"] == "0"
    ends.write_bytes(ends.read_bytes() + b"\0")
    assert node.fail("verify", str(proof), "--light", str(ends))[0] == 1


def test_no_byte_of_a_proof_can_be_changed(node: Terminal, proof: Path, tmp_path: Path) -> None:
    whole = proof.read_bytes()
    changed = tmp_path / "changed.proof"
    for place in range(0, len(whole), 11):
        changed.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        assert node.fail("verify", str(changed))[0] == 1, place
    for content in (b"", whole[:-1], whole + b"\0", b"\xff" * 200_000):
        changed.write_bytes(content)
        assert node.fail("verify", str(changed))[0] == 1


def test_a_proof_of_another_network_is_refused(proof: Path, tmp_path: Path) -> None:
    other = Terminal(tmp_path / "other")
    other.run_json("init", "--found")
    status, message = other.fail("verify", str(proof))
    assert status == 1
    assert "chain" in message


def test_verify_needs_a_genesis_and_a_file(proof: Path, tmp_path: Path) -> None:
    empty = Terminal(tmp_path / "empty")
    status, message = empty.fail("verify", str(proof))
    assert (status, "--genesis" in message) == (1, True)
    huge = tmp_path / "huge"
    huge.write_bytes(bytes(GENESIS_SIZE_MAX + 10))
    assert empty.fail("verify", str(proof), "--genesis", str(huge))[0] == 1
    status, message = empty.fail("verify", str(tmp_path / "nothing"), "--genesis", str(proof))
    assert status == 1


def test_the_model_can_be_replayed(node: Terminal, sent: dict[str, Any]) -> None:
    (listed,) = node.run_json("model", "list")["models"]
    shown = node.run_json("model", "show", listed["job"][:8])
    assert shown["curve"][0]["generation"] == "0"
    for more in ((), ("--recompute",)):
        record = node.run_json("model", "replay", "digits", *more)
        assert record["generations"] == len(shown["curve"])
        assert len(record["weights_digest"]) == 64
    assert "holdout" not in node.run("model", "show", "digits").stderr


def test_unknown_things_are_refused(node: Terminal) -> None:
    assert node.fail("tx", "show", "00" * 32)[0] == 1
    assert node.fail("tx", "proof", "00" * 32)[0] == 1
    status, message = node.fail("model", "show", "zebra")
    assert (status, "names no single model" in message) == (1, True)
    status, message = node.fail("tx", "show", "beef")
    assert (status, "64 hex digits" in message) == (2, True)


def test_a_second_node_on_one_home_is_refused(node: Terminal) -> None:
    status, message = node.fail("up", "--api-port", "0", "--peer-port", "0", "--metrics-port", "0")
    assert status == 2
    assert "is in use by process" in message


def test_a_wallet_of_another_network_is_refused_by_name(node: Terminal) -> None:
    node.run_json("wallet", "import", "alice", "--network", "main", "--words-file", "-", input=WORDS)
    status, message = node.fail("wallet", "send", "alice", ADDRESS_OF_WORDS, "1", "--network", "main")
    assert status == 1
    assert "main" in message


def test_json_errors_are_objects(node: Terminal) -> None:
    result = node.run("--json", "tx", "show", "00" * 32)
    assert (result.exit_code, result.stdout) == (1, "")
    assert json.loads(result.stderr)["error"]["code"] == "not-found"
