"""What a simulation does to its nodes: a closed sum of faults, each with its span of time.

A plan is a tuple of them. It is drawn from the seed so that at most the committee's tolerance is down at a
time, or everybody is; and everything is whole again when the plan ends.
"""

from enum import Enum
from typing import Annotated, Final

from msgspec import Meta, Struct

from simnet.chance import Chance
from simnet.fail_points import FailPoint

FAULTS_PER_MINUTE: Final = 15.0
"""Average number drawn for a minute: rare enough that nodes recover in between, mostly."""

CALM_S: Final = 3.0
"""Begins every simulation: the committee comes together."""

SPAN_MIN_S: Final = 0.3
"""Shortest fault."""

SPAN_MAX_S: Final = 8.0
"""Longest fault."""


POINTS: Final = tuple(point for point in FailPoint if not point.value.startswith("founding"))
"""Fail points that a running network reaches; founding comes once, before any plan."""


class Direction(Enum):
    """Which packets of a partition are held."""

    BOTH = "both"
    INTO = "into"
    """Those to the group: it talks and does not hear."""

    OUT = "out"
    """Those from the group: it hears and is not heard."""


class Crash(Struct, frozen=True, forbid_unknown_fields=True, tag_field="play", tag="crash"):
    """Processes are killed, and start again from their disks."""

    at_s: float
    until_s: float
    nodes: tuple[int, ...]
    is_disk_lost: bool = False
    """Whether they start from empty disks; the last-signed guards remain."""


class CrashAt(Struct, frozen=True, forbid_unknown_fields=True, tag_field="play", tag="crash-at"):
    """The first of some nodes to reach a fail point is killed there."""

    at_s: float
    """When the point is armed."""

    until_s: float
    """When whoever was killed starts again, and the point is disarmed."""

    point: FailPoint
    nodes: tuple[int, ...]
    is_everybody: bool = False
    """Whether all others are killed at the same moment."""


class Partition(Struct, frozen=True, forbid_unknown_fields=True, tag_field="play", tag="partition"):
    """A group is cut off from the others."""

    at_s: float
    until_s: float
    nodes: tuple[int, ...]
    direction: Direction


class SlowLinks(Struct, frozen=True, forbid_unknown_fields=True, tag_field="play", tag="slow-links"):
    """Everything from and to one node comes late and slowly."""

    at_s: float
    until_s: float
    node: int
    extra_ms: Annotated[float, Meta(ge=0, le=60_000)]
    bytes_per_s: Annotated[float, Meta(ge=1_000)]


class BadWeather(Struct, frozen=True, forbid_unknown_fields=True, tag_field="play", tag="bad-weather"):
    """Packets of every link are lost and jitter."""

    at_s: float
    until_s: float
    loss: Annotated[float, Meta(ge=0, lt=1)]
    jitter_ms: Annotated[float, Meta(ge=0, le=60_000)]


class Cut(Struct, frozen=True, forbid_unknown_fields=True, tag_field="play", tag="cut"):
    """The connections between two nodes break; what was under way is lost."""

    at_s: float
    until_s: float
    first: int
    second: int


Fault = Crash | CrashAt | Partition | SlowLinks | BadWeather | Cut
"""All of them."""


def draw_faults(chance: Chance, nodes: int, stop_s: float) -> tuple[Fault, ...]:
    """A plan that ends before ``stop_s``."""
    faults: list[Fault] = []
    at_s = CALM_S
    while True:
        at_s += chance.expovariate(FAULTS_PER_MINUTE / 60)
        until_s = min(stop_s, at_s + chance.uniform(SPAN_MIN_S, SPAN_MAX_S))
        if until_s < at_s + SPAN_MIN_S:
            return tuple(faults)
        fault = _draw_fault(chance, nodes, round(at_s, 3), round(until_s, 3))
        if isinstance(fault, Crash | CrashAt):
            at_s = until_s  # so that crashes do not add up to more than are tolerated
        faults.append(fault)


def _draw_fault(chance: Chance, nodes: int, at_s: float, until_s: float) -> Fault:
    tolerated = max(1, (nodes - 1) // 3)
    kinds = ["crash", "crash-all", "point", "point"]
    if nodes > 1:
        kinds += ["partition", "partition", "slow", "weather", "cut"]
    if nodes > 3:
        kinds.append("lost-disk")
    match chance.choice(kinds):
        case "crash":
            group = chance.sample(range(nodes), chance.randint(1, tolerated))
            return Crash(at_s, until_s, tuple(sorted(group)))
        case "crash-all":
            return Crash(at_s, until_s, tuple(range(nodes)))
        case "point":
            point = chance.choice(POINTS)
            return CrashAt(at_s, until_s, point, tuple(range(nodes)), is_everybody=chance.random() < 0.5)
        case "lost-disk":
            return Crash(at_s, until_s, (chance.randrange(nodes),), is_disk_lost=True)
        case "partition":
            group = chance.sample(range(nodes), chance.randint(1, max(1, nodes // 2)))
            return Partition(at_s, until_s, tuple(sorted(group)), chance.choice(list(Direction)))
        case "slow":
            extra_ms = round(chance.uniform(20, 1_500), 1)
            return SlowLinks(at_s, until_s, chance.randrange(nodes), extra_ms, chance.choice([2e4, 2e5, 2e6]))
        case "weather":
            return BadWeather(
                at_s, until_s, round(chance.uniform(0.001, 0.2), 4), round(chance.uniform(0, 200), 1)
            )
        case _:
            first, second = chance.sample(range(nodes), 2)
            return Cut(at_s, until_s, first, second)
