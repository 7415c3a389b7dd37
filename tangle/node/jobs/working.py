"""What a worker should do next: offer itself, do what it was given, hand it in or give it back, defend it."""

from collections.abc import Iterator, Mapping
from typing import Final, assert_never

from msgspec import Struct

from poi.market.operations import AnnounceCapacity, DeclineJob, Operation, SubmitResult, WithdrawCapacity
from poi.market.records import Assigned, Capacity, Claimed, Disputed, Job, Kind, MarketState
from tangle.core.types import GRAINS_PER_TOKEN, Digest, Grains, PublicKey
from tangle.node.jobs.settings import JobsConfig

FEE_RESERVE: Final = GRAINS_PER_TOKEN
"""Grains that an account keeps for fees when it puts up a bond: many operations at the lowest price."""

LAST_CALL_DIVISOR: Final = 4
"""When a quarter of a worker's time is left, a job whose data did not come is given back, so that it is not
late."""


class Result(Struct, frozen=True):
    """A job is done here."""

    submission: SubmitResult
    """What is handed in."""


class Obstacle(Struct, frozen=True):
    """A job could not be done so far."""

    reason: str
    """Why, for people."""

    is_final: bool
    """Whether trying again is of no use."""


WorkNote = Result | Obstacle
"""How far a job in hand is."""


class Standing(Struct, frozen=True):
    """The worker's own affairs."""

    account: PublicKey
    """Its account."""

    balance: int
    """What it can spend."""

    is_away: bool
    """It takes no work any more: a result of its own was found wrong, so something is broken here."""


class Send(Struct, frozen=True):
    """Ask the market for something with the node's account."""

    operation: Operation
    """What."""

    about: Digest | None
    """The job that it is about."""


class Perform(Struct, frozen=True):
    """Do a job."""

    job: Job
    """The job."""

    phase: Assigned
    """Its assignment to this worker."""


class Play(Struct, frozen=True):
    """Make the next move in a dispute, if it is this node's turn."""

    job: Job
    """The job."""

    phase: Disputed
    """The dispute."""


WorkerAction = Send | Perform | Play
"""What a worker can do."""


def decide_work(
    config: JobsConfig,
    standing: Standing,
    state: MarketState,
    notes: Mapping[Digest, WorkNote],
    bond_min: int,
    now_ms: int,
) -> Iterator[WorkerAction]:
    """What the worker of a node should do now.

    :param notes: how far the jobs in hand are.
    :param bond_min: least bond that the market takes.
    :param now_ms: commit time of the latest executed checkpoint.
    """
    account = standing.account
    capacity = next((each for each in state.capacities if each.worker == account), None)
    yield from _decide_offer(config, standing, capacity, bond_min)
    for job in state.jobs:
        match job.phase:
            case Assigned(worker=worker) as phase if worker == account:
                yield _decide_job(job, phase, notes.get(job.id), now_ms)
            case Disputed(claim=Claimed(worker=worker)) as phase if worker == account:
                yield Play(job, phase)
            case _:
                pass


def _decide_offer(
    config: JobsConfig, standing: Standing, capacity: Capacity | None, bond_min: int
) -> Iterator[Send]:
    is_willing = config.worker and not standing.is_away
    if capacity is not None:
        if not is_willing and not capacity.retiring:
            yield Send(WithdrawCapacity(), None)
        return
    bond = max(config.bond, bond_min)
    if is_willing and standing.balance >= bond + FEE_RESERVE:
        yield Send(make_announcement(config, bond), None)


def make_announcement(config: JobsConfig, bond: int) -> AnnounceCapacity:
    """What a node offers."""
    return AnnounceCapacity(
        kinds=(Kind.INFERENCE, Kind.TRANSFORMATION),
        speed=config.speed,
        units_max=config.units_max,
        price_min=config.price_min,
        slots=config.slots,
        bond=Grains(bond),
    )


def _decide_job(job: Job, phase: Assigned, note: WorkNote | None, now_ms: int) -> WorkerAction:
    match note:
        case None:
            return Perform(job, phase)
        case Result(submission=submission):
            return Send(submission, job.id)
        case Obstacle(is_final=is_final):
            if is_final or now_ms >= phase.due_ms - job.result_ms // LAST_CALL_DIVISOR:
                return Send(DeclineJob(job.id), job.id)
            return Perform(job, phase)
        case _:
            assert_never(note)
