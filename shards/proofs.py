"""Proofs of transactions: everything that somebody with the genesis alone needs to see that one is final.

The proof holds the transaction, its effect, where both stand under a checkpoint's roots, and the quorum's
signatures under that checkpoint. The committee is that of the genesis, or one that the ends of epochs lead to
from there; these are handed in, because they are the same for all proofs. What an effect says is the
ledger's affair: here it is an array whose first field is the transaction's id.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from shards.certificates import Certificate, verify_certificate
from shards.checkpoints import CHECKPOINT_VERSION, Checkpoint, compute_checkpoint_digest
from shards.committee import Committee
from shards.epochs import EpochEnd, follow_epochs, make_genesis_committee
from shards.errors import EpochUnknown
from tangle.core.encoding import decode, encode
from tangle.core.errors import InvalidProof, UnsupportedVersion, WrongChain
from tangle.core.genesis import Genesis, compute_chain_id
from tangle.core.merkle import InclusionProof, verify_inclusion
from tangle.core.transactions import (
    Transaction,
    check_transaction,
    decode_transaction,
    verify_transaction_signature,
)
from tangle.core.types import ChainId, Natural

PROOF_VERSION: Final = 1
"""The only version so far."""

PROOF_SIZE_MAX: Final = 98_304
"""Longest encoded proof in bytes: the longest transaction, checkpoint and certificate, and two paths of 63
hashes.
"""

EFFECT_SIZE_MAX: Final = 16_384
"""Longest encoded effect in bytes that a proof carries."""


class TransactionProof(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Evidence that a transaction was ordered, with what came of it."""

    version: Natural
    """Format version, ``PROOF_VERSION``."""

    transaction: bytes
    """The signed transaction, encoded."""

    effect: bytes
    """Its effect, encoded."""

    ordered: InclusionProof
    """Where the id stands under the checkpoint's ordered root."""

    effects: InclusionProof
    """Where the effect stands under the checkpoint's effects root: the same place."""

    checkpoint: Checkpoint
    """The checkpoint that ordered it."""

    certificate: Certificate
    """The quorum's signatures under the checkpoint."""


class ProvenTransaction(Struct, frozen=True):
    """What a proof proves."""

    transaction: Transaction
    """The transaction."""

    effect: bytes
    """Its encoded effect."""

    checkpoint: Checkpoint
    """The checkpoint that made it final."""

    signers: tuple[int, ...]
    """Places in the committee of those that signed."""

    committee: Committee
    """The committee whose quorum they are."""


def encode_transaction_proof(proof: TransactionProof) -> bytes:
    """The canonical bytes of a proof."""
    return encode(proof)


def verify_transaction_proof(
    data: bytes, genesis: Genesis, ends: Sequence[EpochEnd] = ()
) -> ProvenTransaction:
    """Check a proof with nothing but the genesis. Whoever changes a byte of it is refused.

    :param ends: ends of epochs, from that of epoch 0 on: those of later epochs need them.
    :raises BrokenEpochChain: one of them does not hold.
    :raises EpochUnknown: they do not lead to the committee that signed.
    :raises MalformedEncoding, OversizeEncoding, UnsupportedVersion: not a proof of this version.
    :raises WrongChain, WrongShard, InvalidTransaction, InvalidSignature: of another network, or not signed.
    :raises InvalidCertificate: no quorum of the committee signed the checkpoint.
    :raises InvalidProof: the transaction or its effect is not under the checkpoint.
    """
    proof = decode(TransactionProof, data, limit=PROOF_SIZE_MAX)
    checkpoint = proof.checkpoint
    chain = compute_chain_id(genesis)
    if proof.version != PROOF_VERSION:
        raise UnsupportedVersion("proof", proof.version, PROOF_VERSION)
    if checkpoint.version != CHECKPOINT_VERSION:
        raise UnsupportedVersion("checkpoint", checkpoint.version, CHECKPOINT_VERSION)
    if checkpoint.chain != chain:
        raise WrongChain(checkpoint.chain, chain)
    _check_certified(proof)
    committee = _find_committee(checkpoint, genesis, chain, ends)
    verify_certificate(proof.certificate, committee, chain, checkpoint.shard)
    transaction = decode_transaction(proof.transaction)
    check_transaction(transaction, chain, genesis.parameters.shard_bits)
    verify_transaction_signature(transaction)
    _check_included(proof, transaction)
    signers = tuple(part.author for part in proof.certificate.signatures)
    return ProvenTransaction(transaction, proof.effect, checkpoint, signers, committee)


def _find_committee(
    checkpoint: Checkpoint, genesis: Genesis, chain: ChainId, ends: Sequence[EpochEnd]
) -> Committee:
    committees = follow_epochs(make_genesis_committee(genesis), ends, chain)
    for committee in committees:
        if committee.epoch == checkpoint.committee_epoch:
            return committee
    raise EpochUnknown(checkpoint.committee_epoch, committees[-1].epoch)


def _check_certified(proof: TransactionProof) -> None:
    certificate = proof.certificate
    if certificate.index != proof.checkpoint.index:
        raise InvalidProof("the certificate is for another checkpoint")
    if certificate.digest != compute_checkpoint_digest(proof.checkpoint):
        raise InvalidProof("the certificate is for another checkpoint of this number")


def _check_included(proof: TransactionProof, transaction: Transaction) -> None:
    checkpoint = proof.checkpoint
    if transaction.body.shard != checkpoint.shard:
        raise InvalidProof("the transaction is of another shard than the checkpoint")
    if proof.ordered.index != proof.effects.index:
        raise InvalidProof("transaction and effect stand at different places")
    # Paths alone do not bind the number of leaves; the checkpoint does.
    if not proof.ordered.size == proof.effects.size == checkpoint.ordered_count:
        raise InvalidProof("the proof counts other leaves than the checkpoint")
    fields = decode(list, proof.effect, limit=EFFECT_SIZE_MAX)
    if not fields or fields[0] != transaction.id:
        raise InvalidProof("the effect is of another transaction")
    verify_inclusion(checkpoint.ordered_root, transaction.id, proof.ordered)
    verify_inclusion(checkpoint.effects_root, proof.effect, proof.effects)
