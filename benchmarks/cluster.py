"""Networks of nodes for measuring: homes, processes, and transactions that are signed beforehand.

Each node is a process of its own with one worker; wallets are funded by the genesis. Everything is on:
signatures, work, execution, and every write synced.
"""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import aiohttp
import anyio
from msgspec import Struct
from msgspec.structs import replace

from benchmarks.http_load import get_cpu_seconds, wait_ready
from tangle.api.schemas.network import StatusAnswer
from tangle.cli.bench.load_source import derive_wallets
from tangle.cli.bench.ports import find_free_ports
from tangle.client.client import TangleClient
from tangle.core.encoding import encode
from tangle.core.genesis import Allocation, Genesis, encode_genesis
from tangle.core.parameters import DEVNET
from tangle.core.signing import SigningKey
from tangle.core.types import Grains
from tangle.node.clock import SystemClock
from tangle.node.founding import found_network
from tangle.store.guard_file import open_guard_file
from tangle.store.home import create_home
from tangle.wallet.keyfile import KeyKind, generate_key_file

WALLETS: Final = 64
"""Accounts that take turns."""

SEED: Final = "bench"
"""Of their keys."""

NETWORK: Final = "bench"
"""Name of the network."""

RICHES: Final = Grains(10**15)
"""What each account has."""

LOOK_S: Final = 0.01
"""Pause between two looks at what is waited for."""

PATIENCE_S: Final = 120.0
"""For a device to be built, and for what was sent to be final."""


class Member(Struct, frozen=True):
    """One node."""

    home: Path
    """Its home."""

    api_port: int
    """Of its API."""

    peer_port: int
    """Of the peer protocol."""

    @property
    def url(self) -> str:
        """Its API."""
        return f"http://127.0.0.1:{self.api_port}"


class Network(Struct, frozen=True):
    """What is on disk."""

    genesis: Genesis
    """The network."""

    members: tuple[Member, ...]
    """Validators first, then who only follows."""

    wallets: tuple[SigningKey, ...]
    """Funded accounts."""


def make_network(root: Path, validators: int, observers: int = 0) -> Network:
    """Homes of a new network."""
    wallets = derive_wallets(SEED, WALLETS)
    count = validators + observers
    ports = find_free_ports(2 * count)
    homes, keys = [], []
    for place in range(count):
        home = create_home(root / f"node-{place}")
        generate_key_file(home.node_key, KeyKind.NODE, NETWORK, os.urandom(32))
        if place < validators:
            keys.append(generate_key_file(home.validator_key, KeyKind.VALIDATOR, NETWORK, os.urandom(32)))
            open_guard_file(home.validator_state, create=True)
        homes.append(home)
    genesis = found_network(NETWORK, DEVNET, keys, None, SystemClock().now_ms())
    genesis = replace(genesis, allocations=tuple(Allocation(key.public_key, RICHES) for key in wallets))
    for home in homes:
        home.genesis.write_bytes(encode_genesis(genesis))
    members = tuple(
        Member(home.path, ports[2 * place], ports[2 * place + 1]) for place, home in enumerate(homes)
    )
    return Network(genesis, members, wallets)


@contextmanager
def start_nodes(network: Network, members: Sequence[Member], device: str) -> Iterator[list[int]]:
    """Run some of the nodes; answers their processes' ids."""
    nodes = []
    try:
        for member in members:
            command = [sys.executable, "-m", "benchmarks.blast_node", str(member.home), str(member.api_port)]
            command += [device, "--peer-port", str(member.peer_port)]
            for other in network.members:
                command += ["--peer", f"127.0.0.1:{other.peer_port}"] if other != member else []
            nodes.append(subprocess.Popen(command, stdout=sys.stderr))
        yield [node.pid for node in nodes]
    finally:
        for node in nodes:
            node.terminate()
        for node in nodes:
            node.wait(30)


def list_family(pids: Sequence[int]) -> list[int]:
    """Processes and all that they started."""
    found: list[int] = []
    for pid in pids:
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
        found += [pid, *list_family(children)]
    return found


def get_family_cpu_seconds(pids: Sequence[int]) -> float:
    """Processor time of processes and of all that they started."""
    return get_cpu_seconds(list_family(pids))


@asynccontextmanager
async def open_clients(members: Sequence[Member], device: str) -> AsyncIterator[list[TangleClient]]:
    """Clients of nodes that are ready and compute where they should."""
    clients = [TangleClient(member.url) for member in members]
    try:
        for client, member in zip(clients, members, strict=True):
            await wait_ready(f"{member.url}/readyz")
            with anyio.move_on_after(PATIENCE_S):  # a machine without a compiler stays with numpy
                while True:
                    if device == "numpy" or "numpy" not in (await client.get_status()).device:
                        break
                    await anyio.sleep(LOOK_S)
        yield clients
    finally:
        for client in clients:
            await client.close()


async def wait_final(client: TangleClient, ordered: int) -> StatusAnswer:
    """Until so many are ordered and the checkpoint that ordered the last is certified."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            status = await client.get_status()
            if status.ordered_total >= ordered and status.checkpoint_certified >= status.checkpoint_executed:
                return status
            await anyio.sleep(LOOK_S)


def make_lanes(transactions: Sequence[bytes], lanes: int, batch: int) -> list[list[bytes]]:
    """Bodies of the batch route for each of some connections; a wallet's transactions stay in one lane.

    :param transactions: of ``WALLETS`` wallets in turns.
    """
    lists = []
    for lane in range(lanes):
        own = [encoded for place, encoded in enumerate(transactions) if place % WALLETS % lanes == lane]
        lists.append([encode(own[start : start + batch]) for start in range(0, len(own), batch)])
    return lists


async def post_lanes(urls: Sequence[str], lanes: Sequence[Sequence[bytes]]) -> None:
    """Post every lane's bodies in order, all lanes at once, until all are taken in.

    :param urls: nodes, which the lanes are dealt out to.
    """
    headers = {"content-type": "application/cbor", "accept": "application/cbor"}

    async def post(url: str, bodies: Sequence[bytes]) -> None:
        for body in bodies:
            while True:
                async with session.post(f"{url}/v1/transactions/batch", data=body) as answer:
                    await answer.read()
                    if answer.status == 200:
                        break
                    await anyio.sleep(float(answer.headers.get("Retry-After", "0.1")))

    async with aiohttp.ClientSession(headers=headers) as session, anyio.create_task_group() as tasks:
        for place, bodies in enumerate(lanes):
            tasks.start_soon(post, urls[place % len(urls)], bodies)
