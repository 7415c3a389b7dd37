"""Proofs of transactions: accepted as made, refused with any byte changed."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shards.checkpoints import compute_checkpoint_digest
from shards.committee import Committee
from shards.errors import InvalidCertificate
from shards.proofs import PROOF_VERSION, TransactionProof, encode_transaction_proof, verify_transaction_proof
from tangle.core.encoding import decode, encode
from tangle.core.errors import InvalidProof, InvalidSignature, TangleError, UnsupportedVersion, WrongChain
from tangle.core.genesis import GENESIS_VERSION, BoardEntry, Genesis, Validator, compute_chain_id
from tangle.core.merkle import compute_inclusion_proof, compute_merkle_root
from tangle.core.parameters import MINIMAL
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    EVOLUTION_WORK,
    TRANSACTION_VERSION,
    Transaction,
    TransactionBody,
    Transfer,
    Work,
    sign_transaction,
)
from tangle.core.types import (
    CheckpointIndex,
    Grains,
    JobId,
    Milliseconds,
    PublicKey,
    Sequence,
    Shard,
    TransactionId,
)
from tests.drawing.blocks import make_keys
from tests.shards.samples import make_certificate, make_checkpoint

KEYS = make_keys(4)
GENESIS = Genesis(
    version=GENESIS_VERSION,
    name=b"proofs",
    timestamp_ms=Milliseconds(0),
    parameters=MINIMAL,
    validators=tuple(Validator(key.public_key, 1) for key in KEYS),
    allocations=(),
    board=(BoardEntry(1, b"job"),),
)
CHAIN = compute_chain_id(GENESIS)
COUNT = 3


def make_transaction(number: int) -> Transaction:
    key = SigningKey(bytes([200 + number]) * 32)
    body = TransactionBody(
        version=TRANSACTION_VERSION,
        chain=CHAIN,
        shard=Shard(0),
        issuer=key.public_key,
        sequence=Sequence(0),
        anchor=CheckpointIndex(0),
        parents=(TransactionId(bytes(32)),),
        operation=Transfer(PublicKey(b"r" * 32), Grains(5)),
        work=Work(EVOLUTION_WORK, JobId(bytes(32)), 0, key.public_key, (3,)),
        max_fee=Grains(100),
    )
    return sign_transaction(body, key)


@cache
def make_proof(number: int = 1) -> TransactionProof:
    transactions = [make_transaction(index) for index in range(COUNT)]
    effects = [encode((transaction.id, 0, 7)) for transaction in transactions]
    identities = [transaction.id for transaction in transactions]
    committee = Committee(0, GENESIS.validators)
    checkpoint = replace(
        make_checkpoint(committee),
        chain=CHAIN,
        ordered_count=COUNT,
        ordered_root=compute_merkle_root(identities),
        effects_root=compute_merkle_root(effects),
    )
    return TransactionProof(
        version=PROOF_VERSION,
        transaction=transactions[number].encoded,
        effect=effects[number],
        ordered=compute_inclusion_proof(identities, number),
        effects=compute_inclusion_proof(effects, number),
        checkpoint=checkpoint,
        certificate=make_certificate(committee, checkpoint),
    )


PROOF = make_proof()
ENCODED = encode_transaction_proof(PROOF)


@pytest.mark.parametrize("number", range(COUNT))
def test_a_proof_holds_for_every_place(number: int) -> None:
    proven = verify_transaction_proof(encode_transaction_proof(make_proof(number)), GENESIS)
    assert proven.transaction.id == make_transaction(number).id
    assert proven.effect == make_proof(number).effect
    assert proven.signers == (0, 1, 3)


def test_every_single_changed_byte_is_refused() -> None:
    assert decode(TransactionProof, ENCODED, limit=len(ENCODED)) == PROOF
    for position in range(len(ENCODED)):
        changed = bytearray(ENCODED)
        changed[position] ^= 1
        with pytest.raises(TangleError):
            verify_transaction_proof(bytes(changed), GENESIS)


@given(st.integers(0, len(ENCODED) - 1), st.integers(1, 255))
def test_any_changed_byte_is_refused(position: int, mask: int) -> None:
    changed = bytearray(ENCODED)
    changed[position] ^= mask
    with pytest.raises(TangleError):
        verify_transaction_proof(bytes(changed), GENESIS)


@pytest.mark.parametrize("data", [ENCODED[:-1], ENCODED + b"\x00", b"", b"\xff" * 50])
def test_torn_and_padded_proofs_are_refused(data: bytes) -> None:
    with pytest.raises(TangleError):
        verify_transaction_proof(data, GENESIS)


def resign(proof: TransactionProof) -> TransactionProof:
    committee = Committee(0, GENESIS.validators)
    return replace(proof, certificate=make_certificate(committee, proof.checkpoint))


OTHER = make_proof(2)
WRONG: list[tuple[TransactionProof, type[TangleError]]] = [
    (replace(PROOF, version=2), UnsupportedVersion),
    (resign(replace(PROOF, checkpoint=replace(PROOF.checkpoint, version=2))), UnsupportedVersion),
    (replace(PROOF, transaction=OTHER.transaction), InvalidProof),
    (replace(PROOF, effect=OTHER.effect), InvalidProof),
    (replace(PROOF, effect=OTHER.effect, effects=OTHER.effects), InvalidProof),
    (replace(PROOF, effect=encode(())), InvalidProof),
    (replace(PROOF, ordered=OTHER.ordered, effects=OTHER.effects), InvalidProof),
    (replace(PROOF, ordered=replace(PROOF.ordered, size=4)), InvalidProof),
    (resign(replace(PROOF, checkpoint=replace(PROOF.checkpoint, ordered_count=4))), InvalidProof),
    (resign(replace(PROOF, checkpoint=replace(PROOF.checkpoint, shard=Shard(1)))), InvalidProof),
    (replace(PROOF, checkpoint=replace(PROOF.checkpoint, difficulty=2)), InvalidProof),
    (replace(PROOF, checkpoint=replace(PROOF.checkpoint, index=CheckpointIndex(2))), InvalidProof),
    (
        replace(PROOF, certificate=replace(PROOF.certificate, signatures=PROOF.certificate.signatures[:2])),
        InvalidCertificate,
    ),
]


@pytest.mark.parametrize(("proof", "error"), WRONG)
def test_a_proof_put_together_wrongly_is_refused(proof: TransactionProof, error: type[TangleError]) -> None:
    with pytest.raises(error):
        verify_transaction_proof(encode_transaction_proof(proof), GENESIS)


def test_a_certificate_of_other_validators_is_refused() -> None:
    others = tuple(Validator(SigningKey(bytes([90 + number]) * 32).public_key, 1) for number in range(4))
    with pytest.raises((WrongChain, InvalidSignature)):
        verify_transaction_proof(ENCODED, replace(GENESIS, validators=others))


def test_a_proof_of_another_network_is_refused() -> None:
    with pytest.raises(WrongChain):
        verify_transaction_proof(ENCODED, replace(GENESIS, name=b"another"))


def test_the_checkpoint_digest_is_what_was_signed() -> None:
    assert PROOF.certificate.digest == compute_checkpoint_digest(PROOF.checkpoint)
