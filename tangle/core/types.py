"""Domain types: one name for every quantity and identifier that crosses a module.

Each is an ordinary ``int`` or ``bytes`` at run time, a type of its own for the checker, and carries its
range, so that decoding a record checks every field. All integers fit in signed 64 bits: every language and
database that a wallet might use can hold them. The largest amount, 2**63 - 1 grains, is 9.2 billion MST.
"""

from typing import Annotated, Final, NewType

from msgspec import Meta

INTEGER_MAX: Final = 2**63 - 1
"""Largest integer of any field: fits in a signed 64-bit integer everywhere."""

_NATURAL = Meta(ge=0, le=INTEGER_MAX)
_HASH = Meta(min_length=32, max_length=32)

Natural = Annotated[int, _NATURAL]
"""An integer from 0 to 2**63 - 1."""

Signed = Annotated[int, Meta(ge=-(2**63), le=INTEGER_MAX)]
"""A signed 64-bit integer."""

ChainId = NewType("ChainId", Annotated[bytes, Meta(min_length=8, max_length=8)])
"""First 8 bytes of the genesis hash: which network a record belongs to."""

PublicKey = NewType("PublicKey", Annotated[bytes, _HASH])
"""Ed25519 public key, 32 bytes. It is also the name of an account."""

Signature = NewType("Signature", Annotated[bytes, Meta(min_length=64, max_length=64)])
"""Ed25519 signature, 64 bytes."""

Digest = NewType("Digest", Annotated[bytes, _HASH])
"""BLAKE2b-256 under some purpose, 32 bytes; used where no narrower name exists."""

TransactionId = NewType("TransactionId", Annotated[bytes, _HASH])
"""Hash of an encoded, signed transaction. The shard's genesis id has the same type: it is the first parent.
"""

BundleId = NewType("BundleId", Annotated[bytes, _HASH])
"""Hash of the name of what a checkpoint of one shard brings to another one."""

JobId = NewType("JobId", Annotated[bytes, _HASH])
"""Hash of a standing job's parameters."""

Shard = NewType("Shard", Annotated[int, Meta(ge=0, le=65_535)])
"""Index of a shard, 0 ... k-1."""

Sequence = NewType("Sequence", Annotated[int, _NATURAL])
"""Number of a transaction within its issuer's account, from 0, without gaps."""

CheckpointIndex = NewType("CheckpointIndex", Annotated[int, _NATURAL])
"""Number of a checkpoint within its shard; 0 is the genesis checkpoint."""

Grains = NewType("Grains", Annotated[int, _NATURAL])
"""An amount of MST in its smallest unit: 10**9 grains are 1 MST."""

Milliseconds = NewType("Milliseconds", Annotated[int, _NATURAL])
"""A time or a span in milliseconds; times count from the Unix epoch."""

GRAINS_PER_TOKEN: Final = 10**9
"""MST has 9 decimals."""
