"""The graph that a simulation made, as lines of JSON: committee blocks and transactions with their parents.

It is read from the disks of the honest nodes when a run has ended, so it holds what became durable at one of
them at least. The same run writes the same bytes.
"""

from collections.abc import Iterator

import msgspec

from shards.blocks import decode_block
from simnet.world import World
from tangle.core.transactions import decode_transaction
from tangle.core.types import TransactionId
from tangle.store.store import Table


def iterate_dag(world: World) -> Iterator[bytes]:
    """Lines without their ends, one shard after the other: blocks by round and author, then transactions by
    their id.

    Every line has its ``shard``. A block has ``kind``, ``id``, ``round``, ``author``, ``timestamp_ms``,
    ``parents`` (blocks) and ``tips`` (transactions); a transaction ``kind``, ``id``, ``issuer``,
    ``sequence``, ``anchor``, ``parents`` and ``ordered``, its place in the shard's one history or null.
    """
    for shard in range(world.options.shards):
        yield from _iterate_shard(world, shard)


def _iterate_shard(world: World, shard: int) -> Iterator[bytes]:
    blocks: dict[bytes, bytes] = {}
    transactions: dict[bytes, bytes] = {}
    for member in world.get_honest(shard):
        blocks |= member.disk[Table.BLOCKS].values
        for encoded in member.disk[Table.TRANSACTIONS].values.values():
            transactions[decode_transaction(encoded).id] = encoded
    places = {effect.transaction: place for place, effect in enumerate(world.checkers[shard].effects)}
    for key in sorted(blocks):
        yield _describe_block(blocks[key])
    for identity in sorted(transactions):
        yield _describe_transaction(transactions[identity], places)


def _describe_block(encoded: bytes) -> bytes:
    block = decode_block(encoded)
    body = block.body
    return msgspec.json.encode(
        {
            "kind": "block",
            "shard": body.shard,
            "id": block.reference.digest.hex(),
            "round": body.round,
            "author": body.author,
            "timestamp_ms": body.timestamp_ms,
            "parents": [ancestor.digest.hex() for ancestor in body.ancestors],
            "tips": [tip.hex() for tip in body.tips],
        }
    )


def _describe_transaction(encoded: bytes, places: dict[TransactionId, int]) -> bytes:
    transaction = decode_transaction(encoded)
    body = transaction.body
    return msgspec.json.encode(
        {
            "kind": "transaction",
            "shard": body.shard,
            "id": transaction.id.hex(),
            "issuer": body.issuer.hex(),
            "sequence": body.sequence,
            "anchor": body.anchor,
            "parents": [parent.hex() for parent in body.parents],
            "ordered": places.get(transaction.id),
        }
    )
