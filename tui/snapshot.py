"""Everything that the dashboard can show, as one immutable value.

A source publishes a ``Tick`` now and then: a ``Snapshot`` when the node answered, an ``Outage`` when not.
Widgets draw snapshots and nothing else: a recording, a script in a test and a live node look alike to them.
"""

from enum import StrEnum

from msgspec import Struct

from tui.resource_facts import ResourceFacts

HISTORY_POINTS = 60
"""Points of a rate's history that a snapshot carries: a minute at one tick a second."""

LOG_ENTRIES = 400
"""Entries of the event tail that a snapshot carries: several screens, and still small to copy."""

CURVE_POINTS = 2_000
"""Points of a learning curve that a snapshot carries: more than any terminal has dots in a row."""

RECENT_JOBS = 60
"""Jobs that a snapshot carries: more than the tallest terminal has lines."""

PULSES = 240
"""Work results that a snapshot carries: one row of the widest terminal."""


class VertexState(StrEnum):
    """Where a transaction is on its way; the same words as the node's."""

    WAITING = "waiting"
    """A parent is missing."""

    ATTACHED = "attached"
    """Verified and in the DAG."""

    ORDERED = "ordered"
    """Ordered; the certificate is still to come."""

    CHECKPOINTED = "checkpointed"
    """Final and applied."""

    CONFLICTING = "conflicting"
    """Ordered and not applied."""

    EXPIRED = "expired"
    """Never ordered in time."""


class Check(Struct, frozen=True):
    """One named condition of being ready."""

    name: str
    """What is asked."""

    is_met: bool
    """Whether it holds."""

    detail: str
    """The figure behind it."""


class NodeFacts(Struct, frozen=True):
    """Who the node is and how it fares."""

    name: str
    """Its name in its own home."""

    version: str
    """Version of its program."""

    network: str
    """Name of the network."""

    role: str
    """``validator`` or ``observer``."""

    uptime_s: float
    """Seconds since it started."""

    is_ready: bool
    """Whether it may serve clients."""

    checks: tuple[Check, ...]
    """The conditions of being ready."""

    checkpoint_executed: int
    """Latest checkpoint that it executed."""

    checkpoint_certified: int
    """Latest checkpoint with a certificate."""

    checkpoint_age_ms: int
    """Age of that one by the node's clock."""

    resident_bytes: int
    """Memory of its core process."""

    database_bytes: int
    """Size of its database."""


class Vertex(Struct, frozen=True):
    """A transaction in the picture of the DAG."""

    id: str
    """Its id in hex, or a part of it that is unique here."""

    parents: tuple[str, ...]
    """Ids of its parents, written the same way."""

    layer: int
    """One more than the highest layer among its parents."""

    lane: float
    """Where it likes to stand from top (0) to bottom (1); near its parents."""

    state: VertexState
    """Where it is on its way."""

    checkpoint: int | None
    """Checkpoint that holds it."""

    reason: str | None = None
    """Why it conflicts or expired."""


class DagFacts(Struct, frozen=True):
    """The sub-DAG and its pace."""

    rate_in: float
    """Transactions attached a second."""

    rate_final: float
    """Transactions final a second."""

    history_in: tuple[float, ...]
    """Earlier values of ``rate_in``, oldest first."""

    history_final: tuple[float, ...]
    """Earlier values of ``rate_final``, oldest first."""

    tips: int
    """Transactions that nobody has named as a parent."""

    pending: int
    """Attached and not yet ordered."""

    waiting: int
    """Waiting for parents or anchors."""

    ordered_total: int
    """Ordered since genesis."""

    finality_p50_ms: float | None
    """Median time from attached to certified; none without samples."""

    finality_p95_ms: float | None
    """The same, 95th percentile."""

    price: int
    """Grains per weight now."""

    difficulty: int
    """Evaluations that a transaction carries."""

    vertices: tuple[Vertex, ...]
    """The latest transactions, in order of arrival."""


class CurvePoint(Struct, frozen=True, array_like=True):
    """One generation of the model."""

    generation: int
    """Its number."""

    score: int
    """Correct answers on the holdout."""


class Portrait(Struct, frozen=True):
    """A square picture of what one output of the model looks for."""

    label: str
    """Name of the output."""

    side: int
    """Pixels on a side."""

    levels: bytes
    """``side * side`` levels, row by row: 128 indifferent, above wanted, below unwanted."""


class ModelFacts(Struct, frozen=True):
    """The public model and how it learns."""

    name: str
    """Name of the standing job."""

    layer_sizes: tuple[int, ...]
    """Widths of its layers."""

    generation: int
    """Generation that is open now."""

    score: int
    """Correct answers of that generation on the holdout."""

    holdout_rows: int
    """Rows of the holdout."""

    counted_total: int
    """Evaluations counted since genesis."""

    counted_open: int
    """Evaluations counted for the open generation."""

    population: int
    """Evaluations that close a generation."""

    device: str
    """Where this node computes work."""

    curve: tuple[CurvePoint, ...]
    """Score over generations, oldest first."""

    pulses: tuple[int, ...]
    """The numbers that the latest transactions carried, oldest first."""

    portraits: tuple[Portrait, ...]
    """What each output looks for; empty when the model is not one of square pictures."""


