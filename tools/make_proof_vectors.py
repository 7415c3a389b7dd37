"""Writes ``tests/vectors/proofs``: a proof that four nodes give out, and the genesis that it is checked with.

The nodes run in this process over a network in memory; their keys, and all that they choose, are seeded.
"""

import json
from pathlib import Path
from typing import Final

import anyio

from shards.proofs import verify_transaction_proof
from tangle.core.genesis import compute_chain_id, encode_genesis
from tangle.ledger.effects import decode_effect
from tests.node.wallets import Wallet, wait_final
from tests.node.world import network_of

TARGET: Final = Path(__file__).parent.parent / "tests" / "vectors" / "proofs" / "transfer.json"
"""The file."""


async def make_proof() -> None:
    """Pay somebody, wait until that is final, and write down what proves it."""
    alice, bob = Wallet("alice"), Wallet("bob")
    async with network_of(4) as world:
        service = world.services[0]
        sent = await alice.send(service, recipient=bob.address, amount=10**9)
        await wait_final(service, sent.id)
        proof, genesis = service.get_transaction_proof(sent.id), world.genesis
    effect = decode_effect(verify_transaction_proof(proof, genesis).effect)
    vector = {
        "genesis": encode_genesis(genesis).hex(),
        "chain": compute_chain_id(genesis).hex(),
        "proof": proof.hex(),
        "transaction": effect.transaction.hex(),
        "status": effect.status,
        "fee": effect.fee,
        "work_counted": effect.work_counted,
        "changes": [
            [change.account.hex(), change.balance, change.sequence, change.stake] for change in effect.changes
        ],
    }
    TARGET.write_text(json.dumps(vector, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    anyio.run(make_proof)
