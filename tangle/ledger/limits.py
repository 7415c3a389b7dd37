"""How much a sub-DAG holds, and its figures at one moment."""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

UNWRITTEN_MAX: Final = 2_000
"""Ordered transactions that may wait for the disk before the commit that makes the write full."""


class SubDagLimits(Struct, frozen=True):
    """Bounds of a node's memory. They are no part of the protocol: nodes may differ."""

    unordered_max: int = 32_768
    """Most attached and waiting transactions together: about ten seconds of the highest load, 100 MB at 3 KB
    each."""

    needed_reserve: int = 32_768
    """How far transactions that committee blocks name may exceed the limits: a node that refused them would
    stall."""

    waiting_max: int = 4_096
    """Most waiting transactions: what arrives during the time that one fetch of a parent takes."""

    waiting_per_source_max: int = 1_024
    """Most waiting transactions of one source, so that one peer cannot fill the room."""

    waiting_checkpoints_max: int = 64
    """A transaction whose parents did not come within this many checkpoints is given up."""

    recent_max: int = 65_536
    """Ordered transactions kept for their children (about 250 bytes each); older ones are looked up in the
    store."""


class SubDagStatistics(Struct, frozen=True):
    """Sizes at one moment, for dashboards and metrics."""

    unordered: int
    """Attached, not ordered."""

    waiting: int
    """Waiting for parents."""

    missing: int
    """Distinct parents that are waited for, those that wait themselves included."""

    recent: int
    """Ordered and still remembered."""

    heads: int
    """Heads that the next block may name."""

    tips: int
    """Tips offered to wallets."""

    executed: int
    """Latest executed checkpoint."""


def widen_window(limits: SubDagLimits) -> SubDagLimits:
    """The same with a window that holds what a single commit may order, until it is on disk.

    One that left the window before the store knows it as ordered would look as if it had never been.
    """
    ordered_max = limits.unordered_max + limits.needed_reserve + UNWRITTEN_MAX
    return replace(limits, recent_max=max(limits.recent_max, ordered_max))
