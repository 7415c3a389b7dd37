"""Four shards on four nodes: transfers among many accounts, while random nodes are killed again and again.

Runs for ``TANGLE_SHARDS_S`` seconds (a short while when that is not set) with ``TANGLE_SHARDS_ACCOUNTS``
accounts. Afterwards every checkpoint on every disk must balance, with what was between shards at that moment,
and every receipt must have been credited once.
"""

import os
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from shards.checkpoints import Checkpoint, check_supply
from shards.epochs import LEADING_SHARD
from shards.receipts import Receipt
from simnet.chance import Chance, make_chance
from tangle.api.schemas.transactions import TransactionAnswer
from tangle.cli.devnet import NETWORK_NAME, Devnet, create_devnet
from tangle.cli.doctor_command import find_taken_ports
from tangle.cli.homes import FAUCET_KEY_NAME, make_home
from tangle.cli.networks import GENESIS_NAME
from tangle.client.client import TangleClient
from tangle.core.errors import TangleError
from tangle.core.genesis import Allocation, Genesis, compute_chain_id, encode_genesis
from tangle.core.hashing import compute_home_shard
from tangle.core.parameters import DEVNET
from tangle.core.signing import SigningKey
from tangle.core.transactions import Transfer
from tangle.core.types import Grains, Shard, TransactionId
from tangle.node.archive import Archive
from tangle.node.clock import SystemClock
from tangle.node.founding import found_network
from tangle.store.home import Home
from tangle.store.lmdb_store import open_lmdb_store
from tangle.wallet.faucet_keys import load_faucet_keys
from tangle.wallet.keyfile import KeyKind, generate_key_file
from tests.acceptance.load import PATIENCE
from tests.acceptance.support import (
    FAUCET_SEED,
    ONE_TRY,
    NetworkUnderTest,
    NodeUnderTest,
    running,
    wait_until,
)

NODES = 4
BITS = 2
SHARDS = 1 << BITS

DURATION_S = float(os.environ.get("TANGLE_SHARDS_S", "40"))
ACCOUNTS = int(os.environ.get("TANGLE_SHARDS_ACCOUNTS", "48"))
RATE = float(os.environ.get("TANGLE_SHARDS_RATE", "12"))

KILL_EVERY_S = 20.0 if DURATION_S > 120 else 8.0
RICHES = Grains(10**15)
AMOUNT_MAX = 1_000_000
PORTS_FIRST, PORTS_STEP, PORTS_TRIES = 24_000, 40, 40

pytestmark = [pytest.mark.slow, pytest.mark.timeout(int(DURATION_S) + 560)]


def found_shards(root: Path, keys: Sequence[SigningKey]) -> NetworkUnderTest:
    """Homes of a network of four shards, in which every account of ``keys`` holds grains."""
    offset = os.getpid() % PORTS_TRIES
    bases = [PORTS_FIRST + PORTS_STEP * ((offset + attempt) % PORTS_TRIES) for attempt in range(PORTS_TRIES)]
    devnets = (Devnet(root, NODES, base, SHARDS, 1) for base in bases)
    devnet = next(each for each in devnets if not find_taken_ports(each.get_ports()))
    root.mkdir(parents=True)
    generate_key_file(root / FAUCET_KEY_NAME, KeyKind.FAUCET, NETWORK_NAME, FAUCET_SEED)
    faucet, *further = (
        key.public_key for key in load_faucet_keys(root / FAUCET_KEY_NAME, NETWORK_NAME, BITS)
    )
    validators = []
    for index in range(NODES):
        home = devnet.get_home(index)
        made = make_home(home, NETWORK_NAME, is_validator=True, settings={}, shard_bits=BITS)
        assert made.validator_key is not None
        validators.append(made.validator_key)
    parameters, now_ms = replace(DEVNET, shard_bits=BITS), SystemClock().now_ms()
    genesis = found_network(NETWORK_NAME, parameters, validators, faucet, now_ms, further_faucets=further)
    rich = tuple(Allocation(key.public_key, RICHES) for key in keys)
    genesis = replace(genesis, allocations=(*genesis.allocations, *rich))
    (root / GENESIS_NAME).write_bytes(encode_genesis(genesis))
    assert create_devnet(devnet) == genesis
    return NetworkUnderTest(devnet, genesis, ("--device", "numpy"))


