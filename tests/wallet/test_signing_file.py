"""Transactions that are signed where no network is: every byte of the file is looked at."""

import json
from pathlib import Path

import pytest

from tangle.core.errors import InvalidSignature
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    EVOLUTION_WORK,
    TRANSACTION_VERSION,
    TransactionBody,
    Transfer,
    Work,
    sign_transaction,
)
from tangle.core.types import (
    ChainId,
    CheckpointIndex,
    Grains,
    JobId,
    Sequence,
    Shard,
    TransactionId,
)
from tangle.wallet.signing_file import (
    SIGNING_FILE_SIZE_MAX,
    InvalidSigningFile,
    NotSigned,
    read_body,
    read_transaction,
    sign_file,
    write_signing_file,
)

ALICE, BOB = SigningKey(bytes([1]) * 32), SigningKey(bytes([2]) * 32)
PLACE = Path("transfer.json")
BODY = TransactionBody(
    version=TRANSACTION_VERSION,
    chain=ChainId(bytes(8)),
    shard=Shard(0),
    issuer=ALICE.public_key,
    sequence=Sequence(3),
    anchor=CheckpointIndex(7),
    parents=(TransactionId(bytes([9]) * 32),),
    operation=Transfer(BOB.public_key, Grains(5)),
    work=Work(EVOLUTION_WORK, JobId(bytes(32)), 0, ALICE.public_key, (1,)),
    max_fee=Grains(100),
)


def test_what_is_signed_there_is_what_was_prepared_here() -> None:
    unsigned = write_signing_file(BODY)
    assert read_body(PLACE, unsigned) == BODY
    signed = sign_file(PLACE, unsigned, ALICE)
    assert read_transaction(PLACE, signed).encoded == sign_transaction(BODY, ALICE).encoded
    assert sign_file(PLACE, signed, ALICE) == signed, "signing twice changes nothing"


def test_nothing_is_sent_before_it_is_signed() -> None:
    with pytest.raises(NotSigned):
        read_transaction(PLACE, write_signing_file(BODY))


def test_only_the_issuer_signs() -> None:
    with pytest.raises(InvalidSignature):
        sign_file(PLACE, write_signing_file(BODY), BOB)


@pytest.mark.parametrize("place", range(0, 200, 7))
def test_a_changed_digit_is_noticed(place: int) -> None:
    record = json.loads(sign_file(PLACE, write_signing_file(BODY), ALICE))
    digits = record["body"]
    place %= len(digits)
    record["body"] = digits[:place] + ("0" if digits[place] != "0" else "1") + digits[place + 1 :]
    with pytest.raises((InvalidSigningFile, InvalidSignature)):
        read_transaction(PLACE, json.dumps(record).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"\x00\xff",
        b"[" * 10_000,
        b"{}",
        b'{"version": 2, "kind": "tangle-transaction", "body": ""}',
        b'{"version": 1, "kind": "other", "body": ""}',
        b'{"version": 1, "kind": "tangle-transaction", "body": "zz"}',
        b'{"version": 1, "kind": "tangle-transaction", "body": "80"}',
        b'{"version": 1, "kind": "tangle-transaction", "body": "", "more": 1}',
        b" " * (SIGNING_FILE_SIZE_MAX + 1),
    ],
    ids=range(12),
)
def test_other_files_are_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(InvalidSigningFile, match=r"transfer\.json: "):
        read_body(PLACE, data)


@pytest.mark.parametrize("signature", ["", "00", "zz", "00" * 64, "00" * 65])
def test_wrong_signatures_are_refused(signature: str) -> None:
    record = json.loads(write_signing_file(BODY)) | {"signature": signature}
    with pytest.raises((InvalidSigningFile, InvalidSignature)):
        read_transaction(PLACE, json.dumps(record).encode())
