"""The market's commands against a real node of one validator: jobs, answers, stories, and refusals."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.builders import WORDS, Terminal
from tests.client.test_receipt_file import make_countersigned_file, make_file

CITIES = {"points": [[0, 0], [90, 90], [0, 90], [90, 0], [50, 110], [10, 10]]}


@pytest.fixture(scope="module")
def customer(node: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wallet with coins, and a directory with files."""
    node.run_json("wallet", "import", "alice", "--words-file", "-", input=WORDS)
    node.run_json("faucet", "alice")
    place = tmp_path_factory.mktemp("files")
    (place / "cities.json").write_text(json.dumps(CITIES))
    return place


@pytest.fixture(scope="module")
def contest(node: Terminal, customer: Path) -> dict[str, Any]:
    """An optimisation job that was answered and paid."""
    problem = str(customer / "cities.json")
    opened = node.run_json("job", "open", "--problem", problem, "--budget", "2", "--deadline", "4")
    found = opened["job"]["id"]
    answered = node.run_json("job", "answer", found)
    assert answered["step"] == "shown"
    return {"job": found, "transaction": opened["transaction"]["id"], "answered": answered}


def test_the_best_answer_is_paid_and_explained(node: Terminal, contest: dict[str, Any]) -> None:
    record = node.run_json("job", "show", contest["job"])
    assert record["job"]["phase"] == "paid"
    names = [event["name"] for event in record["events"]]
    assert names == ["job-opened", "answer-sealed", "answer-shown", "job-ended"]
    result = node.run_json("job", "result", contest["job"])
    assert sorted(result["answer"]) == list(range(6))
    assert result["value"] == int(contest["answered"]["value"])
    story = node.run("explain", contest["job"]).stdout
    assert "2 MST were paid: 1.9 MST to the worker, 0.1 MST burned" in story
    assert node.run("explain", contest["job"][:10]).stdout == story
    shown = node.run("wallet", "earnings", "alice").stdout
    assert "+1.9 MST" in shown
    assert f"paid: job {contest['job'][:8]}" in shown


def test_every_kind_of_id_is_explained(node: Terminal, contest: dict[str, Any]) -> None:
    transaction = node.run_json("explain", contest["transaction"])
    assert transaction["kind"] == "transaction"
    assert "open an optimisation job" in transaction["summary"]
    (model,) = node.run_json("model", "list")["models"]
    assert node.run_json("explain", model["job"])["kind"] == "model"
    checkpoint = node.run_json("explain", "1")
    assert checkpoint["kind"] == "checkpoint"
    assert "signatures" in checkpoint["summary"]
    for unknown in ("00" * 32, "g" * 64):
        assert node.fail("explain", unknown)[0] == 1
    assert "beginning of 0" in node.fail("explain", "beef")[1]


def test_history_and_transactions_speak_of_the_market(node: Terminal, contest: dict[str, Any]) -> None:
    history = node.run("wallet", "history", "alice").stdout
    assert "-2 MST" in history
    assert "seal an answer" in history
    shown = node.run("tx", "show", contest["transaction"]).stdout
    assert contest["job"] in shown


def test_an_opening_is_proven_like_any_transaction(
    node: Terminal, contest: dict[str, Any], customer: Path
) -> None:
    path = str(customer / "opening.proof")
    node.run_json("tx", "proof", contest["transaction"], "-o", path)
    record = node.run_json("verify", path)
    assert (record["operation"], record["job"]) == ("open-job", contest["job"])


def test_a_job_that_nobody_has_begun_is_taken_back(node: Terminal, customer: Path) -> None:
    problem = str(customer / "cities.json")
    found = node.run_json("job", "open", "--problem", problem, "--budget", "1")["job"]["id"]
    assert found in [job["id"] for job in node.run_json("job", "list", "--live")["jobs"]]
    assert node.run_json("job", "cancel", found)["job"]["refunded"] == "1000000000"
    assert found not in [job["id"] for job in node.run_json("job", "list", "--live")["jobs"]]
    assert (
        node.run_json("job", "list", "--phase", "cancelled", "--customer", "alice")["jobs"][0]["id"] == found
    )
    assert "ended" in node.fail("job", "cancel", found)[1]
    assert "takes answers" in node.fail("job", "answer", found)[1]
    assert "no answer was shown" in node.fail("job", "result", found)[1]


def test_what_cannot_be_ordered_is_refused_before_anything_is_signed(node: Terminal, customer: Path) -> None:
    problem = str(customer / "cities.json")
    before = node.run_json("wallet", "balance", "alice")["sequence"]
    assert "escrow" in node.fail("-q", "job", "open", "--problem", problem, "--budget", "1grain")[1]
    assert "holds" in node.fail("-q", "job", "open", "--problem", problem, "--budget", "1000000")[1]
    assert "--budget" in node.fail("-q", "job", "open", "--problem", problem)[1]
    assert "--input" in node.fail("job", "open", "--kind", "inference")[1]
    assert "--problem" in node.fail("job", "quote", "--kind", "optimisation")[1]
    (customer / "broken.json").write_text('{"points": [[0]]}')
    assert "broken.json" in node.fail("job", "quote", "--problem", str(customer / "broken.json"))[1]
    assert node.fail("model", "retire", "77" * 32)[0] == 1
    assert node.fail("job", "show", "beef")[0] == 1
    assert node.run_json("wallet", "balance", "alice")["sequence"] == before


def test_the_wallet_is_named_where_there_are_several(node: Terminal, customer: Path) -> None:
    node.run_json("wallet", "new", "bob")
    problem = str(customer / "cities.json")
    status, message = node.fail("-q", "job", "open", "--problem", problem, "--budget", "1")
    assert (status, "--wallet" in message) == (1, True)
    assert "bob" in message


def test_prices_and_lists_are_there_before_anybody_came(node: Terminal, customer: Path) -> None:
    quote = node.run_json("job", "quote", "--problem", str(customer / "cities.json"))
    assert (quote["kind"], quote["units"]) == ("optimisation", "2")
    assert node.run_json("model", "programs")["programs"] == []
    assert node.run_json("job", "workers")["workers"] == []


def test_receipts_are_checked_without_a_node(tmp_path: Path) -> None:
    alone = Terminal(tmp_path / "home")
    path = tmp_path / "receipt.json"
    path.write_bytes(make_file())
    record = alone.run_json("verify", str(path))
    assert record["level"] == 3
    assert record["check_macs"] < record["work_macs"]
    assert "2^" in alone.run("verify", str(path)).stdout
    path.write_bytes(make_file().replace(b'"outputs"', b'"0utputs"'))
    assert alone.fail("verify", str(path))[0] == 1


def test_a_receipt_that_validators_signed_needs_the_genesis(tmp_path: Path) -> None:
    alone = Terminal(tmp_path / "home")
    path = tmp_path / "receipt.json"
    path.write_bytes(make_countersigned_file())
    status, message = alone.fail("verify", str(path))
    assert (status, "--genesis" in message) == (1, True)
