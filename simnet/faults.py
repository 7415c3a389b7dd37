"""What a simulation does to its nodes: a closed sum of faults, each with its span of time.

A plan is a tuple of them. It is drawn from the seed so that at most the committee's tolerance is down at a
time, or everybody is; and everything is whole again when the plan ends. The first fault of a plan and the
first fail point go round: as many seeds in a row as there are kinds begin with each of them once.
"""

from enum import Enum
from typing import Annotated, Final

from msgspec import Meta, Struct

from simnet.chance import Chance
from simnet.fail_points import FailPoint
from simnet.tampering import Tampering

FAULTS_PER_MINUTE: Final = 20.0
"""Average number drawn for a minute: rare enough that nodes recover in between, mostly."""

FIRST_MAX_S: Final = 0.5
"""Longest wait of a plan's first fault after the calm beginning: a short run is not without any."""

CALM_S: Final = 2.0
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


class Clog(Struct, frozen=True, forbid_unknown_fields=True, tag_field="play", tag="clog"):
    """Packets from one node to another are held, those in the other direction are not."""

    at_s: float
    until_s: float
    source: int
    target: int


class Tamper(Struct, frozen=True, forbid_unknown_fields=True, tag_field="play", tag="tamper"):
    """Somebody stands on the way from one node to another and does something to what passes."""

    at_s: float
    until_s: float
    source: int
    target: int
    how: Tampering
    share: Annotated[float, Meta(gt=0, le=1)]
    """Of the packets."""


class HalfOpen(Struct, frozen=True, forbid_unknown_fields=True, tag_field="play", tag="half-open"):
    """A node loses its connections with another, which is not told and goes on as if it had them."""

    at_s: float
    until_s: float
    first: int
    """Who loses them."""

    second: int
    """Who is not told."""


class OldHandshake(Struct, frozen=True, forbid_unknown_fields=True, tag_field="play", tag="old-handshake"):
    """Somebody plays to a node what another said when it dialled last."""

    at_s: float
    until_s: float
    source: int
    """Who said it."""

    target: int
    """Who hears it again."""


Fault = Crash | CrashAt | Partition | SlowLinks | BadWeather | Cut | Clog | Tamper | HalfOpen | OldHandshake
"""All of them."""

ALONE: Final = ("crash", "crash-all", "point")
"""What can be drawn for one node."""

TOGETHER: Final = (
    "partition",
    "slow",
    "weather",
    "cut",
    "clog",
    "tamper",
    "tamper",
    "half-open",
    "old-handshake",
)
"""What needs a second one."""

KINDS: Final = (*ALONE, "point", "point", *TOGETHER, "lost-disk")
"""With which a plan may begin: fail points are many, and a lost disk needs a committee that tolerates it."""


def draw_faults(
    chance: Chance, nodes: int, stop_s: float, first: str = "point", point: FailPoint = POINTS[0]
) -> tuple[Fault, ...]:
    """A plan that ends before ``stop_s``.

    :param first: of ``KINDS``, with which the plan begins, where so many nodes can have it.
    :param point: fail point of the first kill at one.
    """
    faults: list[Fault] = []
    possible = _find_kinds(nodes)
    kind = first if first in possible else chance.choice(possible)
    points = [point]
    at_s = CALM_S + min(FIRST_MAX_S, chance.expovariate(FAULTS_PER_MINUTE / 60))
    while True:
        until_s = min(stop_s, at_s + chance.uniform(SPAN_MIN_S, SPAN_MAX_S))
        if until_s < at_s + SPAN_MIN_S:
            return tuple(faults)
        armed = points.pop() if kind == "point" and points else chance.choice(POINTS)
        fault = _draw_fault(chance, kind, nodes, round(at_s, 3), round(until_s, 3), armed)
        if isinstance(fault, Crash | CrashAt):
            at_s = until_s  # so that crashes do not add up to more than are tolerated
        faults.append(fault)
        at_s += chance.expovariate(FAULTS_PER_MINUTE / 60)
        kind = chance.choice(possible)


def _find_kinds(nodes: int) -> tuple[str, ...]:
    """What so many nodes can have; the commonest troubles of machines more than once."""
    kinds = [*ALONE, "point"]
    if nodes > 1:
        kinds += [*TOGETHER, "partition"]
    if nodes > 3:
        kinds.append("lost-disk")
    return tuple(kinds)


def _draw_fault(
    chance: Chance, kind: str, nodes: int, at_s: float, until_s: float, point: FailPoint
) -> Fault:
    tolerated = max(1, (nodes - 1) // 3)
    match kind:
        case "crash":
            group = chance.sample(range(nodes), chance.randint(1, tolerated))
            return Crash(at_s, until_s, tuple(sorted(group)))
        case "crash-all":
            return Crash(at_s, until_s, tuple(range(nodes)))
        case "lost-disk":
            return Crash(at_s, until_s, (chance.randrange(nodes),), is_disk_lost=True)
        case "point":
            return CrashAt(at_s, until_s, point, tuple(range(nodes)), is_everybody=chance.random() < 0.5)
        case "partition":
            group = chance.sample(range(nodes), chance.randint(1, max(1, nodes // 2)))
            return Partition(at_s, until_s, tuple(sorted(group)), chance.choice(list(Direction)))
        case "slow":
            extra_ms = round(chance.uniform(20, 1_500), 1)
            return SlowLinks(at_s, until_s, chance.randrange(nodes), extra_ms, chance.choice([2e4, 2e5, 2e6]))
        case "weather":
            loss, jitter_ms = round(chance.uniform(0.001, 0.2), 4), round(chance.uniform(0, 200), 1)
            return BadWeather(at_s, until_s, loss, jitter_ms)
        case _:
            first, second = chance.sample(range(nodes), 2)
            return _draw_between(chance, kind, at_s, until_s, first, second)


def _draw_between(chance: Chance, kind: str, at_s: float, until_s: float, first: int, second: int) -> Fault:
    match kind:
        case "cut":
            return Cut(at_s, until_s, first, second)
        case "clog":
            return Clog(at_s, until_s, first, second)
        case "half-open":
            return HalfOpen(at_s, until_s, first, second)
        case "old-handshake":
            return OldHandshake(at_s, until_s, first, second)
        case _:
            how, share = chance.choice(list(Tampering)), round(chance.uniform(0.1, 0.5), 3)
            return Tamper(at_s, until_s, first, second, how, share)
