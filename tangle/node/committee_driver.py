"""The committee driver: the shell around the committee core.

It verifies blocks in batches, feeds the core, keeps what the core accepts on disk, proposes when the core
says that it is time, and hands committed sub-DAGs to the executor. Order of durability (architecture 7): the
own block and the last-signed guard are on disk before the block is sent to anyone.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, assert_never

import anyio
import anyio.lowlevel
import structlog
from msgspec import Struct

from shards.blocks import (
    BUNDLES_MAX,
    VOTES_MAX,
    Attestation,
    Block,
    BlockReference,
    BundleReference,
    PayloadId,
    SignatureClaim,
    Vote,
    check_block,
    get_signature_claims,
)
from shards.committee import Committee
from shards.core import CommitteeCore
from shards.events import (
    BlockAccepted,
    BlockDropped,
    BlockSuspended,
    CommitteeEvent,
    EquivocationSeen,
    ProposalDue,
    SubDagCommitted,
)
from tangle.core.errors import InvalidSignature, TangleError
from tangle.core.hashing import BLOCK
from tangle.core.parameters import Parameters
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, Shard, TransactionId
from tangle.node.clock import Clock
from tangle.node.clock_watch import ClockWatch
from tangle.node.computer import Computer
from tangle.node.peer import Peer
from tangle.node.pool import ComputeFailed
from tangle.node.vouched_rounds import VouchedRounds

INBOX_MAX: Final = 4_096
"""Blocks waiting for verification: several seconds of the largest committee; what is left out is fetched
later."""

VERIFY_BATCH_MAX: Final = 64
"""Blocks in one verification call, some 10 ms of one core."""

COMMITS_AHEAD_MAX: Final = 64
"""Commits that may wait for the executor before this validator stops adding load: it proposes empty blocks.
"""

MISSING_INTERVAL_S: Final = 0.5
"""How often what suspended blocks lack is asked for again."""

log = structlog.get_logger("committee")


class CommitteeSetting(Struct, frozen=True):
    """What a driver serves."""

    committee: Committee
    parameters: Parameters
    chain: ChainId
    shard: Shard
    key: SigningKey | None
    """This validator's key; none for an observer."""


class CommitteeHooks(Struct, frozen=True):
    """What the driver does to the rest of the node."""

    store_blocks: Callable[[Sequence[Block]], Awaitable[None]]
    """Durable on return."""

    hand_in_blocks: Callable[[Sequence[Block]], Awaitable[None]]
    """On its way to the disk on return, before everything that comes later."""

    on_equivocation: Callable[[EquivocationSeen], None]
    advance_guard: Callable[[Block], Awaitable[None]]
    """Moves the last-signed guard to this block; durable on return; raises ``WouldEquivocate``."""

    broadcast: Callable[[Block], None]
    on_accepted: Callable[[Block], None]
    """An accepted block: its attestations count, its tips are named."""

    on_refused: Callable[[Peer, TangleError], None]
    """A peer brought a block whose signatures do not hold."""

    on_missing: Callable[[Sequence[BlockReference], Sequence[TransactionId], Peer | None], None]
    """Suspended blocks need these; the last argument is who sent the block, if it is known."""

    on_committed: Callable[[SubDagCommitted], None]
    select_tips: Callable[[int, int], tuple[TransactionId, ...]]
    """Tips for a block: at most so many, of this round."""

    take_attestations: Callable[[int], tuple[Attestation, ...]]
    """Own attestations that no own block carries yet, at most so many."""

    on_missing_bundles: Callable[[Sequence[BundleReference], Peer | None], None]
    """The same for bundles from other shards."""

    take_bundles: Callable[[int], tuple[BundleReference, ...]]
    """Bundles that are present and worth naming, at most so many."""

    take_votes: Callable[[int], tuple[Vote, ...]]
    """Own verdicts on matters of the market that wait for a block, at most so many."""

    get_commits_ahead: Callable[[], int]
    """Commits decided and not yet executed."""


