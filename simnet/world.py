"""The world of a simulation: its nodes, each with a home that outlives its process, and what connects them.

Every node is the real one, with its rooms and its service; only what lies behind the five seams is simulated.
A node may be killed at any moment: all its tasks are cancelled where they happen to wait, its connections
break, and what its disk holds is all that it starts from.
"""

import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

import anyio
from anyio.abc import TaskGroup
from msgspec.structs import replace

from aivm.backends.numpy_backend import NumpyBackend
from simnet.adversaries import Bender, Strategy
from simnet.chance import SeededRandomness, make_chance, make_key
from simnet.checkers import Checker, FinalRun, Home
from simnet.clock import DriftingClock
from simnet.computer import SharedComputer
from simnet.crossing import ReceiptChecker
from simnet.eclipse import SYBILS_MAX
from simnet.event_log import EventLog, current_node
from simnet.fail_points import FailPoint, FailPoints
from simnet.founding import make_election, make_genesis, make_validator_key
from simnet.homes import make_forger_key
from simnet.jury import Jury
from simnet.network import PacketNetwork
from simnet.options import SimulationOptions
from simnet.store import DiskPace, SimulatedGuard, SimulatedStore, Torn, make_disk
from simnet.supplies import SupplyChecker
from simnet.timeline import Timeline
from simnet.trading import RULES
from simnet.verdicts import Diverged, Finding, Invariant, Violated
from tangle.core.errors import TangleError
from tangle.core.types import Shard
from tangle.ledger.limits import SubDagLimits
from tangle.net.addresses import Address
from tangle.net.network import Network
from tangle.node.bundle_source import NoBundles
from tangle.node.catch_up import AHEAD_MAX, LAG_ROUNDS
from tangle.node.committee_driver import INBOX_MAX
from tangle.node.config import NodeConfig
from tangle.node.crossing.courier import Courier
from tangle.node.crossing.neighbours import LocalNeighbour, Neighbour
from tangle.node.fetcher import WANTED_MAX
from tangle.node.finality import StateForked
from tangle.node.gossip import NEWS_MAX
from tangle.node.ingest import PARKED_MAX
from tangle.node.metrics import make_registry
from tangle.node.node import Node, open_node
from tangle.node.panorama import About, Panorama
from tangle.node.parts import NodeParts
from tangle.node.service import Service
from tangle.store.guard_file import Guard
from tangle.store.memory_store import Disk
from tangle.store.store import Store, WriteBatch

PORT: Final = 15_600
"""Peer port of every host."""

PEERS_MAX: Final = 12
"""Places for peers: enough for everybody in the largest drawn network, and few enough to be taken."""

BACKEND: Final = NumpyBackend()

LIMITS: Final = SubDagLimits()
"""Of every node's sub-DAG, apart from what its settings say."""


