"""Event ids of a node with several shards: one number that holds how far each shard's log was read.

Each shard counts its own events from 1. Along a merged stream one of these counts grows with every event, so
the number made of all of them grows too, and says for every shard where to go on.
"""

from collections.abc import Sequence
from typing import Final

POSITION_BITS: Final = 40
"""Bits of one shard's count: 10^12 events, three years of 10,000 a second."""

_MASK: Final = (1 << POSITION_BITS) - 1


def join_positions(positions: Sequence[int]) -> int:
    """One number of the counts of all shards, shard 0 in its lowest bits."""
    joined = 0
    for position in reversed(positions):
        joined = joined << POSITION_BITS | position
    return joined


def split_positions(joined: int, shards: int) -> list[int] | None:
    """The counts of so many shards; none where the number was made for more."""
    if joined >> (POSITION_BITS * shards):
        return None
    return [joined >> (POSITION_BITS * shard) & _MASK for shard in range(shards)]
