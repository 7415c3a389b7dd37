"""Writes ``tests/vectors/receipts``: what two of four shards send each other, and a proof of one receipt.

The shards are pure machines side by side in this process; keys and payments are fixed.
"""

import json
from pathlib import Path
from typing import Final

from shards.blocks import compute_bundle_id
from shards.bundles import encode_bundle, get_bundle_reference
from shards.receipt_proofs import CertifiedCheckpoint, encode_receipt_proof, make_receipt_proof
from tangle.core.types import Shard
from tests.drawing.subdag import CHAIN
from tests.ledger.crossing import COMMITTEE, Shards, find_names

TARGET: Final = Path(__file__).parent.parent / "tests" / "vectors" / "receipts" / "bundle.json"
"""The file."""

SHARD_BITS: Final = 2
"""Four shards."""


def make_vector() -> dict[str, object]:
    """Send three receipts from shard 1 to shard 2 in two checkpoints, and credit them."""
    world = Shards(SHARD_BITS)
    source, target = world.every[1], world.every[2]
    issuer, _ = find_names(1, SHARD_BITS)
    first, second = find_names(2, SHARD_BITS)
    source.run([world.pay(issuer, first, 100)])
    sent = source.run([world.pay(issuer, second, 200), world.pay(issuer, first, 300)])
    bundles = [source.bundle(index, 2) for index in (1, 2)]
    target.run((), bundles)
    received = target.history[0]
    receipts = sent.crossing.outgoing[Shard(2)]
    proof = make_receipt_proof(
        sent.crossing.batches,
        receipts,
        receipts[1],
        CertifiedCheckpoint(sent.checkpoint, source.history[1].certificate),
        CertifiedCheckpoint(received.outcome.checkpoint, received.certificate),
    )
    reference = get_bundle_reference(bundles[1])
    return {
        "chain": CHAIN.hex(),
        "shard_bits": SHARD_BITS,
        "validators": [[each.public_key.hex(), each.weight] for each in COMMITTEE.validators],
        "target": 2,
        "bundle": encode_bundle(bundles[1]).hex(),
        "empty": encode_bundle(source.bundle(2, 3)).hex(),
        "reference": [reference.source, reference.index, reference.digest.hex()],
        "id": compute_bundle_id(reference, Shard(2)).hex(),
        "receipts": [
            [each.source, each.target, each.sequence, each.account.hex(), each.amount] for each in receipts
        ],
        "proof": encode_receipt_proof(proof).hex(),
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(make_vector(), indent=1) + "\n", encoding="utf-8")
