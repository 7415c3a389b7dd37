"""Evidence: two blocks of one validator and round prove, without any node, that it signed twice.

The blocks are the proof: each carries its author's signature over chain, shard, epoch, round and author. What
the reader brings is the genesis, and for a committee of a later epoch the ends of epochs that lead to it.
Source: protocol 5.17.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from shards.blocks import BLOCK_SIZE_MAX, Block, decode_block
from shards.committee import Committee
from shards.epochs import EpochEnd, follow_epochs, make_genesis_committee
from shards.errors import EpochUnknown, EvidenceFalse, UnknownAuthor
from tangle.core.encoding import decode, encode
from tangle.core.errors import UnsupportedVersion, WrongChain
from tangle.core.genesis import Genesis, compute_chain_id
from tangle.core.hashing import BLOCK
from tangle.core.signing import verify_signature
from tangle.core.types import Natural, PublicKey

TWIN_PROOF_VERSION: Final = 1
"""The only version so far."""

TWIN_PROOF_SIZE_MAX: Final = 2 * BLOCK_SIZE_MAX + 64
"""Longest proof in bytes: two of the longest blocks."""


class TwinProof(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What somebody is shown who was not there."""

    version: Natural
    """Format version, ``TWIN_PROOF_VERSION``."""

    first: bytes
    """One signed block."""

    second: bytes
    """Another one of the same author and round."""


class ProvenTwins(Struct, frozen=True):
    """What a proof proves."""

    committee: Committee
    """The committee of the blocks' epoch."""

    first: Block
    """One block."""

    second: Block
    """The other one."""

    @property
    def validator(self) -> PublicKey:
        """Whoever signed both."""
        return self.committee.validators[self.first.body.author].public_key


def encode_twin_proof(first: Block, second: Block) -> bytes:
    """The canonical bytes of a proof."""
    return encode(TwinProof(TWIN_PROOF_VERSION, first.encoded, second.encoded))


def verify_twin_proof(data: bytes, genesis: Genesis, ends: Sequence[EpochEnd] = ()) -> ProvenTwins:
    """Check a proof with nothing but the genesis.

    :param ends: ends of epochs, from that of epoch 0 on: blocks of later epochs need them.
    :raises MalformedEncoding, OversizeEncoding, UnsupportedVersion: not a proof of this version.
    :raises WrongChain: blocks of another network.
    :raises EvidenceFalse: the blocks are the same, or of different slots.
    :raises BrokenEpochChain, EpochUnknown: the ends do not lead to the committee.
    :raises UnknownAuthor: the committee has no such member.
    :raises InvalidSignature: the member did not sign one of them.
    """
    proof = decode(TwinProof, data, limit=TWIN_PROOF_SIZE_MAX)
    if proof.version != TWIN_PROOF_VERSION:
        raise UnsupportedVersion("evidence", proof.version, TWIN_PROOF_VERSION)
    chain = compute_chain_id(genesis)
    first, second = decode_block(proof.first), decode_block(proof.second)
    for block in (first, second):
        if block.body.chain != chain:
            raise WrongChain(block.body.chain, chain)
    if _get_slot(first) != _get_slot(second):
        raise EvidenceFalse("the blocks are not of one validator and round")
    if first.reference.digest == second.reference.digest:
        raise EvidenceFalse("the blocks are the same one")
    committee = _find_committee(first.body.epoch, genesis, ends)
    if first.body.author >= len(committee):
        raise UnknownAuthor(first.body.author, len(committee))
    proven = ProvenTwins(committee, first, second)
    for block in (first, second):
        verify_signature(BLOCK, chain, block.body_encoded, block.signature, proven.validator)
    return proven


def _get_slot(block: Block) -> tuple[int, int, int, int]:
    body = block.body
    return body.shard, body.epoch, body.round, body.author


def _find_committee(epoch: int, genesis: Genesis, ends: Sequence[EpochEnd]) -> Committee:
    committees = follow_epochs(make_genesis_committee(genesis), ends, compute_chain_id(genesis))
    for committee in committees:
        if committee.epoch == epoch:
            return committee
    raise EpochUnknown(epoch, committees[-1].epoch)
