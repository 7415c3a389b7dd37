"""Blast: how many pre-signed transactions a second one node takes in, verifies, orders, executes and keeps.

One node in its own processes, a committee of one, everything on: signatures, work, execution, disk sync. The
transactions are signed and their work is done beforehand; they go in through the batch route from a few
connections. Beside it the raw limits of the same run: PyNaCl verifies a second on one and on two processes.

    python -m benchmarks.bench_blast [--transactions 30000] [--batch 500] [--connections 4] [--device auto]
"""

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import anyio
from msgspec.structs import replace
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair

from aivm.backends.numpy_backend import NumpyBackend
from poi.events import Assignment
from poi.evolution import compute_results, open_job
from poi.presets import DIGITS
from poi.weights import compute_effective, compute_initial_master
from tangle.client.client import TangleClient
from tangle.core.encoding import encode
from tangle.core.errors import TangleError
from tangle.core.genesis import (
    Allocation,
    Genesis,
    compute_chain_id,
    compute_shard_genesis_id,
    encode_genesis,
)
from tangle.core.parameters import DEVNET
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    EVOLUTION_WORK,
    TRANSACTION_VERSION,
    TransactionBody,
    Transfer,
    Work,
    sign_transaction,
)
from tangle.core.types import (
    CheckpointIndex,
    Grains,
    PublicKey,
    Sequence,
    Shard,
    TransactionId,
)
from tangle.node.clock import SystemClock
from tangle.node.founding import found_network
from tangle.store.guard_file import open_guard_file
from tangle.store.home import create_home
from tangle.wallet.keyfile import KeyKind, generate_key_file

WALLETS = 64
API_PORT = 34_265
NETWORK = "bench"


def make_home(root: Path) -> tuple[Path, Genesis, list[SigningKey]]:
    """A home of a one-validator network whose wallets are funded by the genesis."""
    wallets = [SigningKey(bytes([index]) * 32) for index in range(WALLETS)]
    home = create_home(root / "node")
    generate_key_file(home.node_key, KeyKind.NODE, NETWORK, os.urandom(32))
    validator = generate_key_file(home.validator_key, KeyKind.VALIDATOR, NETWORK, os.urandom(32))
    open_guard_file(home.validator_state, create=True)
    genesis = found_network(NETWORK, DEVNET, [validator], None, SystemClock().now_ms())
    allocations = tuple(Allocation(key.public_key, Grains(10**15)) for key in wallets)
    genesis = replace(genesis, allocations=allocations)
    home.genesis.write_bytes(encode_genesis(genesis))
    return home.path, genesis, wallets


