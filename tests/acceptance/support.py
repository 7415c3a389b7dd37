"""Real node processes for tests: found a network on free ports, start and kill nodes, read their disks, load
them.

A node is the ``tangle up`` that a devnet's supervisor starts, in a process group of its own that dies with
the test. Nothing here waits for a length of time: it waits for something to happen, within a generous limit.
"""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
from msgspec.structs import replace

from poi.job import StandingJob
from poi.presets import DIGITS
from shards.checkpoints import check_supply
from tangle.cli.devnet import NETWORK_NAME, Devnet, compute_arguments, create_devnet
from tangle.cli.doctor_command import find_taken_ports
from tangle.cli.homes import FAUCET_KEY_NAME, make_home
from tangle.cli.networks import GENESIS_NAME
from tangle.client.client import TangleClient
from tangle.client.transport import ClientConfig
from tangle.core.encoding import encode
from tangle.core.errors import TangleError
from tangle.core.genesis import BoardEntry, Genesis, compute_chain_id, encode_genesis
from tangle.core.parameters import DEVNET, Parameters
from tangle.core.signing import SigningKey
from tangle.node.archive import Archive
from tangle.node.clock import SystemClock
from tangle.node.founding import found_network
from tangle.store.home import Home
from tangle.store.keys import parse_block_key
from tangle.store.lmdb_store import open_lmdb_store
from tangle.store.store import Table
from tangle.wallet.keyfile import KeyKind, generate_key_file

FAUCET_SEED: Final = b"f" * 32
"""The faucet's secret in every network of these tests."""

READY_TIMEOUT_S: Final = 60.0
"""For a node to take part; half a second on an idle machine."""

STOP_TIMEOUT_S: Final = 20.0
"""For a node to stop cleanly; a second on an idle machine."""

POLL_S: Final = 0.1
"""Between two looks at something that is about to happen."""

ONE_TRY: Final = ClientConfig(attempts_max=1, connect_timeout_s=2.0)
"""A client that reports the first fault."""

PORTS_FIRST: Final = 20_000
"""Below the system's own choice of ports, so that no client's socket sits on a node's port."""

PORTS_STEP: Final = 16
"""Ports between two networks."""

PORTS_TRIES: Final = 64
"""Networks side by side on one machine, more than anybody runs."""

SHELL_BLOCK: Final = 512
"""Bytes of a block in the shell's ``ulimit -f`` (POSIX)."""

TERMINAL: Final = {
    name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "CC", "TMPDIR"}
}
"""What a node sees of the tests' environment."""


def find_devnet_ports(root: Path, nodes: int) -> Devnet:
    """A devnet on ports that nobody uses; tests that run side by side begin looking at different places."""
    offset = os.getpid() % PORTS_TRIES
    for attempt in range(PORTS_TRIES):
        base = PORTS_FIRST + PORTS_STEP * ((offset + attempt) % PORTS_TRIES)
        devnet = Devnet(root, nodes, base)
        if not find_taken_ports(devnet.get_ports()):
            return devnet
    raise AssertionError("no free ports")


