"""What one simulation is: drawn from its seed, or written down by a person."""

from itertools import pairwise
from typing import Annotated, Final

from msgspec import Meta, Struct

from simnet.adversaries import Adversary, Strategy
from simnet.chance import Chance, draw_turn, make_chance
from simnet.errors import ImpossiblePlan
from simnet.faults import (
    CALM_S,
    KINDS,
    POINTS,
    BadWeather,
    Clog,
    Crash,
    CrashAt,
    Cut,
    Fault,
    HalfOpen,
    OldHandshake,
    Partition,
    SlowLinks,
    Tamper,
    draw_faults,
)
from simnet.network import REGIONS

OPTIONS_VERSION: Final = 11
"""Changes when the same seed would draw something else."""

NODES_MAX: Final = 7
"""Most validators that a seed draws: two faulty ones are tolerated, and a run stays short."""

SHARDS_KNOWN: Final = (1, 2, 4, 8)
"""How many shards there can be: homes are told by whole bits of an address."""

PROCESSES_MAX: Final = 200
"""Most nodes of all machines and shards together: each takes some ten megabytes and a share of one core."""

SHARED_NODES_MAX: Final = 4
"""Most validators of a seed that draws two shards, each of which costs as much as a network without."""

SHARED_SHARE: Final = 0.1
"""Of the seeds with so few validators, those that draw two shards."""

TIME_DEFAULT_S: Final = 20.0
"""Length of a drawn simulation before the faults end, in virtual seconds."""

TIME_MIN_S: Final = CALM_S + 1
"""Shortest one: after the calm beginning there must be something."""


EPOCH_DEFAULT_MS: Final = 10_000
"""Two epochs end in a run of usual length."""

EPOCHS_DRAWN_MS: Final = (1_500, 3_000, 5_000, EPOCH_DEFAULT_MS)
"""Lengths of epochs that a seed draws: some end while nodes are down, behind, or just starting."""

SEATS_SHARE: Final = 0.4
"""Of the seeds, those whose committees change, where there are more nodes than a committee that is as strong
needs."""


STAKED_SHARE: Final = 0.5
"""Of the seeds whose committees are not given, those that elect them from stakes."""

STAKERS_MAX: Final = 3
"""Most accounts of a drawn seed that stand with keys that nobody runs: together they have the weight of a
fortieth of a validator."""


class ClockError(Struct, frozen=True, forbid_unknown_fields=True):
    """How wrong a node's clock is."""

    offset_ms: Annotated[int, Meta(ge=-60_000, le=60_000)]
    """Ahead of the true time at the start."""

    drift_ppm: Annotated[int, Meta(ge=-100_000, le=100_000)]
    """Microseconds gained in a true second."""


class SimulationOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that decides a simulation."""

    seed: int
    """Decides keys, packets, the order of tasks, and the load."""

    nodes: Annotated[int, Meta(ge=1, le=100)]
    """Validators."""

    time_s: float
    """Virtual seconds until faults and load end."""

    regions: tuple[str, ...]
    """Region of each node."""

    clocks: tuple[ClockError, ...]
    """Clock of each node."""

    faults: tuple[Fault, ...] = ()
    """What goes wrong, and when."""

    adversaries: tuple[Adversary, ...] = ()
    """Nodes that are not honest."""

    is_tight: bool = False
    """Whether transactions expire within seconds, and tips are lazy soon."""

    twins: tuple[int, ...] = ()
    """Validators that run a second time: with the same key, as the nodes that follow the others."""

    is_byzantine_allowed: bool = False
    """Whether more may be faulty than the committee tolerates; honest nodes may diverge then."""

    scenario: str = ""
    """File that it was read from, empty when it was drawn."""

    wallets: Annotated[int, Meta(ge=1, le=100)] = 4
    """Accounts that send."""

    traders: Annotated[int, Meta(ge=0, le=100)] = 0
    """Accounts that use the job market, in each shard."""

    rate: Annotated[float, Meta(gt=0, le=10_000)] = 10.0
    """Transactions a second, all wallets together."""

    is_settled: bool = False
    """Whether each wallet keeps to one node; else every transfer goes to another, and one that overtakes its
    wallet's last one on the way conflicts."""

    double_spends: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Share of transactions that are sent twice, differently, to two nodes."""

    jitter_ms: Annotated[float, Meta(ge=0, le=60_000)] = 1.0
    """Longest extra time of every packet."""

    loss: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    """Chance that a packet must be sent again."""

    disk_ms: Annotated[float, Meta(ge=0, le=60_000)] = 1.0
    """Usual time of a write to disk."""

    intake_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 20_000
    """As in a node's settings."""

    pending_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 100_000
    """As in a node's settings."""

    shards: int = 1
    """Shards of the chain; every machine runs one node of each."""

    epoch_ms: Annotated[int, Meta(ge=1_000, le=86_400_000)] = EPOCH_DEFAULT_MS
    """Length of an epoch."""

    seats: tuple[tuple[int, ...], ...] = ()
    """Nodes that sit on the committee of epoch 0, and on each one after it; those named last stay. All
    of them, for ever, when it is empty."""

    is_staked: bool = False
    """Whether validators of the genesis have a stake, and each epoch elects its committee; else those of the
    genesis stay."""

    founders: Annotated[int, Meta(ge=0, le=100)] = 0
    """Nodes that sit on the first committee, the first ones; all when it is 0. The operators of the others
    stake, register and retire them."""

    stakers: Annotated[int, Meta(ge=0, le=100)] = 0
    """Accounts that stand for election with keys that no node has."""

    version: int = OPTIONS_VERSION
    """``OPTIONS_VERSION`` of the program that drew these."""

    @property
    def tolerated(self) -> int:
        """Validators that may be faulty."""
        first = self.founders or self.nodes
        return (min((len(seats) for seats in self.seats), default=first) - 1) // 3

    @property
    def members(self) -> int:
        """Machines that run, each with one node for every shard: validators and their twins."""
        return self.nodes + len(self.twins)

    @property
    def shard_bits(self) -> int:
        """Bits of an address that tell its home."""
        return self.shards.bit_length() - 1

    @property
    def faulty(self) -> frozenset[int]:
        """Nodes that are not honest."""
        strange = {adversary.node for adversary in self.adversaries}
        return frozenset({*strange, *self.twins, *range(self.nodes, self.members)})

    def find_validator(self, node: int) -> int:
        """The validator that a node is, or is the twin of."""
        return node if node < self.nodes else self.twins[node - self.nodes]


