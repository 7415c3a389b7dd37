"""What the rooms of a node hand to the disk, put together into batches in the order of durability."""

from collections import deque
from collections.abc import Callable, Sequence
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

DROPPED_KEPT_S: Final = 60.0
"""How long a dropped transaction stays on disk for its wallet to read why; nobody paid for more."""

log = structlog.get_logger("keeper")


class Keeper:
    """Writes for the rooms; every method that waits returns when what it wrote is durable."""

    def __init__(
        self, archive: Archive, guard: Guard, events: EventLog, is_attached: Callable[[TransactionId], bool]
    ) -> None:
        """:param is_attached: whether the sub-DAG holds a transaction, again perhaps."""
        self._archive = archive
        self._guard = guard
        self._events = events
        self._is_attached = is_attached
        self._evidence: list[EquivocationSeen] = []
        self._dropped: deque[tuple[float, TransactionId]] = deque()

    async def store_transactions(self, transactions: Sequence[Transaction]) -> None:
        """Keep newly arrived ones."""
        batch = WriteBatch()
        self._archive.put_transactions(batch, transactions)
        await self._archive.commit(batch)

    async def store_blocks(self, blocks: Sequence[Block]) -> None:
        """Keep accepted blocks, and evidence that they brought."""
        batch = WriteBatch()
        self._archive.put_blocks(batch, blocks)
        self._archive.delete_unordered(batch, self._take_dropped())
        evidence, self._evidence = self._evidence, []
        for equivocation in evidence:
            self._archive.put_evidence(batch, equivocation)
        await self._archive.commit(batch, is_urgent=True)

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

    def on_dropped(self, identity: TransactionId) -> None:
        """Nobody waits for this transaction: it leaves the disk after a while."""
        self._archive.forget_unordered((identity,))
        self._dropped.append((anyio.current_time() + DROPPED_KEPT_S, identity))

    def _get_previous(self, checkpoint: Checkpoint) -> Checkpoint:
        previous = self._archive.get_checkpoint(checkpoint.index - 1)
        assert previous is not None, "checkpoints have no gaps"
        return previous

    def _take_dropped(self) -> list[TransactionId]:
        now_s = anyio.current_time()
        due = []
        while self._dropped and self._dropped[0][0] <= now_s:
            due.append(self._dropped.popleft()[1])
        return [identity for identity in due if not self._is_attached(identity)]  # it may be back
