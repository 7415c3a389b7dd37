"""Epochs of committees over several shards: all of them follow the leading one, whoever crashes meanwhile."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from aivm.backends.numpy_backend import NumpyBackend
from shards.checkpoints import Checkpoint
from shards.epochs import EpochEnd, is_epoch_end
from shards.errors import EpochUnknown
from shards.proofs import verify_transaction_proof
from simnet.fail_points import FailPoint
from simnet.faults import Crash, CrashAt, Direction, Fault, Partition
from simnet.options import SimulationOptions
from simnet.run import Report, Simulation, run_simulation
from simnet.verdicts import Pass
from simnet.world import Member
from tangle.core.genesis import compute_chain_id
from tangle.core.types import CheckpointIndex, Shard
from tangle.node.archive import Archive
from tangle.node.care.checking import check_tables
from tangle.node.care.findings import ignore_progress
from tangle.node.care.repairing import Repair
from tangle.store.memory_store import MemoryStore
from tangle.store.snapshot import open_snapshot
from tests.node.care.homes import write
from tests.simnet.builders import make_options
from tests.simnet.test_epochs import make_newest_proof

pytestmark = [pytest.mark.sim, pytest.mark.timeout(300)]

SEATS = ((0, 1, 2, 3), (1, 2, 3, 4), (0, 2, 3, 4), (0, 1, 2, 3, 4), (4, 3, 1, 0), (0, 1, 2, 4))
"""Somebody joins or leaves at every end; those named last stay."""


def make_epochs(shards: int = 2, **settings: Any) -> SimulationOptions:
    given: dict[str, Any] = {"nodes": 5, "time_s": 9.0, "epoch_ms": 2_000, "seats": SEATS} | settings
    return replace(make_options(**given), shards=shards, wallets=max(4, shards))


def play(options: SimulationOptions) -> tuple[Simulation, Report]:
    kept: list[tuple[Simulation, Report]] = []
    run_simulation(options, on_end=lambda simulation, report: kept.append((simulation, report)))
    return kept[0]


def open_disk(simulation: Simulation, shard: int) -> tuple[Member, Archive]:
    member = simulation.world.get_honest(shard)[0]
    return member, Archive(MemoryStore(member.disk))


def list_checkpoints(archive: Archive) -> list[Checkpoint]:
    found, index = [], 0
    while (checkpoint := archive.get_checkpoint(CheckpointIndex(index))) is not None:
        found.append(checkpoint)
        index += 1
    return found


def find_ends(archive: Archive) -> list[EpochEnd]:
    """The leading shard's, as far as they are certified on a disk."""
    ends = []
    for checkpoint in filter(is_epoch_end, list_checkpoints(archive)):
        certificate = archive.get_certificate(checkpoint.index)
        if certificate is not None:
            ends.append(EpochEnd(checkpoint, certificate))
    return ends


def check_shards(simulation: Simulation, least: int) -> None:
    """Every shard has the committees of the leading one, in order and without a gap, and ends are marked."""
    _, leading = open_disk(simulation, 0)
    elected = [(each.epoch, each.validators) for each, _ in leading.committees.list_committees(0, 1_000)]
    for shard in range(simulation.options.shards):
        _, archive = open_disk(simulation, shard)
        seated = [(each.epoch, each.validators) for each, _ in archive.committees.list_committees(0, 1_000)]
        assert seated == elected[: len(seated)], f"shard {shard} has a committee of its own"
        assert len(seated) > least, f"shard {shard} stays in epoch {seated[-1][0]}"
        checkpoints = list_checkpoints(archive)
        begun = [end for _, end in archive.committees.list_committees(1, 1_000)]
        assert [each.index for each in checkpoints if is_epoch_end(each)] == begun
        signed = [each.committee_epoch for each in checkpoints]
        assert signed == sorted(signed)


@pytest.fixture(scope="module")
def ended() -> tuple[Simulation, Report]:
    """Two shards whose committees change while nodes crash at bad moments."""
    faults: tuple[Fault, ...] = (
        Crash(2.3, 3.4, (1,)),
        CrashAt(4.1, 5.6, FailPoint.ENDED_TORN, (2, 3), is_everybody=False),
        CrashAt(6.1, 7.4, FailPoint.BEGUN_BEFORE, (0, 4), is_everybody=False),
    )
    return play(make_epochs(faults=faults))


def test_committees_of_all_shards_are_those_of_the_leading_one(ended: tuple[Simulation, Report]) -> None:
    simulation, report = ended
    assert isinstance(report.verdict, Pass), report.verdict
    check_shards(simulation, 3)
    assert report.credited > 10


def test_a_light_client_verifies_a_proof_of_another_shard(ended: tuple[Simulation, Report]) -> None:
    simulation, _ = ended
    genesis = simulation.world.genesis
    ends = find_ends(open_disk(simulation, 0)[1])
    proof = make_newest_proof(open_disk(simulation, 1)[1])
    proven = verify_transaction_proof(proof, genesis, ends)
    assert proven.checkpoint.shard == 1
    assert proven.committee.epoch >= 3
    with pytest.raises(EpochUnknown):
        verify_transaction_proof(proof, genesis, ends[:1])


def test_the_database_of_another_shard_is_sound_and_can_be_made_again(
    ended: tuple[Simulation, Report], tmp_path: Path
) -> None:
    simulation, _ = ended
    genesis = simulation.world.genesis
    member, archive = open_disk(simulation, 1)
    before = archive.get_ledger_state()
    root = tmp_path / "db"
    anyio.run(write, root, genesis, member.disk)
    with open_snapshot(root, compute_chain_id(genesis)) as snapshot:
        report = check_tables(snapshot, genesis, is_deep=True)
    assert not [finding.describe() for finding in report.findings]

    async def repair() -> None:
        await Repair(root, genesis, Shard(1), NumpyBackend(), ignore_progress).run()

    anyio.run(repair)
    assert before is not None
    assert before.committee_epoch >= 3
    with open_snapshot(root, compute_chain_id(genesis)) as snapshot:
        again = check_tables(snapshot, genesis, is_deep=True)
    assert not [finding.describe() for finding in again.findings]


def test_elections_from_stakes_reach_every_shard() -> None:
    options = replace(make_epochs(4, nodes=4, seats=(), time_s=8.0), is_staked=True, stakers=2)
    simulation, report = play(options)
    assert isinstance(report.verdict, Pass), report.verdict
    check_shards(simulation, 2)
    assert report.stakes["Changed"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("shards", [2, 4])
def test_many_epochs_of_many_shards_with_crashes_and_a_partition(seed: int, shards: int) -> None:
    crashes = [Crash(3.0 + 5.0 * turn, 5.0 + 5.0 * turn, (node,)) for turn, node in enumerate(SEATS[-1])]
    faults: tuple[Fault, ...] = (
        *crashes,
        CrashAt(22.1, 25.0, FailPoint.ENDED_TORN, tuple(range(5)), is_everybody=True),
        Partition(26.0, 27.5, (0,), Direction.BOTH),
    )
    seats = (*SEATS, (0, 1, 2, 3, 4))  # in the end whoever accepted something can name it
    options = make_epochs(shards, seed=seed, time_s=30.0, faults=faults, rate=6.0, seats=seats)
    simulation, report = play(options)
    assert isinstance(report.verdict, Pass), report.verdict
    check_shards(simulation, 9)
