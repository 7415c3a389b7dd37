"""What explorers look up beside transactions: blocks of the committee, and what checkpoints hold.

Everything is read from disk, so an explorer that asks for old things costs the node reads and no memory.
"""

from collections.abc import Callable
from typing import Final, Protocol

from msgspec import Struct

from shards.blocks import Block, decode_block
from shards.checkpoints import compute_checkpoint_digest
from shards.committee import Committee
from shards.epochs import EpochEnd
from tangle.core.types import INTEGER_MAX, TransactionId
from tangle.node.node import Node
from tangle.node.views import CheckpointView, NotFound, TransactionView

LATEST_ROUNDS: Final = 16
"""Rounds of blocks that are shown to who names none."""

TWINS_MAX: Final = 64
"""Most blocks of one slot that are read: an honest author signs one, a faulty one any number."""


class EpochView(Struct, frozen=True):
    """A committee and its epoch."""

    committee: Committee
    begun: int
    """The checkpoint that it began on: the last one of the epoch before."""

    end: EpochEnd | None
    """Its last checkpoint, once that is certified."""


class Explorer(Protocol):
    """The explorer's half of a node."""

    def get_epochs(self, shard: int, first: int, limit: int) -> tuple[EpochView, ...]:
        """Epochs from ``first`` on, the present one last."""

    def get_blocks(
        self, shard: int, first_round: int | None, limit: int, epoch: int | None = None
    ) -> tuple[Block, ...]:
        """Accepted blocks by round and author, from ``first_round`` on; the latest rounds for none.

        :param epoch: of the committee, the present one for none. Of an earlier one the first rounds are
            shown to who names none.
        """

    def get_slot(
        self, shard: int, round_number: int, author: int, epoch: int | None = None
    ) -> tuple[Block, ...]:
        """The blocks that a validator signed for a round: one, or more where it broke the rules.

        :param epoch: of the committee, the present one for none.
        :raises NotFound: there is none.
        """

    def get_checkpoints(self, shard: int, before: int | None, limit: int) -> tuple[CheckpointView, ...]:
        """Executed checkpoints, newest first, below ``before``."""

    def get_contents(self, shard: int, index: int, first: int, limit: int) -> tuple[TransactionView, ...]:
        """Transactions that a checkpoint ordered, in order, from place ``first`` of the checkpoint on.

        :raises NotFound: there is no such checkpoint.
        """


class NodeExplorer:
    """``Explorer`` over a running node."""

    def __init__(self, node: Node, get_transaction: Callable[[TransactionId], TransactionView]) -> None:
        """:param get_transaction: the node's view of one transaction."""
        self._node = node
        self._get_transaction = get_transaction

    def get_blocks(
        self, shard: int, first_round: int | None, limit: int, epoch: int | None = None
    ) -> tuple[Block, ...]:
        """Accepted blocks by round and author."""
        self._check_shard(shard)
        committees = self._node.archive.committees
        present, highest = self._node.epochs.epoch, self._node.driver.core.highest_round
        if epoch is None or epoch == present:
            epoch, latest = present, max(1, highest - LATEST_ROUNDS + 1)
        else:
            highest, latest = INTEGER_MAX - 1, 1
        first = latest if first_round is None else first_round
        return tuple(map(decode_block, committees.get_blocks(epoch, first, max(first, highest), limit)))

    def get_slot(
        self, shard: int, round_number: int, author: int, epoch: int | None = None
    ) -> tuple[Block, ...]:
        """The blocks that a validator signed for a round."""
        self._check_shard(shard)
        committees = self._node.archive.committees
        epoch = self._node.epochs.epoch if epoch is None else epoch
        committee = committees.get_committee(epoch)
        room = TWINS_MAX * (0 if committee is None else len(committee))
        held = map(decode_block, committees.get_blocks(epoch, round_number, round_number, room))
        found = tuple(block for block in held if block.reference.author == author)[:TWINS_MAX]
        if not found:
            raise NotFound("block", f"of round {round_number} of epoch {epoch} by validator {author}")
        return found

    def get_checkpoints(self, shard: int, before: int | None, limit: int) -> tuple[CheckpointView, ...]:
        """Executed checkpoints, newest first."""
        self._check_shard(shard)
        stop = self._node.finality.executed + 1
        if before is not None:
            stop = min(stop, before)
        base = self._node.archive.get_history_base()
        first = 0 if base is None else base.checkpoint
        return tuple(
            self._get_checkpoint(index) for index in range(stop - 1, max(first, stop - limit) - 1, -1)
        )

    def get_contents(self, shard: int, index: int, first: int, limit: int) -> tuple[TransactionView, ...]:
        """Transactions that a checkpoint ordered."""
        self._check_shard(shard)
        if index > self._node.finality.executed:
            raise NotFound("checkpoint", str(index))
        checkpoint = self._get_checkpoint(index).checkpoint
        self._node.archive.check_kept(index, f"what checkpoint {index} ordered")
        begin = checkpoint.ordered_total - checkpoint.ordered_count + first
        rows = self._node.archive.get_ordered_range(begin, min(begin + limit, checkpoint.ordered_total))
        return tuple(self._get_transaction(row.effect.transaction) for row in rows)

    def _get_checkpoint(self, index: int) -> CheckpointView:
        archive = self._node.archive
        checkpoint = archive.get_checkpoint(index)
        if checkpoint is None:
            archive.check_kept(index, f"checkpoint {index}")
            raise NotFound("checkpoint", str(index))
        return CheckpointView(
            checkpoint, compute_checkpoint_digest(checkpoint), archive.get_certificate(index)
        )

    def get_epochs(self, shard: int, first: int, limit: int) -> tuple[EpochView, ...]:
        """Epochs from ``first`` on."""
        self._check_shard(shard)
        archive, latest = self._node.archive, self._node.executor.machine.state.committee_epoch
        listed = archive.committees.list_committees(first, limit + 1)
        known = [(committee, begun) for committee, begun in listed if committee.epoch <= latest]
        ends = [self._find_end(begun) for _, begun in known[1:]]
        rows = zip(known[:limit], [*ends, None], strict=False)
        return tuple(EpochView(committee, begun, end) for (committee, begun), end in rows)

    def _find_end(self, index: int) -> EpochEnd | None:
        archive = self._node.archive
        checkpoint, certificate = archive.get_checkpoint(index), archive.get_certificate(index)
        if checkpoint is None or certificate is None:
            return None
        return EpochEnd(checkpoint, certificate)

    def _check_shard(self, shard: int) -> None:
        if shard != self._node.shard:
            raise NotFound("shard", str(shard))
