"""Committees come and go: one instance of consensus for each epoch, and the hand-over from one to the next.

An instance is all that belongs to the committee of one epoch: its core and driver, and its attestations. What
outlives committees (sub-DAG, executor, archive, sessions) is handed in and told. After a committee's last
commit is executed its instance goes on, with nothing but attestations in own blocks; once its last checkpoint
is final on this disk, the instance of the next committee takes its place. Blocks of a committee that is yet
to begin here wait. Source: protocol 5.16 and 6.7.
"""

from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import structlog
from msgspec import Struct

from shards.blocks import Block, decode_block
from shards.certificates import Certificate, decode_certificate, verify_certificate
from shards.checkpoints import compute_checkpoint_digest, decode_checkpoint
from shards.committee import Committee
from shards.epochs import is_epoch_end
from shards.errors import BrokenEpochChain
from shards.events import RecoveredState
from tangle.core.errors import TangleError
from tangle.core.signing import SigningKey
from tangle.core.types import ChainId, PublicKey, Shard
from tangle.net.ledger_messages import ROUNDS_MAX, BlockItems, EpochEndItem, GetEpochEnd, GetRounds
from tangle.node.attesting import Attester
from tangle.node.committee_driver import CommitteeDriver
from tangle.node.peer import Peer
from tangle.node.peering import Peering
from tangle.node.recovery import Ending

EARLY_MAX: Final = 512
"""Blocks of a committee that is yet to begin here which are kept: at most 32 MiB, some seconds of a usual
one."""

EARLY_PER_PEER_MAX: Final = 64
"""Those of one peer: it can crowd out nobody's but its own."""

WATCH_INTERVAL_S: Final = 0.25
"""How often it is looked whether peers are in later epochs."""

CLOSING_S: Final = 60.0
"""How long a committee whose end is final goes on for checkpoints that have no certificate of their own. A
quorum that is there attests them within seconds, a validator that starts again within some more; without a
quorum the chain must not wait for ever."""

FOLLOWING_S: Final = 5.0
"""The same where others have gone on, which may read blocks to, or where this node only follows."""

CLOSING_ROUNDS: Final = 32
"""Rounds before its newest one that a node reads again for attestations that it missed."""

log = structlog.get_logger("epochs")


class Instance(Struct, frozen=True, eq=False):
    """The committee of one epoch, as this node takes part in it."""

    committee: Committee
    validator_key: SigningKey | None
    """The key that this node signs blocks with; none where it is not of the committee."""

    driver: CommitteeDriver
    attester: Attester


class EpochHooks(Struct, frozen=True):
    """What a hand-over does to the rest of the node."""

    make_instance: Callable[[Committee, RecoveredState], Instance]
    recover: Callable[[int], RecoveredState]
    """What is known already of the committee of an epoch."""

    wait_for_entry: Callable[[CommitteeDriver], Awaitable[None]]
    """Returns when this validator may take part without signing what it signed in another life."""

    on_ended: Callable[[int], None]
    """The last checkpoint of the present committee is executed."""

    on_begun: Callable[[Instance], None]
    """Another committee is at work from now on."""

    on_certificate: Callable[[Certificate], None]
    """A peer showed how the epoch ended, and it was verified."""

    get_executed: Callable[[], int]
    """Latest checkpoint that is executed here."""

    is_complete: Callable[[], bool]
    """Whether every checkpoint of the present committee has a certificate of its own on disk."""


