"""Evidence of signing twice: what holds, and everything that does not."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from shards.blocks import Block, sign_block
from shards.errors import EpochUnknown, EvidenceFalse, UnknownAuthor
from shards.evidence import TwinProof, encode_twin_proof, verify_twin_proof
from tangle.core.encoding import encode
from tangle.core.errors import (
    InvalidSignature,
    MalformedEncoding,
    OversizeEncoding,
    TangleError,
    UnsupportedVersion,
    WrongChain,
)
from tangle.core.types import ChainId, Milliseconds
from tests.api.ledger_double import VALIDATOR, LedgerDouble, make_genesis
from tests.api.validators_double import OTHER

LEDGER = LedgerDouble()
(EVIDENCE,) = LEDGER.validators.list_evidence(1)
FIRST, SECOND = EVIDENCE.first, EVIDENCE.second


def _change(block: Block, **fields: object) -> Block:
    return sign_block(replace(block.body, **fields), VALIDATOR)


def test_two_blocks_of_a_round_are_proof() -> None:
    proven = verify_twin_proof(encode_twin_proof(FIRST, SECOND), LEDGER.genesis)

    assert proven.validator == VALIDATOR.public_key
    assert (proven.first.reference, proven.second.reference) == (FIRST.reference, SECOND.reference)


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: encode_twin_proof(FIRST, FIRST), EvidenceFalse),
        (lambda: encode_twin_proof(FIRST, _change(SECOND, round=2)), EvidenceFalse),
        (lambda: encode_twin_proof(FIRST, _change(SECOND, shard=1)), EvidenceFalse),
        (lambda: encode_twin_proof(_change(FIRST, epoch=1), _change(SECOND, epoch=1)), EpochUnknown),
        (lambda: encode_twin_proof(_change(FIRST, author=3), _change(SECOND, author=3)), UnknownAuthor),
        (lambda: encode_twin_proof(FIRST, sign_block(SECOND.body, OTHER)), InvalidSignature),
        (lambda: encode_twin_proof(FIRST, _change(SECOND, chain=ChainId(bytes(8)))), WrongChain),
        (lambda: encode(TwinProof(2, FIRST.encoded, SECOND.encoded)), UnsupportedVersion),
        (lambda: encode(TwinProof(1, FIRST.encoded, b"")), MalformedEncoding),
        (lambda: bytes(200_000), OversizeEncoding),
    ],
    ids=[
        "the same block twice",
        "another round",
        "another shard",
        "an epoch that nobody told of",
        "no such member",
        "signed by somebody else",
        "another chain",
        "another version",
        "no block",
        "too long",
    ],
)
def test_anything_else_is_none(make: Callable[[], bytes], fault: type[TangleError]) -> None:
    with pytest.raises(fault):
        verify_twin_proof(make(), LEDGER.genesis)


def test_evidence_of_another_network_is_none_here() -> None:
    with pytest.raises(WrongChain):
        verify_twin_proof(encode_twin_proof(FIRST, SECOND), make_genesis(salt=1))


def test_a_later_block_of_the_same_validator_is_no_twin() -> None:
    later = _change(FIRST, timestamp_ms=Milliseconds(FIRST.body.timestamp_ms + 5), round=FIRST.body.round + 1)
    with pytest.raises(EvidenceFalse):
        verify_twin_proof(encode_twin_proof(FIRST, later), LEDGER.genesis)