class ValidatorFacts(Struct, frozen=True):
    """A member of the committee."""

    index: int
    """Its seat."""

    key: str
    """Its public key in hex."""

    weight: int
    """Its share of the vote."""

    round: int
    """Highest accepted round of its blocks."""

    attested: int
    """Highest checkpoint that it attested."""

    votes: tuple[bool, ...]
    """For the last rounds, oldest first: whether a block of it was accepted."""

    is_self: bool
    """Whether it is this node."""

    is_leader: bool
    """Whether it leads the current round."""

    stake: int | None = None
    """Grains at stake for it; none where nobody tells."""


class CommitteeFacts(Struct, frozen=True):
    """The committee's progress."""

    shard: int
    """Shard that it orders."""

    epoch: int
    """Its epoch."""

    round: int
    """Current round."""

    commit: int
    """Index of the last commit."""

    quorum: int
    """Weight that decides."""

    total_weight: int
    """Weight of all."""

    equivocations: int
    """Pieces of evidence kept."""

    validators: tuple[ValidatorFacts, ...]
    """The members by seat."""

    epoch_left_ms: int | None = None
    """Commit time until the epoch ends; none where nobody tells."""

    waiting: int = 0
    """Candidates that are not members and would be elected now."""


class PeerFacts(Struct, frozen=True):
    """A connected peer."""

    key: str
    """Its public key in hex."""

    address: str
    """Host and port."""

    is_outbound: bool
    """Whether this node dialled."""

    is_validator: bool
    """Whether it sits in the committee."""

    round_trip_ms: float | None
    """Latest round trip; none before the first."""

    score: float
    """How well it behaves."""

    checkpoint: int
    """Latest checkpoint that it told."""

    bytes_in: int
    """Received from it."""

    bytes_out: int
    """Sent to it."""

    connected_s: float
    """Seconds since the session began."""


class JobFacts(Struct, frozen=True):
    """A paid job."""

    id: str
    """Its id in hex."""

    kind: str
    """``inference``, ``transformation``, ``optimisation`` or ``training``."""

    phase: str
    """Where it stands, in the market's word."""

    is_live: bool
    """Whether it has not ended."""

    price: int
    """Grains that it costs."""

    worker: str
    """Who has it or did it; empty where nobody does."""

    next_ms: int | None
    """Commit time at which something is due; none once it has ended."""


class MarketFacts(Struct, frozen=True):
    """The job market."""

    now_ms: int
    """Commit time of the latest executed checkpoint."""

    unit_prices: tuple[tuple[str, int], ...]
    """Grains per unit of each kind."""

    programs: int
    """Registered programs."""

    workers: int
    """Announced workers."""

    live_jobs: int
    """Jobs that have not ended."""

    opened_jobs: int
    """Jobs opened since genesis."""

    held: int
    """Grains in deposits, bonds and escrows."""

    jobs: tuple[JobFacts, ...]
    """The latest jobs, newest first."""


class FollowedFacts(Struct, frozen=True):
    """One transaction that is looked at more closely."""

    id: str
    """Its id in hex."""

    state: VertexState | None
    """Where it is on its way; none while the node does not know it."""

    parents: tuple[tuple[str, VertexState | None], ...] = ()
    """Its parents and where they are, as far as that is known."""

    checkpoint: int | None = None
    """Checkpoint that holds it."""

    reason: str | None = None
    """Why it conflicts or expired."""

    about: str = ""
    """Who sent it and what it does."""

    steps: tuple[tuple[VertexState, int], ...] = ()
    """States in which it was seen and when first, in milliseconds since the epoch."""


class LogEntry(Struct, frozen=True):
    """One line of the event tail."""

    id: int
    """Number of the event; consecutive."""

    timestamp_ms: int
    """When, by the node's clock."""

    topic: str
    """Kind of the event."""

    text: str
    """What happened, in a sentence."""


class Snapshot(Struct, frozen=True):
    """One look at a node."""

    node: NodeFacts
    """The header's facts."""

    dag: DagFacts
    """The sub-DAG's facts."""

    model: ModelFacts | None
    """The model's facts; none on a network without standing jobs."""

    committee: CommitteeFacts | None
    """The committee's facts; none while the node knows no committee."""

    peers: tuple[PeerFacts, ...]
    """Connected peers."""

    log: tuple[LogEntry, ...]
    """The event tail, oldest first."""

    market: MarketFacts | None = None
    """The market's facts; none where the node tells none."""

    resources: ResourceFacts | None = None
    """What it takes of its machine; none where it tells nothing."""

    followed: FollowedFacts | None = None
    """The transaction that is followed; none while nobody follows one."""


class Outage(Struct, frozen=True):
    """The node did not answer."""

    reason: str
    """Why, in a few words."""

    attempt: int
    """Failed attempts in a row."""

    retry_s: float
    """Seconds until the next attempt."""


Tick = Snapshot | Outage
"""What a source publishes."""
