"""What stands on the market's lists, as entries that come, change and go: what a ledger keeps row by row."""

from enum import IntEnum

from msgspec import Struct

from poi.market.records import Capacity, Job, ProgramEntry


class Shelf(IntEnum):
    """The lists of the market. Codes are part of the record."""

    PROGRAM = 1
    """Registered programs."""

    CAPACITY = 2
    """Announced workers."""

    JOB = 3
    """Live jobs."""


Entry = ProgramEntry | Capacity | Job
"""Whatever stands on a list."""


class Change(Struct, frozen=True):
    """An entry that came, went or became another."""

    shelf: Shelf
    """On which list."""

    key: bytes
    """Id of the program or job, or key of the worker."""

    before: Entry | None
    """What it was, if it was there."""

    after: Entry | None
    """What it is now, if it is there."""
