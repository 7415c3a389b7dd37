"""Answers about the node itself, its peers, the committee and what happens."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from tangle.api.wire import EventId, HexBytes, HexDigest, Quantity


class PeerAnswer(Struct, frozen=True):
    """One connected peer."""

    public_key: HexDigest
    """Its node key."""

    address: str
    """Host and port."""

    is_outbound: bool
    """Whether this node dialled it."""

    is_validator: bool
    """Whether it sits in the committee."""

    agent: str
    """Program and version."""

    round_trip_ms: float | None
    """Last measured round trip."""

    score: float
    """Standing; a peer that falls too low is cut off."""

    checkpoint: Quantity
    """Latest checkpoint that it told of."""

    bytes_in: Quantity
    """Bytes received from it."""

    bytes_out: Quantity
    """Bytes sent to it."""

    connected_s: float
    """Seconds since it connected."""


class ValidatorAnswer(Struct, frozen=True):
    """One member of the committee as this node sees it."""

    index: int
    """Its place in the committee."""

    public_key: HexDigest
    """Its key."""

    weight: int
    """Voting weight."""

    round: Quantity
    """Highest accepted round of its blocks."""

    attested: Quantity
    """Highest checkpoint that it attested."""

    votes: tuple[bool, ...]
    """For the last rounds, oldest first: whether a block of it was accepted."""

    is_self: bool
    """Whether it is this node."""

    is_leader: bool
    """Whether it leads the current round."""


class CommitteeAnswer(Struct, frozen=True):
    """The committee's progress."""

    shard: int
    """Its shard."""

    epoch: Quantity
    """Current epoch."""

    round: Quantity
    """Current round."""

    commit: Quantity
    """Index of the last commit."""

    quorum: int
    """Weight that certifies."""

    total_weight: int
    """Weight of all members."""

    validators: tuple[ValidatorAnswer, ...]
    """The members, in index order."""

    equivocations: int
    """Pieces of evidence kept."""


class LatencyAnswer(Struct, frozen=True):
    """Quantiles over the last minute; none without samples."""

    p50_ms: float | None
    """Median."""

    p95_ms: float | None
    """95th percentile."""

    p99_ms: float | None
    """99th percentile."""

    samples: int
    """Transactions measured."""


class ResourcesAnswer(Struct, frozen=True):
    """What the node takes of its machine."""

    cpu_s: float
    """Processor time of the core process since its start."""

    workers_cpu_s: float
    """Processor time of its worker processes that live."""

    loop_lag_ms: float
    """How late the event loop came at worst in the last ten seconds."""

    disk_free_bytes: Quantity
    """Room on the disk of its database."""

    workers: int
    """Processes that compute for it."""

    evaluations: dict[str, Quantity]
    """Evaluations since the start, own and checked, by the device that computed them."""


class StatusAnswer(Struct, frozen=True):
    """One screen about the node."""

    name: str
    """The node's name."""

    version: str
    """Version of the program."""

    network: str
    """Name of the network."""

    chain: HexBytes
    """Chain id."""

    role: str
    """``validator`` or ``observer``."""

    node_key: HexDigest
    """The node's public key."""

    uptime_s: float
    """Seconds since start."""

    is_ready: bool
    """Whether all readiness checks are met."""

    checkpoint_executed: Quantity
    """Latest checkpoint executed here."""

    checkpoint_certified: Quantity
    """Latest certified checkpoint."""

    checkpoint_age_ms: Quantity
    """Age of that checkpoint by this node's clock."""

    round: Quantity
    """Committee round."""

    peers: int
    """Connected peers."""

    tips: int
    """Tips of the sub-DAG."""

    pending: int
    """Attached and not yet ordered."""

    waiting: int
    """Waiting for parents or anchors."""

    ordered_total: Quantity
    """Transactions ordered since genesis."""

    rate_in: float
    """Transactions attached a second."""

    rate_final: float
    """Transactions final a second."""

    finality: LatencyAnswer
    """Attached here to certified here."""

    price: Quantity
    """Grains per weight."""

    difficulty: int
    """Evaluations that a transaction carries."""

    model_name: str
    """Standing job shown."""

    generation: Quantity
    """Its current generation."""

    score: int
    """Its correct answers on the holdout."""

    holdout_rows: int
    """Rows of that holdout."""

    device: str
    """Where this node computes work."""

    resident_bytes: Quantity
    """Memory of the node's process."""

    database_bytes: Quantity
    """Size of its database."""

    queues: dict[str, int]
    """Length of each bounded queue."""

    resources: ResourcesAnswer
    """What it takes of its machine."""


class ReadinessCheckAnswer(Struct, frozen=True):
    """One condition of being ready."""

    name: str
    """Its name."""

    is_met: bool
    """Whether it holds."""

    detail: str
    """The figure behind it."""


class HealthAnswer(Struct, frozen=True):
    """Whether the node lives or is ready."""

    is_ok: bool
    """True; a node that is not ready answers with the problem ``not-ready``."""

    checks: tuple[ReadinessCheckAnswer, ...] = ()
    """The single conditions, when asked for."""


class AckBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything up to an event is dealt with."""

    subscription: Annotated[str, Meta(min_length=1, max_length=64)]
    """Name of the subscription, from the stream's event ``subscription``."""

    id: EventId
    """The latest event that is dealt with."""


class AckAnswer(Struct, frozen=True):
    """The state of a window."""

    outstanding: int
    """Events that were sent and are not acknowledged."""


class EventAnswer(Struct, frozen=True):
    """One entry of the gapless event log."""

    id: EventId
    """Consecutive from 1; of a node with several shards only growing along a stream."""

    topic: str
    """What it is about."""

    shard: int
    """Shard that it concerns."""

    timestamp_ms: Quantity
    """When it was stored."""

    accounts: tuple[str, ...]
    """Addresses that it concerns."""

    body: dict[str, Any]
    """What happened."""