def make_transactions(genesis: Genesis, wallets: list[SigningKey], count: int) -> list[bytes]:
    """Signed transfers with their work done: a chain for each wallet, the wallets taking turns."""
    chain = compute_chain_id(genesis)
    opened = open_job(DIGITS)
    weights = compute_effective(DIGITS, compute_initial_master(DIGITS, opened.id))
    places = [(wallets[index % len(wallets)], Sequence(index // len(wallets))) for index in range(count)]
    assignments = [Assignment(key.public_key, sequence, 1) for key, sequence in places]
    results = compute_results(opened, 0, weights, assignments, NumpyBackend())
    last: dict[PublicKey, TransactionId] = {}
    origin = compute_shard_genesis_id(chain, Shard(0))
    encoded = []
    for index, ((key, sequence), result) in enumerate(zip(places, results, strict=True)):
        body = TransactionBody(
            version=TRANSACTION_VERSION,
            chain=chain,
            shard=Shard(0),
            issuer=key.public_key,
            sequence=sequence,
            anchor=CheckpointIndex(0),
            parents=(last.get(key.public_key, origin),),
            operation=Transfer(wallets[(index + 1) % len(wallets)].public_key, Grains(1_000)),
            work=Work(EVOLUTION_WORK, opened.id, 0, key.public_key, result),
            max_fee=Grains(10**9),
        )
        transaction = sign_transaction(body, key)
        last[key.public_key] = transaction.id
        encoded.append(transaction.encoded)
    return encoded


async def blast(url: str, lanes: list[list[bytes]]) -> float:
    """Post every lane's batches in order, all lanes at once; answers the seconds until the last answer."""

    async def post(batches: list[bytes]) -> None:
        for body in batches:
            while True:
                async with session.post(f"{url}/v1/transactions/batch", data=body) as answer:
                    await answer.read()
                    if answer.status == 200:
                        break
                    await anyio.sleep(float(answer.headers.get("Retry-After", "0.1")))

    headers = {"content-type": "application/cbor", "accept": "application/cbor"}
    async with aiohttp.ClientSession(headers=headers) as session:
        begun_s = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            for batches in lanes:
                tasks.start_soon(post, batches)
        return time.perf_counter() - begun_s


async def wait_final(client: TangleClient, count: int) -> None:
    """Until that many are ordered and the checkpoint that ordered the last is final."""
    while True:
        status = await client.get_status()
        if status.ordered_total >= count and status.checkpoint_certified >= status.checkpoint_executed:
            return
        await anyio.sleep(0.02)


async def run(options: argparse.Namespace, home: Path, transactions: list[bytes]) -> None:
    """Blast the node and print what came out."""
    url = f"http://127.0.0.1:{API_PORT}"
    lanes = []
    for lane in range(options.connections):
        # A wallet's chain stays in one lane: transactions that overtake their parents only wait for them.
        own = [encoded for index, encoded in enumerate(transactions) if index % options.connections == lane]
        lanes.append(
            [encode(own[start : start + options.batch]) for start in range(0, len(own), options.batch)]
        )
    async with TangleClient(url) as client:
        while True:
            try:
                status = await client.get_status()
            except (TangleError, OSError):  # not up yet
                await anyio.sleep(0.2)
                continue
            if status.is_ready and (options.device == "numpy" or "numpy" not in status.device):
                break
            await anyio.sleep(0.2)
        rest = await client.get_status()
        begun_s = time.perf_counter()
        accepted_s = await blast(url, lanes)
        await wait_final(client, len(transactions))
        final_s = time.perf_counter() - begun_s
        status = await client.get_status()
    count = len(transactions)
    print(f"device                      {status.device}")
    print(f"transactions                {count} of {len(transactions[0])} bytes, batches of {options.batch}")
    print(f"accepted                    {count / accepted_s:10,.0f} tx/s")
    print(f"final                       {count / final_s:10,.0f} tx/s")
    finality = (status.finality.p50_ms, status.finality.p95_ms, status.finality.p99_ms)
    print("finality p50/p95/p99        " + " / ".join(f"{value:.0f}" for value in finality) + " ms")
    print(f"generation, score           {status.generation}, {status.score}/{status.holdout_rows}")
    resident = [figure.resident_bytes / 2**20 for figure in (rest, status)]
    print(f"resident at rest, after     {resident[0]:.0f} MiB, {resident[1]:.0f} MiB")
    print(f"database                    {status.database_bytes / 2**20:.0f} MiB")


def verify_for(seconds: float) -> float:
    """Signatures verified a second by this process."""
    public, secret = crypto_sign_seed_keypair(b"r" * 32)
    signed = crypto_sign(b"x" * 230, secret)
    count, begun_s = 0, time.perf_counter()
    while time.perf_counter() - begun_s < seconds:
        for _ in range(100):
            crypto_sign_open(signed, public)
        count += 100
    return count / (time.perf_counter() - begun_s)


def measure_limits() -> tuple[float, float]:
    """Raw verifies a second on one process and on two together."""
    one = statistics.median(verify_for(1.0) for _ in range(3))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        two = sum(pool.map(verify_for, [2.0, 2.0]))
    return one, two


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transactions", type=int, default=30_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--profile", default="")
    options = parser.parse_args()
    one, two = measure_limits()
    print(f"raw verifies, 1 / 2 processes  {one:,.0f} / {two:,.0f} a second")
    with tempfile.TemporaryDirectory() as root:
        home, genesis, wallets = make_home(Path(root))
        transactions = make_transactions(genesis, wallets, options.transactions)
        node_module = "benchmarks.blast_node"
        command = [sys.executable, "-m", node_module, str(home), str(API_PORT), options.device]
        if options.profile:
            command += ["--profile", options.profile]
        node = subprocess.Popen(command, stdout=sys.stderr)
        try:
            anyio.run(run, options, home, transactions)
        finally:
            node.terminate()
            node.wait(30)


if __name__ == "__main__":
    main()
