"""When the transactions of an open loop are due, and which go out together.

An open loop sends at a fixed rate whatever the node answers. Every transaction has an intended time, fixed
before the start, and its latency counts from there: a node that stalls makes all that was due meanwhile late,
also what could not even be sent. Counting from the moment of sending would leave those waits out (coordinated
omission; Tene, "How NOT to Measure Latency", 2015).
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

BATCH_MAX: Final = 500
"""Most transactions in one request: what the batch route takes by default."""

TRANSACTIONS_MAX: Final = 5_000_000
"""Most transactions of one run: each has a latency, kept in memory."""


class Batch(Struct, frozen=True):
    """Transactions that go out in one request."""

    first: int
    """Number of the first, from 0."""

    count: int
    """How many."""

    due_s: float
    """When the last of them is due, in seconds after the start: then the request goes out."""


class Schedule(Struct, frozen=True):
    """A fixed arrival rate."""

    rate: float
    """Transactions a second."""

    count: int
    """Of all transactions."""

    tick_s: float
    """Transactions due within so long go out together: requests cost more than transactions do."""

    def get_due_s(self, number: int) -> float:
        """When transaction ``number`` is due, in seconds after the start."""
        return number / self.rate

    def iterate_batches(self) -> Iterator[Batch]:
        """All requests in the order of their times. None waits longer than a tick for its first item."""
        size = min(BATCH_MAX, max(1, int(self.rate * self.tick_s)))
        for first in range(0, self.count, size):
            count = min(size, self.count - first)
            yield Batch(first, count, self.get_due_s(first + count - 1))


def make_schedule(rate: float, duration_s: float, tick_s: float) -> Schedule:
    """Transactions at ``rate`` for ``duration_s``, at least one."""
    count = min(TRANSACTIONS_MAX, max(1, round(rate * duration_s)))
    return Schedule(rate, count, tick_s)
