"""The genesis: the one document that a network's nodes start from.

Its hash names the chain; its first eight bytes are in every signature. Standing jobs are carried as opaque
bytes (their canonical parameters), because what a job is belongs to a higher floor.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from tangle.core.encoding import decode, encode
from tangle.core.errors import InvalidParameters, UnsupportedVersion
from tangle.core.hashing import GENESIS, SHARD_GENESIS, compute_hash, compute_record_hash
from tangle.core.parameters import Parameters, check_parameters
from tangle.core.types import (
    INTEGER_MAX,
    ChainId,
    Digest,
    Grains,
    Milliseconds,
    Natural,
    PublicKey,
    Shard,
    TransactionId,
)

GENESIS_VERSION: Final = 1
"""The only version so far."""

GENESIS_SIZE_MAX: Final = 1_048_576
"""Longest genesis in bytes: 10,000 allocations fit."""

VALIDATORS_MAX: Final = 256
"""Most validators of one committee; their indices fit in a byte, their certificates in 16 KiB."""


class Validator(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One member of the committee."""

    public_key: PublicKey
    """Key that signs blocks and attestations; fees and rewards go to the account of the same name."""

    weight: Annotated[int, Meta(ge=1, le=1_000_000)]
    """Voting weight."""


class Allocation(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A balance that exists from the start."""

    account: PublicKey
    """Owner."""

    amount: Grains
    """Grains."""

    stake: Grains = Grains(0)
    """Grains at stake besides; they are in shard 0, wherever the account is at home."""


class BoardEntry(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A standing job on the board."""

    budget: Annotated[int, Meta(ge=1, le=1_000_000_000)]
    """Share of transactions that carry work of this job, relative to the other jobs."""

    parameters: bytes
    """Canonical CBOR of the job's parameters."""


class Genesis(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a network starts from."""

    version: Natural
    """Format version, ``GENESIS_VERSION``."""

    name: Annotated[bytes, Meta(min_length=1, max_length=32)]
    """Name of the network, printable ASCII."""

    timestamp_ms: Milliseconds
    """When the network began; commit times start here."""

    parameters: Parameters
    """The protocol's numbers."""

    validators: Annotated[tuple[Validator, ...], Meta(min_length=1, max_length=VALIDATORS_MAX)]
    """The first committee, in index order."""

    allocations: tuple[Allocation, ...]
    """Initial balances, each account once."""

    board: Annotated[tuple[BoardEntry, ...], Meta(min_length=1, max_length=64)]
    """Standing jobs, each once."""


def encode_genesis(genesis: Genesis) -> bytes:
    """The canonical bytes of a genesis."""
    return encode(genesis)


def decode_genesis(data: bytes) -> Genesis:
    """Decode and check a genesis.

    :raises MalformedEncoding, OversizeEncoding, UnsupportedVersion, InvalidParameters: see each.
    """
    genesis = decode(Genesis, data, limit=GENESIS_SIZE_MAX)
    if genesis.version != GENESIS_VERSION:
        raise UnsupportedVersion("genesis", genesis.version, GENESIS_VERSION)
    if not all(0x20 <= character < 0x7F for character in genesis.name):
        raise InvalidParameters("the name must be printable ASCII")
    check_parameters(genesis.parameters)
    if len({validator.public_key for validator in genesis.validators}) != len(genesis.validators):
        raise InvalidParameters("each validator must be named once")
    if len({allocation.account for allocation in genesis.allocations}) != len(genesis.allocations):
        raise InvalidParameters("each account must be allocated once")
    if sum(allocation.amount + allocation.stake for allocation in genesis.allocations) > INTEGER_MAX:
        raise InvalidParameters("the supply must fit in 63 bits")
    if len({entry.parameters for entry in genesis.board}) != len(genesis.board):
        raise InvalidParameters("each job must be on the board once")
    return genesis


def compute_genesis_hash(genesis: Genesis) -> Digest:
    """Hash of the genesis: it names the network."""
    return compute_hash(GENESIS, encode(genesis))


def compute_chain_id(genesis: Genesis) -> ChainId:
    """First 8 bytes of the genesis hash."""
    return ChainId(compute_genesis_hash(genesis)[:8])


def compute_shard_genesis_id(chain: ChainId, shard: Shard) -> TransactionId:
    """The id that the very first transactions of a shard name as their parent."""
    return TransactionId(compute_record_hash(SHARD_GENESIS, chain, shard))