class MixedLoad:
    """Every wallet sends to random others, of its own shard and of the others, through a random node."""

    def __init__(self, urls: Sequence[str], keys: Sequence[SigningKey]) -> None:
        self.sent = 0
        self.within_ms: list[float] = []
        self.across_ms: list[float] = []
        self.failures: Counter[str] = Counter()
        self._urls = urls
        self._keys = keys
        self._random = make_chance(1, "load")

    async def run(self) -> None:
        """Send until cancelled."""
        async with anyio.create_task_group() as tasks:
            for place in range(len(self._keys)):
                tasks.start_soon(self._run_wallet, place)

    async def _run_wallet(self, place: int) -> None:
        interval_s = len(self._keys) / RATE
        await anyio.sleep(interval_s * place / len(self._keys))
        async with TangleClient(self._urls[place % len(self._urls)], config=PATIENCE) as client:
            while True:
                begun_s = anyio.current_time()
                try:
                    await self._send(client, self._keys[place])
                except TangleError as error:
                    self.failures[error.code] += 1
                await anyio.sleep(max(0.2, interval_s - (anyio.current_time() - begun_s)))

    async def _send(self, client: TangleClient, key: SigningKey) -> None:
        recipient = self._random.choice(self._keys).public_key
        amount = Grains(self._random.randint(1, AMOUNT_MAX))
        identity = await client.submit_transfer(key, Transfer(recipient, amount))
        self.sent += 1
        begun_s = anyio.current_time()
        is_abroad = find_home(recipient) != find_home(key.public_key)
        with anyio.move_on_after(20):
            answer = await self._wait(client, identity, is_abroad=is_abroad)
            if answer.status == "checkpointed":
                elapsed_ms = (anyio.current_time() - begun_s) * 1_000
                (self.across_ms if is_abroad else self.within_ms).append(elapsed_ms)

    async def _wait(
        self, client: TangleClient, identity: TransactionId, *, is_abroad: bool
    ) -> TransactionAnswer:
        while True:
            answer = await client.get_transaction(identity, wait="delivered", timeout_s=10)
            is_delivered = answer.receipt is not None and answer.receipt.is_delivered
            if answer.is_final and (is_delivered or not is_abroad or answer.receipt is None):
                return answer


def find_home(account: bytes) -> int:
    """Home shard of an account."""
    return compute_home_shard(account, BITS)  # type: ignore[arg-type] # keys are plain bytes here


async def kill_again_and_again(nodes: Sequence[NodeUnderTest], random: Chance) -> None:
    """``kill -9`` of a random node, and start it again at once, until cancelled."""
    while True:
        await anyio.sleep(KILL_EVERY_S)
        node = random.choice(nodes)
        node.kill()
        node.start()


async def read_inflow(url: str) -> int:
    """Grains between shards by the latest checkpoints of a node, negative while there are any."""
    async with TangleClient(url, config=ONE_TRY) as client:
        return sum([int((await client.get_checkpoint(shard)).supply.inflow) for shard in range(SHARDS)])


@pytest.fixture
def keys() -> list[SigningKey]:
    return [SigningKey(place.to_bytes(4, "big") * 8) for place in range(1, ACCOUNTS + 1)]


@pytest.fixture
def network(tmp_path: Path, keys: list[SigningKey]) -> Iterator[NetworkUnderTest]:
    with running(found_shards(tmp_path / "net", keys)) as network:
        yield network


