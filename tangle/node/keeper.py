"""What the rooms of a node hand to the disk, put together into batches in the order of durability."""

from collections.abc import Sequence
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
    """Writes for the rooms; every method that waits returns when what it wrote is durable."""

    def __init__(self, archive: Archive, guard: Guard, events: EventLog) -> None:
        """Nothing waits to be written."""
        self._archive = archive
        self._guard = guard
        self._events = events
        self._evidence: list[EquivocationSeen] = []
        self._given_up: dict[TransactionId, float] = {}
        """When each of these leaves the disk, soonest first."""

    async def store_transactions(self, transactions: Sequence[Transaction]) -> None:
        """Keep newly arrived ones."""
        batch = WriteBatch()
        self._archive.put_transactions(batch, transactions)
        await self._archive.commit(batch)

    async def store_blocks(self, blocks: Sequence[Block]) -> None:
        """Keep accepted blocks, and evidence that they brought."""
        batch = WriteBatch()
        self._archive.put_blocks(batch, blocks)
        leaving = self._archive.delete_given_up(batch, self._take_due())
        evidence, self._evidence = self._evidence, []
        for equivocation in evidence:
            self._archive.put_evidence(batch, equivocation)
        await self._archive.commit(batch, is_urgent=True)
        self._archive.on_deleted(leaving)

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
        await self._archive.commit(batch, is_urgent=True)

    async def advance_guard(self, block: Block) -> None:
        """Move the last-signed guard to an own block.

        :raises WouldEquivocate: another block of that round, or a later one, was signed before.
        """
        record = advance(
            decode_last_signed(self._guard.record), block.reference.round, block.reference.digest
        )
        await self._guard.save(encode_last_signed(record))

    def on_equivocation(self, evidence: EquivocationSeen) -> None:
        """A validator signed twice: kept with the blocks."""
        reference = evidence.first.reference
        log.error("equivocation", author=reference.author, round=reference.round)
        self._evidence.append(evidence)

    def on_given_up(self, identities: Sequence[TransactionId]) -> None:
        """Nobody waits for these transactions: they leave the disk after a while, unless they come again."""
        self._archive.give_up(identities)
        due_s = anyio.current_time() + GIVEN_UP_KEPT_S
        for identity in identities:
            self._given_up.pop(identity, None)
            self._given_up[identity] = due_s

    def _get_previous(self, checkpoint: Checkpoint) -> Checkpoint:
        previous = self._archive.get_checkpoint(checkpoint.index - 1)
        assert previous is not None, "checkpoints have no gaps"
        return previous

    def _take_due(self) -> list[TransactionId]:
        now_s = anyio.current_time()
        due = list(takewhile(lambda identity: self._given_up[identity] <= now_s, self._given_up))
        for identity in due:
            del self._given_up[identity]
        return due
