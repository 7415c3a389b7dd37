"""What a node shows to its doors: small frozen records and the one interface that serves them.

The API, and through it the client, the command line and the dashboard, know a node only by ``NodeService``.
Every answer is a snapshot: it may be kept, compared and sent without a lock. Amounts are grains, times are
milliseconds.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from shards.certificates import Certificate
from shards.checkpoints import Checkpoint
from tangle.core.errors import TangleError
from tangle.core.genesis import Genesis
from tangle.core.transactions import Transaction, Work
from tangle.core.types import ChainId, Digest, JobId, PublicKey, Shard, TransactionId
from tangle.node.crossing.receipt_view import ReceiptView
from tangle.node.learning_views import GenerationView, LineageItem, ModelView

if TYPE_CHECKING:
    # Only named below. Doors that read answers, as the command line does, need not load a node's rooms; and
    # the explorer shows views itself.
    from prometheus_client import CollectorRegistry

    from tangle.node.blobs import BlobRoom
    from tangle.node.crossing.views import CrossingQueries
    from tangle.node.earning_views import EarningsPage
    from tangle.node.explorer import Explorer
    from tangle.node.forecast import Forecast
    from tangle.node.market_views import MarketQueries
    from tangle.node.replicas.views import FastAnswers
from tangle.node.validator_views import LeavingView, ValidatorQueries


class TransactionStatus(StrEnum):
    """Where a transaction is on its way. ``CHECKPOINTED`` is final; so is ``CONFLICTING`` once certified."""

    WAITING = "waiting"
    """Known, but a parent or its anchor is not here yet."""

    ATTACHED = "attached"
    """Verified and in the sub-DAG."""

    ORDERED = "ordered"
    """Ordered and executed; the checkpoint awaits its certificate."""

    CHECKPOINTED = "checkpointed"
    """Applied under a certified checkpoint: final."""

    CONFLICTING = "conflicting"
    """Ordered, but not applied; ``reason`` says why. Final once ``checkpoint`` is certified."""

    EXPIRED = "expired"
    """Never ordered in time; it can no longer apply."""


class TransactionView(Struct, frozen=True):
    """A transaction and what became of it."""

    transaction: Transaction
    """The decoded transaction."""

    status: TransactionStatus
    """Where it is."""

    reason: str | None
    """Why it conflicts or expired, for people."""

    reason_code: str | None
    """The same for machines: ``sequence``, ``funds``, ``fee``, ``expired``, ..."""

    fee: int | None
    """Grains paid, once ordered."""

    is_work_counted: bool | None
    """Whether its work was counted, once ordered."""

    ordered_index: int | None
    """Its place in the shard's history."""

    checkpoint: int | None
    """Index of the checkpoint that holds it."""

    is_final: bool
    """Whether that checkpoint is certified."""

    receipt: ReceiptView | None = None
    """What it left for another shard; none where it stayed in its own, or did nothing."""


class SubmitOutcome(Struct, frozen=True):
    """The answer to one submitted transaction."""

    id: TransactionId | None
    """Its id; none when the bytes did not decode."""

    is_new: bool
    """False when this node knew it already."""

    status: TransactionStatus | None
    """Where it is now; none when refused."""

    error: TangleError | None
    """Why it was refused."""


class PreparedTransaction(Struct, frozen=True):
    """Everything a wallet needs to build its next transaction."""

    chain: ChainId
    shard: int
    issuer: PublicKey
    sequence: int
    """Next free number, pending transactions counted."""

    anchor: int
    parents: tuple[TransactionId, ...]
    price: int
    """Grains per weight now."""

    difficulty: int
    """Evaluations to carry."""

    suggested_max_fee: int
    """Enough for the operation even if the price rises for a while."""

    job: JobId
    generation: int
    work: Work | None
    """The finished work, when it was asked for."""

    work_ms: float | None
    """Milliseconds that the work took."""


class AccountView(Struct, frozen=True):
    """An account at the latest executed checkpoint."""

    account: PublicKey
    balance: int
    sequence: int
    stake: int
    pending: int
    """Transactions of this issuer that are attached and not yet ordered."""

    checkpoint: int
    """Executed checkpoint that this was read at."""

    leaving: tuple[LeavingView, ...] = ()
    """Parts of the stake that leave, soonest first."""


class HistoryPage(Struct, frozen=True):
    """One page of an account's transactions."""

    items: tuple[TransactionView, ...]
    next_before: int | None
    """Pass it as ``position`` for the next page; none at the end."""


class CheckpointView(Struct, frozen=True):
    """A checkpoint with its certificate, when it has one."""

    checkpoint: Checkpoint
    digest: Digest
    certificate: Certificate | None