class Member:
    """One node: its home, and its process while it runs; a machine has one for every shard."""

    def __init__(self, world: "World", index: int, shard: int = 0) -> None:
        """:param index: of its machine, which is what plans and committees count."""
        options = world.options
        self.world = world
        self.index = index
        self.shard = shard
        self.number = shard * options.members + index
        """Among the nodes of all machines."""

        self.name = make_name(options, index, shard)
        self.host = make_host(index, shard)
        self.pace = DiskPace(options.disk_ms)
        self.disk: Disk = make_disk()
        self.torn: Counter[str] = Counter()
        """What crashes in the middle of a write left of it."""

        self.guard: Guard = self._make_guard(b"")
        validator = options.find_validator(index)
        self.validator_key = make_key(options.seed, "validator", validator)
        self.on_opened: Callable[[Node], None] = lambda _: None
        """Called with each new node before it runs; a planted bug is put in here."""

        strategy = {each.node: each.strategy for each in options.adversaries}.get(index)
        self.bender: Bender | None = None
        """What makes it an adversary."""

        if strategy is not None:
            chance = make_chance(options.seed, "adversary", self.number)
            wallet = make_forger_key(options, index, shard)
            others = [other for other in range(options.nodes) if other != index]
            self.bender = Bender(
                strategy,
                self.validator_key,
                wallet,
                world.timeline,
                chance,
                victim=Address(make_host(chance.choice(others), shard).encode(), PORT),
                names=_add_names(world, index, shard) if strategy is Strategy.ECLIPSE else (),
            )
            self.on_opened = self.bender.bend
        self.starts = 0
        self.disks_lost = 0
        self.node: Node | None = None
        """While it runs."""

        self.service: Service | None = None
        """While it runs."""

        self._network = world.network.add_host(self.host, options.regions[validator])
        self._clock = DriftingClock(options.clocks[validator].offset_ms, options.clocks[validator].drift_ppm)
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._ended.set()

    @property
    def is_up(self) -> bool:
        """Whether there is a process, though it may still be starting."""
        return not self._ended.is_set()

    def start(self, tasks: TaskGroup) -> None:
        """Start the process."""
        assert not self.is_up, "a home is used by one process"
        self.starts += 1
        self._ended = anyio.Event()
        self._scope = anyio.CancelScope()
        self.world.log.write(self.name, "start", count=self.starts)
        tasks.start_soon(self._live)

    def kill(self) -> None:
        """Kill the process, if there is one: its tasks end where they wait."""
        if self.is_up:
            self.world.log.write(self.name, "crash")
            self._scope.cancel()

    async def crash(self) -> None:
        """Kill the process and wait until it is gone; also one that another fault starts meanwhile."""
        while self.is_up:
            self.kill()
            await self._ended.wait()

    def lose_disk(self) -> None:
        """Replace the disk by an empty one; the guard is kept elsewhere."""
        assert not self.is_up, "nobody pulls the disk of a running machine"
        self.world.log.write(self.name, "disk-lost")
        self.disk = make_disk()
        self.disks_lost += 1
        self.world.checkers[self.shard].on_disk_lost(self.index)

    def restore(self, disk: Disk, record: bytes) -> None:
        """Put an adversary's disk and guard back to what a backup holds."""
        assert not self.is_up, "a disk is not changed under a process"
        assert self.bender is not None, "no honest operator does that"
        self.world.log.write(self.name, "backup-restored")
        self.bender.actions += 1
        self.disk, self.guard = disk, self._make_guard(record)

    async def _live(self) -> None:
        current_node.set(self.name)
        try:
            with self._scope:
                await self._run()
                self._tell_end("it ended by itself")
        except* TangleError as group:
            leaf = _find_leaf(group)
            if not self._scope.cancel_called:
                if isinstance(leaf, StateForked) and self.bender is None:
                    self.world.report(Diverged(leaf.index, (self.name,), str(leaf)))
                else:
                    self._tell_end(f"{type(leaf).__name__}: {leaf}")
        except* Exception as group:
            leaf = _find_leaf(group)
            place = traceback.extract_tb(leaf.__traceback__)[-1]
            self._tell_end(f"{type(leaf).__name__} at {place.name}:{place.lineno}: {leaf}")
        finally:
            self.node = self.service = None
            self._ended.set()

    def _make_guard(self, record: bytes) -> Guard:
        chance = make_chance(self.world.options.seed, "guard", self.number)
        return SimulatedGuard(self.pace, chance, self._reach, self._on_torn, record)

    def _on_torn(self, left: Torn) -> None:
        if self._scope.cancel_called:  # and not the end of the whole run
            self.world.log.write(self.name, "torn", left=left.value)
            self.torn[left.value] += 1

    def _reach(self, point: FailPoint) -> bool:
        if point is FailPoint.CATCHING_UP and not self._is_behind():
            return False
        return self.world.fail_points.reach(point, self.index)

    def _is_behind(self) -> bool:
        rounds = {
            member: (member.node.epochs.epoch, member.node.driver.core.highest_round)
            for member in self.world.shards[self.shard]
            if member.node
        }
        if self not in rounds:
            return False
        (epoch, round_number), furthest = rounds[self], max(rounds.values())
        return (epoch, round_number + LAG_ROUNDS) < furthest

    def _tell_end(self, reason: str) -> None:
        if self.world.is_over:
            return
        if self.bender is not None:
            self.world.log.write(self.name, "adversary-ended", reason=reason)
            return
        self.world.report(Violated(Invariant.NODE_SOUND, self.name, reason))

    async def _run(self) -> None:
        world = self.world
        chance = make_chance(world.options.seed, "disk", self.number, self.starts)
        store = SimulatedStore(
            self.disk,
            self.pace,
            chance,
            lambda batch: world.on_durable(self, store, batch),
            self._reach,
            self._on_torn,
        )
        world.checkers[self.shard].on_started(self.index, store)
        async with anyio.create_task_group() as storing:
            storing.start_soon(store.run)
            try:
                courier = self._make_courier()
                node = await open_node(self._make_parts(store, courier))
                node.jobs = Jury(node, is_honest=self.bender is None)
                self.on_opened(node)
                async with anyio.create_task_group() as tasks:
                    if courier is not None:
                        courier.open(node)
                        tasks.start_soon(courier.run)
                    await tasks.start(node.run)
                    panorama = Panorama(node, About(self.name, "0"))
                    self.node = node
                    self.service = Service(node, panorama, make_registry(node, panorama), None)
                    if self.bender is not None:
                        tasks.start_soon(self.bender.run, node, self.service)
            finally:
                store.stop()

    def _make_courier(self) -> Courier | None:
        """Brings what other shards send; nobody where there is one shard."""
        shards = self.world.options.shards
        return None if shards == 1 else Courier(Shard(self.shard), shards, self._find_neighbour)

    def _find_neighbour(self, source: Shard) -> Neighbour | None:
        return LocalNeighbour(partial(self._get_desk, source))

    def _get_desk(self, source: Shard) -> Neighbour | None:
        node = self.world.get_machine(self.index)[source].node
        return None if node is None else node.desk

    def _make_parts(self, store: SimulatedStore, courier: Courier | None) -> NodeParts:
        world, seed = self.world, self.world.options.seed
        others = tuple(f"{other.host}:{PORT}" for other in world.shards[self.shard] if other is not self)
        return NodeParts(
            genesis=world.genesis,
            config=replace(world.config, name=self.name, peer_host=self.host, peers=others),
            shard=Shard(self.shard),
            bundles=courier or NoBundles(),
            store=store,
            guard=self.guard,
            computer=world.computer,
            backend=BACKEND,
            network=self._network,
            clock=self._clock,
            randomness=SeededRandomness(seed, self.number, self.starts),
            node_key=make_key(seed, "node", self.number),
            validator_key=self.validator_key,
            agent=f"{self.name} simnet",
            market_rules=RULES,
            election=make_election(world.options) if world.options.seats else None,
        )


