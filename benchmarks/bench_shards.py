"""Shards and processes: what one node takes in with one shard, and with two in one process and in two.

A committee of one, everything on, as in ``bench_blast``: transfers signed and worked beforehand, each within
its shard, through the node's one public door, in batches. Three runs in turns: a network of one shard, one of
two shards in one process, one of two shards in two processes; their ratios within one round are what counts.

    python -m benchmarks.bench_shards [--transactions 16000] [--batch 500] [--connections 4] [--rounds 2]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio
from msgspec import Struct
from msgspec.structs import replace

from aivm.backends.numpy_backend import NumpyBackend
from benchmarks.bench_blast import blast
from poi.events import Assignment
from poi.evolution import compute_results, open_job
from poi.presets import DIGITS
from poi.weights import compute_effective, compute_initial_master
from tangle.cli.homes import adopt_genesis, make_home
from tangle.client.client import TangleClient
from tangle.core.encoding import encode
from tangle.core.errors import TangleError
from tangle.core.genesis import Allocation, Genesis, compute_chain_id, compute_shard_genesis_id
from tangle.core.hashing import compute_home_shard
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
from tangle.core.types import CheckpointIndex, Grains, PublicKey, Sequence, Shard, TransactionId
from tangle.node.clock import SystemClock
from tangle.node.founding import found_network
from tangle.store.home import Home

WALLETS = 64
API_PORT = 34_365
NETWORK = "bench"


class Setup(Struct, frozen=True):
    """One way to run the node."""

    bits: int
    """Two to this power is the number of shards."""

    processes: int
    """Processes that they are spread over."""

    @property
    def name(self) -> str:
        """For people."""
        return f"{1 << self.bits} shard(s), {self.processes} process(es)"


SETUPS = (Setup(0, 1), Setup(1, 1), Setup(1, 2))


def found(root: Path, bits: int) -> tuple[Path, Genesis, list[SigningKey]]:
    """A home of a one-validator network whose wallets, evenly many in each shard, are funded."""
    wallets: list[SigningKey] = []
    attempt = 0
    while len(wallets) < WALLETS:
        attempt += 1
        key = SigningKey(attempt.to_bytes(4, "big") * 8)
        if compute_home_shard(key.public_key, bits) == len(wallets) % (1 << bits):
            wallets.append(key)
    made = make_home(root / "node", NETWORK, is_validator=True, settings={}, shard_bits=bits)
    assert made.validator_key is not None
    parameters = replace(DEVNET, shard_bits=bits)
    genesis = found_network(NETWORK, parameters, [made.validator_key], None, SystemClock().now_ms())
    rich = tuple(Allocation(key.public_key, Grains(10**15)) for key in wallets)
    genesis = replace(genesis, allocations=rich)
    adopt_genesis(Home(made.home.path), genesis)
    return made.home.path, genesis, wallets


def make_transactions(genesis: Genesis, wallets: list[SigningKey], count: int) -> list[bytes]:
    """Signed transfers with their work done: a chain for each wallet, all within their shards."""
    chain, bits = compute_chain_id(genesis), genesis.parameters.shard_bits
    opened = open_job(DIGITS)
    weights = compute_effective(DIGITS, compute_initial_master(DIGITS, opened.id))
    places = [(wallets[index % len(wallets)], Sequence(index // len(wallets))) for index in range(count)]
    assignments = [Assignment(key.public_key, sequence, 1) for key, sequence in places]
    results = compute_results(opened, 0, weights, assignments, NumpyBackend())
    last: dict[PublicKey, TransactionId] = {}
    encoded = []
    for index, ((key, sequence), result) in enumerate(zip(places, results, strict=True)):
        shard = Shard(index % (1 << bits))
        body = TransactionBody(
            version=TRANSACTION_VERSION,
            chain=chain,
            shard=shard,
            issuer=key.public_key,
            sequence=sequence,
            anchor=CheckpointIndex(0),
            parents=(last.get(key.public_key, compute_shard_genesis_id(chain, shard)),),
            operation=Transfer(wallets[(index + (1 << bits)) % len(wallets)].public_key, Grains(1_000)),
            work=Work(EVOLUTION_WORK, opened.id, 0, key.public_key, result),
            max_fee=Grains(10**9),
        )
        transaction = sign_transaction(body, key)
        last[key.public_key] = transaction.id
        encoded.append(transaction.encoded)
    return encoded


async def measure(options: argparse.Namespace, transactions: list[bytes]) -> float:
    """Transactions a second, from the first byte sent to the last checkpoint certified."""
    url = f"http://127.0.0.1:{API_PORT}"
    lanes = []
    for lane in range(options.connections):
        # A wallet's chain stays in one lane: transactions that overtake their parents only wait for them.
        own = [
            encoded
            for index, encoded in enumerate(transactions)
            if index % WALLETS % options.connections == lane
        ]
        starts = range(0, len(own), options.batch)
        lanes.append([encode(own[start : start + options.batch]) for start in starts])
    async with TangleClient(url) as client:
        await wait_for(lambda: is_ready(client))
        begun_s = time.perf_counter()
        await blast(url, lanes)
        await wait_for(lambda: is_final(client, len(transactions)))
        return len(transactions) / (time.perf_counter() - begun_s)


async def wait_for(is_met: object) -> None:
    """Until it holds."""
    assert callable(is_met)
    while not await is_met():  # noqa: ASYNC110 -- another process can only be asked
        await anyio.sleep(0.02)


async def is_ready(client: TangleClient) -> bool:
    """Whether the node takes part in all its shards."""
    try:
        return (await client.get_status()).is_ready
    except (TangleError, OSError):  # not up yet
        return False


async def is_final(client: TangleClient, count: int) -> bool:
    """Whether so many are ordered, and what ordered them is certified in every shard."""
    shards = await client.get_shards()
    return sum(int(shard.ordered_total or 0) for shard in shards) >= count


def run(options: argparse.Namespace, setup: Setup) -> float:
    """One run on a fresh home."""
    with tempfile.TemporaryDirectory() as root:
        home, genesis, wallets = found(Path(root), setup.bits)
        transactions = make_transactions(genesis, wallets, options.transactions)
        command = [sys.executable, "-m", "tangle.cli", "up", "--home", str(home), "--log-level", "warning"]
        command += ["--api-port", str(API_PORT), "--peer-port", str(API_PORT + 1), "--metrics-port", "0"]
        command += ["--processes", str(setup.processes), "--workers", "1", "--device", "numpy"]
        command += ["--stop-with-parent", str(os.getpid())]
        node = subprocess.Popen(command, stdout=sys.stderr)
        try:
            return anyio.run(measure, options, transactions)
        finally:
            node.terminate()
            node.wait(30)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transactions", type=int, default=16_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    found: dict[Setup, list[float]] = {setup: [] for setup in SETUPS}
    for _ in range(options.rounds):
        for setup in SETUPS:
            found[setup].append(run(options, setup))
            print(f"{setup.name:30} {found[setup][-1]:8,.0f} final tx/s", flush=True)
    base = found[SETUPS[1]]
    for setup in SETUPS:
        ratios = [rate / other for rate, other in zip(found[setup], base, strict=True)]
        print(
            f"{setup.name:30} {statistics.median(found[setup]):8,.0f} tx/s, "
            f"{statistics.median(ratios):.2f} of two shards in one process"
        )


if __name__ == "__main__":
    main()
