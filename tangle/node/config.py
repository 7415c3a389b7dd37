"""What one node may choose for itself. Protocol numbers are not here: they are in the genesis."""

import os
from typing import Annotated, Final

from msgspec import Meta, Struct

from tangle.node.jobs.settings import JobsConfig

Port = Annotated[int, Meta(ge=0, le=65_535)]

API_PORT: Final = 14_265
"""Default port of the HTTP API."""

PEER_PORT: Final = 15_600
"""Default port of the peer protocol."""

METRICS_PORT: Final = 9_311
"""Default port of the Prometheus metrics."""


def compute_default_workers() -> int:
    """Worker processes for this machine: one for each core but the event loop's, at least one."""
    return max(1, (os.cpu_count() or 2) - 1)


class NodeConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of one node, read from ``config.toml``, the environment and flags."""

    name: Annotated[str, Meta(min_length=1, max_length=64)] = "tangle"
    """Name shown to people; peers see it too."""

    api_host: str = "127.0.0.1"
    """Address the API listens on. Anything but loopback is your decision."""

    api_port: Port = API_PORT
    """Port of the API; 0 picks a free one."""

    peer_host: str = "127.0.0.1"
    """Address the peer port listens on."""

    peer_port: Port = PEER_PORT
    """Port of the peer protocol; 0 picks a free one. Shard n listens n ports higher."""

    metrics_port: Port = METRICS_PORT
    """Port of the metrics on loopback; 0 turns them off."""

    admin_port: Port = 0
    """Port of the operator's door on loopback, behind the token of ``admin.token``; 0 keeps it shut."""

    cors_origins: tuple[str, ...] = ()
    """Origins whose web pages may use the API, as ``https://host``; none by default."""

    shards: tuple[Annotated[int, Meta(ge=0, le=255)], ...] = ()
    """Shards that this node serves, in a network of several; none named means all."""

    shard_processes: Annotated[int, Meta(ge=1, le=256)] = 1
    """Processes that the shards are spread over; 1 keeps them all in one."""

    peers: tuple[str, ...] = ()
    """Peers to keep connected to, as ``host:port``; shard n of them is looked for n ports higher."""

    peers_max: Annotated[int, Meta(ge=1, le=1_000)] = 64
    """Most peers connected at a time."""

    peers_target: Annotated[int, Meta(ge=0, le=1_000)] = 16
    """Peers below which addresses heard from others are dialled too; 0 dials the configured ones only."""

    upload_bytes_per_s: Annotated[int, Meta(ge=0)] = 0
    """Most bytes sent to all peers together in a second; 0 for no cap. What is under 131072 counts as that.
    Committee blocks are counted and never held up."""

    upload_peer_bytes_per_s: Annotated[int, Meta(ge=0)] = 0
    """The same to each peer."""

    download_bytes_per_s: Annotated[int, Meta(ge=0)] = 0
    """Most bytes read from all peers together in a second; 0 for no cap, as above."""

    download_peer_bytes_per_s: Annotated[int, Meta(ge=0)] = 0
    """The same from each peer."""

    workers: Annotated[int, Meta(ge=0, le=256)] = 0
    """Worker processes; 0 means one for each core but one."""

    device: str = "auto"
    """Where work is computed: ``auto`` (the fastest that passes conformance), ``numpy``, or a tinygrad
    device."""

    kernel_cache: str = ""
    """Directory for compiled kernels; empty means inside the home. Nodes of one machine may share it."""

    intake_max: Annotated[int, Meta(ge=16, le=1_000_000)] = 20_000
    """Transactions in the intake at a time; above it the API answers 429."""

    pending_max: Annotated[int, Meta(ge=16, le=10_000_000)] = 100_000
    """Attached and not yet ordered transactions kept; above it intake waits."""

    min_round_delay_ms: Annotated[int, Meta(ge=0, le=60_000)] = 60
    """Least time between two own blocks."""

    idle_round_delay_ms: Annotated[int, Meta(ge=0, le=60_000)] = 250
    """Time between own blocks while there is nothing to order."""

    leader_timeout_ms: Annotated[int, Meta(ge=1, le=60_000)] = 400
    """How long to wait for a round's leaders before going on without them."""

    free_disk_min_bytes: Annotated[int, Meta(ge=0)] = 256 * 1024 * 1024
    """Writes stop cleanly when less than this is free."""

    free_disk_low_bytes: Annotated[int, Meta(ge=0)] = 1024 * 1024 * 1024
    """No new transactions are taken, and warnings given, when less than this is free."""

    free_disk_low_percent: Annotated[int, Meta(ge=0, le=50)] = 0
    """The same as a part of the whole disk; whichever of the two is more counts."""

    blob_quota_bytes: Annotated[int, Meta(ge=0)] = 4 * 1024 * 1024 * 1024
    """Disk for blobs; unpinned ones go when it is used up, 0 keeps none."""

    from_snapshot: str = "auto"
    """Begin with a snapshot: ``auto`` (a peer's, where this home is empty or far behind), ``never``, or a
    file."""

    snapshot_every_epochs: Annotated[int, Meta(ge=0, le=10_000)] = 1
    """A snapshot is made, and offered to peers, when so many epochs have passed; 0 makes none."""

    snapshots_keep: Annotated[int, Meta(ge=1, le=8)] = 2
    """Newest snapshots that are kept, as pinned blobs."""

    history_keep_epochs: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """Epochs of history that are kept; 0 keeps all: an archive node."""

    history_max_bytes: Annotated[int, Meta(ge=0)] = 0
    """The oldest history goes while there are more bytes of it than this; 0 for no such limit."""

    faucet: bool = False
    """Serve the faucet (devnet only; needs the faucet's key in the home)."""

    jobs: JobsConfig = JobsConfig()
    """What this node does for the job market."""

    def get_workers(self) -> int:
        """Worker processes to start."""
        return self.workers or compute_default_workers()