class NodeUnderTest:
    """One node: its home, its process, its log."""

    def __init__(self, devnet: Devnet, index: int, options: Sequence[str] = ()) -> None:
        self.home = devnet.get_home(index)
        self.url = devnet.get_urls()[index]
        self.api_port = devnet.api_port + index
        self.peer_port = devnet.peer_port + index
        self.log_path = self.home / "node.log"
        self.environment: dict[str, str] = {}
        self.file_size_max: int | None = None
        # A person's node: without the --debug that the devnet's supervisor adds, so without tracebacks.
        plain = [argument for argument in compute_arguments(devnet, index) if argument != "--debug"]
        self.arguments = [*plain, *options]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, with its output in ``node.log``."""
        command = [sys.executable, "-m", "tangle.cli", *self.arguments]
        if self.file_size_max is not None:
            blocks = str(self.file_size_max // SHELL_BLOCK)
            command = ["sh", "-c", 'ulimit -f "$0" && exec "$@"', blocks, *command]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**TERMINAL, **self.environment},
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the node itself, not of its workers."""
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """``kill -9`` of the node alone: its workers have to notice by themselves."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    async def stop(self) -> int:
        """Ask the node to stop; its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return await self.wait_exit()

    async def wait_exit(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Wait until the process is gone; its exit status."""
        process = self.process
        assert process is not None

        async def is_gone() -> bool:
            return process.poll() is not None

        await wait_until(is_gone, f"{self.home.name} to end", timeout_s)
        assert process.returncode is not None
        return process.returncode

    def end_group(self) -> None:
        """Kill whatever is left of the node and its workers."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def read_log(self) -> str:
        """Everything that the node printed."""
        return self.log_path.read_text(errors="replace")

    async def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until the node takes part."""
        async with TangleClient(self.url, config=ONE_TRY) as client:

            async def is_ready() -> bool:
                assert self.is_running, self.read_log()[-2_000:]
                try:
                    return await client.is_ready()
                except TangleError:
                    return False

            await wait_until(is_ready, f"{self.home.name} to be ready", timeout_s)


async def wait_until(
    condition: Callable[[], Awaitable[bool]], what: str, timeout_s: float = READY_TIMEOUT_S
) -> None:
    """Wait until ``condition`` holds, or fail and say what was awaited."""
    with anyio.move_on_after(timeout_s):
        while True:
            if await condition():
                return
            await anyio.sleep(POLL_S)
    raise AssertionError(f"waited {timeout_s:g} s in vain for {what}")


class NetworkUnderTest:
    """A devnet's nodes, started and stopped by the test."""

    def __init__(self, devnet: Devnet, genesis: Genesis, options: Sequence[str]) -> None:
        self.devnet = devnet
        self.genesis = genesis
        self.nodes = [NodeUnderTest(devnet, index, options) for index in range(devnet.nodes)]

    @property
    def urls(self) -> tuple[str, ...]:
        """API of each node."""
        return self.devnet.get_urls()

    def start(self) -> None:
        """Start all nodes."""
        for node in self.nodes:
            node.start()

    async def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until all nodes take part."""
        for node in self.nodes:
            await node.wait_ready(timeout_s)

    async def stop(self) -> list[int]:
        """Stop all nodes cleanly; their exit statuses."""
        return [await node.stop() for node in self.nodes]


def found_devnet(
    root: Path,
    nodes: int,
    options: Sequence[str] = (),
    *,
    parameters: Parameters = DEVNET,
    job: StandingJob = DIGITS,
    settings: Mapping[str, object] | None = None,
) -> NetworkUnderTest:
    """Make keys, genesis and homes of a network on free ports.

    :param options: further options of every ``tangle up``.
    :param job: the standing job, the digits as they ship when left out.
    :param settings: of every node; without paid jobs when left out.
    """
    devnet = find_devnet_ports(root, nodes)
    root.mkdir(parents=True, exist_ok=True)
    generate_key_file(root / FAUCET_KEY_NAME, KeyKind.FAUCET, NETWORK_NAME, FAUCET_SEED)
    keys = []
    for index in range(nodes):
        made = make_home(devnet.get_home(index), NETWORK_NAME, is_validator=True, settings=settings or {})
        assert made.validator_key is not None
        keys.append(made.validator_key)
    faucet = SigningKey(FAUCET_SEED).public_key
    genesis = found_network(NETWORK_NAME, parameters, keys, faucet, SystemClock().now_ms())
    genesis = replace(genesis, board=(BoardEntry(1, encode(job)),))
    (root / GENESIS_NAME).write_bytes(encode_genesis(genesis))
    assert create_devnet(devnet) == genesis
    return NetworkUnderTest(devnet, genesis, options)


@contextmanager
def running(network: NetworkUnderTest) -> Iterator[NetworkUnderTest]:
    """Start all nodes; whatever happens, none of their processes outlives the block."""
    try:
        network.start()
        yield network
    finally:
        for node in network.nodes:
            node.end_group()


@contextmanager
def opened_archive(node: NodeUnderTest, genesis: Genesis) -> Iterator[Archive]:
    """What the disk of a node holds; the node must not run."""
    assert not node.is_running
    store = open_lmdb_store(Home(node.home).database, compute_chain_id(genesis), free_bytes_min=0)
    try:
        yield Archive(store)
    finally:
        store.close()


def find_double_blocks(node: NodeUnderTest, genesis: Genesis) -> list[tuple[int, int, int]]:
    """Epochs, rounds and authors of which the disk of a node holds two different blocks."""
    store = open_lmdb_store(Home(node.home).database, compute_chain_id(genesis), free_bytes_min=0)
    try:
        keys = [key for key, _ in store.scan(Table.BLOCKS, limit=store.count(Table.BLOCKS))]
    finally:
        store.close()
    assert keys, "the node has taken part"
    slots = Counter(parse_block_key(key)[:3] for key in keys)
    return [slot for slot, blocks in slots.items() if blocks > 1]


def check_books(node: NodeUnderTest, genesis: Genesis) -> int:
    """Add up all accounts of a node that does not run; they must make the supply that it signed last.

    Returns its latest checkpoint.
    """
    with opened_archive(node, genesis) as archive:
        state = archive.get_ledger_state()
        assert state is not None
        checkpoint = archive.get_checkpoint(state.checkpoint_index)
        assert checkpoint is not None
        check_supply(checkpoint.supply)
        accounts = [account for _, account in archive.list_accounts()]
        assert sum(account.balance for account in accounts) == checkpoint.supply.balances
        assert sum(account.stake for account in accounts) == checkpoint.supply.stakes
        assert archive.committees.count_evidence() == 0
    return state.checkpoint_index


def get_group_members(group: int) -> list[int]:
    """Processes of a group that are alive, the node and its workers."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                state, _, process_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(process_group) == group and state != "Z":
                    members.append(int(entry.name))
    return members


def get_resident_bytes(pid: int) -> int:
    """Memory of one process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
