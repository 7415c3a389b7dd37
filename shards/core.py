"""The committee core: the one object that a shell owns for one shard and one epoch.

Blocks, attached transactions and deadlines go in, events come out; the shell stores, sends and executes.
Nothing here reads a clock or a store, so the same inputs give the same events on every machine. Source:
protocol 4.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from shards.blocks import (
    Attestation,
    Block,
    BlockReference,
    BundleReference,
    PayloadId,
    Vote,
    check_block,
    compute_bundle_id,
    sign_block,
)
from shards.commit_rule import FIRST_SLOT, Commit, Slot, make_commit_rule
from shards.commits import CommitRecord, compute_first_commit_digest
from shards.committee import Committee
from shards.committer import Committer, SlotOutcome
from shards.dag import Dag
from shards.errors import ProposalNotDue
from shards.events import (
    BlockAccepted,
    BlockDropped,
    BlockSuspended,
    CommitteeEvent,
    DropReason,
    EquivocationSeen,
    Missing,
    Pace,
    ProposalDue,
    RecoveredState,
    SubDagCommitted,
)
from shards.linearizer import Linearizer
from shards.proposer import Proposer
from shards.waiting import WaitingRoom
from tangle.core.parameters import Parameters
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, Digest, Shard, TransactionId

TWINS_PER_SLOT_MAX: Final = 4
"""Blocks of one slot that are taken unasked. A faulty author can sign any number; more are taken only when
blocks of other authors build on them."""

EARLY_PER_AUTHOR_MAX: Final = 16
"""Blocks from the future that one author may have waiting: about a second of a clock that runs ahead."""

MISSING_MAX: Final = 1000
"""Most blocks and most transactions that are asked for at a time: one fetch request."""

BUNDLES_MISSING_MAX: Final = 64
"""Most bundles that are asked for at a time; the longest have half a mebibyte."""


class CommitteeCore:
    """Consensus of one shard as one validator (or an observer) sees it."""

    def __init__(
        self,
        committee: Committee,
        parameters: Parameters,
        chain: ChainId,
        shard: Shard,
        own_index: int | None,
        pace: Pace,
        is_attached: Callable[[PayloadId], bool],
        recovered: RecoveredState | None,
    ) -> None:
        """:param own_index: place in the committee; ``None`` observes and never proposes.
        :param is_attached: whether a transaction or a bundle is present and verified.
        :param recovered: what a store held; ``None`` on the very first start.
        """
        self._committee = committee
        self._parameters = parameters
        self._chain = chain
        self._shard = shard
        self._own_index = own_index
        self._is_attached = is_attached
        commits = recovered.commits if recovered else ()
        horizon = max(0, commits[-1].leader.round - parameters.commit_depth) if commits else 0
        self._dag = Dag(committee, horizon)
        self._waiting = WaitingRoom(len(committee))
        rule = make_commit_rule(committee, parameters.leaders_per_round)
        self._committer = Committer(self._dag, committee, rule, self.get_leaders)
        first_digest = compute_first_commit_digest(committee, chain, shard)
        self._linearizer = Linearizer(self._dag, parameters.commit_depth, first_digest)
        self._last_decided = FIRST_SLOT
        self._proposer: Proposer | None = None
        if own_index is not None:
            last_signed_round = recovered.last_signed_round if recovered else 0
            self._proposer = Proposer(
                self._dag, committee, own_index, pace, self.get_leaders, chain, shard, last_signed_round
            )
        self._early: list[tuple[int, BlockReference, Block]] = []
        self._unordered: dict[Digest, int] = {}
        self._is_payload_waiting = False
        self._announced_round = 0
        self._due_ms: int | None = None
        """When the own block is due, as of the last call."""
        self._is_started = False
        self._has_grown = True
        if recovered:
            self._recover(recovered)

    @property
    def clock_round(self) -> int:
        """Round of the threshold clock: the next one to propose in."""
        return self._dag.threshold_round

    @property
    def highest_round(self) -> int:
        """Highest round of any accepted block."""
        return self._dag.highest_round

    @property
    def leaders_missed(self) -> int:
        """Own blocks that were made without waiting any longer for the leader of the round before."""
        return 0 if self._proposer is None else self._proposer.leaders_missed

    @property
    def slot_outcomes(self) -> Mapping[SlotOutcome, int]:
        """How many slots ended how since the start."""
        return self._committer.tally

    @property
    def horizon(self) -> int:
        """Last round that is forgotten; blocks up to it need not be kept for consensus."""
        return self._dag.horizon

    @property
    def last_commit(self) -> CommitRecord | None:
        """The newest commit record."""
        return self._linearizer.last

    def get_leaders(self, round_number: int) -> tuple[int, ...]:
        """Leaders of a round, best rank first."""
        return self._committee.get_leaders(self._shard, round_number, self._parameters.leaders_per_round)

    def get_round(self, round_number: int) -> tuple[Block, ...]:
        """Accepted blocks of a round above the horizon, for displays and for peers that ask."""
        return tuple(self._dag.get_round(round_number))

    @property
    def is_proposal_open(self) -> bool:
        """Whether this validator may sign a block of the clock's round: it has signed none there."""
        return self._proposer is not None and self.clock_round > self._proposer.last_round

    def get_latest_blocks(self) -> tuple[Block, ...]:
        """Each author's newest accepted block: what to send to a peer that has just connected, and again
        while the clock stands still, since a block that was sent once may have been lost on the way.
        """
        newest = (
            self._dag.get_latest_before(author, self.highest_round + 1)
            for author in range(len(self._committee))
        )
        return tuple(block for block in newest if block is not None)

    def is_known(self, reference: BlockReference) -> bool:
        """Whether a block needs no fetching: accepted, waiting, or too old to matter."""
        return (
            self._dag.is_present(reference)
            or reference in self._waiting
            or any(early == reference for _, early, _ in self._early)
        )

    def get_missing(self) -> Missing:
        """What waiting blocks lack, at most ``MISSING_MAX`` blocks and transactions and
        ``BUNDLES_MISSING_MAX`` bundles, lowest rounds first.
        """
        blocks, tips = self._waiting.get_missing(MISSING_MAX)
        return Missing(
            tuple(block for block in blocks if not self.is_known(block)),
            tuple(tips),
            tuple(self._waiting.get_missing_bundles(BUNDLES_MISSING_MAX)),
        )

    def get_deadline_ms(self) -> int | None:
        """When ``on_deadline`` wants to be called; 0 before the first call of all."""
        if not self._is_started:
            return 0
        if not self._early:
            return self._due_ms
        early_ms = self._early[0][0]
        return early_ms if self._due_ms is None else min(early_ms, self._due_ms)

    def process_block(self, block: Block, now_ms: int) -> tuple[CommitteeEvent, ...]:
        """Take in a block that passed ``check_block`` and whose signatures are verified."""
        events: list[CommitteeEvent] = []
        reference = block.reference
        if reference.round <= self._dag.horizon:
            events.append(BlockDropped(reference, DropReason.BELOW_HORIZON))
        elif not self.is_known(reference):
            due_ms = block.body.timestamp_ms - self._parameters.block_drift_ms
            if self._is_needless_twin(reference):
                events.append(BlockDropped(reference, DropReason.TWIN))
            elif due_ms <= now_ms:
                self._place(block, events)
            elif self._is_room_for_early(reference.author):
                heapq.heappush(self._early, (due_ms, reference, block))
            else:
                events.append(BlockDropped(reference, DropReason.TOO_FAR_AHEAD))
        return self._settle(now_ms, events)

    def process_attached(self, payload: Iterable[PayloadId], now_ms: int) -> tuple[CommitteeEvent, ...]:
        """Transactions or bundles became present: blocks that waited for them may go on."""
        events: list[CommitteeEvent] = []
        for identity in payload:
            for block in self._waiting.process_attached(identity):
                self._accept(block, events)
        return self._settle(now_ms, events)

    def process_payload(self, *, is_waiting: bool, now_ms: int) -> tuple[CommitteeEvent, ...]:
        """Whether the shell holds tips or attestations for the next own block; ends an idle delay.

        A proposal sets it back to nothing; say again what is left over.
        """
        self._is_payload_waiting = is_waiting
        return self._settle(now_ms, [])

    def on_deadline(self, now_ms: int) -> tuple[CommitteeEvent, ...]:
        """The deadline passed. Calling early or twice does no harm."""
        return self._settle(now_ms, [])

    def propose(
        self,
        now_ms: int,
        tips: Sequence[TransactionId],
        attestations: Sequence[Attestation],
        key: SigningKey,
        votes: Sequence[Vote] = (),
        bundles: Sequence[BundleReference] = (),
    ) -> tuple[Block, tuple[CommitteeEvent, ...]]:
        """Make and accept the own block of the clock's round. The shell stores it, then sends it.

        It may leave tips out, and says so by not naming them: see ``Proposer.make_body``.

        :param tips: attached transactions that no own block named before, at most ``tips_per_block``.
        :param attestations: own, by ascending checkpoint, at most ``attestations_per_block``.
        :param votes: own verdicts on matters of the market, at most ``VOTES_MAX``, each subject once.
        :param bundles: bundles from other shards that are present, at most ``BUNDLES_MAX``, each once.
        :raises ProposalNotDue: the round is signed already, or this node observes.
        :raises InvalidPayload: over a limit or repeated.
        """
        if self._proposer is None or not self.is_proposal_open:
            raise ProposalNotDue(self.clock_round, self._proposer.last_round if self._proposer else 0)
        self._proposer.on_clock(now_ms)
        body = self._proposer.make_body(now_ms, tips, attestations, votes, bundles)
        block = sign_block(body, key)
        check_block(block, self._committee, self._chain, self._shard, self._parameters)
        self._proposer.on_proposed(now_ms)
        self._is_payload_waiting = False
        events: list[CommitteeEvent] = []
        self._accept(block, events)
        return block, self._settle(now_ms, events)

    def _settle(self, now_ms: int, events: list[CommitteeEvent]) -> tuple[CommitteeEvent, ...]:
        self._is_started = True
        while self._early and self._early[0][0] <= now_ms:
            self._place(heapq.heappop(self._early)[2], events)
        # Decisions depend on the accepted blocks alone: without a new one there is nothing to look at.
        while self._has_grown:
            decided = self._committer.decide(self._last_decided)
            self._has_grown = bool(decided)
            for status in decided:
                self._last_decided = status.slot
                if isinstance(status, Commit):
                    self._commit(status.block, events)
            if decided:
                self._committer.forget(self._last_decided)
        if self._proposer is not None:
            self._proposer.on_clock(now_ms)
            self._due_ms = self._get_proposal_due_ms()
            if self._due_ms is not None and self._due_ms <= now_ms:
                self._due_ms = None
                self._announced_round = self.clock_round
                events.append(ProposalDue(self.clock_round))
        return tuple(events)

    def _commit(self, leader: Block, events: list[CommitteeEvent]) -> None:
        record, blocks = self._linearizer.commit(leader)
        events.append(SubDagCommitted(record, blocks))
        for reference in record.blocks:
            self._unordered.pop(reference.digest, None)
        horizon = self._linearizer.get_horizon()
        if horizon <= self._dag.horizon:
            return
        self._dag.prune(horizon)
        if self._proposer is not None:
            self._proposer.on_horizon(horizon)
        for digest in [digest for digest, round_number in self._unordered.items() if round_number <= horizon]:
            del self._unordered[digest]
        for block in self._waiting.process_horizon(horizon):
            self._accept(block, events)

    def _place(self, block: Block, events: list[CommitteeEvent]) -> None:
        if self._dag.is_present(block.reference):
            return
        ancestors = [ancestor for ancestor in block.body.ancestors if not self._dag.is_present(ancestor)]
        if ancestors:
            self._suspend(block, ancestors, events)
        else:
            self._accept(block, events)

    def _suspend(
        self, block: Block, ancestors: Sequence[BlockReference], events: list[CommitteeEvent]
    ) -> None:
        tips, bundles = self._get_lacking_tips(block), self._get_lacking_bundles(block)
        dropped = self._waiting.hold(block, ancestors, tips, bundles)
        if dropped is not block:
            unknown = tuple(ancestor for ancestor in ancestors if not self.is_known(ancestor))
            events.append(BlockSuspended(block.reference, unknown, tuple(tips), tuple(bundles)))
        if dropped is not None:
            events.append(BlockDropped(dropped.reference, DropReason.WAITING_ROOM_FULL))

    def _accept(self, block: Block, events: list[CommitteeEvent]) -> None:
        ready = deque([block])
        while ready:
            block = ready.popleft()
            if self._dag.is_present(block.reference):
                continue
            # Looked at last of all: a transaction may have come and expired while ancestors were waited for.
            if self._get_lacking_tips(block) or self._get_lacking_bundles(block):
                self._suspend(block, (), events)
                continue
            twin = self._add(block)
            events.append(BlockAccepted(block))
            if twin is not None:
                events.append(EquivocationSeen(twin, block))
            ready.extend(self._waiting.process_accepted(block.reference))

    def _get_lacking_tips(self, block: Block) -> list[TransactionId]:
        return [tip for tip in block.body.tips if not self._is_attached(tip)]

    def _get_lacking_bundles(self, block: Block) -> list[BundleReference]:
        return [
            bundle
            for bundle in block.body.bundles
            if not self._is_attached(compute_bundle_id(bundle, self._shard))
        ]

    def _add(self, block: Block) -> Block | None:
        if (block.body.tips or block.body.bundles) and not self._linearizer.is_committed(block.reference):
            self._unordered[block.reference.digest] = block.reference.round
        twin = self._dag.add(block)
        self._has_grown = True
        if self._proposer is not None:
            self._proposer.on_accepted(block)
        return twin

    def _recover(self, recovered: RecoveredState) -> None:
        self._linearizer.recover(recovered.commits)
        last = self._linearizer.last
        if last is not None:
            rank = self.get_leaders(last.leader.round).index(last.leader.author)
            self._last_decided = Slot(last.leader.round, rank, last.leader.author)
        for block in sorted(recovered.blocks, key=lambda block: block.reference):
            if self._linearizer.is_committed(block.reference) and not self._dag.is_present(block.reference):
                self._add(block)  # its transactions are ordered; the ledger may have let them go
            else:
                self._place(block, [])

    def _get_proposal_due_ms(self) -> int | None:
        if self._proposer is None or self._announced_round >= self.clock_round:
            return None
        return self._proposer.get_due_ms(is_busy=self._is_payload_waiting or bool(self._unordered))

    def _is_needless_twin(self, reference: BlockReference) -> bool:
        twins = self._dag.get_slot(reference.round, reference.author)
        if not twins or self._waiting.is_wanted(reference):
            return False
        is_crowded = self._proposer is not None and self._proposer.is_crowded(reference.author)
        return is_crowded or len(twins) >= TWINS_PER_SLOT_MAX

    def _is_room_for_early(self, author: int) -> bool:
        return sum(early.author == author for _, early, _ in self._early) < EARLY_PER_AUTHOR_MAX
