"""The part of a snapshot that tells what the node takes of its machine."""

from msgspec import Struct


class ResourceFacts(Struct, frozen=True):
    """What the node takes of its machine."""

    cores: float
    """Processor cores that the core process kept busy since the last look."""

    worker_cores: float
    """The same for its workers together."""

    history_cores: tuple[float, ...]
    """Earlier sums of both, oldest first."""

    loop_lag_ms: float
    """How late the event loop came at worst in the last ten seconds."""

    history_lag_ms: tuple[float, ...]
    """Earlier values of it, oldest first."""

    resident_bytes: int
    """Memory of the core process."""

    database_bytes: int
    """Size of the database."""

    disk_free_bytes: int
    """Room on its disk."""

    workers: int
    """Processes that compute."""

    work: tuple[tuple[str, int, float], ...]
    """By device: evaluations since the start, and now a second."""

    queues: tuple[tuple[str, int], ...]
    """Length of each bounded queue."""
