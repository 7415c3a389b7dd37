"""What the rooms of a node hand to the disk, put together into batches in the order of durability.

Nobody waits for blocks and transactions of others: what builds on them (the own block, a commit) is handed in
later, so it is durable later, and whoever needs one that a crash took asks its peers.
"""

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Final

import anyio
import structlog

from shards.blocks import Block
from shards.certificates import Certificate
from shards.checkpoints import Checkpoint
from shards.events import EquivocationSeen
from shards.guard import advance, decode_last_signed, encode_last_signed
from tangle.core.transactions import Transaction
from tangle.core.types import TransactionId
from tangle.node.archive import Archive
from tangle.node.event_log import EventLog
from tangle.node.finality import FinalCheckpoint
from tangle.store.guard_file import Guard
from tangle.store.store import WriteBatch

GIVEN_UP_KEPT_S: Final = 60.0
"""How long dropped and expired transactions stay on disk for wallets to read why; nobody paid for more."""

log = structlog.get_logger("keeper")


class Keeper:
    """Writes for the rooms; what is stored is durable on return, what is handed in will be."""

    def __init__(self, archive: Archive, guard: Guard, events: EventLog) -> None:
        """Nothing waits to be written."""
        self._archive = archive
        self._guard = guard
        self._events = events
        self._evidence: list[EquivocationSeen] = []
        self._given_up: dict[TransactionId, float] = {}
        """When each of these leaves the disk, soonest first."""

        self._latest_final: Checkpoint | None = None
        """The latest checkpoint that was stored as final: each needs the one before it."""

    async def hand_in_transactions(
        self, transactions: Sequence[Transaction], on_durable: Callable[[], None], *, is_awaited: bool
    ) -> None:
        """Keep newly arrived ones; returns once the disk's queue has room for them.

        :param is_awaited: a wallet waits until they are durable.
        """
        batch = WriteBatch()
        self._archive.put_transactions(batch, transactions)
        await self._archive.hand_in(batch, on_durable, is_awaited=is_awaited)

    async def store_blocks(self, blocks: Sequence[Block]) -> None:
        """Keep accepted blocks, an own one among them, and evidence that they brought."""
        batch, leaving = self._collect(blocks)
        await self._archive.commit(batch, is_urgent=True)
        self._archive.on_deleted(leaving)

    async def hand_in_blocks(self, blocks: Sequence[Block]) -> None:
        """The same for blocks that nobody waits for; returns once the disk's queue has room for them."""
        batch, leaving = self._collect(blocks)
        await self._archive.hand_in(batch, lambda: self._archive.on_deleted(leaving))

    def _collect(self, blocks: Sequence[Block]) -> tuple[WriteBatch, list[TransactionId]]:
        batch = WriteBatch()
        self._archive.committees.put_blocks(batch, blocks)
        leaving = self._archive.delete_given_up(batch, self._take_due())
        evidence, self._evidence = self._evidence, []
        for equivocation in evidence:
            self._archive.committees.put_evidence(batch, equivocation)
        return batch, leaving

    async def store_final(self, final: Sequence[FinalCheckpoint], late: Sequence[Certificate]) -> None:
        """Keep certificates, and the rows of events of what became final."""
        batch = WriteBatch()
        for certificate in late:
            self._archive.put_certificate(batch, certificate)
        for checkpoint in final:
            if checkpoint.certificate is not None:
                self._archive.put_certificate(batch, checkpoint.certificate)
            current = checkpoint.executed.checkpoint
            self._events.put(batch, current, self._get_previous(current))
            self._latest_final = current
        await self._archive.commit(batch, is_urgent=True)

    async def advance_guard(self, block: Block) -> None:
        """Move the last-signed guard to an own block.

        :raises WouldEquivocate: another block of that round, or a later one, was signed before.
        """
        record = advance(
            decode_last_signed(self._guard.record),
            block.body.epoch,
            block.reference.round,
            block.reference.digest,
            block.encoded,
        )
        await self._guard.save(encode_last_signed(record))

    def on_equivocation(self, evidence: EquivocationSeen) -> None:
        """A validator signed twice: kept with the blocks."""
        reference = evidence.first.reference
        epoch = evidence.first.body.epoch
        log.error("equivocation", author=reference.author, epoch=epoch, round=reference.round)
        self._evidence.append(evidence)

    def on_given_up(self, identities: Sequence[TransactionId]) -> None:
        """Nobody waits for these transactions: they leave the disk after a while, unless they come again."""
        self._archive.give_up(identities)
        due_s = anyio.current_time() + GIVEN_UP_KEPT_S
        for identity in identities:
            self._given_up.pop(identity, None)
            self._given_up[identity] = due_s

    def _get_previous(self, checkpoint: Checkpoint) -> Checkpoint:
        latest = self._latest_final
        if latest is not None and latest.index == checkpoint.index - 1:
            return latest
        previous = self._archive.get_checkpoint(checkpoint.index - 1)
        assert previous is not None, "checkpoints have no gaps"
        return previous

    def _take_due(self) -> list[TransactionId]:
        now_s = anyio.current_time()
        due = list(takewhile(lambda identity: self._given_up[identity] <= now_s, self._given_up))
        for identity in due:
            del self._given_up[identity]
        return due
