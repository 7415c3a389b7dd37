"""A whole network on this machine: keys and homes for its nodes, their processes, and one line a second."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio
from msgspec import Struct
from msgspec.structs import replace
from nacl.utils import random

from tangle.cli.devnet_status import StatusTeller
from tangle.cli.doctor_command import find_taken_ports
from tangle.cli.errors import DevnetMismatch, NodeGaveUp, PortsTaken, StartTimeout
from tangle.cli.genesis_commands import get_shard_bits
from tangle.cli.homes import FAUCET_KEY_NAME, adopt_genesis, ensure_key, make_home
from tangle.cli.load import DemoLoad, compute_wallet_count
from tangle.cli.networks import GENESIS_NAME, read_genesis
from tangle.cli.supervisor import NodeProcess
from tangle.client.client import TangleClient
from tangle.client.transport import ClientConfig
from tangle.core.errors import TangleError
from tangle.core.genesis import Genesis, encode_genesis
from tangle.core.parameters import PRESETS
from tangle.node.clock import SystemClock
from tangle.node.config import API_PORT, METRICS_PORT, PEER_PORT
from tangle.node.founding import found_network
from tangle.store.files import PRIVATE_DIRECTORY_MODE, write_private_file
from tangle.store.home import Home
from tangle.wallet.faucet_keys import load_faucet_keys
from tangle.wallet.keyfile import KeyKind

LOG_NAME: Final = "node.log"
"""File of a home that its node prints to."""

NODES_MAX: Final = 64
"""Most nodes of one devnet; a machine that runs more is rare, and ports are taken in a row."""

NETWORK_NAME: Final = "devnet"
"""Name in a devnet's genesis."""

SETTINGS: Final = {"jobs.worker": True}
"""What stands uncommented in the settings of a devnet's new homes: its nodes take paid jobs."""

PEER_PORT_OFFSET: Final = PEER_PORT - API_PORT
"""Peer ports begin this far above the API's."""

PORT_BASE_MAX: Final = 65_535 - PEER_PORT_OFFSET - NODES_MAX
"""Highest first port: the last node's peer port is still one."""

READY_TIMEOUT_S: Final = 120.0
"""How long the first start may take: kernels are compiled once."""

PORTS_TIMEOUT_S: Final = 5.0
"""How long to wait for the ports of a devnet that is just stopping."""

POLL_S: Final = 0.25
"""Pause between looks at something that is about to happen."""

ONE_TRY: Final = ClientConfig(attempts_max=1, connect_timeout_s=1.0, answer_timeout_s=5.0)
"""A node that does not answer now is asked again by whoever polls."""


class Devnet(Struct, frozen=True):
    """Where a devnet's nodes are."""

    root: Path
    """Directory of all of them."""

    nodes: int
    """How many."""

    api_port: int
    """API port of the first; the others follow."""

    shards: int = 1
    """Shards of the network; every node serves all of them."""

    processes: int = 1
    """Processes of each node."""

    def get_home(self, index: int) -> Path:
        """Home of node ``index``."""
        return self.root / f"node-{index}"

    def get_urls(self) -> tuple[str, ...]:
        """API of each node."""
        return tuple(f"http://127.0.0.1:{self.api_port + index}" for index in range(self.nodes))

    @property
    def peer_port(self) -> int:
        """Peer port of the first node."""
        return self.api_port + PEER_PORT_OFFSET

    def get_peer_port(self, index: int) -> int:
        """Peer port of the first shard of node ``index``; those of its other shards follow."""
        return self.peer_port + index * self.shards

    @property
    def metrics_port(self) -> int:
        """Port of the first node's metrics; 0, none, for a devnet beside the usual one."""
        return METRICS_PORT if self.api_port == API_PORT else 0

    def get_ports(self) -> tuple[int, ...]:
        """Every port that must be free."""
        api = range(self.api_port, self.api_port + self.nodes)
        peer = range(self.peer_port, self.peer_port + self.nodes * self.shards)
        return (*api, *peer, *filter(None, (self.metrics_port,)))


def create_devnet(devnet: Devnet) -> Genesis:
    """Make what is missing of keys, homes and genesis.

    :raises DevnetMismatch: a devnet of another size is there.
    """
    bits = get_shard_bits(devnet.shards)
    genesis_path = devnet.root / GENESIS_NAME
    devnet.root.mkdir(mode=PRIVATE_DIRECTORY_MODE, parents=True, exist_ok=True)
    genesis = read_genesis(genesis_path) if genesis_path.exists() else None
    if genesis is not None and len(genesis.validators) != devnet.nodes:
        raise DevnetMismatch(devnet.root, len(genesis.validators), devnet.nodes)
    if genesis is not None and genesis.parameters.shard_bits != bits:
        found = 1 << genesis.parameters.shard_bits
        raise DevnetMismatch(devnet.root, found, devnet.shards, what="shards")
    ensure_key(devnet.root / FAUCET_KEY_NAME, KeyKind.FAUCET, NETWORK_NAME, [])
    keys = load_faucet_keys(devnet.root / FAUCET_KEY_NAME, NETWORK_NAME, bits)
    faucet, *further = [key.public_key for key in keys]
    validators = []
    for index in range(devnet.nodes):
        made = make_home(
            devnet.get_home(index), NETWORK_NAME, is_validator=True, settings=SETTINGS, shard_bits=bits
        )
        assert made.validator_key is not None, "it was asked for"
        validators.append(made.validator_key)
    if genesis is None:
        genesis = found_network(
            NETWORK_NAME,
            replace(PRESETS["devnet"], shard_bits=bits),
            validators,
            faucet,
            SystemClock().now_ms(),
            further_faucets=further,
        )
        write_private_file(genesis_path, encode_genesis(genesis))
    for index in range(devnet.nodes):
        adopt_genesis(Home(devnet.get_home(index)), genesis)
    return genesis


