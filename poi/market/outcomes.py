"""What a step of the market moves and tells: movements for accounts, events for people and history."""

from enum import IntEnum
from typing import Annotated

from msgspec import Meta, Struct

from poi.disputes.outcomes import Outcome as DisputeResult
from poi.disputes.record import Side
from poi.market.limits import MOVE_SIZE_MAX
from poi.market.records import Job
from tangle.core.blob_id import BLOB_ID_SIZE_MAX
from tangle.core.types import Digest, Grains, Milliseconds, Natural, PublicKey


class Purpose(IntEnum):
    """What a movement is for. Codes are part of the record."""

    PROGRAM = 1
    """A program's deposit."""

    CAPACITY = 2
    """A worker's bond."""

    ESCROW = 3
    """A customer's money."""

    CHALLENGE = 4
    """A challenger's bond."""

    ANSWER = 5
    """The bond of a sealed answer."""

    PAYMENT = 6
    """Pay for work, and what is burned of it."""

    LATE = 7
    """What a late worker loses."""

    DISPUTE = 8
    """What the loser of a dispute loses."""

    COMMITTEE = 9
    """Not the market's: what an epoch pays its committee."""


class Topic(IntEnum):
    """What validators vote on. Codes are part of the record."""

    PROGRAM = 1
    """Whether a registered program can be had and is as described."""

    CLAIM = 2
    """Whether a result is right."""

    DISPUTE = 3
    """How the game about a result ended."""

    DATA = 4
    """Whether training data can be had and is what the job names."""


class Removal(IntEnum):
    """Why a program is no longer on the list. Codes are part of the record."""

    RETIRED = 1
    """Its owner took it off."""

    REJECTED = 2
    """Validators of more than a third of the weight voted against it."""

    UNCONFIRMED = 3
    """No quorum confirmed it in time."""


class Debit(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """Taken from an account and held by the market."""

    account: PublicKey
    """Whose."""

    amount: Grains
    """How much."""

    purpose: Purpose
    """What for."""

    about: Annotated[bytes, Meta(max_length=32)]
    """The job or program that it is about, or nothing: a worker's own comings and goings."""


class Credit(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """Given to an account out of what the market held."""

    account: PublicKey
    """Whose."""

    amount: Grains
    """How much."""

    purpose: Purpose
    """What for."""

    about: Annotated[bytes, Meta(max_length=32)]
    """The job or program that it is about, or nothing: a worker's own comings and goings."""


class Burn(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """Destroyed out of what the market held."""

    amount: Grains
    """How much."""

    purpose: Purpose
    """What for."""

    about: Annotated[bytes, Meta(max_length=32)]
    """The job or program that it is about, or nothing: a worker's own comings and goings."""


Movement = Debit | Credit | Burn
"""Every way in which grains move. What the market holds changes by exactly the sum of these."""


class Fault(IntEnum):
    """Why an attempt at a job failed. Codes are part of the record."""

    DECLINED = 1
    """The worker gave it back."""

    LATE = 2
    """No result in time."""

    REJECTED = 3
    """Validators of more than a third of the weight rejected the result."""

    REFUTED = 4
    """A dispute refuted the result."""


class Ending(IntEnum):
    """How a job ended. Codes are part of the record."""

    PAID = 1
    """It was done and paid."""

    CANCELLED = 2
    """The customer took it back."""

    EXPIRED = 3
    """Nobody did it by the deadline."""

    FAILED = 4
    """As many workers failed as may try."""


class JobOpened(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """A job is live."""

    job: Digest
    """The job."""

    units: Natural
    """How much is to be done."""

    price: Grains
    """What it costs if it is done."""


class JobAssigned(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """A worker was drawn."""

    job: Digest
    """The job."""

    worker: PublicKey
    """Who has to do it."""

    due_ms: Milliseconds
    """Last moment for its result."""


class ResultClaimed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """A result stands and may be challenged."""

    job: Digest
    """The job."""

    end_ms: Milliseconds
    """Last moment for a challenge."""


class VoteCounted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """A validator's first verdict on something."""

    about: Digest
    """The job or program."""

    topic: Topic
    """What of it."""

    validator: Natural
    """Which validator."""

    verdict: Natural
    """What it said."""


class ResultChallenged(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    """A dispute begins."""

    job: Digest
    """The job."""

    challenger: PublicKey
    """Who says that the result is wrong."""

    bond: Grains
    """What each party may lose."""


class DisputeSettled(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=6):
    """A dispute ended."""

    job: Digest
    """The job."""

    result: DisputeResult
    """How."""


class AttemptFailed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=7):
    """A worker did not do a job; it is not offered further jobs until it announces itself again."""

    job: Digest
    """The job."""

    worker: PublicKey
    """Who had it."""

    fault: Fault
    """Why."""


class AnswerShown(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=8):
    """A sealed answer was shown and checked."""

    job: Digest
    """The job."""

    worker: PublicKey
    """Whose it is."""

    value: Natural
    """What it costs."""


class GenerationPaid(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=9):
    """A generation of a training job was paid."""

    job: Digest
    """The job."""

    generation: Natural
    """Which one."""

    paid: Grains
    """What all its workers got together."""


class JobEnded(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=10):
    """A job is no longer live."""

    job: Digest
    """The job."""

    ending: Ending
    """How it ended."""

    refunded: Grains
    """What the customer got back now."""


class AnswerSealed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=11):
    """Somebody sealed an answer."""

    job: Digest
    """The job."""

    worker: PublicKey
    """Whose it is."""


class MoveMade(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=12):
    """A party of a dispute moved. The referee plays these in order, at the times of their checkpoints."""

    job: Digest
    """The job."""

    side: Side
    """Who moved."""

    move: Annotated[bytes, Meta(max_length=MOVE_SIZE_MAX)]
    """The encoded move; empty if it is a blob."""

    blob: Annotated[bytes, Meta(max_length=BLOB_ID_SIZE_MAX)]
    """The blob that holds it; empty if it is here."""


class DataConfirmed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=13):
    """A quorum of validators has the training data; the job may join the board."""

    job: Digest
    """The job."""


class ProgramRegistered(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=14):
    """A program is on the list and waits for its confirmation."""

    program: Digest
    """The program."""

    owner: PublicKey
    """Who registered it."""


class ProgramConfirmed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=15):
    """A quorum of validators has the program and found it as described."""

    program: Digest
    """The program."""


class ProgramRemoved(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=16):
    """A program is off the list; its deposit went back."""

    program: Digest
    """The program."""

    removal: Removal
    """Why."""


Event = (
    JobOpened
    | JobAssigned
    | ResultClaimed
    | VoteCounted
    | ResultChallenged
    | DisputeSettled
    | AttemptFailed
    | AnswerShown
    | GenerationPaid
    | JobEnded
    | AnswerSealed
    | MoveMade
    | DataConfirmed
    | ProgramRegistered
    | ProgramConfirmed
    | ProgramRemoved
)
"""Everything that the market tells."""


def get_subject(event: Event) -> Digest:
    """The job or program that an event is about."""
    match event:
        case VoteCounted():
            return event.about
        case ProgramRegistered() | ProgramConfirmed() | ProgramRemoved():
            return event.program
        case _:
            return event.job


class Outcome(Struct, frozen=True):
    """What one step did."""

    movements: tuple[Movement, ...]
    """Where grains went, in order. Nothing of zero grains is among them."""

    events: tuple[Event, ...]
    """What happened, in order."""

    ended: tuple[Job, ...] = ()
    """Jobs that ended, as they were just before."""
