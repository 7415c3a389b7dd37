"""One of the nodes that a dashboard watches: the last that was heard of it."""

from typing import assert_never

from msgspec import Struct

from tui.link import Link, Phase, compute_link
from tui.snapshot import Outage, Snapshot, Tick
from tui.sources import SnapshotSource


class NodeTab(Struct, frozen=True):
    """A node in the row of nodes."""

    name: str
    """Its name, or where it is while nothing is known of it."""

    phase: Phase
    """How the connection stands."""

    is_shown: bool
    """Whether the panels show it."""


class Watch:
    """A source and its latest ticks. Mutable; the application owns it."""

    def __init__(self, source: SnapshotSource, started_s: float) -> None:
        """Nothing has been heard."""
        self.source = source
        self.latest: Snapshot | None = None
        self._started_s = started_s
        self._received_s: float | None = None
        self._outage: Outage | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        return self.source.label if self.latest is None else self.latest.node.name

    def take(self, tick: Tick, now_s: float) -> None:
        """Remember a tick."""
        match tick:
            case Snapshot():
                self.latest, self._outage, self._received_s = tick, None, now_s
            case Outage():
                self._outage = tick
            case _:
                assert_never(tick)

    def judge(self, now_s: float) -> Link:
        """How the connection stands."""
        return compute_link(now_s, self._started_s, self._received_s, self._outage)

    def make_tab(self, now_s: float, *, is_shown: bool) -> NodeTab:
        """What the row of nodes shows of it."""
        return NodeTab(self.name, self.judge(now_s).phase, is_shown)
