"""Real transactions and blocks to measure on: signed, with their work done, as wallets and validators do."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from aivm.backends.protocol import Backend
from poi.events import Assignment
from poi.evolution import compute_results, open_job
from poi.presets import DIGITS
from poi.weights import compute_effective, compute_initial_master
from shards.blocks import BLOCK_VERSION, Attestation, Block, BlockBody, BlockReference, sign_block
from simnet.chance import compute_bytes, make_key
from tangle.core.encoding import encode
from tangle.core.genesis import (
    Allocation,
    BoardEntry,
    Genesis,
    Validator,
    compute_chain_id,
    compute_shard_genesis_id,
)
from tangle.core.parameters import DEVNET
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
    ChainId,
    CheckpointIndex,
    Digest,
    Grains,
    Milliseconds,
    PublicKey,
    Shard,
    Signature,
    TransactionId,
)
from tangle.core.types import (
    Sequence as SequenceNumber,
)

WALLETS: Final = 64
"""Issuers that take turns."""

RICHES: Final = Grains(10**15)
"""What each has."""

SHARD: Final = Shard(0)
"""Where everything happens."""

SEED: Final = 0
"""Of keys: costs do not depend on it."""


class Sample(Struct, frozen=True):
    """A network on paper and what wallets sent."""

    genesis: Genesis
    chain: ChainId
    transactions: tuple[Transaction, ...]
    """Parents first."""


def make_sample(validators: Sequence[SigningKey], count: int, backend: Backend) -> Sample:
    """Signed transfers with their work done: a chain for each wallet, the wallets taking turns."""
    wallets = [make_key(SEED, "scale", index) for index in range(WALLETS)]
    genesis = Genesis(
        version=1,
        name=b"scale",
        timestamp_ms=Milliseconds(1_000),
        parameters=DEVNET,
        validators=tuple(Validator(key.public_key, 1) for key in validators),
        allocations=tuple(Allocation(key.public_key, RICHES) for key in wallets),
        board=(BoardEntry(1, encode(DIGITS)),),
    )
    chain = compute_chain_id(genesis)
    opened = open_job(DIGITS)
    weights = compute_effective(DIGITS, compute_initial_master(DIGITS, opened.id))
    places = [(wallets[n % WALLETS], SequenceNumber(n // WALLETS)) for n in range(count)]
    assignments = [Assignment(key.public_key, sequence, 1) for key, sequence in places]
    results = compute_results(opened, 0, weights, assignments, backend)
    last: dict[PublicKey, TransactionId] = {}
    origin = compute_shard_genesis_id(chain, SHARD)
    transactions = []
    for number, ((key, sequence), result) in enumerate(zip(places, results, strict=True)):
        other = wallets[(number + 1) % WALLETS].public_key
        parents = dict.fromkeys((last.get(key.public_key, origin), last.get(other, origin)))
        body = TransactionBody(
            version=TRANSACTION_VERSION,
            chain=chain,
            shard=SHARD,
            issuer=key.public_key,
            sequence=sequence,
            anchor=CheckpointIndex(0),
            parents=tuple(parents),
            operation=Transfer(other, Grains(1_000)),
            work=Work(EVOLUTION_WORK, opened.id, 0, key.public_key, result),
            max_fee=Grains(10**9),
        )
        transaction = sign_transaction(body, key)
        last[key.public_key] = transaction.id
        transactions.append(transaction)
    return Sample(genesis, chain, tuple(transactions))


def make_block(key: SigningKey, chain: ChainId, ancestors: int, tips: int, attestations: int) -> Block:
    """A block of a late round that names so much."""
    digests = [Digest(compute_bytes(SEED, "digest", n)) for n in range(max(ancestors, tips, 1))]
    body = BlockBody(
        version=BLOCK_VERSION,
        chain=chain,
        epoch=0,
        shard=SHARD,
        round=100_001,
        author=0,
        timestamp_ms=Milliseconds(1_700_000_000_000),
        ancestors=tuple(BlockReference(100_000, n, digests[n]) for n in range(ancestors)),
        tips=tuple(TransactionId(digest) for digest in digests[:tips]),
        attestations=tuple(
            Attestation(CheckpointIndex(90_000 + n), digests[0], Signature(bytes(64)))
            for n in range(attestations)
        ),
        votes=(),
        bundles=(),
    )
    return sign_block(body, key)


def make_next_block(
    key: SigningKey, chain: ChainId, round_number: int, author: int, latest: Sequence[BlockReference]
) -> Block:
    """A block that builds on one block of each validator, its own first."""
    others = tuple(reference for place, reference in enumerate(latest) if place != author)
    body = BlockBody(
        version=BLOCK_VERSION,
        chain=chain,
        epoch=0,
        shard=SHARD,
        round=round_number,
        author=author,
        timestamp_ms=Milliseconds(1_000_000),
        ancestors=(latest[author], *others),
        tips=(),
        attestations=(),
        votes=(),
        bundles=(),
    )
    return sign_block(body, key)
