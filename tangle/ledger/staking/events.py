"""What happened to stakes and committees, for history: stakes that were burned, pay of committees, elections.

The book is what stands now; these records tell how it came to be so. They follow from the ordered history, so
every node of the leading shard has the same ones.
"""

from enum import IntEnum
from typing import Final

from msgspec import Struct

from tangle.core.encoding import decode, encode
from tangle.core.genesis import Validator
from tangle.core.types import Grains, Milliseconds, Natural, PublicKey

EVENT_SIZE_MAX: Final = 16_384
"""Longest encoded event in bytes: 256 members of a committee take 42 each."""


class SlashCause(IntEnum):
    """Why a stake was burned. Codes are part of the record."""

    TWIN = 1
    """Two blocks of one round were committed."""

    REFUTED = 2
    """A dispute refuted a result that it gave as a worker."""


class Slashed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """A part of a candidate's stake was destroyed."""

    validator: PublicKey
    """The candidate's key."""

    owner: PublicKey
    """Whose stake it was."""

    burned: Grains
    """How much."""

    cause: SlashCause
    """Why."""


class Rewarded(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """A member of a committee was paid for the epoch that ended."""

    validator: PublicKey
    """The member's key."""

    owner: PublicKey
    """Who got it."""

    amount: Grains
    """How much."""

    blocks: Natural
    """Its committed blocks of that epoch."""


class Elected(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """An epoch ended, and the next one has its committee."""

    epoch: Natural
    """The epoch that begins."""

    members: tuple[Validator, ...]
    """Whoever was elected; empty when the same go on."""


StakingEvent = Slashed | Rewarded | Elected
"""Whatever can happen."""


class StakingRecord(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An event as history keeps it."""

    timestamp_ms: Milliseconds
    """Commit time of the checkpoint in which it happened."""

    event: StakingEvent
    """What happened."""


def encode_staking_record(record: StakingRecord) -> bytes:
    """Canonical bytes for the store."""
    return encode(record)


def decode_staking_record(data: bytes) -> StakingRecord:
    """Read a stored event.

    :raises OversizeEncoding, MalformedEncoding: not the canonical encoding of one.
    """
    return decode(StakingRecord, data, limit=EVENT_SIZE_MAX)


def concerns(event: StakingEvent, key: PublicKey) -> bool:
    """Whether an event is about this validator or owner, or elects it."""
    match event:
        case Slashed(validator=validator, owner=owner) | Rewarded(validator=validator, owner=owner):
            return key in (validator, owner)
        case Elected(members=members):
            return any(member.public_key == key for member in members)
