"""Many epochs with validators that join, leave and crash under load, and a light client that was away."""

import pytest
from msgspec.structs import replace

from shards.epochs import EpochEnd, follow_epochs, make_genesis_committee
from shards.proofs import (
    PROOF_VERSION,
    TransactionProof,
    encode_transaction_proof,
    verify_transaction_proof,
)
from simnet.adversaries import Adversary, Strategy
from simnet.fail_points import FailPoint
from simnet.faults import Crash, CrashAt, Direction, Fault, OldHandshake, Partition
from simnet.options import ClockError, SimulationOptions
from simnet.run import Report, Simulation, run_simulation
from simnet.verdicts import Pass
from tangle.core.genesis import compute_chain_id
from tangle.core.merkle import compute_inclusion_proof
from tangle.core.types import CheckpointIndex
from tangle.ledger.effects import encode_effect
from tangle.node.archive import Archive
from tangle.store.memory_store import MemoryStore
from tests.simnet.builders import make_options

pytestmark = [pytest.mark.sim, pytest.mark.timeout(600)]

SEATS = (
    (0, 1, 2, 3),
    (1, 2, 3, 4),
    (1, 2, 3, 4, 5),
    (2, 3, 4, 5),
    (3, 4, 5, 6),
    (0, 4, 5, 6),
    (0, 1, 2, 3, 4, 5, 6),
    (6, 5, 1, 0),
)
"""Somebody joins or leaves at nearly every end; those named last stay."""


class Watch:
    """What a light client is told at the end of a run, from the disk of a node."""

    def __init__(self) -> None:
        self.epochs = 0
        self.proven_epoch = 0

    def look(self, simulation: Simulation, _: Report) -> None:
        """Follow from the genesis by the ends of epochs alone, and check the newest proof."""
        world = simulation.world
        member = world.honest[0]
        archive = Archive(MemoryStore(member.disk))
        ends = []
        for _committee, begun in archive.committees.list_committees(1, 1_000):
            checkpoint, certificate = archive.get_checkpoint(begun), archive.get_certificate(begun)
            if checkpoint is not None and certificate is not None:
                ends.append(EpochEnd(checkpoint, certificate))
        chain = compute_chain_id(world.genesis)
        committees = follow_epochs(make_genesis_committee(world.genesis), ends, chain)
        self.epochs = len(committees) - 1
        proof = make_newest_proof(archive)
        self.proven_epoch = verify_transaction_proof(proof, world.genesis, ends).committee.epoch


def make_newest_proof(archive: Archive) -> bytes:
    """Of the last transaction that was ordered."""
    index = 0
    while (found := archive.get_checkpoint(index + 1)) is not None:
        index = found.index
    checkpoint = archive.get_checkpoint(index)
    while checkpoint is not None and (
        not checkpoint.ordered_count or archive.get_certificate(checkpoint.index) is None
    ):
        checkpoint = archive.get_checkpoint(checkpoint.index - 1)
    assert checkpoint is not None
    certificate = archive.get_certificate(checkpoint.index)
    assert certificate is not None
    total = checkpoint.ordered_total
    rows = archive.get_ordered_range(total - checkpoint.ordered_count, total)
    effects, identities = (
        [encode_effect(row.effect) for row in rows],
        [row.effect.transaction for row in rows],
    )
    transaction = archive.get_transaction(identities[-1])
    assert transaction is not None
    place = len(rows) - 1
    ordered = compute_inclusion_proof(identities, place)
    proven = compute_inclusion_proof(effects, place)
    return encode_transaction_proof(
        TransactionProof(
            PROOF_VERSION, transaction.encoded, effects[-1], ordered, proven, checkpoint, certificate
        )
    )


def play(options: SimulationOptions) -> tuple[Report, Watch]:
    watch = Watch()
    return run_simulation(options, on_end=watch.look), watch


