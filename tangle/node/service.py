"""The node's answers to its doors: ``NodeService`` over a running ``Node``."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

import anyio
from prometheus_client import CollectorRegistry

from poi.events import Assignment
from poi.market.outcomes import Purpose
from shards.checkpoints import compute_checkpoint_digest
from shards.proofs import PROOF_VERSION, TransactionProof, encode_transaction_proof
from tangle.core.merkle import compute_inclusion_proof
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    EVOLUTION_WORK,
    TRANSACTION_VERSION,
    Transaction,
    TransactionBody,
    Transfer,
    Work,
    sign_transaction,
)
from tangle.core.types import (
    INTEGER_MAX,
    CheckpointIndex,
    Grains,
    JobId,
    PublicKey,
    TransactionId,
)
from tangle.core.types import Sequence as SequenceNumber
from tangle.ledger.effects import Effect, Status, describe_effect, encode_effect
from tangle.ledger.fees import compute_weight
from tangle.ledger.receipts import find_target
from tangle.node.archive import EarningRow
from tangle.node.blobs import BlobRoom, make_idle_room
from tangle.node.crossing.queries import NodeCrossing
from tangle.node.crossing.receipt_view import ReceiptView
from tangle.node.crossing.views import CrossingQueries
from tangle.node.earning_views import EarningsPage, EarningView
from tangle.node.explorer import Explorer, NodeExplorer
from tangle.node.forecast import Forecast, NodeForecast
from tangle.node.founding import FAUCET_PORTION
from tangle.node.jobs.room import JobsRoom
from tangle.node.learning import LearningQueries
from tangle.node.learning_views import GenerationView, LineageItem, ModelView
from tangle.node.market_desk import MarketDesk
from tangle.node.market_views import MarketQueries
from tangle.node.node import Node
from tangle.node.panorama import Panorama
from tangle.node.replicas.views import FastAnswers, NoAnswers
from tangle.node.snapshots.errors import HistoryPruned
from tangle.node.validator_desk import ValidatorDesk
from tangle.node.validator_views import ValidatorQueries
from tangle.node.views import (
    AccountView,
    CheckpointView,
    CommitteeView,
    Event,
    HistoryPage,
    NotFound,
    PeerView,
    PreparedTransaction,
    ReadinessCheck,
    StatusView,
    SubmitOutcome,
    TransactionStatus,
    TransactionView,
)

FEE_HEADROOM = 4
"""Times the present fee that a wallet is told to allow: the price may rise for a dozen intervals."""

TRANSFER_SIZE = 400
"""Bytes that a prepared transfer is reckoned with; a real one takes some 320."""

NEIGHBOURS_MAX = 200
"""Most transactions of one neighbourhood."""


PENDING_MAX = 200
"""Most transactions of one answer about an account's pending ones."""