class PeerView(Struct, frozen=True):
    """One connected peer."""

    public_key: PublicKey
    address: str
    is_outbound: bool
    is_validator: bool
    agent: str
    round_trip_ms: float | None
    score: float
    checkpoint: int
    """Latest checkpoint that it told us."""

    bytes_in: int
    bytes_out: int
    connected_s: float


class ValidatorView(Struct, frozen=True):
    """One member of the committee as this node sees it."""

    index: int
    public_key: PublicKey
    weight: int
    round: int
    """Highest accepted round of its blocks."""

    attested: int
    """Highest checkpoint that it attested."""

    votes: tuple[bool, ...]
    """For the last rounds, oldest first: whether a block of it was accepted."""

    is_self: bool
    is_leader: bool
    """Whether it leads the current round."""


class CommitteeView(Struct, frozen=True):
    """The committee's progress."""

    shard: int
    epoch: int
    round: int
    commit: int
    """Index of the last commit."""

    quorum: int
    total_weight: int
    validators: tuple[ValidatorView, ...]
    equivocations: int
    """Pieces of evidence kept."""


class ReadinessCheck(Struct, frozen=True):
    """One named condition of being ready."""

    name: str
    is_met: bool
    detail: str
    """The figure behind it, for people."""


class LatencySummary(Struct, frozen=True):
    """Quantiles over the last minute, in milliseconds; none without samples."""

    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    samples: int


class ResourcesView(Struct, frozen=True):
    """What the node takes of its machine."""

    cpu_s: float
    """Processor time of the core process since its start."""

    workers_cpu_s: float
    """Processor time of its worker processes that live."""

    loop_lag_ms: float
    """How late the event loop came at worst in the last ten seconds."""

    disk_free_bytes: int
    workers: int
    """Processes that compute for it."""

    evaluations: dict[str, int]
    """Evaluations since the start, own and checked, by the device that computed them."""


class StatusView(Struct, frozen=True):
    """One screen about the node."""

    name: str
    version: str
    network: str
    chain: ChainId
    role: str
    """``validator`` or ``observer``."""

    node_key: PublicKey
    uptime_s: float
    is_ready: bool
    checkpoint_executed: int
    checkpoint_certified: int
    checkpoint_age_ms: int
    """Age of the last certified checkpoint by this node's clock."""

    round: int
    peers: int
    tips: int
    pending: int
    """Attached and not yet ordered."""

    waiting: int
    """Waiting for parents or anchors."""

    ordered_total: int
    rate_in: float
    """Transactions attached a second, over the last ten seconds."""

    rate_final: float
    """Transactions final a second, over the last ten seconds."""

    finality: LatencySummary
    """Attached here to certified here."""

    price: int
    difficulty: int
    model_name: str
    generation: int
    score: int
    holdout_rows: int
    device: str
    """Where this node computes work."""

    resident_bytes: int
    database_bytes: int
    queues: dict[str, int]
    """Length of each bounded queue."""

    resources: ResourcesView


class Event(Struct, frozen=True):
    """One entry of the gapless, stored event log."""

    id: int
    """Consecutive from 1."""

    topic: str
    """``transaction``, ``checkpoint``, ``model``, ``peer``, ``committee`` or ``log``."""

    shard: int
    timestamp_ms: int
    accounts: tuple[PublicKey, ...]
    """Accounts that it concerns."""

    body: bytes
    """JSON object."""


