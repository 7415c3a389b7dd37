"""Many nodes that know one address: they find each other, keep their limits, and agree on what is final."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
import pytest
from msgspec.structs import replace

from simnet.computer import SharedComputer
from tangle.node.crossing.courier import Courier
from tangle.node.parts import NodeParts
from tangle.store.memory_store import MemoryStore
from tests.node.twins import make_backend
from tests.node.wallets import Wallet
from tests.node.world import BACKEND, PORT, Member, World, make_genesis, wait_all_final, wait_until

pytestmark = pytest.mark.timeout(900)

VALIDATORS: Final = 4

SEED: Final = f"10.0.0.1:{PORT}"
"""The one address that everybody is given."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Trio alone: it is the same on asyncio, and takes its time."""
    return make_backend("trio")


class Newcomer(Member):
    """A node whose operator knows one address."""

    def _make_parts(self, store: MemoryStore, courier: Courier | None) -> NodeParts:
        parts = super()._make_parts(store, courier)
        peers = () if self.index == 0 else (SEED,)
        return replace(parts, config=replace(parts.config, peers=peers))


@asynccontextmanager
async def crowd_of(count: int, peers_max: int, target: int) -> AsyncIterator[World]:
    async with anyio.create_task_group() as tasks:
        world = World(VALIDATORS, 0, tasks, make_genesis(VALIDATORS))
        world.config = replace(
            world.config,
            peers_max=peers_max,
            peers_target=target,
            min_round_delay_ms=500,
            idle_round_delay_ms=2_000,
            leader_timeout_ms=1_000,
        )
        computer = SharedComputer(BACKEND)
        world.members = [Newcomer(world, index, computer) for index in range(count)]
        for member in world.members:
            await member.start()
        yield world
        tasks.cancel_scope.cancel()


def find_neighbours(world: World) -> dict[bytes, set[bytes]]:
    return {
        member.node.parts.node_key.public_key: {peer.public_key for peer in member.node.peering.get_peers()}
        for member in world.members
    }


def is_one_mesh(neighbours: dict[bytes, set[bytes]]) -> bool:
    reached, todo = set(), [next(iter(neighbours))]
    while todo:
        here = todo.pop()
        if here not in reached:
            reached.add(here)
            todo += neighbours[here]
    return len(reached) == len(neighbours)


@pytest.mark.parametrize(
    ("count", "peers_max", "target"), [(14, 6, 3), pytest.param(50, 12, 6, marks=pytest.mark.slow)]
)
async def test_from_one_address_to_a_mesh_in_which_a_transaction_is_final_everywhere(
    count: int, peers_max: int, target: int
) -> None:
    # Some nodes have no validator among their peers.
    async with crowd_of(count, peers_max, target) as world:
        await wait_until(
            lambda: all(len(each) >= target for each in find_neighbours(world).values()),
            timeout_s=60,
            every_s=1,
        )
        neighbours = find_neighbours(world)
        assert is_one_mesh(neighbours)
        assert max(map(len, neighbours.values())) <= peers_max
        # Without the seed it is still one mesh: nobody holds it together alone.
        seed = world.members[0].node.parts.node_key.public_key
        rest = {key: known - {seed} for key, known in neighbours.items() if key != seed}
        assert is_one_mesh(rest)
        await wait_until(lambda: world.members[-1].node.finality.certified > 0, timeout_s=60, every_s=0.5)
        sent = await Wallet("alice").send(world.members[-1].service)
        await wait_all_final(world.members, [sent.id], timeout_s=60)
        assert max(map(len, find_neighbours(world).values())) <= peers_max