async def test_transfers_among_shards_while_nodes_are_killed(
    network: NetworkUnderTest, keys: list[SigningKey], record_property: Callable[[str, object], None]
) -> None:
    await network.wait_ready(120)
    load = MixedLoad(network.urls, keys)
    with anyio.move_on_after(DURATION_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(load.run)
            tasks.start_soon(kill_again_and_again, network.nodes, make_chance(2, "kills"))
    await network.wait_ready(120)
    for url in network.urls:

        async def has_arrived(url: str = url) -> bool:
            try:
                return await read_inflow(url) == 0
            except TangleError:
                return False

        await wait_until(has_arrived, f"receipts to arrive at {url} ({load.failures})", 120)
    assert await network.stop() == [0] * NODES
    assert load.within_ms, load.failures
    assert load.across_ms, load.failures
    receipts = check_disks(network)
    record_property("transfers", f"{load.sent} accepted, {receipts} receipts, faults {dict(load.failures)}")
    for name, times in (("within a shard", load.within_ms), ("across shards", load.across_ms)):
        p95 = sorted(times)[int(0.95 * len(times))]
        record_property(f"final {name}", f"p50 {statistics.median(times):.0f} ms, p95 {p95:.0f} ms")


def check_disks(network: NetworkUnderTest) -> int:
    """Read all disks: one history for each shard, balanced books, receipts credited once; how many."""
    histories: dict[int, list[Checkpoint]] = {}
    sent: dict[tuple[int, int], list[Receipt]] = {}
    credited: dict[tuple[int, int], list[Receipt]] = {}
    for node in network.nodes:
        assert "Traceback" not in node.read_log()
        for shard in range(SHARDS):
            store = open_lmdb_store(
                Home(node.home).get_part(Shard(shard)).database,
                compute_chain_id(network.genesis),
                free_bytes_min=0,
            )
            try:
                archive = Archive(store)
                read_shard(archive, shard, sent, credited)
                history = read_history(archive, network.genesis, shard)
            finally:
                store.close()
            known = histories.setdefault(shard, history)
            shorter = min(len(known), len(history))
            assert known[:shorter] == history[:shorter], f"{node.home.name} forked in shard {shard}"
            histories[shard] = max(known, history, key=len)
    assert sent == credited
    total = sum(history[-1].supply.inflow for history in histories.values())
    assert total == 0
    return sum(map(len, sent.values()))


def read_shard(
    archive: Archive,
    shard: int,
    sent: dict[tuple[int, int], list[Receipt]],
    credited: dict[tuple[int, int], list[Receipt]],
) -> None:
    """Add what a disk holds of receipts; all disks hold the same, but for their ends."""
    state = archive.get_ledger_state()
    assert state is not None
    for other in range(SHARDS):
        if other == shard:
            continue
        out = list(archive.receipts.list_sent(Shard(other), 0, state.sent[other]))
        assert len(out) == state.sent[other], "none is missing"
        came = [
            archive.receipts.find_credited(Shard(other), number) for number in range(state.received[other])
        ]
        taken = [each.receipt for each in came if each is not None]
        assert len(taken) == state.received[other], "none is missing"
        for table, pair, found in ((sent, (shard, other), out), (credited, (other, shard), taken)):
            known = table.setdefault(pair, found)
            shorter = min(len(known), len(found))
            assert known[:shorter] == found[:shorter]
            table[pair] = max(known, found, key=len)


def read_history(archive: Archive, genesis: Genesis, shard: int) -> list[Checkpoint]:
    """All checkpoints of a disk; at each one the books balance, and its inflow is that of its receipts."""
    state = archive.get_ledger_state()
    assert state is not None
    found = [archive.get_checkpoint(index) for index in range(state.checkpoint_index + 1)]
    history = [checkpoint for checkpoint in found if checkpoint is not None]
    assert len(history) == state.checkpoint_index + 1, "checkpoints have no gaps"
    flow: Counter[int] = Counter()
    for other in range(SHARDS):
        for number in range(state.sent[other]):
            out = archive.receipts.find_sent(Shard(other), number)
            assert out is not None
            flow[out.checkpoint] -= out.receipt.amount
        for number in range(state.received[other]):
            came = archive.receipts.find_credited(Shard(other), number)
            assert came is not None
            flow[came.checkpoint] += came.receipt.amount
    for before, after in pairwise(history):
        check_supply(after.supply)
        assert after.supply.inflow - before.supply.inflow == flow[after.index], f"checkpoint {after.index}"
    accounts = [account for _, account in archive.list_accounts()]
    assert sum(account.balance for account in accounts) == history[-1].supply.balances
    assert archive.committees.count_evidence() == 0
    home = [each for each in genesis.allocations if compute_home_shard(each.account, BITS) == shard]
    staked = sum(each.stake for each in genesis.allocations) if shard == LEADING_SHARD else 0
    allocated = sum(each.amount for each in home) + staked
    assert history[-1].supply.genesis == allocated
    return history
