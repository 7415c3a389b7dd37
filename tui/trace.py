"""What a source remembers between two looks: rates, the learning curve, where transactions stand.

The node tells only how things are; the memory of how they came to be so is kept here, bounded, without I/O.
"""

import zlib
from collections import deque
from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from tui.snapshot import CURVE_POINTS, HISTORY_POINTS, CurvePoint, Vertex, VertexState

TRACE_VERTICES = 600
"""Transactions remembered for the picture: more than the widest shows and one answer brings (500)."""

LANE_PULL = 0.62
"""How much a transaction's lane follows its parents; the rest is its own and keeps the picture wide."""

LANE_SPREAD = 2.2
"""How far beyond the picture a transaction's own wish may reach, so that the rims are used too."""


class Sighting(Struct, frozen=True):
    """A transaction as the node told it."""

    id: str
    """Its id in hex."""

    parents: tuple[str, ...]
    """Ids of its parents."""

    state: VertexState
    """Where it is on its way."""

    checkpoint: int | None
    """Checkpoint that holds it."""

    reason: str | None = None
    """Why it conflicts or expired."""


class DagTrace:
    """Gives each new transaction a layer and a lane, once, and keeps its state up to date."""

    def __init__(self) -> None:
        self._vertices: dict[str, Vertex] = {}

    def update(self, sightings: Iterable[Sighting]) -> tuple[Vertex, ...]:
        """Take sightings in, oldest first; answers the remembered transactions in order of arrival."""
        for sighting in sightings:
            known = self._vertices.get(sighting.id)
            if known is None:
                self._vertices[sighting.id] = self._place(sighting)
            elif (known.state, known.checkpoint) != (sighting.state, sighting.checkpoint):
                self._vertices[sighting.id] = replace(
                    known, state=sighting.state, checkpoint=sighting.checkpoint, reason=sighting.reason
                )
        while len(self._vertices) > TRACE_VERTICES:
            del self._vertices[next(iter(self._vertices))]
        return tuple(self._vertices.values())

    def _place(self, sighting: Sighting) -> Vertex:
        """Layer and lane of a new transaction; one without known parents joins the newest layer."""
        parents = [self._vertices[name] for name in sighting.parents if name in self._vertices]
        if parents:
            layer = 1 + max(parent.layer for parent in parents)
            centre = sum(parent.lane for parent in parents) / len(parents)
        else:
            layer = max((vertex.layer for vertex in self._vertices.values()), default=0)
            centre = 0.5
        # A checksum of the id is noise that is the same on every screen.
        noise = zlib.crc32(sighting.id.encode()) / 0xFFFF_FFFF - 0.5
        wish = 0.5 + LANE_SPREAD * noise
        lane = min(1.0, max(0.0, LANE_PULL * centre + (1 - LANE_PULL) * wish))
        return Vertex(
            id=sighting.id,
            parents=sighting.parents,
            layer=layer,
            lane=lane,
            state=sighting.state,
            checkpoint=sighting.checkpoint,
            reason=sighting.reason,
        )


class RateTrace:
    """The last minute of one rate."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=HISTORY_POINTS)

    def update(self, value: float) -> tuple[float, ...]:
        """Add a value; answers all that are remembered, oldest first."""
        self._values.append(value)
        return tuple(self._values)


class ResourceTrace:
    """Shares and rates from figures that only grow."""

    def __init__(self) -> None:
        self._cores, self._lag_ms = RateTrace(), RateTrace()
        self._last: tuple[float, float, float, dict[str, int]] | None = None

    def update(
        self, uptime_s: float, cpu_s: float, workers_cpu_s: float, evaluations: Mapping[str, int]
    ) -> tuple[float, float, tuple[tuple[str, int, float], ...]]:
        """Take the figures of a look.

        :returns: cores that were busy since the last look, those of the workers, and by device the
            evaluations and their rate; zeros at the first look and when the node was started anew.
        """
        last, self._last = self._last, (uptime_s, cpu_s, workers_cpu_s, dict(evaluations))
        if last is None or uptime_s <= last[0]:
            last = self._last
        span_s = (uptime_s - last[0]) or 1.0
        work = tuple(
            (device, count, max(0, count - last[3].get(device, 0)) / span_s)
            for device, count in sorted(evaluations.items())
        )
        # A worker that ended takes its figure along.
        return (cpu_s - last[1]) / span_s, max(0.0, workers_cpu_s - last[2]) / span_s, work

    def remember(self, cores: float, lag_ms: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The last minute of both."""
        return self._cores.update(cores), self._lag_ms.update(lag_ms)


class FollowTrace:
    """When the transaction that is followed was first seen in each state."""

    def __init__(self) -> None:
        self.identity: str | None = None
        self._steps: dict[VertexState, int] = {}

    def follow(self, identity: str | None) -> None:
        """Look at this one from now on, or at none."""
        if identity != self.identity:
            self.identity, self._steps = identity, {}

    def update(self, state: VertexState, now_ms: int) -> tuple[tuple[VertexState, int], ...]:
        """Take a state in; answers all so far, oldest first."""
        self._steps.setdefault(state, now_ms)
        return tuple(self._steps.items())


class CurveTrace:
    """A learning curve that grows for weeks and stays small: when full, every second old point goes."""

    def __init__(self) -> None:
        self._points: list[CurvePoint] = []

    @property
    def next_generation(self) -> int:
        """First generation that is not known yet."""
        return self._points[-1].generation + 1 if self._points else 0

    def update(self, points: Iterable[CurvePoint]) -> tuple[CurvePoint, ...]:
        """Add generations in rising order; what is known already is passed over."""
        for point in points:
            if point.generation >= self.next_generation:
                self._points.append(point)
        while len(self._points) > CURVE_POINTS:
            # The first and the last point say where the curve began and where it is.
            self._points = [*self._points[:-1:2], self._points[-1]]
        return tuple(self._points)
