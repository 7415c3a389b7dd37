"""Hashes with a purpose.

Every hash is BLAKE2b-256 (RFC 7693) with a personalisation string that names what is hashed, so that a hash
made for one purpose can never stand for another. The same strings separate signatures
(``tangle.core.signing``).
"""

from hashlib import blake2b
from typing import Final

from tangle.core.encoding import encode
from tangle.core.types import Digest, PublicKey, Shard

TRANSACTION: Final = b"tangle/tx"
BLOCK: Final = b"tangle/block"
CHECKPOINT: Final = b"tangle/check"
ATTESTATION: Final = b"tangle/attest"
COMMIT: Final = b"tangle/commit"
GENESIS: Final = b"tangle/genesis"
SHARD: Final = b"tangle/shard"
SHARD_GENESIS: Final = b"tangle/origin"
EFFECT: Final = b"tangle/effect"
STATE: Final = b"tangle/state"
MERKLE: Final = b"tangle/merkle"
LEADER: Final = b"tangle/leader"
SESSION: Final = b"tangle/session"
LATEST: Final = b"tangle/latest"
JOB: Final = b"tangle/job"
ASSIGN: Final = b"tangle/assign"
SEED: Final = b"tangle/seed"
INIT: Final = b"tangle/init"
BATCH: Final = b"tangle/batch"
WEIGHTS: Final = b"tangle/weights"
DATASET: Final = b"tangle/dataset"
BLOB: Final = b"tangle/blob"
PROGRAM: Final = b"tangle/program"
TENSOR: Final = b"tangle/tensor"
TRACE: Final = b"tangle/trace"
CHALLENGE: Final = b"tangle/challenge"
REPLICA: Final = b"tangle/replica"
MARKET: Final = b"tangle/market"
ANSWER: Final = b"tangle/answer"
STAKING: Final = b"tangle/staking"
BUNDLE: Final = b"tangle/bundle"

HASH_SIZE: Final = 32
"""Bytes of every hash."""


def compute_hash(purpose: bytes, data: bytes) -> Digest:
    """BLAKE2b-256 (RFC 7693) of ``data``, personalised with ``purpose`` (at most 16 bytes). Protocol 1."""
    return Digest(blake2b(data, digest_size=HASH_SIZE, person=purpose).digest())


def compute_record_hash(purpose: bytes, *arguments: object) -> Digest:
    """``H_purpose(arguments)``: the hash of the canonical CBOR array of the arguments."""
    return compute_hash(purpose, encode(arguments))


def compute_home_shard(public_key: PublicKey, shard_bits: int) -> Shard:
    """Home shard of an account: the top ``shard_bits`` bits of its key's hash, 0 when there is one shard."""
    return Shard(int.from_bytes(compute_hash(SHARD, public_key)[:2], "big") >> (16 - shard_bits))
