"""How the dashboard stands to its node: connecting, live, stale or disconnected, and for how long.

The judgement is a pure function of three moments and the last outage: it can be tested without waiting.
"""

from enum import StrEnum

from msgspec import Struct

from tui.snapshot import Outage

STALE_AFTER_S = 5.0
"""Silence after which figures are called stale: five ticks, longer than any single slow answer."""


class Phase(StrEnum):
    """State of the connection."""

    CONNECTING = "connecting"
    """Nothing received yet."""

    LIVE = "live"
    """The last tick brought a snapshot, a moment ago."""

    STALE = "stale"
    """No outage is known, and no snapshot has come for a while."""

    DISCONNECTED = "disconnected"
    """The last tick was an outage."""


class Link(Struct, frozen=True):
    """The state of the connection, for the header."""

    phase: Phase
    """Which state."""

    age_s: float
    """Seconds since the last snapshot, or since the start when there was none."""

    has_data: bool
    """Whether any snapshot has come."""

    outage: Outage | None
    """The outage, while disconnected."""


def compute_link(now_s: float, started_s: float, received_s: float | None, outage: Outage | None) -> Link:
    """Judge the connection at ``now_s`` from when it began, when a snapshot came, and what failed since."""
    age_s = max(0.0, now_s - (started_s if received_s is None else received_s))
    if outage is not None:
        phase = Phase.DISCONNECTED
    elif received_s is None:
        phase = Phase.CONNECTING
    else:
        phase = Phase.STALE if age_s > STALE_AFTER_S else Phase.LIVE
    return Link(phase=phase, age_s=age_s, has_data=received_s is not None, outage=outage)