class Service:
    """Everything that the API asks of a node."""

    def __init__(
        self,
        node: Node,
        panorama: Panorama,
        metrics: CollectorRegistry,
        faucet_key: SigningKey | None,
        blobs: BlobRoom | None = None,
        replicas: FastAnswers | None = None,
    ) -> None:
        """:param blobs: an idle room in memory for none. :param replicas: gives no fast answers for none."""
        self.blobs = blobs or make_idle_room(node.peering, node.parts.clock)
        self.node = node
        self.genesis = node.genesis
        self.chain = node.chain
        self.shard = node.shard
        self.metrics = metrics
        self.has_faucet = faucet_key is not None
        self.replicas = replicas or NoAnswers()
        self.explorer: Explorer = NodeExplorer(node, self.get_transaction)
        self.market: MarketQueries = MarketDesk(node.executor.machine, node.archive.market)
        self.forecast: Forecast = NodeForecast(node)
        self.validators: ValidatorQueries = ValidatorDesk(node)
        self.crossing: CrossingQueries = NodeCrossing(node, self.get_transaction)
        self.jobs: JobsRoom | None = None
        """The room for jobs, once it is open."""

        self._panorama = panorama
        self._learning = LearningQueries(node)
        self._faucet_key = faucet_key
        self._faucet_turn = anyio.Lock()

    # ── wallets ─────────────────────────────────────────────────────────────────────────────────────────────

    async def submit(self, items: Sequence[bytes], source: str = "") -> tuple[SubmitOutcome, ...]:
        """Take encoded transactions in."""
        return await self.node.intake.submit(items, source)

    async def prepare(
        self,
        issuer: PublicKey,
        *,
        with_work: bool,
        worker: PublicKey | None = None,
        sequence: int | None = None,
        operation_size: int = 0,
    ) -> PreparedTransaction:
        """Sequence, anchor, parents, price and assigned work; with the work done when asked."""
        node = self.node
        board, state = node.board, node.executor.machine.state
        next_sequence, before = node.book.find_next(issuer, node.archive.get_account(issuer).sequence)
        if sequence is not None and sequence != next_sequence:
            next_sequence, before = sequence, None
        anchor = board.latest
        facts = board.get_facts(anchor)
        job = board.draw(issuer, next_sequence, anchor)
        generation = facts.generations[job]
        work, work_ms = None, None
        if with_work:
            begun_s = node.parts.clock.monotonic_s()
            assignment = Assignment(issuer, SequenceNumber(next_sequence), facts.difficulty)
            answer = await node.parts.computer.prove(board.build_request(job, generation, (assignment,)))
            work_ms = (node.parts.clock.monotonic_s() - begun_s) * 1000
            work = Work(EVOLUTION_WORK, job, generation, worker or issuer, answer.results[0])
        macs = board.get_job(job).macs * facts.difficulty
        fee = compute_weight(TRANSFER_SIZE + operation_size, macs, node.genesis.parameters) * state.price
        return PreparedTransaction(
            chain=self.chain,
            shard=self.node.shard,
            issuer=issuer,
            sequence=next_sequence,
            anchor=anchor,
            parents=self._select_parents(before),
            price=state.price,
            difficulty=facts.difficulty,
            suggested_max_fee=fee * FEE_HEADROOM,
            job=job,
            generation=generation,
            work=work,
            work_ms=work_ms,
        )

    async def faucet(self, recipient: PublicKey) -> TransactionId:
        """Send the faucet's portion."""
        key = self._faucet_key
        if key is None:
            raise NotFound("faucet", "of this network")
        # One at a time: each transfer needs the number after the one before.
        async with self._faucet_turn:
            prepared = await self.prepare(key.public_key, with_work=True)
            assert prepared.work is not None, "it was asked for"
            body = TransactionBody(
                version=TRANSACTION_VERSION,
                chain=self.chain,
                shard=self.node.shard,
                issuer=key.public_key,
                sequence=SequenceNumber(prepared.sequence),
                anchor=CheckpointIndex(prepared.anchor),
                parents=prepared.parents,
                operation=Transfer(recipient, FAUCET_PORTION),
                work=prepared.work,
                max_fee=Grains(prepared.suggested_max_fee),
            )
            (outcome,) = await self.submit((sign_transaction(body, key).encoded,))
        if outcome.error is not None:
            raise outcome.error
        assert outcome.id is not None, "what is accepted has an id"
        return outcome.id

    def _select_parents(self, before: TransactionId | None) -> tuple[TransactionId, ...]:
        seed = self.node.parts.randomness.get_bytes(16)
        selected = self.node.subdag.select_parents(2, seed)
        if before is None:
            return selected
        # An account's pending transactions form a chain, so that they are ordered in their own order.
        other = next((parent for parent in selected if parent != before), None)
        return (before,) if other is None else (before, other)

    # ── transactions ────────────────────────────────────────────────────────────────────────────────────────

    def get_transaction(self, identity: TransactionId) -> TransactionView:
        """Status and effect."""
        node = self.node
        status = node.find_status(identity)
        if status is None:
            raise NotFound("transaction", identity.hex())
        transaction = node.subdag.get(identity) or node.archive.get_transaction(identity)
        if transaction is None:
            raise NotFound("transaction", identity.hex())
        place = node.archive.find_transaction(identity)
        row = None if place is None or place.ordered is None else node.archive.get_ordered(place.ordered)
        if row is None:
            reason, reason_code = self._explain_expiry(transaction, status)
            return TransactionView(
                transaction=transaction,
                status=status,
                reason=reason,
                reason_code=reason_code,
                fee=None,
                is_work_counted=None,
                ordered_index=None,
                checkpoint=None,
                is_final=reason_code == "expired",
            )
        effect = row.effect
        is_conflict = effect.status is not Status.APPLIED
        return TransactionView(
            transaction=transaction,
            status=status,
            reason=describe_effect(effect, transaction.body) if is_conflict else None,
            reason_code=effect.status.name.lower() if is_conflict else None,
            fee=effect.fee,
            is_work_counted=bool(effect.work_counted),
            ordered_index=row.index,
            checkpoint=row.checkpoint,
            is_final=row.checkpoint <= node.finality.certified,
            receipt=self._find_receipt(transaction, effect),
        )

    def _find_receipt(self, transaction: Transaction, effect: Effect) -> ReceiptView | None:
        bits = self.genesis.parameters.shard_bits
        is_abroad = find_target(transaction.body.operation, self.shard, bits) != self.shard
        if effect.status is not Status.APPLIED or not is_abroad:
            return None
        target, sequence = effect.figures
        return ReceiptView(target, sequence)

    def _explain_expiry(
        self, transaction: Transaction, status: TransactionStatus
    ) -> tuple[str | None, str | None]:
        """Why a transaction was let go of without being ordered; none while it was not."""
        if status is not TransactionStatus.EXPIRED:
            return None, None
        board = self.node.board
        if transaction.body.anchor + board.parameters.expiry_gap < board.latest:
            return "the anchor is too old", "expired"
        return "a parent did not come or was refused; send it again, or prepare it anew", "parents-missing"

    async def wait_transaction(
        self, identity: TransactionId, status: TransactionStatus, timeout_s: float
    ) -> TransactionView:
        """Wait until the transaction has come at least as far as ``status`` or failed."""

        def look() -> tuple[TransactionStatus, bool]:
            view = self.get_transaction(identity)
            return view.status, view.is_final

        await self.node.finality.wait_transaction(identity, status, look, timeout_s)
        return self.get_transaction(identity)

    def get_transaction_proof(self, identity: TransactionId) -> bytes:
        """Canonical proof of a final transaction."""
        view = self.get_transaction(identity)
        archive = self.node.archive
        if not view.is_final or view.checkpoint is None or view.ordered_index is None:
            raise NotFound("proof for transaction", identity.hex())
        checkpoint = archive.get_checkpoint(view.checkpoint)
        certificate = archive.get_certificate(view.checkpoint)
        if checkpoint is None or certificate is None:
            raise NotFound("certificate for checkpoint", str(view.checkpoint))
        first = checkpoint.ordered_total - checkpoint.ordered_count
        rows = archive.get_ordered_range(first, checkpoint.ordered_total)
        effects = [encode_effect(row.effect) for row in rows]
        place = view.ordered_index - first
        proof = TransactionProof(
            version=PROOF_VERSION,
            transaction=view.transaction.encoded,
            effect=effects[place],
            ordered=compute_inclusion_proof([row.effect.transaction for row in rows], place),
            effects=compute_inclusion_proof(effects, place),
            checkpoint=checkpoint,
            certificate=certificate,
        )
        return encode_transaction_proof(proof)

    def get_neighbours(self, identity: TransactionId, depth: int) -> tuple[TransactionView, ...]:
        """The transaction, its past up to ``depth`` steps, and recent transactions that build on it."""
        seen = {identity: self.get_transaction(identity)}
        edge = [identity]
        for _ in range(depth):
            reached: list[TransactionId] = []
            for near in edge:
                reached.extend(seen[near].transaction.body.parents)
            reached.extend(self._find_recent_children(edge))
            edge = []
            for candidate in reached:
                if candidate in seen or len(seen) >= NEIGHBOURS_MAX:
                    continue
                try:
                    seen[candidate] = self.get_transaction(candidate)
                except NotFound:  # the genesis id, or a parent that has not come
                    continue
                edge.append(candidate)
        return tuple(seen.values())

    def get_recent(self, limit: int) -> tuple[TransactionView, ...]:
        """The transactions attached last, oldest first."""
        identities = list(self.node.book.recent)[-limit:]
        return tuple(
            self.get_transaction(identity)
            for identity in identities
            if self.node.find_status(identity) is not None
        )

    def _find_recent_children(self, parents: Sequence[TransactionId]) -> list[TransactionId]:
        wanted = set(parents)
        return [
            child
            for child in self.node.book.recent
            if (transaction := self._find_pending(child)) and wanted.intersection(transaction.body.parents)
        ]

    def _find_pending(self, identity: TransactionId) -> Transaction | None:
        return self.node.subdag.get(identity) or self.node.archive.get_transaction(identity)

    # ── accounts and checkpoints ────────────────────────────────────────────────────────────────────────────

    def get_account(self, account: PublicKey) -> AccountView:
        """Balance, sequence and stake."""
        found = self.node.archive.get_account(account)
        return AccountView(
            account=account,
            balance=found.balance,
            sequence=found.sequence,
            stake=found.stake,
            pending=self.node.book.count_pending(account),
            checkpoint=self.node.finality.executed,
            leaving=self.validators.list_leaving(account) if found.stake else (),
        )

    def get_account_history(
        self, account: PublicKey, position: int | None, limit: int, *, is_oldest_first: bool = False
    ) -> HistoryPage:
        """Ordered transactions that touched the account, newest first or oldest first."""
        archive = self.node.archive
        indices = archive.get_account_history(account, position, limit, is_oldest_first=is_oldest_first)
        rows = [archive.get_ordered(index) for index in indices]
        items = tuple(self.get_transaction(row.effect.transaction) for row in rows if row is not None)
        return HistoryPage(items, indices[-1] if len(indices) == limit else None)

    def get_account_pending(self, account: PublicKey) -> tuple[TransactionView, ...]:
        """Transactions of this issuer that are attached and not ordered, by number."""
        identities = self.node.book.list_pending(account, INTEGER_MAX)
        return tuple(self.get_transaction(identity) for identity in identities[:PENDING_MAX])

    def get_account_earnings(self, account: PublicKey, before: int | None, limit: int) -> EarningsPage:
        """Fees and pay for work that the account got, newest first."""
        rows = self.node.archive.get_earnings(account, before, limit)
        items = tuple(self._make_earning(row) for row in rows)
        return EarningsPage(items, rows[-1].position if len(rows) == limit else None)

    def _make_earning(self, row: EarningRow) -> EarningView:
        checkpoint = self.node.archive.get_checkpoint(row.checkpoint)
        assert checkpoint is not None, "earnings are written with their checkpoint"
        record = row.record
        return EarningView(
            checkpoint=row.checkpoint,
            timestamp_ms=checkpoint.timestamp_ms,
            amount=record.amount,
            job=JobId(record.job) if record.job else None,
            generation=record.generation if record.job and not record.purpose else None,
            purpose=Purpose(record.purpose) if record.purpose else None,
        )

    async def wait_checkpoint(self, index: int, timeout_s: float) -> None:
        """Wait until checkpoint ``index`` is executed here."""
        await self.node.finality.wait_checkpoint(index, timeout_s)

    def get_checkpoint(self, shard: int, index: int | None) -> CheckpointView:
        """A checkpoint; the latest certified one for none."""
        if shard != self.node.shard:
            raise NotFound("shard", str(shard))
        wanted = self.node.finality.certified if index is None else index
        checkpoint = self.node.archive.get_checkpoint(wanted)
        if checkpoint is None:
            self.node.archive.check_kept(wanted, f"checkpoint {wanted}")
            raise NotFound("checkpoint", str(wanted))
        certificate = self.node.archive.get_certificate(wanted)
        return CheckpointView(checkpoint, compute_checkpoint_digest(checkpoint), certificate)

    # ── learning ────────────────────────────────────────────────────────────────────────────────────────────

    def get_models(self) -> tuple[ModelView, ...]:
        """Standing jobs."""
        return self._learning.get_models()

    def get_model(self, job: JobId) -> ModelView:
        """One standing job."""
        return self._learning.get_model(job)

    def get_generations(self, job: JobId, first: int, limit: int) -> tuple[GenerationView, ...]:
        """Score curve from generation ``first`` on."""
        return self._learning.get_generations(job, first, limit)

    def get_weights(self, job: JobId, generation: int | None) -> bytes:
        """Master weights of a generation."""
        return self._learning.get_weights(job, generation)

    def get_parameters(self, job: JobId) -> bytes:
        """Encoded parameters of a standing job."""
        return self._learning.get_parameters(job)

    def get_training_data(self, job: JobId) -> bytes:
        """Training data of a paid job."""
        return self._learning.get_data(job)

    def get_lineage(self, job: JobId, after: int, limit: int) -> tuple[LineageItem, ...]:
        """Counted evaluations with ordered index >= ``after``, in order."""
        return self._learning.get_lineage(job, after, limit)

    # ── the node ────────────────────────────────────────────────────────────────────────────────────────────

    def get_committee(self, shard: int) -> CommitteeView:
        """Rounds and votes."""
        if shard != self.node.shard:
            raise NotFound("shard", str(shard))
        return self._panorama.get_committee()

    def get_peers(self) -> tuple[PeerView, ...]:
        """Connected peers."""
        return self._panorama.get_peers()

    def get_status(self) -> StatusView:
        """One screen."""
        return self._panorama.get_status()

    def get_readiness(self) -> tuple[ReadinessCheck, ...]:
        """Named conditions."""
        return self._panorama.get_readiness()

    def get_last_event_id(self) -> int:
        """Id of the latest stored event; 0 before the first."""
        return self.node.events.last_id

    def get_events(self, after: int, limit: int) -> tuple[Event, ...]:
        """Stored events with id > ``after``."""
        self._check_events(after)
        return self.node.events.get_events(after, limit)

    def subscribe_events(self, after: int | None) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Events from ``after`` on (from now for none), without gaps."""
        if after is not None:
            self._check_events(after)
        return self.node.events.subscribe(after)

    def _check_events(self, after: int) -> None:
        """:raises HistoryPruned: what comes behind ``after`` is not kept any more."""
        rows = self.node.archive.get_event_rows(after + 1, 1)
        if rows and rows[0].first_id > after + 1 and self.node.archive.get_history_base() is not None:
            raise HistoryPruned(f"event {after + 1}", rows[0].checkpoint)
