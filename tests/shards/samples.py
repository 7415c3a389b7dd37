"""Fixed records: the ones of the published vectors, and builders that other tests share."""

import json
from pathlib import Path
from typing import Any

from shards.blocks import (
    BLOCK_VERSION,
    Block,
    BlockBody,
    compute_attestation_body,
    compute_genesis_references,
    sign_block,
)
from shards.certificates import AuthorSignature, Certificate, encode_certificate
from shards.checkpoints import (
    CHECKPOINT_VERSION,
    NO_ROOT,
    Checkpoint,
    ModelState,
    SupplyTotals,
    compute_checkpoint_digest,
    encode_checkpoint,
    sign_attestation,
)
from shards.commits import CommitRecord, compute_commit_digest, compute_first_commit_digest, encode_commit
from shards.committee import Committee
from shards.guard import advance, encode_last_signed, make_last_signed
from tangle.core.encoding import encode
from tangle.core.types import (
    ChainId,
    CheckpointIndex,
    Digest,
    Grains,
    JobId,
    Milliseconds,
    Shard,
    TransactionId,
)
from tests.drawing.blocks import make_committee, make_keys

VECTORS = Path(__file__).resolve().parent.parent / "vectors" / "committee"
CHAIN = ChainId(b"vectors!")
SHARD = Shard(0)
TIPS = (TransactionId(b"\x11" * 32), TransactionId(b"\x22" * 32))


def read_vectors(name: str) -> Any:
    return json.loads((VECTORS / name).read_text())


def make_checkpoint(committee: Committee, index: int = 1) -> Checkpoint:
    """A checkpoint whose supply balances."""
    return Checkpoint(
        version=CHECKPOINT_VERSION,
        chain=CHAIN,
        shard=SHARD,
        epoch=0,
        committee_epoch=0,
        index=CheckpointIndex(index),
        previous=Digest(b"\x33" * 32),
        leader=compute_genesis_references(committee, CHAIN, SHARD)[1],
        timestamp_ms=Milliseconds(1_700_000_000_000),
        ordered_total=3,
        ordered_count=2,
        ordered_root=Digest(b"\x44" * 32),
        effects_root=Digest(b"\x55" * 32),
        receipts_root=Digest(b"\x66" * 32),
        received=(),
        state_digest=Digest(b"\x77" * 32),
        accounts_root=NO_ROOT,
        price=Grains(10),
        difficulty=1,
        supply=SupplyTotals(
            genesis=Grains(1_000),
            emitted=Grains(500),
            burned=Grains(100),
            balances=Grains(900),
            stakes=Grains(200),
            escrow=Grains(100),
            fund=Grains(150),
            inflow=-50,
        ),
        models=(ModelState(JobId(b"\x88" * 32), 7, Digest(b"\x99" * 32), -12, 3),),
        next_committee=(),
    )


def make_block(committee: Committee) -> Block:
    """Block of validator 0 in round 1 with two tips and an attestation of ``make_checkpoint``."""
    key = make_keys(len(committee))[0]
    digest = compute_checkpoint_digest(make_checkpoint(committee))
    body = BlockBody(
        version=BLOCK_VERSION,
        chain=CHAIN,
        epoch=0,
        shard=SHARD,
        round=1,
        author=0,
        timestamp_ms=Milliseconds(1_700_000_000_123),
        ancestors=compute_genesis_references(committee, CHAIN, SHARD),
        tips=TIPS,
        attestations=(sign_attestation(digest, CheckpointIndex(1), SHARD, key, CHAIN),),
        votes=(),
        bundles=(),
    )
    return sign_block(body, key)


def make_certificate(
    committee: Committee, checkpoint: Checkpoint, authors: tuple[int, ...] = (0, 1, 3)
) -> Certificate:
    """Signatures of ``authors`` under a checkpoint."""
    digest = compute_checkpoint_digest(checkpoint)
    keys = make_keys(len(committee))
    parts = tuple(
        AuthorSignature(
            author,
            sign_attestation(
                digest, checkpoint.index, checkpoint.shard, keys[author], checkpoint.chain
            ).signature,
        )
        for author in authors
    )
    return Certificate(checkpoint.index, digest, parts)


def make_encodings() -> dict[str, Any]:
    """The content of ``encodings.json``."""
    committee = make_committee(4)
    block = make_block(committee)
    checkpoint = make_checkpoint(committee)
    digest = compute_checkpoint_digest(checkpoint)
    commit = CommitRecord(
        index=1,
        previous=compute_first_commit_digest(committee, CHAIN, SHARD),
        timestamp_ms=block.body.timestamp_ms,
        leader=block.reference,
        blocks=(block.reference,),
    )
    genesis = compute_genesis_references(committee, CHAIN, SHARD)
    signed = advance(
        make_last_signed(CHAIN, 0, SHARD), 0, block.reference.round, block.reference.digest, block.encoded
    )
    return {
        "genesis_references": [encode(reference).hex() for reference in genesis],
        "block": block.encoded.hex(),
        "block_digest": block.reference.digest.hex(),
        "leaders": [list(committee.get_leaders(SHARD, number, 4)) for number in range(1, 9)],
        "commit": encode_commit(commit).hex(),
        "commit_digest": compute_commit_digest(commit).hex(),
        "checkpoint": encode_checkpoint(checkpoint).hex(),
        "checkpoint_digest": digest.hex(),
        "attestation_body": compute_attestation_body(SHARD, checkpoint.index, digest).hex(),
        "certificate": encode_certificate(make_certificate(committee, checkpoint)).hex(),
        "last_signed": encode_last_signed(signed).hex(),
    }
