"""The same world twice is the same world: what the simulator stands on.

Trio, whose order of tasks is drawn from a seed, and interpreters with different seeds for their hashes.
"""

import os
import subprocess
import sys

import anyio
import pytest

from shards.checkpoints import compute_checkpoint_digest
from tests.node.traffic import send_everywhere
from tests.node.twins import make_backend
from tests.node.world import network_of, wait_all_final


async def live() -> str:
    """Some load, a partition, a restart; answers what was certified, what was sent and when it was over."""
    async with network_of(4) as world:
        sent = await send_everywhere(world, 4)
        await world.network.isolate(world.members[2].host)
        sent += await send_everywhere(world, 4, members=2)
        await world.network.isolate()
        await world.members[1].stop()
        await world.members[1].start()
        await wait_all_final(world.members, sent)
        digests = [compute_checkpoint_digest(each).hex() for each in world.members[0].list_checkpoints()]
        counted = [peer.bytes_in for member in world.members for peer in member.service.get_peers()]
        return repr((digests, counted, anyio.current_time()))


def run_alone(seed: int) -> str:
    name, options = make_backend("trio", seed)
    return anyio.run(live, backend=name, backend_options=options)


def run_elsewhere(seed: int, hash_seed: str) -> str:
    """In an interpreter whose sets and dictionaries of bytes have another order."""
    script = f"from tests.node.test_determinism import run_alone; print(run_alone({seed}))"
    finished = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout.splitlines()[-1]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_gives_the_same_run(seed: int) -> None:
    assert run_alone(seed) == run_alone(seed)


def test_another_seed_gives_another_run() -> None:
    assert run_alone(1) != run_alone(3)


def test_hash_seeds_change_nothing() -> None:
    assert run_elsewhere(1, "1") == run_elsewhere(1, "2") == run_alone(1)
