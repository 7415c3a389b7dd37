"""A node in memory, for tests of the doors: it really decodes, checks, orders, applies, certifies and proves.

It has one validator, no peers, and no AI: work is checked for its job, kind and number of results, and not
recomputed. Nothing waits on disks or other machines: tests say themselves when a checkpoint is made, or have
one made at once.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio
import msgspec
from prometheus_client import CollectorRegistry

from poi.market.errors import MarketFault
from shards.blocks import BlockReference
from shards.certificates import AuthorSignature, Certificate
from shards.checkpoints import (
    NO_ROOT,
    Checkpoint,
    ModelState,
    SupplyTotals,
    compute_checkpoint_digest,
    sign_attestation,
)
from shards.proofs import TransactionProof, encode_transaction_proof
from tangle.core.encoding import encode
from tangle.core.errors import TangleError
from tangle.core.genesis import (
    Allocation,
    BoardEntry,
    Genesis,
    Validator,
    compute_chain_id,
    compute_shard_genesis_id,
)
from tangle.core.hashing import JOB, WEIGHTS, compute_hash
from tangle.core.merkle import compute_inclusion_proof, compute_merkle_root
from tangle.core.parameters import MINIMAL
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    EVOLUTION_WORK,
    InvalidTransaction,
    MarketCall,
    Transaction,
    TransactionBody,
    Transfer,
    Work,
    check_transaction,
    decode_transaction,
    sign_transaction,
    verify_transaction_signature,
)
from tangle.core.types import (
    CheckpointIndex,
    Digest,
    Grains,
    JobId,
    Milliseconds,
    PublicKey,
    Shard,
    TransactionId,
)
from tangle.core.types import Sequence as SequenceNumber
from tangle.node.blobs import BlobRoom
from tangle.node.crossing.views import CrossingQueries, NothingCrossed
from tangle.node.earning_views import EarningsPage, EarningView
from tangle.node.explorer import Explorer
from tangle.node.forecast import Forecast
from tangle.node.learning_views import GenerationView, LineageItem, ModelView
from tangle.node.market_views import MarketQueries
from tangle.node.replicas.views import FastAnswers, NoAnswers
from tangle.node.validator_views import ValidatorQueries
from tangle.node.views import (
    AccountView,
    CheckpointView,
    CommitteeView,
    Event,
    HistoryPage,
    NotFound,
    Overloaded,
    PeerView,
    PreparedTransaction,
    ReadinessCheck,
    SlowConsumer,
    StatusView,
    SubmitOutcome,
    TransactionStatus,
    TransactionView,
    ValidatorView,
    WaitTimeout,
)
from tangle.store.blob_files import MemoryBlobFiles
from tangle.store.blob_store import BlobStore
from tests.api.blob_double import NoPeers
from tests.api.explorer_double import ExplorerDouble, get_accounts
from tests.api.forecast_double import ForecastDouble
from tests.api.market_double import MarketDouble
from tests.api.status_double import make_status
from tests.api.validators_double import ValidatorsDouble

VALIDATOR: Final = SigningKey(b"v" * 32)
FAUCET: Final = SigningKey(b"f" * 32)
ALICE: Final = SigningKey(b"a" * 32)
BOB: Final = SigningKey(b"b" * 32)
NONE: Final = Grains(0)
ENDOWMENT: Final = 10**15
PORTION: Final = 10**12
JOB_PARAMETERS: Final = b"\x00"
SHARD: Final = Shard(0)
ORDER: Final = list(TransactionStatus)


def make_genesis(salt: int = 0, shard_bits: int = 0) -> Genesis:
    """A network of one validator; ``salt`` makes another chain."""
    return Genesis(
        version=1,
        name=b"double",
        timestamp_ms=Milliseconds(1_700_000_000_000 + salt),
        parameters=msgspec.structs.replace(MINIMAL, shard_bits=shard_bits),
        validators=(Validator(VALIDATOR.public_key, 1),),
        allocations=tuple(Allocation(key.public_key, Grains(ENDOWMENT)) for key in (FAUCET, ALICE)),
        board=(BoardEntry(1, JOB_PARAMETERS),),
    )


class LedgerDouble:
    """A whole node in memory."""

    def __init__(
        self,
        genesis: Genesis | None = None,
        *,
        is_automatic: bool = True,
        intake_max: int = 2_000,
        shard: Shard = SHARD,
    ) -> None:
        """:param is_automatic: every submission makes a checkpoint at once."""
        self.genesis = genesis or make_genesis()
        self.chain = compute_chain_id(self.genesis)
        self.shard = shard
        self.metrics = CollectorRegistry()
        self.has_faucet = True
        self.blobs = BlobRoom(BlobStore(MemoryBlobFiles(), lambda: 1, quota_bytes=2_000_000), NoPeers())
        self.explorer: Explorer = ExplorerDouble(self, VALIDATOR, shard)
        self.forecast: Forecast = ForecastDouble(self)
        self.validators: ValidatorQueries = ValidatorsDouble(self, VALIDATOR)
        self.crossing: CrossingQueries = NothingCrossed()
        self.replicas: FastAnswers = NoAnswers()
        self.is_automatic = is_automatic
        self.is_synced = True
        self.intake_max = intake_max
        self.lag_max = 10_000
        self.job = JobId(compute_hash(JOB, JOB_PARAMETERS))
        self.price = MINIMAL.price_floor
        self.balances = {item.account: int(item.amount) for item in self.genesis.allocations}
        self.sequences: dict[PublicKey, int] = {}
        self.jobs = MarketDouble(self.balances, self.sequences, self.genesis.timestamp_ms)
        self.market: MarketQueries = self.jobs.desk
        self.views: dict[TransactionId, TransactionView] = {}
        self.attached: list[TransactionId] = []
        self.pending: list[TransactionId] = []
        self.ordered: list[TransactionId] = []
        self.effects: list[bytes] = []
        self.lineage: list[LineageItem] = []
        self.checkpoints: list[CheckpointView] = []
        self.events: list[Event] = []
        self._changed = anyio.Event()
        self._burned = 0
        self.make_checkpoint()

    # Taking in

    async def submit(self, items: Sequence[bytes], source: str = "") -> tuple[SubmitOutcome, ...]:
        if len(self.pending) + len(items) > self.intake_max:
            raise Overloaded("intake", 0.5)
        outcomes = tuple(self._admit(item) for item in items)
        if self.is_automatic and any(outcome.is_new for outcome in outcomes):
            self.make_checkpoint()
        self._notify()
        return outcomes

    def _admit(self, encoded: bytes) -> SubmitOutcome:
        identity = None
        try:
            transaction = decode_transaction(encoded)
            identity = transaction.id
            known = self.views.get(identity)
            if known is not None:
                return SubmitOutcome(identity, False, known.status, None)
            check_transaction(transaction, self.chain, self.genesis.parameters.shard_bits)
            verify_transaction_signature(transaction)
            if transaction.body.work.job != self.job or len(transaction.body.work.results) != 1:
                raise InvalidTransaction("the work is not the one that was assigned")
        except TangleError as error:
            return SubmitOutcome(identity, False, None, error)
        self._attach(transaction)
        return SubmitOutcome(transaction.id, True, TransactionStatus.ATTACHED, None)

    def _attach(self, transaction: Transaction) -> None:
        self.views[transaction.id] = TransactionView(
            transaction, TransactionStatus.ATTACHED, None, None, None, None, None, None, False
        )
        self.attached.append(transaction.id)
        self.pending.append(transaction.id)

    async def prepare(
        self,
        issuer: PublicKey,
        *,
        with_work: bool,
        worker: PublicKey | None = None,
        sequence: int | None = None,
        operation_size: int = 0,
    ) -> PreparedTransaction:
        assert type(sequence) in (int, type(None)), "a real node hashes it, and hashes plain integers only"
        parents = tuple(self.attached[-2:]) or (compute_shard_genesis_id(self.chain, self.shard),)
        own = sum(self.views[identity].transaction.body.issuer == issuer for identity in self.pending)
        work = Work(EVOLUTION_WORK, self.job, 0, worker or issuer, (-7,)) if with_work else None
        return PreparedTransaction(
            chain=self.chain,
            shard=self.shard,
            issuer=issuer,
            sequence=self.sequences.get(issuer, 0) + own if sequence is None else sequence,
            anchor=self.checkpoints[-1].checkpoint.index,
            parents=parents,
            price=self.price,
            difficulty=1,
            suggested_max_fee=(10_000 + operation_size) * self.price,
            job=self.job,
            generation=0,
            work=work,
            work_ms=0.25 if with_work else None,
        )

    async def faucet(self, recipient: PublicKey) -> TransactionId:
        transaction = await self.make_transfer(FAUCET, recipient, PORTION)
        await self.submit((transaction.encoded,))
        return transaction.id

    async def make_transfer(
        self, key: SigningKey, recipient: PublicKey, amount: int, **changes: object
    ) -> Transaction:
        """A signed transfer; ``changes`` replace fields of its body before signing."""
        prepared = await self.prepare(key.public_key, with_work=True)
        assert prepared.work is not None
        body = TransactionBody(
            version=1,
            chain=prepared.chain,
            shard=Shard(prepared.shard),
            issuer=key.public_key,
            sequence=SequenceNumber(prepared.sequence),
            anchor=CheckpointIndex(prepared.anchor),
            parents=prepared.parents,
            operation=Transfer(recipient, Grains(amount)),
            work=prepared.work,
            max_fee=Grains(prepared.suggested_max_fee),
        )
        return sign_transaction(msgspec.structs.replace(body, **changes), key)

    # Ordering

    def make_checkpoint(self) -> None:
        """Order and apply what is attached, certify it, and tell everybody."""
        batch, self.pending = self.pending, []
        index = len(self.checkpoints)
        effects = [self._apply(one, index, place) for place, one in enumerate(batch, len(self.ordered))]
        self.jobs.advance(index, self._get_timestamp_ms(index))
        self.ordered += batch
        self.effects += effects
        checkpoint = self._build_checkpoint(index, batch, effects)
        digest = compute_checkpoint_digest(checkpoint)
        signed = sign_attestation(digest, checkpoint.index, self.shard, VALIDATOR, self.chain)
        certificate = Certificate(checkpoint.index, digest, (AuthorSignature(0, signed.signature),))
        self.checkpoints.append(CheckpointView(checkpoint, digest, certificate))
        for identity in batch:
            self._announce(self.views[identity])
        self.add_event("checkpoint", (), {"index": str(index)})
        self._notify()

    def _apply(self, identity: TransactionId, index: int, place: int) -> bytes:
        view = self.views[identity]
        body = view.transaction.body
        fee = len(view.transaction.encoded) * self.price
        cost = fee + (body.operation.amount if isinstance(body.operation, Transfer) else 0)
        reason = None
        if body.sequence != self.sequences.get(body.issuer, 0):
            reason = "sequence"
        elif self.balances.get(body.issuer, 0) < cost:
            reason = "funds"
        elif fee > body.max_fee:
            reason = "fee"
        elif isinstance(body.operation, MarketCall):
            try:
                self.jobs.call(view.transaction, body.operation, fee)
            except MarketFault as fault:
                reason = fault.code
        if reason is None:
            self.balances[body.issuer] -= cost
            self._burned += fee
            if isinstance(body.operation, Transfer):
                recipient = body.operation.recipient
                self.balances[recipient] = self.balances.get(recipient, 0) + body.operation.amount
            self.sequences[body.issuer] = body.sequence + 1
            self._count_work(view.transaction, index, place)
        self.views[identity] = TransactionView(
            transaction=view.transaction,
            status=TransactionStatus.CHECKPOINTED if reason is None else TransactionStatus.CONFLICTING,
            reason=None if reason is None else f"the {reason} does not fit",
            reason_code=reason,
            fee=fee if reason is None else 0,
            is_work_counted=reason is None,
            ordered_index=place,
            checkpoint=index,
            is_final=True,
        )
        return encode([identity, 0 if reason is None else 1, fee])

    def _count_work(self, transaction: Transaction, index: int, place: int) -> None:
        body = transaction.body
        self.lineage.append(
            LineageItem(
                ordered_index=place,
                checkpoint=index,
                timestamp_ms=self._get_timestamp_ms(index),
                transaction=transaction.id,
                issuer=body.issuer,
                sequence=body.sequence,
                generation=0,
                results=body.work.results,
            )
        )

    def _get_timestamp_ms(self, index: int) -> Milliseconds:
        return Milliseconds(self.genesis.timestamp_ms + 100 * index)

    def _build_checkpoint(self, index: int, batch: list[TransactionId], effects: list[bytes]) -> Checkpoint:
        held = sum(self.balances.values())
        return Checkpoint(
            version=1,
            chain=self.chain,
            shard=self.shard,
            epoch=0,
            committee_epoch=0,
            index=CheckpointIndex(index),
            previous=self.checkpoints[-1].digest if self.checkpoints else NO_ROOT,
            leader=BlockReference(index, 0, NO_ROOT),
            timestamp_ms=self._get_timestamp_ms(index),
            ordered_total=len(self.ordered),
            ordered_count=len(batch),
            ordered_root=compute_merkle_root(batch),
            effects_root=compute_merkle_root(effects),
            receipts_root=compute_merkle_root(()),
            received=(),
            state_digest=Digest(compute_hash(WEIGHTS, encode(sorted(self.balances.items())))),
            accounts_root=NO_ROOT,
            price=self.price,
            difficulty=1,
            supply=SupplyTotals(
                Grains(held + self._burned), NONE, Grains(self._burned), Grains(held), NONE, NONE, NONE, 0
            ),
            models=(ModelState(self.job, 0, self.weights_digest, 40, 1),),
            next_committee=(),
        )

    # Reading

    def get_transaction(self, identity: TransactionId) -> TransactionView:
        view = self.views.get(identity)
        if view is None:
            raise NotFound("transaction", identity.hex())
        return view

    async def wait_transaction(
        self, identity: TransactionId, status: TransactionStatus, timeout_s: float
    ) -> TransactionView:
        wanted = ORDER.index(status)
        await self._wait(lambda: ORDER.index(self.get_transaction(identity).status) >= wanted, timeout_s)
        return self.get_transaction(identity)

    def get_transaction_proof(self, identity: TransactionId) -> bytes:
        view = self.get_transaction(identity)
        if view.checkpoint is None:
            raise NotFound("proof of transaction", identity.hex())
        stored = self.checkpoints[view.checkpoint]
        first = stored.checkpoint.ordered_total - stored.checkpoint.ordered_count
        ids = self.ordered[first : stored.checkpoint.ordered_total]
        effects = self.effects[first : stored.checkpoint.ordered_total]
        place = ids.index(identity)
        assert stored.certificate is not None
        return encode_transaction_proof(
            TransactionProof(
                version=1,
                transaction=view.transaction.encoded,
                effect=effects[place],
                ordered=compute_inclusion_proof(ids, place),
                effects=compute_inclusion_proof(effects, place),
                checkpoint=stored.checkpoint,
                certificate=stored.certificate,
            )
        )

    def get_neighbours(self, identity: TransactionId, depth: int) -> tuple[TransactionView, ...]:
        near = {self.get_transaction(identity).transaction.id}
        for _ in range(depth):
            parents = {p for i in near for p in self.views[i].transaction.body.parents if p in self.views}
            children = {i for i in self.attached if near & set(self.views[i].transaction.body.parents)}
            near |= parents | children
        return tuple(self.views[i] for i in self.attached if i in near and i != identity)[:200]

    def get_recent(self, limit: int) -> tuple[TransactionView, ...]:
        return tuple(self.views[identity] for identity in self.attached[-limit:])

    def get_account(self, account: PublicKey) -> AccountView:
        pending = sum(self.views[identity].transaction.body.issuer == account for identity in self.pending)
        return AccountView(
            account=account,
            balance=self.balances.get(account, 0),
            sequence=self.sequences.get(account, 0),
            stake=0,
            pending=pending,
            checkpoint=len(self.checkpoints) - 1,
        )

    def get_account_pending(self, account: PublicKey) -> tuple[TransactionView, ...]:
        return tuple(
            view for key in self.pending if (view := self.views[key]).transaction.body.issuer == account
        )

    def get_account_history(
        self, account: PublicKey, position: int | None, limit: int, *, is_oldest_first: bool = False
    ) -> HistoryPage:
        touched = [
            place
            for place, identity in enumerate(self.ordered)
            if account in get_accounts(self.views[identity])
        ]
        if position is not None:
            touched = [
                place for place in touched if (place > position if is_oldest_first else place < position)
            ]
        page = (touched if is_oldest_first else touched[::-1])[:limit]
        items = tuple(self.views[self.ordered[place]] for place in page)
        return HistoryPage(items, page[-1] if len(touched) > limit else None)

    def get_account_earnings(self, account: PublicKey, before: int | None, limit: int) -> EarningsPage:
        """The account of every first allocation led each commit and was paid for a generation each time."""
        if account != self.genesis.allocations[0].account:
            return EarningsPage((), None)
        last = 2 * len(self.checkpoints) if before is None else before
        page = range(last - 1, max(-1, last - 1 - limit), -1)
        job = JobId(bytes(32))
        items = tuple(
            EarningView(
                place // 2,
                self._get_timestamp_ms(place // 2),
                1 + place,
                job if place % 2 else None,
                place if place % 2 else None,
            )
            for place in page
        )
        return EarningsPage(items, page[-1] if len(page) == limit and page[-1] else None)

    async def wait_checkpoint(self, index: int, timeout_s: float) -> None:
        await self._wait(lambda: len(self.checkpoints) > index, timeout_s)
        if len(self.checkpoints) <= index:
            raise WaitTimeout(f"checkpoint {index}", timeout_s)

    def get_checkpoint(self, shard: int, index: int | None) -> CheckpointView:
        if shard != self.shard or (index is not None and index >= len(self.checkpoints)):
            raise NotFound("checkpoint", f"{shard}/{index}")
        return self.checkpoints[-1 if index is None else index]

    # Models

    @property
    def weights(self) -> bytes:
        return bytes(range(256)) * 4

    @property
    def weights_digest(self) -> Digest:
        return compute_hash(WEIGHTS, self.weights)

    def get_models(self) -> tuple[ModelView, ...]:
        return (self.get_model(self.job),)

    def get_model(self, job: JobId) -> ModelView:
        if job != self.job:
            raise NotFound("job", job.hex())
        counted = len(self.lineage)
        return ModelView(job, "double", (16, 16), 1, 50, 64, self._get_generation(), counted, counted, None)

    def get_generations(self, job: JobId, first: int, limit: int) -> tuple[GenerationView, ...]:
        self.get_model(job)
        return (self._get_generation(),)[first:][:limit]

    def get_weights(self, job: JobId, generation: int | None) -> bytes:
        self.get_model(job)
        if generation:
            raise NotFound("generation", str(generation))
        return self.weights

    def get_parameters(self, job: JobId) -> bytes:
        self.get_model(job)
        return b"parameters"

    def get_training_data(self, job: JobId) -> bytes:
        raise NotFound("paid standing job", job.hex())

    def get_lineage(self, job: JobId, after: int, limit: int) -> tuple[LineageItem, ...]:
        self.get_model(job)
        return tuple(item for item in self.lineage if item.ordered_index >= after)[:limit]

    def _get_generation(self) -> GenerationView:
        return GenerationView(0, 40, 0, self.weights_digest, 0, self.genesis.timestamp_ms)

    # The node itself

    def get_committee(self, shard: int) -> CommitteeView:
        if shard != self.shard:
            raise NotFound("shard", str(shard))
        index = len(self.checkpoints) - 1
        member = ValidatorView(0, VALIDATOR.public_key, 1, index, index, (True,), True, True)
        return CommitteeView(self.shard, 0, index, index, 1, 1, (member,), 0)

    def get_peers(self) -> tuple[PeerView, ...]:
        return (PeerView(BOB.public_key, "127.0.0.1:1", True, False, "tangle/0", None, 1.0, 0, 1, 2, 0.5),)

    def get_status(self) -> StatusView:
        return make_status(
            chain=self.chain,
            node_key=VALIDATOR.public_key,
            last=len(self.checkpoints) - 1,
            pending=len(self.pending),
            ordered=len(self.ordered),
            price=self.price,
            is_ready=self.is_synced,
        )

    def get_readiness(self) -> tuple[ReadinessCheck, ...]:
        return (ReadinessCheck("synced", self.is_synced, "0 checkpoints behind"),)

    def add_event(self, topic: str, accounts: tuple[PublicKey, ...], body: Mapping[str, object]) -> None:
        """Append to the event log and wake everybody who follows it."""
        identity = len(self.events) + 1
        self.events.append(Event(identity, topic, self.shard, identity, accounts, msgspec.json.encode(body)))
        self._notify()

    def get_last_event_id(self) -> int:
        return len(self.events)

    def get_events(self, after: int, limit: int) -> tuple[Event, ...]:
        return tuple(self.events[after : after + limit])

    @asynccontextmanager
    async def subscribe_events(self, after: int | None) -> AsyncIterator[AsyncIterator[Event]]:
        yield self._read(len(self.events) if after is None else after)

    async def _read(self, position: int) -> AsyncIterator[Event]:
        while True:
            while position < len(self.events):
                if len(self.events) - position > self.lag_max:
                    raise SlowConsumer(position)
                position += 1
                yield self.events[position - 1]
            await self._changed.wait()

    def _announce(self, view: TransactionView) -> None:
        body = {"id": view.transaction.id.hex(), "status": view.status.value}
        self.add_event("transaction", get_accounts(view), body)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _wait(self, is_reached: Callable[[], bool], timeout_s: float) -> None:
        with anyio.move_on_after(timeout_s):
            while not is_reached():
                await self._changed.wait()