def test_validators_join_and_leave_while_one_is_down() -> None:
    faults: tuple[Fault, ...] = (
        Crash(2.0, 5.0, (2,)),
        CrashAt(5.0, 8.0, FailPoint.BEGUN_BEFORE, (1, 3, 4), is_everybody=False),
    )
    report, watch = play(make_options(nodes=7, time_s=10.0, faults=faults, epoch_ms=2_000, seats=SEATS))
    assert isinstance(report.verdict, Pass), report.verdict
    assert watch.epochs >= 4
    assert watch.proven_epoch >= 4


def test_a_node_that_dies_where_an_epoch_begins_comes_back_into_it() -> None:
    """Seed 14 of 12 seconds, which once did not end; written down, for what a seed draws may change."""
    offsets, drifts = (-22, 70, 33, -9), (112, 100, 85, 86)
    options = SimulationOptions(
        seed=14,
        nodes=4,
        time_s=12.0,
        regions=("virginia", "ireland", "ireland", "virginia"),
        clocks=tuple(ClockError(offset, drift) for offset, drift in zip(offsets, drifts, strict=True)),
        faults=(
            CrashAt(2.102, 4.622, FailPoint.BEGUN_AFTER, (0, 1, 2, 3), is_everybody=False),
            OldHandshake(10.693, 12.0, 1, 3),
        ),
        adversaries=(Adversary(2, Strategy.WHISPERING),),
        wallets=2,
        rate=10.31,
        jitter_ms=3.13,
        disk_ms=5.0,
        intake_max=16,
        epoch_ms=1_500,
    )
    report, watch = play(options)
    assert isinstance(report.verdict, Pass), report.verdict
    assert watch.epochs >= 7


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_twenty_epochs_with_crashes_a_partition_and_an_adversary(seed: int) -> None:
    crashes = [Crash(3.0 + 6.0 * turn, 5.5 + 6.0 * turn, ((turn * 3) % 7,)) for turn in range(8)]
    points = [
        CrashAt(51.0, 54.0, FailPoint.ENDED_TORN, tuple(range(7)), is_everybody=True),
        CrashAt(55.0, 58.0, FailPoint.BEGUN_BEFORE, tuple(range(7)), is_everybody=True),
    ]
    faults: tuple[Fault, ...] = (*crashes, *points, Partition(59.0, 61.0, (0, 1), Direction.BOTH))
    options = make_options(seed, nodes=7, time_s=64.0, faults=faults, epoch_ms=3_000, seats=SEATS, rate=6.0)
    options = replace(options, adversaries=(Adversary(6, Strategy.EQUIVOCATING_TWO),))
    report, watch = play(options)
    assert isinstance(report.verdict, Pass), report.verdict
    assert watch.epochs >= 20
    assert watch.proven_epoch >= 20


def list_uncertified(simulation: Simulation) -> list[int]:
    """Checkpoints below the last certified one that have a certificate of their own on no honest disk."""
    certified: set[int] = set()
    for member in simulation.world.honest:
        archive, index = Archive(MemoryStore(member.disk)), 0
        while archive.get_checkpoint(CheckpointIndex(index + 1)) is not None:
            index += 1
            if archive.get_certificate(index) is not None:
                certified.add(index)
    return [index for index in range(1, max(certified)) if index not in certified]


@pytest.mark.parametrize("point", [FailPoint.ENDED_AFTER, FailPoint.FINAL_AFTER, FailPoint.BEGUN_BEFORE])
def test_crashes_around_the_end_of_an_epoch_leave_no_checkpoint_without_a_certificate(
    point: FailPoint,
) -> None:
    """One validator is gone to the end, and all others are killed at the worst moment and start again."""
    lacking: list[int] = []
    faults: tuple[Fault, ...] = (
        CrashAt(1.7, 3.0, point, (0, 1, 2), is_everybody=True),
        Crash(3.2, 9.0, (3,)),
        CrashAt(5.5, 6.5, point, (0, 1, 2), is_everybody=False),
    )
    options = make_options(time_s=9.0, faults=faults, epoch_ms=2_000)
    report = run_simulation(options, on_end=lambda ended, _: lacking.extend(list_uncertified(ended)))
    assert isinstance(report.verdict, Pass), report.verdict
    assert not lacking
