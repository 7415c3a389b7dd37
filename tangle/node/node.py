"""One node: its rooms put together, and the paths between them. Nothing is decided here.

Events of one core become calls of another room; what must survive goes to the archive first.
"""

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Protocol, assert_never

import anyio
import structlog
from anyio.abc import TaskStatus

from shards.blocks import Block, BlockReference, PayloadId, Vote, decode_block
from shards.committee import Committee
from shards.events import RecoveredState
from shards.guard import decode_last_signed, encode_last_signed, make_last_signed
from tangle.core.errors import TangleError
from tangle.core.genesis import compute_chain_id, compute_shard_genesis_id
from tangle.core.signing import SigningKey
from tangle.core.transactions import Transaction
from tangle.core.types import BundleId, TransactionId
from tangle.ledger.errors import ParentsMissing
from tangle.ledger.events import Attached, Dropped, Expired, SubDagEvent, Waiting
from tangle.ledger.limits import SubDagLimits, widen_window
from tangle.ledger.machine import CheckpointOutcome
from tangle.ledger.pending import PendingBook
from tangle.ledger.subdag import SubDag
from tangle.net.ledger_messages import LedgerRequest, ShardStatus
from tangle.net.messages import Announce, Blocks, Hello, Response, prepare_message
from tangle.node.archive import Archive
from tangle.node.attesting import Attester, ExecutedCheckpoint
from tangle.node.catch_up import CatchUp, Progress
from tangle.node.committee_driver import CommitteeDriver, CommitteeHooks, CommitteeSetting
from tangle.node.crossing.desk import BundleDesk
from tangle.node.depot import Depot
from tangle.node.entry import wait_for_entry
from tangle.node.epochs import EpochHooks, Epochs, Instance
from tangle.node.event_log import EventLog
from tangle.node.executor import Executor
from tangle.node.fetcher import Fetcher
from tangle.node.finality import FinalCheckpoint, Finality, FinalityHooks
from tangle.node.gate import Gate
from tangle.node.gossip import Gossip
from tangle.node.ingest import Intake
from tangle.node.keeper import Keeper
from tangle.node.ledgerbook import LedgerBook
from tangle.node.missing import MissingTransactions
from tangle.node.parts import PROTOCOL_VERSION, NodeParts
from tangle.node.peer import Peer
from tangle.node.recovery import (
    Ending,
    Recovered,
    found,
    recover,
    recover_core,
    restore_last_block,
)
from tangle.node.responder import Responder
from tangle.node.views import TransactionStatus
from tangle.node.workboard import WorkBoard

log = structlog.get_logger("node")


class MarketHands(Protocol):
    """Whoever acts in the market for this node: the room for jobs, or what a simulation puts in its place."""

    def on_executed(self, outcome: CheckpointOutcome) -> None:
        """A checkpoint is on disk."""

    def take_votes(self, limit: int) -> tuple[Vote, ...]:
        """Verdicts for the next own block, at most so many."""