class Epochs:
    """Owns the instance of the committee that is at work."""

    def __init__(
        self,
        first: Instance,
        ending: Ending | None,
        *,
        peering: Peering,
        chain: ChainId,
        shard: Shard,
        hooks: EpochHooks,
    ) -> None:
        """:param first: the committee that was at work when this node stopped.
        :param ending: how its epoch ends, if its last commit was executed before.
        """
        self.current = first
        self.bend: Callable[[Instance], None] = lambda _: None
        """Called with each new instance before it is at work; simulations put adversaries in here."""

        self._ending = ending
        self._peering = peering
        self._chain = chain
        self._shard = shard
        self._hooks = hooks
        self._is_due = anyio.Event()
        self._final_s: float | None = None
        """When the last checkpoint of the present committee was final."""

        self._has_entered = False
        self._shown: int | None = None
        self._early: deque[tuple[Block, Peer]] = deque()
        self._asked: Counter[PublicKey] = Counter()
        if ending is not None:
            first.driver.close()

    @property
    def epoch(self) -> int:
        """Epoch of the committee that is at work."""
        return self.current.committee.epoch

    @property
    def end(self) -> int | None:
        """The last checkpoint of the committee at work, once it is executed here."""
        return None if self._ending is None else self._ending.index

    def is_over(self) -> bool:
        """Whether the committee is known to have gone, and this node has not executed what it did last."""
        return self._shown is not None and self._shown > self._hooks.get_executed()

    def receive(self, block: Block, sender: Peer) -> None:
        """Take a block in: of the present committee at once, of a later one when it is at work here.

        :raises TangleError: the block breaks a rule that needs no context; the sender is to blame.
        """
        epoch = block.body.epoch
        if epoch == self.epoch:
            self.current.driver.receive(block, sender)
        elif epoch > self.epoch:
            own = sum(other is sender for _, other in self._early)
            if own < EARLY_PER_PEER_MAX and len(self._early) < EARLY_MAX:
                self._early.append((block, sender))
        # Blocks of an earlier epoch are of no use here, and whoever sends them is late and no liar.

    def on_ended(self, index: int, following: Committee) -> None:
        """The last checkpoint of the present committee is on disk; ``following`` is the next one."""
        log.info("epoch-ends", epoch=self.epoch, checkpoint=index, next_epoch=following.epoch)
        self._ending = Ending(index, following)
        self.current.driver.close()
        self._hooks.on_ended(index)

    def on_final(self, certified: int) -> None:
        """Checkpoints up to ``certified`` are final on this disk, or a certificate came late."""
        if self._ending is None or certified < self._ending.index:
            return
        if self._hooks.is_complete():
            self._is_due.set()
        elif self._final_s is None:
            self._final_s = anyio.current_time()
            log.info("epoch-closes-slowly", epoch=self.epoch, checkpoint=self._ending.index)

    async def run(self) -> None:
        """Keep the committee at work, whichever it is, until cancelled."""
        async with anyio.create_task_group() as watching:
            watching.start_soon(self._watch)
            while True:
                current = self.current
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(current.driver.run)
                    if current.validator_key is not None:
                        tasks.start_soon(self._enter, current)
                    await self._is_due.wait()
                    await current.driver.finish()
                    tasks.cancel_scope.cancel()
                self._hand_over()

    def _hand_over(self) -> None:
        ending = self._ending
        assert ending is not None, "it was final"
        following = ending.following
        instance = self._hooks.make_instance(following, self._hooks.recover(following.epoch))
        self._ending, self._shown, self._final_s = None, None, None
        self._is_due = anyio.Event()
        self._asked.clear()
        self.current = instance
        self.bend(instance)
        role = "observer" if instance.validator_key is None else "validator"
        log.info("epoch-begins", epoch=following.epoch, validators=len(following), role=role)
        self._hooks.on_begun(instance)
        early, self._early = self._early, deque()
        for block, sender in early:
            try:
                self.receive(block, sender)
            except TangleError as error:
                self._peering.blame(sender, error)

    async def _enter(self, instance: Instance) -> None:
        """Take part once it is safe and useful. Who has once may go on from epoch to epoch: nobody else has
        signed with its key since.
        """
        if not self._has_entered:
            await self._hooks.wait_for_entry(instance.driver)
            self._has_entered = True
        instance.driver.allow_proposing()

    # ── an epoch that ended while this node was away ────────────────────────────────────────────────────────

    async def _watch(self) -> None:
        while True:
            await anyio.sleep(WATCH_INTERVAL_S)
            if self._final_s is not None:
                await self._close(self._final_s)
            elif not self._is_end_shown():
                peer = self._find_later()
                if peer is not None:
                    await self._ask(peer)

    async def _close(self, final_s: float) -> None:
        """Go on for checkpoints without a certificate of their own, as long as that may be of use. Whoever
        has gone on signs nothing for them any more, but gives the blocks that it has.
        """
        peer, is_member = self._find_later(), self.current.validator_key is not None
        patience_s = CLOSING_S if peer is None and is_member else FOLLOWING_S
        if anyio.current_time() - final_s >= patience_s:
            log.warning("checkpoints-uncertified", epoch=self.epoch)
            self._is_due.set()
        elif peer is not None:
            await self._read_last_rounds(peer)

    async def _read_last_rounds(self, peer: Peer) -> None:
        instance = self.current
        self._asked[peer.public_key] += 1
        first = max(1, instance.driver.core.highest_round - CLOSING_ROUNDS)
        try:
            answer = await peer.request(
                GetRounds(0, self._shard, instance.committee.epoch, first, first + ROUNDS_MAX - 1)
            )
            assert isinstance(answer, BlockItems)
        except TangleError as error:
            log.info("last-rounds-unanswered", peer=peer.name, code=error.code)
            return
        try:
            for item in answer.items:
                self.receive(decode_block(item), peer)
        except TangleError as error:
            self._peering.blame(peer, error)

    def _is_end_shown(self) -> bool:
        """Whether there is nothing more to ask for. Attestations in blocks certify the last checkpoint as a
        rule, but blocks get lost, and whoever has gone on sends none of that epoch any more.
        """
        end = self._hooks.get_executed() + 1 if self._ending is None else self._ending.index
        return self._shown is not None and self._shown >= end

    def _find_later(self) -> Peer | None:
        """A peer that says it is in a later epoch: of all the one that was asked least."""
        later = [peer for peer in self._peering.get_peers() if peer.epoch > self.epoch]
        return min(later, key=lambda peer: self._asked[peer.public_key], default=None)

    async def _ask(self, peer: Peer) -> None:
        instance = self.current
        self._asked[peer.public_key] += 1
        try:
            answer = await peer.request(GetEpochEnd(0, self._shard, instance.committee.epoch))
            assert isinstance(answer, EpochEndItem)
        except TangleError as error:
            log.info("epoch-end-unanswered", peer=peer.name, code=error.code)
            return
        if instance is not self.current:
            return
        try:
            self._take_end(answer)
        except TangleError as error:
            self._peering.blame(peer, error)

    def _take_end(self, answer: EpochEndItem) -> None:
        committee = self.current.committee
        checkpoint, certificate = decode_checkpoint(answer.checkpoint), decode_certificate(answer.certificate)
        place = (checkpoint.chain, checkpoint.shard, checkpoint.committee_epoch)
        if place != (self._chain, self._shard, committee.epoch):
            raise BrokenEpochChain(committee.epoch, "the checkpoint is of another chain, shard or epoch")
        if (certificate.index, certificate.digest) != (
            checkpoint.index,
            compute_checkpoint_digest(checkpoint),
        ):
            raise BrokenEpochChain(committee.epoch, "the certificate is for another checkpoint")
        if not is_epoch_end(checkpoint):
            raise BrokenEpochChain(committee.epoch, "the checkpoint is not the last one of its epoch")
        verify_certificate(certificate, committee, self._chain, self._shard)
        self._shown = checkpoint.index
        log.info("epoch-is-over", epoch=committee.epoch, checkpoint=checkpoint.index)
        self._hooks.on_certificate(certificate)
