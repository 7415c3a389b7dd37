"""Networks of real nodes in one process: each has a home that survives it, and a service as doors see it.

``async with network_of(4) as world`` runs four nodes over a network in memory. A member can be stopped at any
moment, which is a crash of its process and of its disk, and started again from what was durable.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import TaskGroup, TaskStatus
from msgspec.structs import replace

from aivm.backends.numpy_backend import NumpyBackend
from poi.presets import DIGITS
from shards.checkpoints import Checkpoint
from tangle.core.encoding import encode
from tangle.core.errors import TangleError
from tangle.core.genesis import Allocation, BoardEntry, Genesis
from tangle.core.parameters import DEVNET, Parameters
from tangle.core.types import Grains, Milliseconds, Shard, TransactionId
from tangle.ledger.election import Election
from tangle.node.bundle_source import NoBundles
from tangle.node.clock import Clock
from tangle.node.computer import Computer, InlineComputer
from tangle.node.config import NodeConfig
from tangle.node.crossing.courier import Courier
from tangle.node.founding import FAUCET_SUPPLY, found_network
from tangle.node.metrics import make_registry
from tangle.node.node import Node, open_node
from tangle.node.panorama import About, Panorama
from tangle.node.parts import NodeParts
from tangle.node.service import Service
from tangle.store.disk import MemoryDisk
from tangle.store.errors import StorageFailed
from tangle.store.guard_file import MemoryGuard
from tangle.store.memory_store import MemoryStore
from tangle.store.store import Environment, Table
from tests.node.twins import START_MS, LoopClock, MemoryNetwork, SeededRandomness, make_key

PARAMETERS: Final = replace(
    DEVNET,
    anchor_gap=40,
    expiry_gap=40,
    lazy_youngest_gap=8,
    lazy_oldest_gap=32,
    commit_depth=20,
    tips_per_block=16,
    attestations_per_block=8,
    checkpoint_interval_ms=Milliseconds(400),
    epoch_ms=Milliseconds(10_000),
)
"""A devnet whose rare paths are common, and whose transactions live long enough for a test to be written."""

JOB: Final = replace(DIGITS, population=6, generation_interval_ms=Milliseconds(300))
"""The digits, in generations of a few transactions."""

WALLETS: Final = ("alice", "bob", "carol", "dave")
"""Accounts that hold grains from the start."""

RICHES: Final = Grains(10**15)
"""What each of them holds."""

PORT: Final = 15_600

FIRST_SHARD: Final = Shard(0)

BACKEND: Final = NumpyBackend()


def make_genesis(validators: int, parameters: Parameters = PARAMETERS) -> Genesis:
    faucet = make_key("faucet").public_key
    keys = [make_key(f"validator {index}").public_key for index in range(validators)]
    genesis = found_network("test", parameters, keys, faucet, START_MS)
    allocations = (
        Allocation(faucet, FAUCET_SUPPLY),
        *(Allocation(make_key(name).public_key, RICHES) for name in WALLETS),
    )
    return replace(genesis, allocations=allocations, board=(BoardEntry(1, encode(JOB)),))


class Member:
    """One node of a world: its home, and the process while it runs."""

    def __init__(self, world: "World", index: int, computer: Computer | None = None) -> None:
        self.world = world
        self.index = index
        self.host = f"10.0.0.{index + 1}"
        self.disk = MemoryStore().disk
        self.room = MemoryDisk()
        self.guard = MemoryGuard()
        self.computer: Computer = InlineComputer(BACKEND) if computer is None else computer
        self.failure: TangleError | None = None
        self.ended = anyio.Event()
        self.starts = 0
        self.is_disk_dead = False
        """Whether every further write fails."""

        self._scope = anyio.CancelScope()
        self._node: Node | None = None
        self._service: Service | None = None

    @property
    def node(self) -> Node:
        assert self._node is not None, "it runs"
        return self._node

    @property
    def service(self) -> Service:
        assert self._service is not None, "it runs"
        return self._service

    async def start(self) -> None:
        self.starts += 1
        self.ended = anyio.Event()
        self._scope = anyio.CancelScope()
        await self.world.tasks.start(self._live)

    async def stop(self) -> None:
        """Kill the process: every task is cancelled where it happens to wait."""
        self._scope.cancel()
        await self.ended.wait()

    def lose_disk(self) -> None:
        self.disk = MemoryStore().disk

    def list_checkpoints(self) -> list[Checkpoint]:
        """All final ones."""
        archive = self.node.archive
        found = [archive.get_checkpoint(index) for index in range(self.node.finality.certified + 1)]
        return [checkpoint for checkpoint in found if checkpoint is not None]

    async def _live(self, *, task_status: TaskStatus[None]) -> None:
        try:
            with self._scope:
                await self._run(task_status)
        except* TangleError as group:
            leaf: BaseException = group
            while isinstance(leaf, BaseExceptionGroup):
                leaf = leaf.exceptions[0]
            assert isinstance(leaf, TangleError)
            self.failure = leaf
        finally:
            self._node = self._service = None
            self.ended.set()

    async def _run(self, task_status: TaskStatus[None]) -> None:
        store = MemoryStore(self.disk, step=self._take_a_moment)
        async with anyio.create_task_group() as storing:
            storing.start_soon(store.run)
            try:
                async with anyio.create_task_group() as tasks:
                    courier = self.world.make_courier(self.index)
                    node = await open_node(self._make_parts(store, courier))
                    if courier is not None:
                        courier.open(node)
                        tasks.start_soon(courier.run)
                    await tasks.start(node.run)
                    panorama = Panorama(node, About(self.host, "0"))
                    faucet = make_key("faucet")
                    self._node = node
                    self._service = Service(node, panorama, make_registry(node, panorama), faucet)
                    task_status.started()
            finally:
                store.stop()

    async def _take_a_moment(self, _: Environment) -> None:
        """The disk needs some time for each environment, so that a crash can fall between the two."""
        await anyio.sleep(0.001)
        if self.is_disk_dead:
            raise StorageFailed(Path(self.host), "the disk died")

    def _make_parts(self, store: MemoryStore, courier: Courier | None) -> NodeParts:
        world = self.world
        others = tuple(f"{other.host}:{PORT}" for other in world.members if other is not self)
        return NodeParts(
            genesis=world.genesis,
            config=replace(world.config, name=self.host, peer_host=self.host, peers=others),
            shard=world.shard,
            bundles=courier or NoBundles(),
            store=store,
            guard=self.guard,
            disk=self.room,
            computer=self.computer,
            backend=BACKEND,
            network=world.network.at(self.host),
            clock=world.clocks.get(self.index, world.clock),
            randomness=SeededRandomness(f"{self.index} {self.starts}"),
            node_key=make_key(f"node {self.index}"),
            validator_key=make_key(f"validator {self.index}"),
            agent="test/0",
            election=world.election,
        )


class World:
    """All members and what connects them."""

    def __init__(self, count: int, observers: int, tasks: TaskGroup, genesis: Genesis) -> None:
        self.tasks = tasks
        self.genesis = genesis
        self.config = NodeConfig(
            peer_port=PORT,
            workers=1,
            min_round_delay_ms=20,
            idle_round_delay_ms=100,
            leader_timeout_ms=100,
        )
        self.shard = Shard(0)
        """The one that every member serves."""

        self.election: Election | None = None
        self.make_courier: Callable[[int], Courier | None] = lambda _: None
        """Brings what other shards send to the node of a machine; nobody where there is one shard."""

        self.network = MemoryNetwork()
        self.clock = LoopClock(anyio.current_time())
        self.clocks: dict[int, Clock] = {}
        """Of machines whose clock is another one, by index."""

        self.members: list[Member] = []
        self.members += [Member(self, index) for index in range(count + observers)]

    @property
    def services(self) -> list[Service]:
        return [member.service for member in self.members]

    async def wait_ready(self) -> None:
        """Every validator proposes and something is final."""
        await wait_until(
            lambda: all(
                (member.node.validator_key is None or member.node.driver.is_proposing)
                and member.node.finality.certified > 0
                for member in self.members
            )
        )

    async def wait_level(self, *, timeout_s: float = 30.0) -> int:
        """Every member has made final what is ordered now; answers how many transactions that is."""
        total = max(member.node.executor.machine.state.ordered_total for member in self.members)

        def is_level(member: Member) -> bool:
            latest = member.node.archive.get_checkpoint(member.node.finality.certified)
            return latest is not None and latest.ordered_total >= total

        await wait_until(lambda: all(map(is_level, self.members)), timeout_s=timeout_s)
        return total


async def wait_until(is_met: Callable[[], bool], *, timeout_s: float = 30.0, every_s: float = 0.02) -> None:
    """Let virtual time pass until the condition holds."""
    with anyio.fail_after(timeout_s):
        while not is_met():  # noqa: ASYNC110 - any condition, and nobody announces most of them
            await anyio.sleep(every_s)  # virtual time; nobody announces most conditions


@asynccontextmanager
async def network_of(
    count: int,
    *,
    observers: int = 0,
    parameters: Parameters = PARAMETERS,
    is_started: bool = True,
    config: Callable[[NodeConfig], NodeConfig] = lambda config: config,
    election: Election | None = None,
    shard: Shard = FIRST_SHARD,
) -> AsyncIterator[World]:
    """A world of ``count`` validators, ready to order transactions; it ends with the block."""
    async with anyio.create_task_group() as tasks:
        world = World(count, observers, tasks, make_genesis(count, parameters))
        world.config = config(world.config)
        world.election = election
        world.shard = shard
        if is_started:
            for member in world.members:
                await member.start()
            await world.wait_ready()
        yield world
        tasks.cancel_scope.cancel()


def is_final(member: Member, identity: TransactionId) -> bool:
    status = member.node.find_status(identity)
    return status is not None and member.service.get_transaction(identity).is_final


async def wait_all_final(
    members: Sequence[Member], sent: Sequence[TransactionId], *, timeout_s: float = 30.0
) -> None:
    await wait_until(
        lambda: all(is_final(member, identity) for member in members for identity in sent),
        timeout_s=timeout_s,
    )


def assert_no_slot_signed_twice(members: Sequence[Member]) -> None:
    """No disk holds two blocks of one slot, and no two disks hold different ones."""
    signed: dict[bytes, bytes] = {}
    for member in members:
        for key in member.disk[Table.BLOCKS].keys:
            slot, digest = key[:18], key[18:]
            assert signed.setdefault(slot, digest) == digest
        assert not member.disk[Table.EVIDENCE].keys
    assert signed


def assert_same_history(members: Sequence[Member]) -> None:
    """Checkpoints, effects and events are equal as far as the shortest history goes."""
    shortest = min(member.node.finality.certified for member in members)
    assert shortest > 0
    first, *others = members
    checkpoints = first.list_checkpoints()[: shortest + 1]
    total = checkpoints[-1].ordered_total
    effects = [row.effect for row in first.node.archive.get_ordered_range(0, total)]
    last = first.node.archive.get_event_rows(1, shortest)[-1]
    events = first.node.events.get_events(0, last.first_id + last.count - 1)
    assert len(effects) == total
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    for other in others:
        assert other.list_checkpoints()[: shortest + 1] == checkpoints
        assert [row.effect for row in other.node.archive.get_ordered_range(0, total)] == effects
        assert other.node.events.get_events(0, len(events)) == events