class World:
    """All members and what connects them."""

    def __init__(
        self,
        options: SimulationOptions,
        log: EventLog,
        report: Callable[[Finding], None],
        on_final: Callable[[FinalRun], None] = lambda _: None,
        watch: Callable[[Member, WriteBatch], None] = lambda _member, _batch: None,
    ) -> None:
        """:param report: told what the checkers find.
        :param on_final: told what became final where.
        :param watch: told what an honest node has on disk, after the checkers.
        """
        self.options = options
        self.log = log
        self.report = report
        self._watch = watch
        self.is_over = False
        """Whether the run has come to its end: nodes are pulled apart, and what one of them says then, such
        as that its store has gone before it, is no finding."""

        self.fail_points = FailPoints()
        self.computer = SharedComputer(BACKEND)
        self.genesis = make_genesis(options)
        self.config = NodeConfig(
            peer_port=PORT,
            peers_max=PEERS_MAX,
            workers=1,
            intake_max=options.intake_max,
            pending_max=options.pending_max,
        )
        self.timeline = Timeline(make_chance(options.seed, "timeline"))
        self.network = PacketNetwork(self.timeline, make_chance(options.seed, "network"), log)
        allocated = sum(each.amount + each.stake for each in self.genesis.allocations)
        self.receipts = ReceiptChecker(report)
        self.supplies = SupplyChecker(allocated, options.shards, report, self.receipts.count_grains)
        self.checkers = [
            Checker(
                [make_name(options, index, shard) for index in range(options.members)],
                report,
                on_final,
                log,
                options.faulty,
                home=Home(shard, options.shard_bits),
                on_supply=partial(self.supplies.on_supply, shard),
                keys=[make_validator_key(options, index) for index in range(options.members)],
                on_crossing=self.receipts.on_checkpoint,
            )
            for shard in range(options.shards)
        ]
        """One for each shard, which it judges by itself."""

        self.shards = [
            [Member(self, index, shard) for index in range(options.members)]
            for shard in range(options.shards)
        ]
        """The nodes of each shard, by their machines."""

        self.members = [member for shard in self.shards for member in shard]
        """The nodes of all machines."""

    def get_machine(self, index: int) -> list[Member]:
        """The nodes of one machine: what happens to it happens to all of them."""
        return [shard[index] for shard in self.shards]

    def get_honest(self, shard: int) -> list[Member]:
        """All of a shard but the adversaries."""
        checker = self.checkers[shard]
        return [member for member in self.shards[shard] if not checker.is_faulty(member.index)]

    @property
    def honest(self) -> list[Member]:
        """All of all shards but the adversaries."""
        return [member for shard in range(self.options.shards) for member in self.get_honest(shard)]

    def on_durable(self, member: Member, store: Store, batch: WriteBatch) -> None:
        """A node's commit returned."""
        checker = self.checkers[member.shard]
        checker.on_durable(member.index, store, batch)
        if not checker.is_faulty(member.index):
            self._watch(member, batch)

    def check_queues(self) -> None:
        """Every queue of every running node is within its limit."""
        config = self.config
        for member in self.honest:
            node = member.node
            if node is None:
                continue
            held = node.subdag.get_statistics()
            lengths = {
                "intake": (node.intake.depth, config.intake_max + WANTED_MAX + AHEAD_MAX),
                "parked": (node.intake.parked, PARKED_MAX),
                "blocks": (node.driver.inbox_depth, INBOX_MAX),
                "fetch": (node.fetcher.depth, 2 * WANTED_MAX),
                "gossip": (node.gossip.depth, NEWS_MAX),
                "unordered": (held.unordered + held.waiting, config.pending_max + LIMITS.needed_reserve),
            }
            for name, (length, limit) in lengths.items():
                if length > limit:
                    detail = f"{name} holds {length}, its limit is {limit}"
                    self.report(Violated(Invariant.BOUNDED_QUEUES, member.name, detail))


def make_name(options: SimulationOptions, index: int, shard: int) -> str:
    """What a node is called in logs and verdicts: its machine, and its shard where there are several."""
    return f"node{index}" if options.shards == 1 else f"node{index}/{shard}"


def make_host(index: int, shard: int = 0) -> str:
    """Where a node lives: each node of a machine has an address of its own."""
    return f"10.0.{shard}.{index + 1}"


def _add_names(world: "World", index: int, shard: int) -> list[Network]:
    """Hosts of an operator that goes by many names, all of them where it is."""
    region = world.options.regions[world.options.find_validator(index)]
    net = f"10.{shard + 1}.{index}"
    return [world.network.add_host(f"{net}.{number + 1}", region) for number in range(SYBILS_MAX)]


def _find_leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