def draw_options(
    seed: int, nodes: int | None = None, time_s: float | None = None, shards: int | None = None
) -> SimulationOptions:
    """The simulation of a seed: everything that is not given is drawn.

    :raises ImpossiblePlan: what is given cannot be.
    """
    chance = make_chance(seed, "options")
    drawn_nodes = chance.choice([1, 2, 3, 4, 4, 4, 4, 5, 6, NODES_MAX])
    count = drawn_nodes if nodes is None else nodes
    stop_s = TIME_DEFAULT_S if time_s is None else time_s
    is_local = chance.random() < 0.5
    tolerated = (count - 1) // 3
    strategies = [draw_turn(seed, "strategy", list(Strategy)), *chance.choices(list(Strategy), k=tolerated)]
    strange = chance.sample(range(count), _draw_faulty(chance, tolerated))
    adversaries = tuple(
        Adversary(node, strategy) for node, strategy in zip(sorted(strange), strategies, strict=False)
    )
    kind, point = draw_turn(seed, "fault", KINDS), draw_turn(seed, "point", POINTS)
    drawn_shards = 2 if count <= SHARED_NODES_MAX and _is_sharded(seed) else 1
    shard_count = drawn_shards if shards is None else shards
    options = SimulationOptions(
        seed=seed,
        nodes=count,
        time_s=stop_s,
        regions=tuple("virginia" if is_local else chance.choice(REGIONS) for _ in range(count)),
        clocks=tuple(ClockError(chance.randint(-100, 100), chance.randint(-200, 200)) for _ in range(count)),
        faults=draw_faults(make_chance(seed, "faults"), count, stop_s, kind, point),
        adversaries=adversaries,
        is_tight=chance.random() < 0.5,
        wallets=max(chance.randint(2, 6), shard_count),
        traders=_draw_traders(seed),
        rate=round(chance.uniform(2, 15), 2),
        double_spends=chance.choice([0.0, 0.05, 0.3]),
        jitter_ms=round(chance.uniform(0.1, 10), 2),
        loss=chance.choice([0.0, 0.0, 0.005]),
        disk_ms=chance.choice([0.2, 1.0, 5.0]),
        intake_max=chance.choice([16, 64, 20_000]),
        pending_max=chance.choice([64, 100_000]),
        shards=shard_count,
        epoch_ms=make_chance(seed, "epochs").choice(EPOCHS_DRAWN_MS),
        seats=(seats := _draw_seats(seed, count)),
        is_staked=(is_staked := not seats and make_chance(seed, "stakes").random() < STAKED_SHARE),
        stakers=make_chance(seed, "stakers").randint(0, STAKERS_MAX) if is_staked else 0,
    )
    check_options(options)
    return options


def _draw_traders(seed: int) -> int:
    """Drawn apart, too: half of the seeds have a market that is used."""
    return make_chance(seed, "traders").choice([0, 0, 2, 4])


def _is_sharded(seed: int) -> bool:
    """Drawn apart, so that everything else of the seed stays as it is with one shard."""
    return make_chance(seed, "shards").random() < SHARED_SHARE


def _draw_faulty(chance: Chance, tolerated: int) -> int:
    """How many adversaries: often as many as are tolerated, seldom none where there could be one."""
    return max(chance.randint(0, tolerated) for _ in range(3))


def check_version(version: int) -> None:
    """Look whether a seed means the same here as where its run was made.

    :raises ImpossiblePlan: it does not.
    """
    if version != OPTIONS_VERSION:
        raise ImpossiblePlan(
            f"it was drawn by version {version}, this program draws version {OPTIONS_VERSION} and would play "
            "something else; run it with the program that it comes from, or give a seed without a version"
        )


def check_options(options: SimulationOptions) -> None:
    """Look for what cannot be.

    :raises ImpossiblePlan: with what to change.
    """
    nodes = options.nodes
    check_version(options.version)
    if not 1 <= nodes <= 100:
        raise ImpossiblePlan(f"{nodes} nodes; choose 1 to 100")
    if not TIME_MIN_S <= options.time_s <= 86_400:
        raise ImpossiblePlan(f"{options.time_s:g} s; choose {TIME_MIN_S:g} s to a day")
    _check_shards(options)
    if len(options.regions) != nodes or len(options.clocks) != nodes:
        raise ImpossiblePlan(f"{nodes} nodes need as many regions and clocks")
    if unknown := sorted(set(options.regions) - set(REGIONS)):
        raise ImpossiblePlan(f"there is no region {unknown[0]!r}; known are {', '.join(REGIONS)}")
    _check_seats(options)
    _check_adversaries(options)
    for fault in options.faults:
        if not 0 <= fault.at_s <= fault.until_s <= options.time_s:
            raise ImpossiblePlan(f"a {type(fault).__name__} ends after the {options.time_s:g} s of the run")
        if any(not 0 <= node < options.members for node in _get_nodes(fault)):
            raise ImpossiblePlan(f"a {type(fault).__name__} names a node beyond {options.members - 1}")
        if len(set(_get_nodes(fault))) != len(_get_nodes(fault)):
            raise ImpossiblePlan(f"a {type(fault).__name__} names a node twice")
        lost = len(fault.nodes) if isinstance(fault, Crash) and fault.is_disk_lost else 0
        if lost > options.tolerated and not options.is_byzantine_allowed:
            raise ImpossiblePlan(
                f"{lost} disks are lost at once and the committee tolerates {options.tolerated}; "
                "take fewer, more nodes, or --allow-byzantine"
            )
    _check_points(options)


