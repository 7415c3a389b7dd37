"""Transactions: published ones, and every refusal that needs no context by its own error."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tangle.core.encoding import encode
from tangle.core.errors import (
    InvalidSignature,
    MalformedEncoding,
    TangleError,
    UnsupportedVersion,
    WrongChain,
    WrongShard,
)
from tangle.core.hashing import compute_home_shard
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    MARKET_CALL_SIZE_MAX,
    PARENTS_MAX,
    RESULTS_MAX,
    TRANSACTION_SIZE_MAX,
    DuplicateParents,
    InvalidTransaction,
    MarketCall,
    Transaction,
    TransactionBody,
    Transfer,
    Work,
    check_transaction,
    decode_transaction,
    sign_transaction,
    verify_transaction_signature,
)
from tangle.core.types import (
    INTEGER_MAX,
    ChainId,
    CheckpointIndex,
    Grains,
    JobId,
    PublicKey,
    Sequence,
    Shard,
    TransactionId,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "core" / "transactions.json").read_text())
CHAIN = ChainId(bytes.fromhex(VECTORS["chain"]))
KEY = SigningKey(bytes.fromhex(VECTORS["seed"]))
BODY = TransactionBody(
    version=1,
    chain=CHAIN,
    shard=Shard(0),
    issuer=KEY.public_key,
    sequence=Sequence(0),
    anchor=CheckpointIndex(0),
    parents=(TransactionId(bytes(32)),),
    operation=Transfer(PublicKey(bytes(32)), Grains(1)),
    work=Work(1, JobId(bytes(32)), 0, KEY.public_key, (0,)),
    max_fee=Grains(0),
)


def admit(encoded: bytes) -> Transaction:
    """Everything that is checked without context."""
    transaction = decode_transaction(encoded)
    check_transaction(transaction, CHAIN, 0)
    verify_transaction_signature(transaction)
    return transaction


def get_plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return [get_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("vector", VECTORS["accepted"], ids=lambda vector: vector["name"])
def test_published_transactions(vector: dict[str, Any]) -> None:
    transaction = admit(bytes.fromhex(vector["encoded"]))
    body = transaction.body
    assert transaction.id.hex() == vector["id"]
    assert transaction.body_encoded.hex() == vector["body"] == encode(body).hex()
    work = body.work
    assert isinstance(body.operation, Transfer)
    fields = {
        "version": body.version,
        "chain": body.chain,
        "shard": body.shard,
        "issuer": body.issuer,
        "sequence": body.sequence,
        "anchor": body.anchor,
        "parents": body.parents,
        "operation": [1, body.operation.recipient, body.operation.amount],
        "work": [work.kind, work.job, work.generation, work.worker, work.results],
        "max_fee": body.max_fee,
    }
    assert {name: get_plain(value) for name, value in fields.items()} == vector["fields"]
    signed = sign_transaction(body, KEY)
    assert (signed.encoded, signed.id) == (transaction.encoded, transaction.id)


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["name"])
def test_published_refusals(vector: dict[str, str]) -> None:
    with pytest.raises(TangleError) as caught:
        admit(bytes.fromhex(vector["encoded"]))
    assert caught.value.code == vector["code"]


def refuse(error: type[TangleError], shard_bits: int = 0, **changes: Any) -> TangleError:
    transaction = sign_transaction(replace(BODY, **changes), KEY)
    assert decode_transaction(transaction.encoded).body == transaction.body
    with pytest.raises(error) as caught:
        check_transaction(transaction, CHAIN, shard_bits)
    return caught.value


def test_each_refusal_names_what_it_found() -> None:
    version = refuse(UnsupportedVersion, version=2)
    assert isinstance(version, UnsupportedVersion)
    assert (version.found, version.expected) == (2, 1)
    chain = refuse(WrongChain, chain=ChainId(bytes(8)))
    assert isinstance(chain, WrongChain)
    assert (chain.found, chain.expected) == (bytes(8), CHAIN)
    refuse(DuplicateParents, parents=(BODY.parents[0],) * 2)
    refuse(InvalidTransaction, work=replace(BODY.work, kind=0))
    refuse(InvalidTransaction, operation=Transfer(PublicKey(bytes(32)), Grains(0)))


def test_what_the_market_is_asked_for_travels_as_it_is() -> None:
    for data in (b"x", bytes(MARKET_CALL_SIZE_MAX)):
        body = replace(BODY, operation=MarketCall(data))
        transaction = sign_transaction(body, KEY)
        check_transaction(transaction, CHAIN, 0)
        assert decode_transaction(transaction.encoded).body == body
    for data in (b"", bytes(MARKET_CALL_SIZE_MAX + 1)):
        with pytest.raises(MalformedEncoding):
            decode_transaction(sign_transaction(replace(BODY, operation=MarketCall(data)), KEY).encoded)


def test_the_largest_call_of_the_market_fits_with_all_parents_and_results() -> None:
    full = replace(
        BODY,
        sequence=Sequence(INTEGER_MAX),
        anchor=CheckpointIndex(INTEGER_MAX),
        parents=tuple(TransactionId(bytes([number]) * 32) for number in range(PARENTS_MAX)),
        operation=MarketCall(bytes(MARKET_CALL_SIZE_MAX)),
        work=replace(BODY.work, generation=INTEGER_MAX, results=(-(2**63),) * RESULTS_MAX),
        max_fee=Grains(INTEGER_MAX),
    )
    transaction = sign_transaction(full, KEY)
    assert len(transaction.encoded) <= TRANSACTION_SIZE_MAX
    assert decode_transaction(transaction.encoded).body == full


@pytest.mark.parametrize("shard_bits", [0, 1, 3, 8])
def test_only_the_home_shard_is_accepted(shard_bits: int) -> None:
    home = compute_home_shard(KEY.public_key, shard_bits)
    check_transaction(sign_transaction(replace(BODY, shard=home), KEY), CHAIN, shard_bits)
    error = refuse(WrongShard, shard_bits, shard=Shard(home + 1))
    assert isinstance(error, WrongShard)
    assert (error.found, error.expected) == (home + 1, home)


def test_only_the_issuer_signs() -> None:
    with pytest.raises(InvalidSignature):
        sign_transaction(BODY, SigningKey(bytes(32)))


def test_the_largest_transaction_fits() -> None:
    largest = replace(
        BODY,
        shard=Shard(65_535),
        sequence=Sequence(INTEGER_MAX),
        anchor=CheckpointIndex(INTEGER_MAX),
        parents=tuple(TransactionId(bytes([number]) * 32) for number in range(PARENTS_MAX)),
        operation=Transfer(PublicKey(bytes(32)), Grains(INTEGER_MAX)),
        work=Work(
            INTEGER_MAX, JobId(bytes(32)), INTEGER_MAX, PublicKey(bytes(32)), (-(2**63),) * RESULTS_MAX
        ),
        max_fee=Grains(INTEGER_MAX),
    )
    assert len(sign_transaction(largest, KEY).encoded) < TRANSACTION_SIZE_MAX // 2


@given(st.integers(0, 1_000), st.integers(1, 255))
def test_any_changed_byte_is_refused(place: int, change: int) -> None:
    encoded = bytearray(sign_transaction(BODY, KEY).encoded)
    encoded[place % len(encoded)] ^= change
    with pytest.raises(TangleError):
        admit(bytes(encoded))


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedEncoding):
        decode_transaction(data)


def test_the_id_covers_the_signature() -> None:
    transaction = sign_transaction(BODY, KEY)
    other = decode_transaction(transaction.encoded[:-1] + bytes([transaction.encoded[-1] ^ 1]))
    assert other.body == transaction.body
    assert other.id != transaction.id
