"""Machines that serve several shards: a world of nodes for each shard, and couriers on every machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
from msgspec.structs import replace

from shards.checkpoints import check_supply
from tangle.core.genesis import Allocation, Genesis
from tangle.core.hashing import compute_home_shard
from tangle.core.parameters import Parameters
from tangle.core.types import Shard
from tangle.node.crossing.courier import Courier
from tangle.node.crossing.desk import BundleDesk
from tangle.node.crossing.neighbours import LocalNeighbour, Neighbour
from tests.node.wallets import Wallet
from tests.node.world import PARAMETERS, RICHES, Member, World, make_genesis, wait_until


class Machines:
    """Several machines, each with a node of every shard."""

    def __init__(self, worlds: list[World]) -> None:
        self.worlds = worlds
        for world in worlds:
            world.make_courier = partial(self._make_courier, world.shard)

    @property
    def members(self) -> list[Member]:
        """All nodes of all machines."""
        return [member for world in self.worlds for member in world.members]

    def get_machine(self, index: int) -> list[Member]:
        """The nodes of one machine."""
        return [world.members[index] for world in self.worlds]

    def count_in_flight(self, index: int) -> int:
        """Grains between shards, as one machine sees its own states; each shard's books balance."""
        total = 0
        for member in self.get_machine(index):
            supply = member.node.executor.machine.state.supply
            check_supply(supply)
            total -= supply.inflow
        return total

    def has_arrived(self) -> bool:
        """Whether every receipt that was sent was credited, on every node."""
        states = [[m.node.executor.machine.state for m in world.members] for world in self.worlds]
        pairs = [(source, target) for source in range(len(states)) for target in range(len(states))]
        sent = [max(state.sent[target] for state in states[source]) for source, target in pairs]
        credited = [min(state.received[source] for state in states[target]) for source, target in pairs]
        return sent == credited

    async def wait_arrived(self, *, timeout_s: float = 60.0) -> None:
        """Until nothing is on its way."""
        await wait_until(self.has_arrived, timeout_s=timeout_s)

    def _make_courier(self, target: Shard, index: int) -> Courier:
        return Courier(target, len(self.worlds), partial(self._find_neighbour, index))

    def _find_neighbour(self, index: int, source: Shard) -> Neighbour | None:
        return LocalNeighbour(partial(self._get_desk, index, source))

    def _get_desk(self, index: int, source: Shard) -> BundleDesk | None:
        node = self.worlds[source].members[index]._node
        return None if node is None else node.desk


def make_home_wallet(name: str, shard: int, bits: int) -> Wallet:
    """A wallet whose account lives in ``shard``."""
    for attempt in range(1_000):
        wallet = Wallet(f"{name} {attempt}")
        if compute_home_shard(wallet.key.public_key, bits) == shard:
            return wallet
    raise AssertionError("a home is drawn evenly")


def make_sharded_genesis(count: int, bits: int, wallets: list[Wallet], parameters: Parameters) -> Genesis:
    """Validators, and wallets that hold grains from the start."""
    genesis = make_genesis(count, replace(parameters, shard_bits=bits))
    allocations = tuple(Allocation(wallet.key.public_key, RICHES) for wallet in wallets)
    return replace(genesis, allocations=allocations)


@asynccontextmanager
async def machines_of(
    count: int, bits: int, wallets: list[Wallet], *, parameters: Parameters = PARAMETERS
) -> AsyncIterator[Machines]:
    """``count`` machines that serve 2^bits shards, ready to order."""
    genesis = make_sharded_genesis(count, bits, wallets, parameters)
    async with anyio.create_task_group() as tasks:
        worlds = []
        for shard in range(1 << bits):
            world = World(count, 0, tasks, genesis)
            world.shard = Shard(shard)
            worlds.append(world)
        machines = Machines(worlds)
        for member in machines.members:
            await member.start()
        for world in worlds:
            await world.wait_ready()
        yield machines
        tasks.cancel_scope.cancel()
