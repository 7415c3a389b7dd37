"""Checkpoints: what a committee says about one executed commit, and the record that it signs.

A checkpoint binds what was ordered, what came of it and the state after it; each names the one before.
Source: protocol 5.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from shards.blocks import Attestation, BlockReference, compute_attestation_body
from shards.errors import SupplyBroken
from tangle.core.encoding import decode, encode
from tangle.core.errors import UnsupportedVersion
from tangle.core.genesis import VALIDATORS_MAX, Validator
from tangle.core.hashing import ATTESTATION, CHECKPOINT, compute_hash
from tangle.core.signing import SigningKey
from tangle.core.types import (
    ChainId,
    CheckpointIndex,
    Digest,
    Grains,
    JobId,
    Milliseconds,
    Natural,
    Shard,
    Signed,
)

CHECKPOINT_VERSION: Final = 1
"""The only version so far."""

CHECKPOINT_SIZE_MAX: Final = 32_768
"""Longest encoded checkpoint in bytes: 64 models and a committee of 256 fit."""

SHARDS_MAX: Final = 256
"""Most shards: as many as eight bits tell apart."""

MODELS_MAX: Final = 64
"""Most standing jobs, as in the genesis."""

NO_ROOT: Final = Digest(bytes(32))
"""Stands where a checkpoint has no accounts root: everywhere but at an epoch's end."""


class ModelState(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where one standing job's model is."""

    job: JobId
    """The job."""

    generation: Natural
    """Generations folded so far."""

    weights_digest: Digest
    """Hash of the current weights."""

    score: Signed
    """Score of these weights, in the job's own unit."""

    budget: Natural
    """Its share of all draws at this anchor, relative to the others'; 0 where it ended in this checkpoint."""


class SupplyTotals(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where all grains are."""

    genesis: Grains
    """Allocated at genesis."""

    emitted: Grains
    """Paid for counted work since."""

    burned: Grains
    """Destroyed since."""

    balances: Grains
    """In accounts."""

    stakes: Grains
    """Locked by validators."""

    escrow: Grains
    """Locked by jobs."""

    fund: Grains
    """In the sustainability fund."""

    inflow: Signed
    """Received from other shards less what was sent to them, since genesis. Over all shards they add up to
    the negative of what is on its way."""


class Checkpoint(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The signed summary of an executed commit."""

    version: Natural
    """Format version, ``CHECKPOINT_VERSION``."""

    chain: ChainId
    """Chain."""

    shard: Shard
    """Shard."""

    epoch: Natural
    """Epoch by commit time."""

    committee_epoch: Natural
    """Epoch of the committee that signs it; an epoch's last checkpoint is of the next one by commit time."""

    index: CheckpointIndex
    """Number within the shard; 0 is the genesis checkpoint."""

    previous: Digest
    """Digest of the checkpoint before; all zero in the genesis checkpoint."""

    leader: BlockReference
    """Leader of the commit."""

    timestamp_ms: Milliseconds
    """Commit time."""

    ordered_total: Natural
    """Transactions ordered in this shard since genesis, these included."""

    ordered_count: Natural
    """Transactions ordered by this checkpoint: the number of leaves under both of the next two roots."""

    ordered_root: Digest
    """Merkle root over their ids, in order."""

    effects_root: Digest
    """Merkle root over their encoded effects, in the same order."""

    receipts_root: Digest
    """Merkle root over the batches of receipts for every shard; of no leaves where there is one shard."""

    received: Annotated[tuple[Natural, ...], Meta(max_length=SHARDS_MAX)]
    """Next expected receipt of every shard: acknowledges those before it. Empty where there is one shard."""

    state_digest: Digest
    """Multiset hash over all live entries after execution."""

    accounts_root: Digest
    """Merkle root over all accounts in order at an epoch's last checkpoint, ``NO_ROOT`` elsewhere."""

    price: Grains
    """Price per weight from here on."""

    difficulty: Natural
    """Evaluations that a transaction anchored here carries."""

    supply: SupplyTotals
    """Where all grains are."""

    models: Annotated[tuple[ModelState, ...], Meta(max_length=MODELS_MAX)]
    """Standing jobs, in the order of the board."""

    next_committee: Annotated[tuple[Validator, ...], Meta(max_length=VALIDATORS_MAX)]
    """Committee of the next epoch at an epoch's last checkpoint; empty when nothing changes."""


def check_supply(supply: SupplyTotals) -> None:
    """Every grain that was ever issued and not burned is somewhere, and no other is. Source: protocol 5.

    :raises SupplyBroken: it is not so.
    """
    issued = supply.genesis + supply.emitted - supply.burned + supply.inflow
    held = supply.balances + supply.stakes + supply.escrow + supply.fund
    if issued != held:
        raise SupplyBroken(issued, held)


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """The canonical bytes of a checkpoint."""
    return encode(checkpoint)


def decode_checkpoint(data: bytes) -> Checkpoint:
    """Decode a checkpoint strictly.

    :raises MalformedEncoding, OversizeEncoding, UnsupportedVersion: see each.
    """
    checkpoint = decode(Checkpoint, data, limit=CHECKPOINT_SIZE_MAX)
    if checkpoint.version != CHECKPOINT_VERSION:
        raise UnsupportedVersion("checkpoint", checkpoint.version, CHECKPOINT_VERSION)
    return checkpoint


def compute_checkpoint_digest(checkpoint: Checkpoint) -> Digest:
    """Hash of a checkpoint: what validators sign and the next checkpoint names."""
    return compute_hash(CHECKPOINT, encode(checkpoint))


def sign_attestation(
    digest: Digest, index: CheckpointIndex, shard: Shard, key: SigningKey, chain: ChainId
) -> Attestation:
    """A validator's signature under a checkpoint that it executed and stored."""
    signature = key.sign(ATTESTATION, chain, compute_attestation_body(shard, index, digest))
    return Attestation(index, digest, signature)
