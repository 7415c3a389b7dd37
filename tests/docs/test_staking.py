"""The commands of docs/staking.md, as they stand there: on a validator's machine, and where the wallet is."""

import shlex
from pathlib import Path
from typing import Final

import pytest

from shards.evidence import encode_twin_proof
from tangle.core.genesis import encode_genesis
from tangle.ledger.staking import errors
from tests.api.ledger_double import LedgerDouble
from tests.cli.builders import WORDS, Terminal
from tests.cli.running import run_single_node
from tests.docs.reading import find_codes, find_table, read_document

DOCUMENT: Final = "docs/staking.md"
PORTIONS: Final = 12
"""Of the faucet: enough for the stake and fees."""

ASKS_FOR_EVIDENCE: Final = ["evidence", "export"]
"""There is none on a network of one honest validator."""


def read_commands() -> list[list[str]]:
    """Every command of the page, without the program's name."""
    lines = [line.strip() for line in read_document(DOCUMENT).splitlines()]
    return [shlex.split(line.removeprefix("$ tangle ")) for line in lines if line.startswith("$ tangle ")]


def test_every_command_of_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = LedgerDouble()
    (found,) = ledger.validators.list_evidence(1)
    (tmp_path / "twins.proof").write_bytes(encode_twin_proof(found.first, found.second))
    (tmp_path / "genesis.cbor").write_bytes(encode_genesis(ledger.genesis))
    with run_single_node(tmp_path) as wallet:
        machine = Terminal(tmp_path / "machine")
        for terminal in (wallet, machine):
            terminal.run_json("wallet", "import", "alice", "--words-file", "-", input=WORDS)
        (machine.home / "genesis.cbor").write_bytes((wallet.home / "genesis.cbor").read_bytes())
        machine.run_json("key", "new", "validator")
        for _ in range(PORTIONS):
            wallet.run_json("faucet", "alice")
        possession = ""
        address = wallet.run_json("wallet", "address", "alice")["address"]
        commands = read_commands()
        assert len(commands) >= 12
        for command in commands:
            if command[:2] == ASKS_FOR_EVIDENCE:
                continue
            given = [{"8f3c…": possession, "ADDRESS": address}.get(word, word) for word in command]
            result = (machine if command[1] == "prove" else wallet).run(*given)
            assert result.exit_code == 0, (given, result.output)
            if command[1] == "prove":
                possession = result.stdout.strip()
        standing = wallet.run_json("validator", "list")["candidates"][-1]
        assert standing["owner"] == address
        assert standing["retired"] == "0"


def test_every_refusal_has_a_row() -> None:
    named = {code for row in find_table(read_document(DOCUMENT), "code") for code in find_codes(row[0])}
    faults = {fault.code for fault in errors.StakingFault.__subclasses__()}
    assert faults <= named