class CommitteeDriver:
    """Owns the committee core of one shard."""

    def __init__(
        self,
        *,
        core: CommitteeCore,
        setting: CommitteeSetting,
        computer: Computer,
        clock: Clock,
        hooks: CommitteeHooks,
    ) -> None:
        self.core = core
        self.setting = setting
        key = setting.key
        self.own_index = None if key is None else setting.committee.index_of(key.public_key)
        self.vouched = VouchedRounds(setting.committee)
        """How far the committee is, by its signatures."""

        self.clock_watch = ClockWatch()
        """How far the local clock is from theirs."""

        self._computer = computer
        self._clock = clock
        self._hooks = hooks
        self._inbox: deque[tuple[Block, Peer]] = deque()
        self._in_inbox: set[BlockReference] = set()
        self._senders: dict[BlockReference, Peer] = {}
        self._inbox_filled = anyio.Event()
        self._stirred = anyio.Event()
        self._waking_ms: int | None = None
        self._is_payload_known = False
        self._proposal_due = anyio.Event()
        self._due_round = 0
        self._proposed_round = 0
        self._unguarded: Block | None = None
        self._unsaved: list[Block] = []
        self._accepted = anyio.Event()
        self.is_proposing = False
        """Whether this validator takes part; see ``allow_proposing``."""

        self.is_leaving = False
        """Whether the operator had this validator leave: it signs nothing more."""

        self.is_closing = False
        """Whether the committee's last commit is made, so that own blocks order nothing any more."""

        self._signing = anyio.Lock()

        self.blocks_total = 0
        self.refused_total = 0

    @property
    def inbox_depth(self) -> int:
        """Blocks that wait for verification."""
        return len(self._inbox)

    def allow_proposing(self) -> None:
        """Take part: this node knows its own last block and has caught up."""
        self.is_proposing = True
        self._proposal_due.set()

    def close(self) -> None:
        """The committee's last commit is made: own blocks carry attestations from now on, nothing else."""
        self.is_closing = True

    async def finish(self) -> None:
        """Sign nothing more; returns when what is being signed is on disk and sent."""
        self.is_proposing = False
        async with self._signing:
            pass

    def receive(self, block: Block, sender: Peer) -> None:
        """Take a block in, unless it is here already or there is no room.

        :raises TangleError: the block breaks a rule that needs no context; the sender is to blame.
        """
        if block.reference in self._in_inbox or self.core.is_known(block.reference):
            return
        setting = self.setting
        check_block(block, setting.committee, setting.chain, setting.shard, setting.parameters)
        if len(self._inbox) >= INBOX_MAX:
            return
        self._in_inbox.add(block.reference)
        self._inbox.append((block, sender))
        self._inbox_filled.set()

    def is_sendable(self, encoded: bytes) -> bool:
        """Whether others may see this block: an own one only once it and the guard are on disk."""
        return self._unguarded is None or encoded != self._unguarded.encoded

    def get_latest_blocks(self) -> tuple[Block, ...]:
        """Each author's newest accepted block that others may see."""
        return tuple(block for block in self.core.get_latest_blocks() if self.is_sendable(block.encoded))

    def on_attached(self, identities: Sequence[PayloadId]) -> None:
        """Transactions or bundles that became present: suspended blocks that named them may go on."""
        self._handle(self.core.process_attached(identities, self._clock.now_ms()))
        self._save_soon()

    def on_payload(self) -> None:
        """There is something for the next own block: an idle round ends early."""
        if self._is_payload_known:
            return
        self._is_payload_known = True
        self._handle(self.core.process_payload(is_waiting=True, now_ms=self._clock.now_ms()))
        self._save_soon()

    async def run(self) -> None:
        """Verify, propose and keep time until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._verify_forever)
            tasks.start_soon(self._keep_time)
            tasks.start_soon(self._save_forever)
            tasks.start_soon(self._ask_forever)
            if self.setting.key is not None:
                tasks.start_soon(self._propose_forever, self.setting.key)

    async def _verify_forever(self) -> None:
        while True:
            if not self._inbox:
                self._inbox_filled = anyio.Event()
                await self._inbox_filled.wait()
            batch = [self._inbox.popleft() for _ in range(min(len(self._inbox), VERIFY_BATCH_MAX))]
            try:
                verdicts = await self._verify([block for block, _ in batch])
            except ComputeFailed as failure:
                # A worker died twice: no reason to stop. Whoever builds on these blocks fetches them.
                log.error("blocks-unverified", blocks=len(batch), code=failure.code)
                self._in_inbox.difference_update(block.reference for block, _ in batch)
                continue
            for (block, sender), error in zip(batch, verdicts, strict=True):
                self._in_inbox.discard(block.reference)
                if error is not None:
                    self.refused_total += 1
                    log.warning("block-refused", round=block.reference.round, code=error.code)
                    self._hooks.on_refused(sender, error)
                    continue
                self._senders[block.reference] = sender
                self.vouched.on_word(block.reference.author, block.reference.round)
                now_ms = self._clock.now_ms()
                stamp_ms = block.body.timestamp_ms
                self.clock_watch.on_block(block.reference, stamp_ms, self.setting.committee, now_ms)
                self._handle(self.core.process_block(block, now_ms))
            self._forget_senders()
            await self._save()

    async def _verify(self, blocks: Sequence[Block]) -> list[TangleError | None]:
        committee = self.setting.committee
        by_block = [get_signature_claims(block, committee) for block in blocks]
        claims: list[SignatureClaim] = [claim for of_block in by_block for claim in of_block]
        verdicts = iter(await self._computer.verify_signatures(self.setting.chain, claims))
        answers: list[TangleError | None] = []
        for of_block in by_block:
            of_this = [next(verdicts) for _ in of_block]
            answers.append(None if all(of_this) else InvalidSignature(BLOCK, of_block[0].public_key))
        return answers

    async def _keep_time(self) -> None:
        while True:
            deadline_ms = self.core.get_deadline_ms()
            now_ms = self._clock.now_ms()
            if deadline_ms is not None and deadline_ms <= now_ms:
                self._handle(self.core.on_deadline(now_ms))
                self._save_soon()
                await anyio.lowlevel.checkpoint()
                continue
            self._waking_ms = deadline_ms
            self._stirred = anyio.Event()
            with anyio.move_on_after(None if deadline_ms is None else (deadline_ms - now_ms) / 1000):
                await self._stirred.wait()

    async def _propose_forever(self, key: SigningKey) -> None:
        while True:
            if self.is_proposing and self._due_round > self._proposed_round:
                self._proposed_round = self._due_round
                async with self._signing:
                    if self.is_proposing:
                        await self._propose(key)
            else:
                self._proposal_due = anyio.Event()
                await self._proposal_due.wait()

    async def _propose(self, key: SigningKey) -> None:
        parameters = self.setting.parameters
        if not self.core.is_proposal_open:
            return
        is_behind = self._hooks.get_commits_ahead() > COMMITS_AHEAD_MAX
        round_number = self.core.clock_round
        is_empty = is_behind or self.is_closing
        tips = () if is_empty else self._hooks.select_tips(parameters.tips_per_block, round_number)
        attestations = self._hooks.take_attestations(parameters.attestations_per_block)
        votes = () if self.is_closing else self._hooks.take_votes(VOTES_MAX)
        bundles = () if is_empty else self._hooks.take_bundles(BUNDLES_MAX)
        block, events = self.core.propose(self._clock.now_ms(), tips, attestations, key, votes, bundles)
        self._unguarded = block
        self._proposed_round = block.reference.round
        self._is_payload_known = False
        self._handle(events)
        is_full = len(tips) == parameters.tips_per_block
        if is_full or len(attestations) == parameters.attestations_per_block or block.body.tips != tips:
            self.on_payload()
        # The block first, then the guard: a guard ahead of its block would leave a hole that a lone validator
        # could never fill. Neither is seen by anyone before both are on disk.
        unsaved, self._unsaved = self._unsaved, []
        await self._hooks.store_blocks(unsaved)
        await self._hooks.advance_guard(block)
        self._unguarded = None
        self._hooks.broadcast(block)

    async def _ask_forever(self) -> None:
        clock_round = 0
        while True:
            await anyio.sleep(MISSING_INTERVAL_S)
            missing = self.core.get_missing()
            if missing.blocks or missing.tips:
                self._hooks.on_missing(missing.blocks, missing.tips, None)
            if missing.bundles:
                self._hooks.on_missing_bundles(missing.bundles, None)
            if self.core.clock_round == clock_round:
                # Nobody moves: a block that was lost on its way may be what the others wait for.
                for block in self.get_latest_blocks():
                    self._hooks.broadcast(block)
            clock_round = self.core.clock_round

    async def _save_forever(self) -> None:
        """Blocks become acceptable without a new one too: when a transaction or their time has come."""
        while True:
            await self._accepted.wait()
            self._accepted = anyio.Event()
            await self._save()

    def _save_soon(self) -> None:
        """For those who cannot wait for the disk."""
        if self._unsaved:
            self._accepted.set()

    async def _save(self) -> None:
        unsaved, self._unsaved = self._unsaved, []
        if unsaved:
            await self._hooks.hand_in_blocks(unsaved)

    def _handle(self, events: Sequence[CommitteeEvent]) -> None:
        for event in events:
            self._handle_one(event)
        # Most of what happens moves the deadline away, if at all: whoever sleeps until the old one then finds
        # the new one by itself.
        deadline_ms = self.core.get_deadline_ms()
        if deadline_ms is not None and (self._waking_ms is None or deadline_ms < self._waking_ms):
            self._stirred.set()

    def _handle_one(self, event: CommitteeEvent) -> None:
        match event:
            case BlockAccepted(block):
                self.blocks_total += 1
                self._unsaved.append(block)
                self._hooks.on_accepted(block)
            case BlockSuspended(reference, missing_blocks, missing_tips, missing_bundles):
                sender = self._senders.get(reference)
                self._hooks.on_missing(missing_blocks, missing_tips, sender)
                if missing_bundles:
                    self._hooks.on_missing_bundles(missing_bundles, sender)
            case BlockDropped(reference, reason):
                log.debug("block-dropped", round=reference.round, reason=reason.value)
            case SubDagCommitted():
                self._hooks.on_committed(event)
            case EquivocationSeen():
                self._hooks.on_equivocation(event)
            case ProposalDue(round_number):
                self._due_round = round_number
                self._proposal_due.set()
            case _:
                assert_never(event)

    def _forget_senders(self) -> None:
        # Only suspended blocks need their sender; it is a hint, so forgetting all of them now and then does
        # no harm.
        if len(self._senders) > INBOX_MAX:
            self._senders.clear()