class Node:
    """A running node of one shard."""

    def __init__(self, parts: NodeParts, recovered: Recovered, archive: Archive) -> None:
        """Build the rooms on what was recovered; ``run`` brings them to life."""
        self.parts = parts
        self.genesis = parts.genesis
        self.chain = compute_chain_id(parts.genesis)
        self.shard = parts.shard
        self.archive = archive
        self.book = LedgerBook(PendingBook(archive.get_account))
        self.board = WorkBoard(parts.genesis, self.chain, self.shard, archive)
        self.board.latest = recovered.state.checkpoint_index
        self.peer_port = 0
        self.jobs: MarketHands | None = None
        """The room for jobs, once it is open; the ledger goes on without it."""

        parameters = parts.genesis.parameters
        genesis_id = compute_shard_genesis_id(self.chain, self.shard)
        limits = widen_window(SubDagLimits(unordered_max=parts.config.pending_max))
        self.subdag = SubDag(parameters, genesis_id, limits)
        self.subdag.on_checkpoint(recovered.state.checkpoint_index)
        self.events = EventLog(archive, parameters.address_prefix.decode())
        self.keeper = Keeper(archive, parts.guard, self.events)
        attester = self._make_attester(recovered.present, recovered.certified, recovered.lacking)
        self.finality = self._make_finality(attester, recovered)
        self.desk = BundleDesk(archive, self.finality)
        self.depot = Depot(archive.training)
        self.disk = parts.make_disk_watch()
        self.executor = self._make_executor(recovered)
        self.peering = parts.make_peering(self.chain, self)
        self.gossip = Gossip(self.peering, parts.randomness, self.subdag.list_unnamed)
        self.fetcher = Fetcher(
            peering=self.peering,
            shard=self.shard,
            on_transactions=self._on_fetched,
            on_blocks=self.on_blocks,
            get_epoch=lambda: self.epochs.epoch,
        )
        self.intake = self._make_intake()
        self.missing = MissingTransactions(
            subdag=self.subdag,
            archive=archive,
            intake=self.intake,
            fetcher=self.fetcher,
            on_subdag_events=self._on_subdag_events,
            get_ordered_total=lambda: self.executor.machine.state.ordered_total,
        )
        instance = self._make_instance(recovered.present, recovered.committee, attester)
        self.epochs = self._make_epochs(instance, recovered.ending)
        self.catch_up = CatchUp(
            peering=self.peering,
            shard=self.shard,
            get_vouched=lambda: self.driver.vouched,
            is_epoch_over=self.epochs.is_over,
            get_progress=self._get_progress,
            on_transactions=self._on_fetched,
            on_blocks=self.on_blocks,
        )
        self.responder = Responder(archive, self.subdag, lambda: self.driver)
        for block in chain(recovered.counted, recovered.committee.blocks):
            # Whoever saw a certificate before the crash does not attest that checkpoint again: what was seen
            # of its quorum must still count.
            self.finality.on_block(block)
        for transaction in archive.read_unordered(recovered.state.ordered_total):
            self.intake.resubmit_stored(transaction, is_needed=False)
        # What expired long ago, and was not deleted yet, is given up again before a block can name it.
        self._on_subdag_events(self.subdag.on_checkpoint(recovered.state.checkpoint_index))
        for executed in recovered.uncertified:
            self.finality.on_executed(executed)
        self.epochs.on_final(recovered.certified)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Live until cancelled, or until something must stop the node.

        :raises TangleError: ``StorageFailed``, ``StateForked``, ``SupplyBroken``, ...: say it and exit.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.executor.run)
            tasks.start_soon(self.finality.run)
            tasks.start_soon(self.disk.run)
            tasks.start_soon(self.intake.run, self.parts.config.get_workers())
            tasks.start_soon(self.gossip.run)
            tasks.start_soon(self.fetcher.run)
            tasks.start_soon(self.epochs.run)
            self.peer_port = await tasks.start(self.peering.run)
            tasks.start_soon(self.catch_up.run)
            task_status.started()

    # ── the committee that is at work ───────────────────────────────────────────────────────────────────────

    @property
    def committee(self) -> Committee:
        """Who orders now."""
        return self.epochs.current.committee

    @property
    def validator_key(self) -> SigningKey | None:
        """The key that this node signs blocks with; none where it is not of the present committee."""
        return self.epochs.current.validator_key

    @property
    def driver(self) -> CommitteeDriver:
        """The present committee's."""
        return self.epochs.current.driver

    # ── what peers say ──────────────────────────────────────────────────────────────────────────────────────

    def make_hello(self) -> Hello:
        """How far this node is."""
        round_number = self.driver.core.highest_round
        status = ShardStatus(self.shard, self.finality.certified, self.epochs.epoch, round_number)
        agent = self.parts.agent.encode()[:64]
        is_validator = self.validator_key is not None
        return Hello(PROTOCOL_VERSION, (status,), self.peer_port, agent, is_validator)

    def on_connected(self, peer: Peer) -> None:
        """A session began: send the newest blocks, which the peer may have missed."""
        latest = tuple(block.encoded for block in self.driver.get_latest_blocks())
        if latest:
            peer.send(prepare_message(Blocks(latest)))

    def on_behind(self, peer: Peer) -> None:
        """A peer is behind: what validators signed tells it so, and whom it can ask."""
        self.on_connected(peer)

    def on_transactions(self, items: Sequence[bytes], peer: Peer) -> None:
        """New transactions."""
        self.intake.take(items, peer, is_requested=False)

    def on_announce(self, message: Announce, peer: Peer) -> None:
        """Ids of transactions that the peer has: fetch the unknown ones."""
        unknown = [
            identity
            for identity in message.ids
            if not self.intake.has(identity)
            and not self.intake.is_refused(identity)
            and self.find_status(identity) is None
        ]
        self.fetcher.want_announced(unknown, peer)

    def on_blocks(self, items: Sequence[bytes], peer: Peer) -> None:
        """Committee blocks."""
        for item in items:
            try:
                self.epochs.receive(decode_block(item), peer)
            except TangleError as error:
                self.peering.blame(peer, error)

    def answer(self, request: LedgerRequest) -> Response:
        """The response to a request."""
        return self.responder.answer(request)

    # ── what is known of a transaction ──────────────────────────────────────────────────────────────────────

    def find_status(self, identity: TransactionId) -> TransactionStatus | None:
        """How far a transaction is; none when this node does not have it."""
        if self.subdag.is_waiting(identity):
            return TransactionStatus.WAITING
        if self.subdag.get(identity) is not None:
            return TransactionStatus.ATTACHED
        place = self.archive.find_transaction(identity)
        if place is None:
            return None
        if place.ordered is None:
            is_being_ordered = self.subdag.is_attached(identity)
            return TransactionStatus.ORDERED if is_being_ordered else TransactionStatus.EXPIRED
        row = self.archive.get_ordered(place.ordered)
        if row is None:
            return TransactionStatus.ORDERED
        if row.effect.status:
            return TransactionStatus.CONFLICTING
        is_final = row.checkpoint <= self.finality.certified
        return TransactionStatus.CHECKPOINTED if is_final else TransactionStatus.ORDERED

    # ── between the rooms ───────────────────────────────────────────────────────────────────────────────────

    def _on_subdag_events(self, events: Sequence[SubDagEvent], source: Peer | None = None) -> None:
        attached: list[Transaction] = []
        for event in events:
            match event:
                case Attached(transaction):
                    attached.append(transaction)
                case Waiting(_, missing, is_needed):
                    self.missing.want(missing, source, is_needed=is_needed)
                case Dropped(identity, error):
                    log.info("transaction-dropped", id=identity.hex()[:16], code=error.code)
                    self._on_given_up((identity,))
                    if isinstance(error, ParentsMissing):
                        self.missing.give_up(tuple(map(TransactionId, error.missing)))
                case Expired(identities):
                    self._on_given_up(identities)
                case _:
                    assert_never(event)
        if attached:
            self._on_attached(attached, source)

    def _on_attached(self, transactions: Sequence[Transaction], source: Peer | None) -> None:
        now_s = anyio.current_time()
        identities = [transaction.id for transaction in transactions]
        for transaction in transactions:
            self.book.on_attached(transaction, now_s)
        self.fetcher.on_transactions_here(identities)
        self.gossip.add(transactions, source)
        self.driver.on_attached(identities)
        self.driver.on_payload()
        self.finality.wake(identities)

    def _on_given_up(self, identities: Sequence[TransactionId]) -> None:
        self.book.on_given_up(identities)
        self.keeper.on_given_up(identities)
        self.finality.wake(identities)

    def _on_fetched(self, items: Sequence[bytes], peer: Peer, is_needed: bool = True) -> None:
        self.intake.take(items, peer, is_requested=is_needed)

    def _on_missing(
        self, blocks: Sequence[BlockReference], tips: Sequence[TransactionId], sender: Peer | None
    ) -> None:
        self.fetcher.want_blocks(blocks, sender)
        self.missing.want(tips, sender)

    def _is_present(self, identity: PayloadId) -> bool:
        tip = TransactionId(identity)
        if self.subdag.is_attached(tip) or self.parts.bundles.is_present(BundleId(identity)):
            return True
        place = self.archive.find_transaction(tip)
        return place is not None and place.ordered is not None

    def _on_block_accepted(self, block: Block) -> None:
        self.fetcher.on_blocks_here((block.reference,))
        self.subdag.on_named(block.body.tips, block.reference.round)
        self.finality.on_block(block)
        self.parts.bundles.on_block(block)

    def _on_executed(self, outcome: CheckpointOutcome) -> None:
        self.board.on_executed(outcome.checkpoint)
        ordered, now_s = outcome.transactions, anyio.current_time()
        self.book.on_ordered(ordered)
        self.book.pending.on_executed(outcome.accounts)
        delay_s = self.book.compute_age_s(ordered[len(ordered) // 2].id, now_s) if ordered else None
        self.intake.on_executed(outcome.checkpoint.index, ordered, delay_s)
        if self.jobs is not None:
            self.jobs.on_executed(outcome)
        if outcome.next_committee is not None:
            self.epochs.on_ended(outcome.checkpoint.index, outcome.next_committee)
        if self.epochs.current.attester.has_attestations:
            self.driver.on_payload()

    def _on_final(self, final: Sequence[FinalCheckpoint]) -> None:
        now_s = anyio.current_time()
        for checkpoint in final:
            self.book.on_final(checkpoint.executed.transactions, now_s)
        if final:
            self.events.on_durable()
        self.desk.on_final()
        self.epochs.on_final(self.finality.certified)

    def _on_begun(self, instance: Instance) -> None:
        """Another committee is at work: whatever outlives committees goes on with it."""
        self.finality.begin(instance.attester)
        self.executor.begin()
        self.subdag.on_epoch()
        self.fetcher.forget_blocks()
        self.peering.broadcast(prepare_message(self.make_hello()))
        instance.driver.on_payload()

    def _get_progress(self) -> Progress:
        total = self.executor.machine.state.ordered_total
        return Progress(self.epochs.epoch, self.driver.core.highest_round, total)

    # ── construction ────────────────────────────────────────────────────────────────────────────────────────

    def _make_attester(
        self, committee: Committee, certified: int, lacking: Sequence[ExecutedCheckpoint] = ()
    ) -> Attester:
        return Attester(committee, self.chain, self.parts.find_validator_key(committee), certified, lacking)

    def _make_finality(self, attester: Attester, recovered: Recovered) -> Finality:
        return Finality(
            attester=attester,
            hooks=FinalityHooks(store=self.keeper.store_final, on_final=self._on_final),
            certified=recovered.certified,
        )

    def _make_executor(self, recovered: Recovered) -> Executor:
        return Executor(
            make_machine=partial(self.parts.make_machine, self.chain, recovered),
            subdag=self.subdag,
            archive=self.archive,
            finality=self.finality,
            depot=self.depot,
            bundles=self.parts.bundles,
            on_subdag_events=self._on_subdag_events,
            on_executed=self._on_executed,
            is_ended=recovered.ending is not None,
        )

    def _make_gate(self) -> Gate:
        config = self.parts.config
        return Gate(
            self.board,
            self.book,
            capacity=config.intake_max,
            pending_max=config.pending_max,
        )

    def _make_intake(self) -> Intake:
        return Intake(
            board=self.board,
            subdag=self.subdag,
            gate=self._make_gate(),
            computer=self.parts.computer,
            hand_in=self.keeper.hand_in_transactions,
            find_status=self.find_status,
            on_events=self._on_subdag_events,
            on_refused=self.peering.blame,
            capacity=self.parts.config.intake_max,
            pending_max=self.parts.config.pending_max,
            disk=self.disk,
        )

    def _make_epochs(self, first: Instance, ending: Ending | None) -> Epochs:
        parts = self.parts

        def recover_epoch(epoch: int) -> RecoveredState:
            last_signed = decode_last_signed(parts.guard.record)
            return recover_core(self.archive, parts.genesis.parameters, epoch, last_signed)

        hooks = EpochHooks(
            make_instance=lambda committee, recovered: self._make_instance(
                committee, recovered, self._make_attester(committee, self.finality.certified)
            ),
            recover=recover_epoch,
            wait_for_entry=lambda driver: wait_for_entry(
                self.peering, driver, self.catch_up, self.fetcher, parts.randomness
            ),
            on_ended=self.finality.on_end,
            on_begun=self._on_begun,
            on_certificate=self.finality.on_certificate,
            get_executed=lambda: self.finality.executed,
            is_complete=lambda: self.finality.is_complete,
        )
        if ending is not None:
            self.finality.on_end(ending.index)
        return Epochs(first, ending, peering=self.peering, chain=self.chain, shard=self.shard, hooks=hooks)

    def _make_instance(self, committee: Committee, recovered: RecoveredState, attester: Attester) -> Instance:
        parts = self.parts
        key = parts.find_validator_key(committee)
        core = parts.make_committee_core(committee, self.chain, self._is_present, recovered)
        hooks = CommitteeHooks(
            store_blocks=self.keeper.store_blocks,
            hand_in_blocks=self.keeper.hand_in_blocks,
            on_equivocation=self.keeper.on_equivocation,
            advance_guard=self.keeper.advance_guard,
            broadcast=lambda block: self.peering.broadcast(prepare_message(Blocks((block.encoded,)))),
            on_accepted=self._on_block_accepted,
            on_refused=self.peering.blame,
            on_missing=self._on_missing,
            on_missing_bundles=self.parts.bundles.on_missing,
            take_bundles=self.parts.bundles.take,
            on_committed=self.executor.add,
            select_tips=self.subdag.select_tips,
            take_attestations=attester.take_attestations,
            take_votes=lambda limit: () if self.jobs is None else self.jobs.take_votes(limit),
            get_commits_ahead=lambda: self.executor.depth,
        )
        setting = CommitteeSetting(committee, self.genesis.parameters, self.chain, self.shard, key)
        driver = CommitteeDriver(
            core=core, setting=setting, computer=parts.computer, clock=parts.clock, hooks=hooks
        )
        return Instance(committee, key, driver, attester)


async def open_node(parts: NodeParts) -> Node:
    """Found or recover the home's state and build a node on it. The store must be running.

    :raises TangleError: the home's state does not fit the genesis or the guard.
    """
    archive = Archive(parts.store)
    chain, shard = compute_chain_id(parts.genesis), parts.shard
    await found(archive, parts.genesis, chain, shard, parts.backend)
    if not parts.guard.record:
        await parts.guard.save(encode_last_signed(make_last_signed(chain, 0, shard)))
    last_signed = decode_last_signed(parts.guard.record)
    await restore_last_block(archive, last_signed)
    last_events = archive.get_last_event_row()
    certified = 0 if last_events is None else last_events.checkpoint
    return Node(parts, recover(archive, parts.genesis, certified, last_signed), archive)
