"""The commands about stakes against a real node of one validator: binding, standing, refusals, evidence."""

from pathlib import Path
from typing import Any

import pytest

from shards.evidence import encode_twin_proof
from tangle.core.genesis import encode_genesis
from tests.api.ledger_double import VALIDATOR, LedgerDouble
from tests.cli.builders import WORDS, Terminal

PORTIONS = 11
"""Of the faucet, so that there is enough for a candidate: 100 MST each."""


@pytest.fixture(scope="module")
def staker(node: Terminal) -> Terminal:
    """A wallet with coins enough for a candidate."""
    node.run_json("wallet", "import", "alice", "--words-file", "-", input=WORDS)
    for _ in range(PORTIONS):
        node.run_json("faucet", "alice")
    return node


@pytest.fixture(scope="module")
def candidate(staker: Terminal, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A candidate whose validator's key is on another machine."""
    machine = Terminal(tmp_path_factory.mktemp("machine"))
    (machine.home / "genesis.cbor").write_bytes((staker.home / "genesis.cbor").read_bytes())
    made = machine.run_json("key", "new", "validator")
    address = staker.run_json("wallet", "address", "alice")["address"]
    proven: dict[str, Any] = machine.run_json("validator", "prove", address)
    assert proven["validator"] == made["public_key"]
    refusal = staker.fail("validator", "register", "--possession", proven["possession"])
    assert refusal[0] == 1
    assert "stake-below-minimum" in refusal[1]
    staker.run_json("stake", "add", "1001")
    staker.run_json("validator", "register", "--possession", proven["possession"])
    return proven


def test_the_committee_and_what_an_election_would_give_are_listed(node: Terminal) -> None:
    answer = node.run_json("validator", "list")
    own = answer["candidates"][0]
    assert (own["is_self"], own["share"]) == (True, 1.0)
    assert "(this node)" in node.run("validator", "list").stdout


def test_a_candidate_stands_with_its_stake(staker: Terminal, candidate: dict[str, Any]) -> None:
    found = {each["public_key"]: each for each in staker.run_json("validator", "list")["candidates"]}
    standing = found[candidate["validator"]]
    assert int(standing["stake"]) == 1_001 * 10**9
    assert 0 < standing["next_share"] < 0.2
    shown = staker.run("stake", "show", "alice").stdout
    assert candidate["validator"] in shown
    story = staker.run("explain", candidate["validator"]).stdout
    assert "waits for the next epoch" in story
    assert staker.run("explain", standing["owner"]).stdout == story


def test_what_is_taken_leaves_and_no_more_can_be_taken(staker: Terminal, candidate: dict[str, Any]) -> None:
    staker.run_json("stake", "take", "1")
    record = staker.run_json("stake", "show", "alice")
    (part,) = record["account"]["leaving"]
    assert (part["amount"], part["release_epoch"]) == (str(10**9), "3")
    assert "of which 1 MST leave until epoch 3" in staker.run("wallet", "balance", "alice").stdout
    status, text = staker.fail("stake", "take", "2000")
    assert (status, "stake-short" in text) == (1, True)


def test_a_validator_of_the_genesis_stands_with_its_own_account(node: Terminal) -> None:
    taken = node.run_json("stake", "take", "1", "--own-key")
    own = node.run_json("key", "show", "validator.key")["public_key"]
    account = node.run_json("stake", "show", own)["account"]
    assert account["address"] == taken["transaction"]["issuer"]
    assert account["leaving"][0]["amount"] == str(10**9)


def test_nothing_is_sent_that_the_ledger_would_refuse(staker: Terminal, candidate: dict[str, Any]) -> None:
    before = staker.run_json("wallet", "balance", "alice")["sequence"]
    for arguments in (
        ("validator", "register", "--possession", candidate["possession"]),
        ("stake", "add", "100000"),
        ("stake", "take", "100000"),
    ):
        assert staker.fail(*arguments)[0] == 1
    assert staker.run_json("wallet", "balance", "alice")["sequence"] == before
    status, text = staker.fail("validator", "register", "--possession", "beef")
    assert (status, "192 hexadecimal digits" in text) == (1, True)


def test_who_retires_stands_no_more(staker: Terminal, candidate: dict[str, Any]) -> None:
    staker.run_json("validator", "retire")
    found = {each["public_key"]: each for each in staker.run_json("validator", "list")["candidates"]}
    assert found[candidate["validator"]]["retired"] == "0"
    assert found[candidate["validator"]]["next_weight"] == 0
    assert "candidate-unknown" in staker.fail("validator", "retire")[1]


def test_evidence_is_checked_offline(node: Terminal, tmp_path: Path) -> None:
    assert node.run_json("evidence", "list")["evidence"] == []
    assert node.fail("evidence", "export", "beef", str(tmp_path / "none"))[0] == 1
    ledger = LedgerDouble()
    (found,) = ledger.validators.list_evidence(1)
    genesis, proof = tmp_path / "genesis.cbor", tmp_path / "twins.proof"
    genesis.write_bytes(encode_genesis(ledger.genesis))
    proof.write_bytes(encode_twin_proof(found.first, found.second))

    record = node.run_json("evidence", "verify", str(proof), "--genesis", str(genesis))
    assert record["validator"] == VALIDATOR.public_key.hex()
    assert node.fail("evidence", "verify", str(proof))[0] == 1, "it is of another chain"
    proof.write_bytes(encode_twin_proof(found.first, found.first))
    assert "no evidence" in node.fail("evidence", "verify", str(proof), "--genesis", str(genesis))[1]