def compute_arguments(devnet: Devnet, index: int) -> tuple[str, ...]:
    """Command line of node ``index``."""
    peers = [f"127.0.0.1:{devnet.get_peer_port(other)}" for other in range(devnet.nodes) if other != index]
    hosting = ("--processes", str(devnet.processes)) if devnet.shards > 1 else ()
    return (
        "up",
        *("--home", str(devnet.get_home(index))),
        *("--name", f"node-{index}"),
        *("--api-port", str(devnet.api_port + index)),
        *("--peer-port", str(devnet.get_peer_port(index))),
        *("--metrics-port", "0" if index else str(devnet.metrics_port)),
        *hosting,
        *("--workers", "1"),
        *("--kernel-cache", str(devnet.root / "kernels")),
        *("--faucet-key", str(devnet.root / FAUCET_KEY_NAME)),
        *("--stop-with-parent", str(os.getpid())),
        "--debug",  # what a node prints goes to its log: a fault should tell all that it knows there
        *(option for peer in peers for option in ("--peer", peer)),
    )


async def run_devnet(devnet: Devnet, load: float, teller: StatusTeller) -> None:
    """Run until interrupted; then stop the load, then the nodes.

    :raises PortsTaken, DevnetMismatch, NodeGaveUp, StartTimeout: see each.
    """
    await _wait_ports(devnet)
    create_devnet(devnet)
    nodes = [
        NodeProcess(f"node-{index}", compute_arguments(devnet, index), devnet.get_home(index) / LOG_NAME)
        for index in range(devnet.nodes)
    ]
    async with anyio.create_task_group() as tasks:
        await tasks.start(_stop_on_signal, tasks.cancel_scope, teller)
        for node in nodes:
            tasks.start_soon(node.run)
        teller.say(f"starting {devnet.nodes} nodes in {devnet.root}")
        await _wait_ready(devnet, nodes)
        teller.say(
            f"ready: API {devnet.get_urls()[0]}, dashboard: tangle tui, a wallet: tangle wallet new NAME\n"
            f"Ctrl-C stops; a second start goes on where this one was"
        )
        demo = None
        if load:
            seeds = [random(32) for _ in range(compute_wallet_count(load))]
            demo = DemoLoad(devnet.get_urls(), load, seeds)
            tasks.start_soon(demo.run)
        await teller.run(devnet.get_urls(), nodes, demo)
    teller.say("stopped; start again to go on where it was")


async def _stop_on_signal(
    scope: anyio.CancelScope,
    teller: StatusTeller,
    *,
    task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            teller.say("stopping ...")
            scope.cancel()
            return


async def _wait_ports(devnet: Devnet) -> None:
    """Wait for the ports of a devnet that is just stopping; refuse at once where one is running."""
    with anyio.move_on_after(PORTS_TIMEOUT_S):
        while taken := find_taken_ports(devnet.get_ports()):
            occupant = await _find_occupant(devnet.get_urls()[0])
            if occupant is not None:
                raise PortsTaken(taken, occupant)
            await anyio.sleep(POLL_S)
        return
    taken = find_taken_ports(devnet.get_ports())
    if taken:
        raise PortsTaken(taken, "another program")


async def _find_occupant(url: str) -> str | None:
    async with TangleClient(url, config=ONE_TRY) as client:
        try:
            status = await client.get_status()
        except TangleError:
            return None
    return f"{status.name} of the network {status.network}, which is running already"


async def _wait_ready(devnet: Devnet, nodes: Sequence[NodeProcess]) -> None:
    ready = 0
    with anyio.move_on_after(READY_TIMEOUT_S):
        for url in devnet.get_urls():
            async with TangleClient(url, config=ONE_TRY) as client:
                while not await _is_ready(client):
                    for node in nodes:
                        if node.gave_up is not None:
                            raise NodeGaveUp(node.name, node.gave_up)
                    await anyio.sleep(POLL_S)
            ready += 1
        return
    raise StartTimeout(nodes[ready].name, READY_TIMEOUT_S, devnet.get_home(ready) / LOG_NAME)


async def _is_ready(client: TangleClient) -> bool:
    try:
        return await client.is_ready()
    except TangleError:
        return False
