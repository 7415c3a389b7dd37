"""The clock seam: where a node's wall time comes from.

Waiting is anyio's business (the simulator gives trio virtual time); only the wall clock, which stamps blocks,
needs a seam of its own. This module holds the one permitted reading of the system clock.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch."""

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary origin, never going back; for measuring spans."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000  # noqa: TID251  # the twin that owns the wall clock

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary origin, never going back."""
        return time.monotonic()  # the twin that owns the clock