class NodeService(Protocol):
    """What a running node answers. Reads raise ``NotFound`` for what does not exist."""

    genesis: Genesis
    chain: ChainId
    shard: Shard
    metrics: "CollectorRegistry"
    has_faucet: bool
    blobs: "BlobRoom"
    explorer: "Explorer"
    market: "MarketQueries"
    replicas: "FastAnswers"
    forecast: "Forecast"
    validators: ValidatorQueries
    crossing: "CrossingQueries"

    async def submit(self, items: Sequence[bytes], source: str = "") -> tuple[SubmitOutcome, ...]:
        """Take encoded transactions in; answers once each is attached or waiting and on disk, or refused.

        :param source: who sends them, a host or a connection: sources take turns, and each has its share.
        :raises Overloaded: the intake queue is full, or this source's share; carries ``retry_after_s``.
        """

    async def prepare(
        self,
        issuer: PublicKey,
        *,
        with_work: bool,
        worker: PublicKey | None = None,
        sequence: int | None = None,
        operation_size: int = 0,
    ) -> PreparedTransaction:
        """What a wallet needs to sign, the work done when asked; ``operation_size`` is a market call's."""

    async def faucet(self, recipient: PublicKey) -> TransactionId:
        """Send the faucet's portion (devnet only)."""

    def get_transaction(self, identity: TransactionId) -> TransactionView:
        """Status and effect."""

    async def wait_transaction(
        self, identity: TransactionId, status: TransactionStatus, timeout_s: float
    ) -> TransactionView:
        """Wait until the transaction has come as far as ``status`` or failed; or until the time is up."""

    def get_transaction_proof(self, identity: TransactionId) -> bytes:
        """Canonical proof of a final transaction, checkable offline."""

    def get_neighbours(self, identity: TransactionId, depth: int) -> tuple[TransactionView, ...]:
        """Parents and known children up to ``depth`` steps away (at most 3, at most 200 answers)."""

    def get_recent(self, limit: int) -> tuple[TransactionView, ...]:
        """The transactions attached last, oldest first (at most 500)."""

    def get_account(self, account: PublicKey) -> AccountView:
        """Balance, sequence and stake; zeros for an account that never held a grain."""

    def get_account_history(
        self, account: PublicKey, position: int | None, limit: int, *, is_oldest_first: bool = False
    ) -> HistoryPage:
        """Ordered transactions that touched the account, below ``position``; or above it, oldest first."""

    def get_account_pending(self, account: PublicKey) -> tuple[TransactionView, ...]:
        """Transactions of this issuer that are attached and not ordered, by number (at most 200)."""

    def get_account_earnings(self, account: PublicKey, before: int | None, limit: int) -> "EarningsPage":
        """Fees and pay for work that the account got, newest first."""

    async def wait_checkpoint(self, index: int, timeout_s: float) -> None:
        """Wait until checkpoint ``index`` is executed here; raises ``WaitTimeout``."""

    def get_checkpoint(self, shard: int, index: int | None) -> CheckpointView:
        """A checkpoint; the latest certified one for none."""

    def get_models(self) -> tuple[ModelView, ...]:
        """Standing jobs."""

    def get_model(self, job: JobId) -> ModelView:
        """One standing job."""

    def get_generations(self, job: JobId, first: int, limit: int) -> tuple[GenerationView, ...]:
        """Score curve from generation ``first`` on."""

    def get_weights(self, job: JobId, generation: int | None) -> bytes:
        """Master weights of a generation: int32, little-endian, layer by layer, row-major."""

    def get_parameters(self, job: JobId) -> bytes:
        """Encoded parameters of a standing job, live or ended.

        :raises NotFound: unknown job.
        """

    def get_training_data(self, job: JobId) -> bytes:
        """Training data of a paid job.

        :raises NotFound: unknown job, or one of the genesis.
        """

    def get_lineage(self, job: JobId, after: int, limit: int) -> tuple[LineageItem, ...]:
        """Counted evaluations with ordered index >= ``after``, in order."""

    def get_committee(self, shard: int) -> CommitteeView:
        """Rounds and votes."""

    def get_peers(self) -> tuple[PeerView, ...]:
        """Connected peers."""

    def get_status(self) -> StatusView:
        """One screen."""

    def get_readiness(self) -> tuple[ReadinessCheck, ...]:
        """Named conditions; ready when all are met."""

    def get_last_event_id(self) -> int:
        """Id of the latest stored event; 0 before the first."""

    def get_events(self, after: int, limit: int) -> tuple[Event, ...]:
        """Stored events with id > ``after``."""

    def subscribe_events(self, after: int | None) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Events from ``after`` on (from now for none), gapless; who is too slow gets ``SlowConsumer``."""


class NotFound(TangleError):
    """Nothing of that name here."""

    code = "not-found"

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"no {kind} {name} is known to this node")


class Overloaded(TangleError):
    """A bounded queue is full."""

    code = "overloaded"

    def __init__(self, queue: str, retry_after_s: float) -> None:
        self.queue = queue
        self.retry_after_s = retry_after_s
        super().__init__(f"the {queue} queue is full; retry in {retry_after_s:.1f} s")


class WaitTimeout(TangleError):
    """The awaited state did not come in time; it may still come."""

    code = "wait-timeout"

    def __init__(self, awaited: str, timeout_s: float) -> None:
        self.awaited = awaited
        self.timeout_s = timeout_s
        super().__init__(f"{awaited} did not happen within {timeout_s:g} s; ask again to go on waiting")


class SlowConsumer(TangleError):
    """A subscriber fell too far behind; it can resume from the last id it saw."""

    code = "slow-consumer"

    def __init__(self, last_id: int) -> None:
        self.last_id = last_id
        super().__init__(f"the subscriber is too slow; resume after event {last_id}")
