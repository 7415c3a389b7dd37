"""A wallet in thirty lines of Python: a key, a payment with its AI work done here, a proof checked offline.

Run beside a development network (``tangle devnet up``)::

    python -m examples.python_wallet http://127.0.0.1:14265
"""

import argparse
import secrets
import time

import anyio

from shards.proofs import verify_transaction_proof
from tangle.api.schemas.transactions import PreparedAnswer
from tangle.cli.local_work import compute_work, fetch_job
from tangle.client.client import TangleClient
from tangle.core.signing import SigningKey
from tangle.core.transactions import Transfer, Work
from tangle.core.types import GRAINS_PER_TOKEN, Grains


async def main(url: str) -> None:
    """Pay somebody 2 MST and prove it."""
    mine, yours = (SigningKey(secrets.token_bytes(32)) for _ in range(2))
    async with TangleClient(url) as client:
        await client.wait_transaction(await client.request_faucet(mine.public_key))
        genesis = await client.get_genesis()

        async def prove(prepared: PreparedAnswer) -> Work:
            opened = await fetch_job(client, genesis, prepared.job)
            master = await client.get_weights(prepared.job, int(prepared.generation))
            return compute_work(opened, prepared, master)

        begun_s = time.perf_counter()
        sent = await client.send(mine, Transfer(yours.public_key, Grains(2 * GRAINS_PER_TOKEN)), prove=prove)
        print(f"final after {time.perf_counter() - begun_s:.2f} s: {sent.id.hex()}")
        proof = await client.get_proof(sent.id)
    proven = verify_transaction_proof(proof, genesis)
    print(f"proven by validators {proven.signers} with nothing but the genesis: {len(proof)} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("url", help="API of a node of a development network")
    anyio.run(main, parser.parse_args().url)
