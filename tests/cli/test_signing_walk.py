"""Trying before sending and signing offline, and looking around in the graph, against a real node."""

from pathlib import Path

import pytest

from tests.cli.builders import ADDRESS_OF_WORDS, WORDS, Terminal


@pytest.fixture(scope="module")
def rich(node: Terminal) -> Terminal:
    """A node where alice has coins."""
    node.run_json("wallet", "import", "alice", "--words-file", "-", input=WORDS)
    node.run_json("faucet", "alice")
    node.run_json("wallet", "new", "bob")
    return node


def test_a_transfer_is_signed_where_no_network_is(rich: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "transfer.json"
    prepared = rich.run_json("tx", "prepare", ADDRESS_OF_WORDS, "bob", "1.5", "-o", str(file))
    assert (prepared["amount"], prepared["sender"]) == ("1500000000", ADDRESS_OF_WORDS)
    status, message = rich.fail("tx", "submit", str(file))
    assert (status, "not signed yet" in message) == (1, True)

    offline = Terminal(tmp_path / "offline")  # its URL leads nowhere
    offline.run_json("wallet", "import", "cold", "--words-file", "-", input=WORDS)
    offline.run_json("wallet", "new", "other")
    status, message = offline.fail("tx", "sign", str(file), "other")
    assert (status, "only that wallet can sign" in message) == (1, True)
    shown = offline.run("tx", "sign", str(file), "cold")
    assert shown.exit_code == 0
    assert "1.5 MST" in shown.stderr, "what is agreed to is shown before it is signed"

    simulated = rich.run_json("tx", "simulate", str(file))
    assert (simulated["would_apply"], simulated["known"]) == (True, None)
    submitted = rich.run_json("tx", "submit", str(file))
    assert submitted["is_new"] is True
    assert rich.run_json("tx", "submit", str(file))["is_new"] is False
    assert rich.run("tx", "show", submitted["id"]).exit_code == 0


def test_local_work_is_timed(rich: Terminal, tmp_path: Path) -> None:
    file = str(tmp_path / "transfer.json")
    assert rich.run_json("tx", "prepare", "alice", "bob", "1", "-o", file, "--local-work")["work_ms"] > 0
    assert "done here in" in rich.run("tx", "prepare", "alice", "bob", "1", "-o", file, "--local-work").stdout


def test_a_dry_run_sends_nothing(rich: Terminal) -> None:
    rich.run_json("wallet", "send", "alice", "bob", "1grain")  # final, and so is all before it
    before = rich.run_json("wallet", "balance", "bob")
    tried = rich.run_json("wallet", "send", "alice", "bob", "1", "--dry-run")
    assert tried["would_apply"] is True
    assert int(tried["fee"]) > 0
    after = rich.run_json("wallet", "balance", "bob")
    assert (after["balance"], after["pending"]) == (before["balance"], before["pending"])


def test_a_dry_run_foretells_a_conflict(rich: Terminal) -> None:
    result = rich.run("wallet", "send", "alice", "bob", "1000000", "--dry-run")
    assert result.exit_code == 1
    assert "would not apply" in result.stdout
    refused = rich.run("--json", "wallet", "send", "alice", "bob", "1", "--max-fee", "1grain", "--dry-run")
    assert (refused.exit_code, "fee" in refused.stdout + refused.stderr) == (1, True)


def test_nothing_is_pending_when_all_is_final(rich: Terminal) -> None:
    rich.run_json("wallet", "send", "alice", "bob", "1grain")
    assert rich.run_json("wallet", "pending", "alice")["pending"] == []
    assert "nothing is pending" in rich.run("wallet", "pending", "alice").stderr


def test_fee_limits_grow_with_their_certainty(rich: Terminal) -> None:
    limits = [int(level["transfer_fee"]) for level in rich.run_json("fees")["levels"]]
    assert limits == sorted(limits)
    assert limits[0] > 0
    shown = rich.run("fees").stdout
    assert "grains per weight" in shown
    assert "sure" in shown


def test_the_graph_around_a_transaction(rich: Terminal) -> None:
    sent = rich.run_json("wallet", "send", "alice", "bob", "1grain")["transaction"]
    around = rich.run_json("dag", "around", sent["id"], "--depth", "2")
    assert sent["id"] in [item["id"] for item in around]
    graph = rich.run("dag", "around", sent["id"], "--dot").stdout
    assert graph.startswith("digraph dag {")
    assert f'"{sent["id"]}" -> "' in graph
    assert sent["id"] in rich.run("dag", "recent").stdout
    status, message = rich.fail("dag", "around", "00" * 32)
    assert (status, "not" in message or "no " in message) == (1, True)


def test_checkpoints_blocks_and_the_committee(rich: Terminal) -> None:
    checkpoints = rich.run_json("dag", "checkpoints", "--limit", "3")
    assert len(checkpoints) == 3
    assert checkpoints[0]["digest"] in rich.run("dag", "checkpoints", "--limit", "9").stdout
    blocks = rich.run_json("dag", "blocks", "--first-round", "1", "--limit", "5")
    assert [block["round"] for block in blocks] == ["1", "2", "3", "4", "5"]
    assert blocks[0]["digest"] in rich.run("dag", "blocks", "--first-round", "1", "--limit", "5").stdout
    shown = rich.run("committee").stdout
    assert "a quorum is 1 of 1" in shown
    assert "(this node)" in shown
    assert len(rich.run_json("committee")["validators"]) == 1


def test_a_label_is_changed_and_an_address_drawn(rich: Terminal) -> None:
    assert rich.run_json("wallet", "label", "bob", "for rent")["label"] == "for rent"
    labels = {item["name"]: item["label"] for item in rich.run_json("wallet", "list")["wallets"]}
    assert labels["bob"] == "for rent"
    assert rich.run_json("wallet", "send", "bob", "alice", "1grain")["transaction"]["is_final"], "it opens"
    for wrong in ("", "x" * 65, "a\x07b"):
        assert rich.fail("wallet", "label", "bob", wrong)[0] == 1
    drawn = rich.run("wallet", "address", "alice", "--qr").stdout.splitlines()
    assert drawn[-1] == ADDRESS_OF_WORDS
    assert len(drawn) > 15
    assert len(set(map(len, drawn[:-1]))) == 1, "a code is a rectangle"
