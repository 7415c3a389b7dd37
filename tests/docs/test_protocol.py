"""The specification says what the code does: its tables against the records, constants and routes."""

import re
from importlib import import_module
from typing import Final, get_args

import msgspec
import pytest
from msgspec.structs import fields

from poi import job as standing_job
from poi.presets import DIGITS
from shards import blocks, certificates, checkpoints, commit_rule, commits, proofs
from tangle.api.server import ROUTES
from tangle.core import blob_id, chunk_tree, genesis, hashing, parameters, staking_rules, transactions
from tangle.ledger import effects, fees
from tangle.net import messages
from tests.docs.reading import find_codes, find_table, find_tables, read_document

PROTOCOL: Final = read_document("docs/protocol.md")

RECORD: Final = re.compile(r"^Record `([\w.]+):(\w+)`\n\n((?:\|.*\n)+)", re.MULTILINE)

RECORDS: Final = RECORD.findall(PROTOCOL)

CONSTANTS: Final = {
    "longest transaction": [transactions.TRANSACTION_SIZE_MAX],
    "parents of a transaction": [transactions.PARENTS_MAX],
    "results of a transaction's work": [transactions.RESULTS_MAX],
    "longest block": [blocks.BLOCK_SIZE_MAX, blocks.TIPS_MAX, blocks.ATTESTATIONS_MAX],
    "longest commit record": [commits.COMMIT_SIZE_MAX],
    "longest checkpoint, certificate": [checkpoints.CHECKPOINT_SIZE_MAX, certificates.CERTIFICATE_SIZE_MAX],
    "longest effect": [effects.EFFECT_SIZE_MAX, proofs.EFFECT_SIZE_MAX],
    "longest proof": [proofs.PROOF_SIZE_MAX],
    "longest genesis": [genesis.GENESIS_SIZE_MAX],
    "validators of a committee": [genesis.VALIDATORS_MAX],
    "standing jobs": [checkpoints.MODELS_MAX],
    "longest job parameters": [standing_job.JOB_SIZE_MAX],
    "price steps at one checkpoint": [fees.PRICE_STEPS_MAX],
    "epochs that decay at one checkpoint": [fees.EPOCH_STEPS_MAX],
    "whole of a share": [parameters.SHARE_WHOLE],
    "wave of the commit rule": [commit_rule.WAVE_LENGTH],
    "longest blob, chunk, piece": [chunk_tree.BLOB_SIZE_MAX, chunk_tree.CHUNK_SIZE, chunk_tree.PIECE_SIZE],
    "longest content id": [blob_id.BLOB_ID_SIZE_MAX],
}
"""Numbers that a row of the table of constants must hold."""


def test_it_describes_every_record_that_is_hashed_signed_or_proven() -> None:
    described = {name for _, name, _ in RECORDS}
    assert described >= {
        "Genesis",
        "SignedEnvelope",
        "TransactionBody",
        "Work",
        "BlockBody",
        "CommitRecord",
        "Checkpoint",
        "Certificate",
        "Effect",
        "TransactionProof",
        "LedgerState",
        "StandingJob",
    }


@pytest.mark.parametrize(("module", "name", "table"), RECORDS, ids=[name for _, name, _ in RECORDS])
def test_records_have_the_fields_of_the_code_in_order(module: str, name: str, table: str) -> None:
    kind = getattr(import_module(module), name)
    assert issubclass(kind, msgspec.Struct)
    assert kind.__struct_config__.array_like
    stated = [find_codes(row[0])[0] for row in find_tables(table)[0][1:]]
    assert stated == [field.encode_name for field in fields(kind)]


def test_parameters_are_those_of_the_presets() -> None:
    rows = find_table(PROTOCOL, "parameter")
    assert [find_codes(row[0])[0] for row in rows] == [field.name for field in fields(parameters.Parameters)]
    for column, preset in enumerate(("minimal", "devnet", "main"), 1):
        for row in rows:
            value = getattr(parameters.PRESETS[preset], find_codes(row[0])[0])
            if isinstance(value, msgspec.Struct):
                assert row[column] == "below", row[0]
                continue
            shown = f"`{value.decode()}`" if isinstance(value, bytes) else f"{value:,}"
            assert row[column] == shown, row[0]


def test_rules_of_staking_are_those_of_the_presets() -> None:
    rows = find_table(PROTOCOL, "rule of staking")
    kind = staking_rules.StakingRules
    assert [find_codes(row[0])[0] for row in rows] == [field.name for field in fields(kind)]
    for row in rows:
        for preset in parameters.PRESETS.values():
            assert row[1] == f"{getattr(preset.staking, find_codes(row[0])[0]):,}", row[0]


def test_purposes_are_those_of_the_code() -> None:
    purposes = {value.decode() for value in vars(hashing).values() if isinstance(value, bytes)}
    assert {find_codes(row[0])[0] for row in find_table(PROTOCOL, "purpose")} == purposes


def test_constants_are_those_of_the_code() -> None:
    rows = {row[0]: row[1] for row in find_table(PROTOCOL, "constant")}
    for name, values in CONSTANTS.items():
        for value in values:
            assert re.search(rf"(?<![\d,]){value:,}(?![\d,])", rows[name]), name


def test_messages_are_those_of_the_code() -> None:
    stated = [
        (int(row[0]), find_codes(row[1])[0], find_codes(row[2]), row[3])
        for row in find_table(PROTOCOL, "tag")
    ]
    kinds = sorted(get_args(messages.Message), key=lambda kind: kind.__struct_config__.tag)
    assert stated == [
        (
            kind.__struct_config__.tag,
            kind.__name__,
            [field.name for field in fields(kind)],
            f"{messages.SIZE_MAX[kind]:,}",
        )
        for kind in kinds
    ]


def test_requests_are_answered_as_in_the_code() -> None:
    stated = {find_codes(row[0])[0]: find_codes(row[1])[0] for row in find_table(PROTOCOL, "request")}
    assert stated == {asked.__name__: answer.__name__ for asked, answer in messages.EXPECTED_RESPONSE.items()}


def test_routes_are_those_of_the_code() -> None:
    served = {f"{route.method} {route.path}" for route in ROUTES}
    assert {find_codes(row[0])[0] for row in find_table(PROTOCOL, "route")} == served


def test_conflicts_have_the_numbers_of_the_code() -> None:
    (row,) = [row for table in find_tables(PROTOCOL) for row in table if row[0] == "`status`"]
    for status in effects.Status:
        assert f"{status.value} {status.name.lower()}" in row[2]


def test_the_digits_job_has_the_id_that_is_stated() -> None:
    assert standing_job.compute_job_id(DIGITS).hex() in PROTOCOL
