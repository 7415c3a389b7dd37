"""What the book of stakes holds, as entries that come, change and go."""

from enum import IntEnum
from typing import Final

from msgspec import Struct

from tangle.core.encoding import decode, encode
from tangle.core.hashing import STAKING, compute_record_hash
from tangle.core.types import Digest, Grains, Natural, PublicKey

ENTRY_SIZE_MAX: Final = 256
"""Longest encoded entry in bytes: two keys and nine numbers take 150."""

NEVER: Final = 0
"""An epoch field that says "not at all"; epochs in such fields are counted from 1."""


class StakingShelf(IntEnum):
    """The lists of the book. Codes are part of the record."""

    CANDIDATE = 1
    """Those that can be elected, could be, or serve."""

    LEAVING = 2
    """Stakes that wait to be given back."""


class Candidate(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Somebody who can be elected, by the key that signs blocks."""

    validator: PublicKey
    """Key that signs blocks."""

    owner: PublicKey
    """Account whose stake counts, and which is paid for the epoch."""

    since: Natural
    """Epoch in which it registered; it can be elected at that epoch's end."""

    retired: Natural
    """One more than the epoch in which it retired; ``NEVER`` while it stands."""

    jailed: Natural
    """One more than the last epoch for which it is not elected; ``NEVER`` when it has not signed twice."""

    work: Natural
    """Counted evaluations of the epochs before this one, decayed."""

    fresh: Natural
    """Counted evaluations of this epoch."""

    blocks: Natural
    """Blocks of this epoch that were committed."""


class Leaving(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A part of a stake that was taken back and is still bound."""

    owner: PublicKey
    """Whose it is."""

    release: Natural
    """Epoch whose beginning sets it free."""

    amount: Grains
    """How much, after what was slashed."""


StakingEntry = Candidate | Leaving
"""Whatever stands on a list."""


class StakingChange(Struct, frozen=True):
    """An entry that came, went or became another."""

    shelf: StakingShelf
    """On which list."""

    key: bytes
    """The validator's key, or ``compute_leaving_key``."""

    before: StakingEntry | None
    """What it was, if it was there."""

    after: StakingEntry | None
    """What it is now, if it is there."""


def compute_leaving_key(owner: PublicKey, release: int) -> bytes:
    """Epoch first, so that what is due stands together: 40 bytes."""
    return release.to_bytes(8, "big") + owner


def get_shelf(entry: StakingEntry) -> StakingShelf:
    """The list that an entry belongs on."""
    return StakingShelf.CANDIDATE if isinstance(entry, Candidate) else StakingShelf.LEAVING


def compute_entry_key(entry: StakingEntry) -> bytes:
    """The key of an entry on its list."""
    if isinstance(entry, Candidate):
        return entry.validator
    return compute_leaving_key(entry.owner, entry.release)


def encode_entry(entry: StakingEntry) -> bytes:
    """Canonical bytes for the store."""
    return encode(entry)


def decode_entry(shelf: StakingShelf, data: bytes) -> StakingEntry:
    """Read a stored entry.

    :raises OversizeEncoding, MalformedEncoding: not the canonical encoding of one.
    """
    if shelf is StakingShelf.CANDIDATE:
        return decode(Candidate, data, limit=ENTRY_SIZE_MAX)
    return decode(Leaving, data, limit=ENTRY_SIZE_MAX)


def compute_staking_entry(entry: StakingEntry) -> Digest:
    """``H(tangle/staking, ["entry", shelf, entry])``, which stands for an entry in the state's running
    sum.
    """
    return compute_record_hash(STAKING, b"entry", int(get_shelf(entry)), entry)
