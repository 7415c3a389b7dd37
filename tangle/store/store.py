"""The seam to the disk: named tables, batches of writes that are atomic and durable, short reads.

Two environments. HISTORY holds what was received and decided (append mostly; pruned by deleting whole files);
LIVE holds the present state. A batch may write to both. Each environment takes its part atomically, HISTORY
first: after a crash, history may be ahead of the state, never behind it, and the state is brought up by
executing again.

Batches become durable in the order in which they were handed in, and a batch whose ``commit`` returned is on
the disk. Reads see only what is durable. Two twins keep these promises: ``LmdbStore`` and ``MemoryStore``.
"""

from collections.abc import Callable, Mapping
from enum import Enum, StrEnum
from typing import Final, Protocol

from msgspec import Struct

KEY_SIZE_MAX: Final = 511
"""Longest key that LMDB takes as it is built by default."""

WRITE_BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the histogram of writes: a good disk syncs in one to five milliseconds, a bad one in a
second."""

SCHEMA_VERSION: Final = 4
"""Version of the tables below; another one is refused at opening."""


class Environment(StrEnum):
    """Which of the two stores a table lives in."""

    HISTORY = "history"
    LIVE = "live"


class Table(Enum):
    """Every table: its name on disk and its environment. ``tangle.store.keys`` makes the keys."""

    TRANSACTIONS = ("transactions", Environment.HISTORY)
    """Arrival sequence -> encoded transaction."""

    TRANSACTION_INDEX = ("transaction_index", Environment.HISTORY)
    """Transaction id -> arrival sequence and ordered index."""

    BLOCKS = ("blocks", Environment.HISTORY)
    """Epoch of the committee, round, author, digest -> encoded committee block."""

    COMMITS = ("commits", Environment.HISTORY)
    """Epoch of the committee, commit index -> commit record."""

    EPOCHS = ("epochs", Environment.HISTORY)
    """Epoch of a committee -> its validators, and the checkpoint that it began on."""

    ORDERED = ("ordered", Environment.HISTORY)
    """Ordered index -> transaction id and encoded effect."""

    CHECKPOINTS = ("checkpoints", Environment.HISTORY)
    """Checkpoint index -> checkpoint."""

    CERTIFICATES = ("certificates", Environment.HISTORY)
    """Checkpoint index -> certificate."""

    ACCOUNT_HISTORY = ("account_history", Environment.HISTORY)
    """Public key, ordered index -> nothing."""

    EARNINGS = ("earnings", Environment.HISTORY)
    """Public key, checkpoint index and place in it -> amount, job, generation."""

    RECEIPTS_OUT = ("receipts_out", Environment.HISTORY)
    """Target shard, sequence -> receipt, the checkpoint that sent it, and from which transaction."""

    RECEIPT_BATCHES = ("receipt_batches", Environment.HISTORY)
    """Checkpoint index -> batches of receipts for all shards."""

    RECEIPTS_IN = ("receipts_in", Environment.HISTORY)
    """Source shard, sequence -> receipt, and the checkpoint that credited it."""

    BUNDLES = ("bundles", Environment.HISTORY)
    """Bundle id -> what a checkpoint of another shard brought."""

    CREDITS = ("credits", Environment.HISTORY)
    """Public key, checkpoint index and place in it -> source shard, sequence."""

    GENERATIONS = ("generations", Environment.HISTORY)
    """Job, generation -> record of the generation."""

    WEIGHTS = ("weights", Environment.HISTORY)
    """Job, generation -> weights."""

    EVALUATIONS = ("evaluations", Environment.HISTORY)
    """Job, generation, ordered index -> counted evaluations."""

    EVENTS = ("events", Environment.HISTORY)
    """Event id -> event, for resumable streams."""

    JOB_EVENTS = ("job_events", Environment.HISTORY)
    """Job or program id, number -> what happened, when, through which transaction."""

    PAID_JOBS = ("paid_jobs", Environment.HISTORY)
    """Standing job -> what it is, whose data it learns, which job of the market pays."""

    PAID_LIST = ("paid_list", Environment.HISTORY)
    """Checkpoint index, standing job -> nothing: paid jobs in the order in which they came on the board."""

    TRAINING_DATA = ("training_data", Environment.HISTORY)
    """Blob id -> training data of a paid job."""

    STAKING_EVENTS = ("staking_events", Environment.HISTORY)
    """Checkpoint index, place -> what happened to stakes and committees, and when."""

    EVIDENCE = ("evidence", Environment.HISTORY)
    """Epoch of the committee, round, author -> both blocks of an equivocation."""

    ACCOUNTS = ("accounts", Environment.LIVE)
    """Public key -> balance, stake and sequence, 24 bytes."""

    STAKING = ("staking", Environment.LIVE)
    """Shelf, key -> entry of the book of stakes."""

    MARKET = ("market", Environment.LIVE)
    """Shelf, id or key -> entry of the job market."""

    JOBS = ("jobs", Environment.LIVE)
    """Job id -> the job as it is or as it ended."""

    JOB_LIST = ("job_list", Environment.LIVE)
    """Order of opening -> job id."""

    EVENT_COUNTS = ("event_counts", Environment.LIVE)
    """Job or program id -> number of its events."""

    META = ("meta", Environment.LIVE)
    """Name -> small facts: how far execution is, the schema."""

    PEERS = ("peers", Environment.LIVE)
    """Address -> what is remembered of a peer."""

    __hash__ = object.__hash__
    """A member is one object; hashing its name, as enums do, costs more than noting the write."""

    def __init__(self, title: str, environment: Environment) -> None:
        self.title = title
        self.environment = environment


Changes = Mapping[Table, Mapping[bytes, bytes | None]]
"""What to write: per table, the last value of each key, none where it goes."""


class WriteBatch:
    """Writes that become durable together. Writing a key again replaces what the batch said about it."""

    __slots__ = ("changes", "size_bytes")

    def __init__(self) -> None:
        """Nothing to write yet."""
        self.changes: dict[Table, dict[bytes, bytes | None]] = {}
        self.size_bytes = 0
        """Bytes handed in, replaced ones included; for the limits of the queue in front of the disk."""

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        """Write ``value`` under ``key`` (1 to ``KEY_SIZE_MAX`` bytes)."""
        size = len(key)
        assert 1 <= size <= KEY_SIZE_MAX, "a key has 1 to 511 bytes"
        changes = self.changes.get(table)
        if changes is None:
            changes = self.changes[table] = {}
        changes[key] = value
        self.size_bytes += size + len(value)

    def delete(self, table: Table, key: bytes) -> None:
        """Remove ``key``, if it is there."""
        assert 1 <= len(key) <= KEY_SIZE_MAX, "a key has 1 to 511 bytes"
        self.changes.setdefault(table, {})[key] = None
        self.size_bytes += len(key)


class MapFacts(Struct, frozen=True):
    """How an environment's file is mapped, and who reads it."""

    map_bytes: int
    """Address space that it has; it is doubled when the file needs more."""

    used_pages: int
    """Pages of the file that were ever used."""

    page_bytes: int
    """Size of one."""

    readers: int
    """Slots of readers that are taken, this process's own among them."""

    oldest_reader_lag: int
    """Transactions written since the oldest moment that a reader looks at; pages given up since then stay."""

    stale_readers_cleared: int
    """Slots that processes left behind when they were killed, and that were cleared since the start."""


