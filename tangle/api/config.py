"""Limits of the HTTP door. Defaults suit a node on one machine; wide networks hand in tighter ones."""

from msgspec import Struct


class RateLimit(Struct, frozen=True):
    """A token bucket: a client address may spend ``burst`` tokens at once and earns ``per_second`` back."""

    burst: int
    """Most tokens that a client can save up."""

    per_second: float
    """Tokens earned a second. A request costs one, a batch one for each item."""


class ApiConfig(Struct, frozen=True):
    """Where the door is and how wide it opens."""

    host: str = "127.0.0.1"
    """Interface to listen on; loopback unless the operator decides otherwise."""

    port: int = 14265
    """Port of the API; 0 lets the system choose."""

    metrics_host: str = "127.0.0.1"
    """Interface of the metrics page."""

    metrics_port: int | None = 9311
    """Port of the metrics page; 0 lets the system choose, none leaves the page out."""

    admin_port: int | None = None
    """Port of the operator's door, on loopback always; 0 lets the system choose, none leaves it out."""

    cors_origins: tuple[str, ...] = ()
    """Origins whose web pages may use the API; none by default."""

    loopback_limit: RateLimit = RateLimit(burst=100_000, per_second=50_000.0)
    """Bucket of clients on this machine: the node's own tools, wallets and load generators."""

    remote_limit: RateLimit = RateLimit(burst=200, per_second=50.0)
    """Bucket of everybody else."""

    is_behind_front: bool = False
    """Whether the front of a node with several shards asks on behalf of its clients."""

    rate_clients_max: int = 10_000
    """Most client addresses remembered by the rate limit; the one seen longest ago is forgotten."""

    connections_max: int = 1_024
    """Most open connections: each costs a file descriptor and some 50 kB."""

    connections_per_address_max: int = 256
    """Most open connections of one client address: one client cannot keep everybody else out."""

    streams_max: int = 256
    """Most event streams open at once."""

    streams_per_address_max: int = 32
    """Most event streams of one client address."""

    transfers_max: int = 64
    """Most blobs on their way in or out at once: each holds up to 1 MiB."""

    transfers_per_address_max: int = 16
    """Most blobs on their way from or to one client address."""

    waits_max: int = 2_048
    """Most requests that wait for a state (``?wait=``, ``?min_checkpoint=``) at once."""

    idle_timeout_s: float = 30.0
    """A connection without a complete request head for this long is closed; ends slow-loris heads."""

    body_timeout_s: float = 15.0
    """A body that is not here by then is refused; ends slow-loris bodies."""

    answer_timeout_s: float = 30.0
    """A request that is not a wait or a stream is answered by then, or with the problem ``timeout``."""

    wait_timeout_s_max: float = 60.0
    """Longest wait that a client may ask for; below the idle limits of common proxies."""

    batch_items_max: int = 1_000
    """Most transactions of one batch."""

    ping_interval_s: float = 15.0
    """An event stream without events carries a comment this often, so that both ends notice a dead one."""

    send_timeout_s: float = 20.0
    """A stream whose client takes nothing for this long is cut off."""

    ack_timeout_s: float = 60.0
    """A stream with a window is ended when that stays full for so long."""

    stop_timeout_s: float = 5.0
    """Requests in flight get this long when the node stops."""