def _check_shards(options: SimulationOptions) -> None:
    shards = options.shards
    if shards not in SHARDS_KNOWN:
        raise ImpossiblePlan(f"{shards} shards; choose 1, 2, 4 or 8, a power of two")
    if options.members * shards > PROCESSES_MAX:
        raise ImpossiblePlan(
            f"{options.members} machines with a node for each of {shards} shards are "
            f"{options.members * shards} nodes; take fewer nodes or shards, at most {PROCESSES_MAX} together"
        )
    if options.wallets < shards:
        raise ImpossiblePlan(f"{options.wallets} wallets for {shards} shards; give each shard one at least")


def _check_points(options: SimulationOptions) -> None:
    armed = [fault for fault in options.faults if isinstance(fault, CrashAt)]
    for earlier, later in pairwise(sorted(armed, key=lambda fault: (fault.point.value, fault.at_s))):
        if earlier.point is later.point and later.at_s < earlier.until_s:
            raise ImpossiblePlan(
                f"{later.point.value} is armed twice at {later.at_s:g} s; let the first CrashAt end before"
            )


def _check_adversaries(options: SimulationOptions) -> None:
    strange = [*(adversary.node for adversary in options.adversaries), *options.twins]
    if len(set(strange)) != len(strange):
        raise ImpossiblePlan("a node has two strategies; give it one")
    if len(strange) > options.tolerated and not options.is_byzantine_allowed:
        raise ImpossiblePlan(
            f"{len(strange)} adversaries and the committee tolerates {options.tolerated}; "
            "take fewer, more nodes, or --allow-byzantine"
        )
    if len(strange) >= options.nodes:
        raise ImpossiblePlan("nobody is honest; leave one node alone")
    if any(not 0 <= node < options.nodes for node in strange):
        raise ImpossiblePlan(f"an adversary is a node beyond {options.nodes - 1}")


def _check_seats(options: SimulationOptions) -> None:
    for seats in options.seats:
        if not seats or len(set(seats)) != len(seats) or not all(0 <= node < options.nodes for node in seats):
            raise ImpossiblePlan(f"seats {list(seats)}: name nodes below {options.nodes}, each once")
    if options.seats and (options.is_staked or options.founders):
        raise ImpossiblePlan("seats are given, so nobody is elected; leave out is_staked and founders")
    if options.founders > options.nodes:
        raise ImpossiblePlan(f"{options.founders} founders of {options.nodes} nodes; take fewer")
    if (options.stakers or options.founders) and not options.is_staked:
        raise ImpossiblePlan("stakers and founders need elections: set is_staked = true")


def _draw_seats(seed: int, count: int) -> tuple[tuple[int, ...], ...]:
    """Committees for a few epochs, each by itself."""
    chance = make_chance(seed, "seats")
    least = 3 * ((count - 1) // 3) + 1  # as many may be faulty as in a committee of all
    if count == least or chance.random() >= SEATS_SHARE:
        return ()
    sizes = [chance.randint(least, count) for _ in range(chance.randint(2, 6))]
    return tuple(tuple(chance.sample(range(count), size)) for size in sizes)


def _get_nodes(fault: Fault) -> tuple[int, ...]:
    match fault:
        case Crash() | CrashAt() | Partition():
            return fault.nodes
        case SlowLinks():
            return (fault.node,)
        case Cut() | HalfOpen():
            return (fault.first, fault.second)
        case Clog() | Tamper() | OldHandshake():
            return (fault.source, fault.target)
        case BadWeather():
            return ()