class StoreStatistics(Struct, frozen=True):
    """Figures of a store, for metrics."""

    groups: int
    """Groups of batches written."""

    batches: int
    """Batches written; divided by groups, how well group commit works."""

    keys: int
    """Keys put or deleted."""

    waiting_batches: int
    """Batches that wait for the disk."""

    waiting_bytes: int
    """Their size."""

    last_write_ms: float
    """Time of the latest group, from hand-over to durability."""

    worst_write_ms: float
    """The longest of them."""

    used_bytes: Mapping[str, int]
    """Size of each environment."""

    write_counts: tuple[int, ...]
    """Groups by how long they took: up to each of ``WRITE_BOUNDS_S``, and longer."""

    write_total_s: float
    """Time of all groups together."""

    content_bytes: Mapping[str, int] = {}
    """What of each environment is in use: pages that were given up stay in the file until they are needed."""

    maps: Mapping[str, MapFacts] = {}
    """The map of each environment, where there are maps."""


class Store(Protocol):
    """What a node needs of a disk. Reads are short and direct; call them from the event loop's thread
    only.
    """

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The durable value of ``key``, none where there is none."""
        ...

    def scan(
        self,
        table: Table,
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        limit: int,
        reverse: bool = False,
    ) -> list[tuple[bytes, bytes]]:
        """Durable keys and values with ``start <= key < stop`` (no ``stop``: to the end), at most ``limit``.

        In order of keys; from the end of the range when ``reverse``.
        """
        ...

    def count(self, table: Table) -> int:
        """How many keys the table has."""
        ...

    async def commit(self, batch: WriteBatch, *, is_urgent: bool = False) -> None:
        """Return when ``batch`` is durable. Cancelled, it may or may not become so.

        :param is_urgent: do not wait for others to share the disk's work with (an own committee block).
        :raises StorageFailed: the disk failed; no later batch is taken either.
        :raises StoreClosed: the store was stopped first.
        """
        ...

    async def hand_in(
        self, batch: WriteBatch, on_durable: Callable[[], None], *, is_awaited: bool = False
    ) -> None:
        """Let ``batch`` become durable before any that is handed in later, and do not wait for it.

        Returns once the queue in front of the disk has room. Nobody is told of a failure here: ``run`` is,
        and no later ``commit`` returns.

        :param on_durable: called when it is durable; never, when it does not become so.
        :param is_awaited: somebody waits for that call, so that it may gather no longer than others.
        :raises StorageFailed: the disk failed.
        :raises StoreClosed: the store was stopped first.
        """
        ...

    async def run(self) -> None:
        """Write batches until ``stop``; exactly one task runs this. Nothing is durable without it.

        :raises StorageFailed: the disk failed; all waiting commits raise it too.
        """
        ...

    def stop(self) -> None:
        """Let ``run`` write what waits, take nothing more, and return."""
        ...

    def statistics(self) -> StoreStatistics:
        """Figures of this moment."""
        ...
