"""From committed leaders to one sequence of blocks.

A commit takes every block in its leader's past that no earlier commit took and that lies above the horizon,
which stands ``commit_depth`` rounds below the previous committed leader and is fixed during the walk. So
what a commit contains depends on the sequence of leaders alone, not on what a node has received or pruned.
"""

from collections.abc import Sequence

from shards.blocks import GENESIS_ROUND, Block, BlockReference
from shards.commits import CommitRecord, compute_commit_digest
from shards.dag import Dag
from shards.errors import BrokenCommitChain
from tangle.core.types import Digest, Milliseconds


class Linearizer:
    """Orders blocks and chains commit records."""

    def __init__(self, dag: Dag, commit_depth: int, first_digest: Digest) -> None:
        """:param first_digest: what the first record names as the one before it."""
        self.last: CommitRecord | None = None
        self._dag = dag
        self._commit_depth = commit_depth
        self._digest = first_digest
        self._committed: dict[int, set[Digest]] = {}

    def get_horizon(self) -> int:
        """Last round out of which no later commit takes a block."""
        if self.last is None:
            return GENESIS_ROUND
        return max(GENESIS_ROUND, self.last.leader.round - self._commit_depth)

    def is_committed(self, reference: BlockReference) -> bool:
        """Whether a block above the horizon is in some commit already."""
        return reference.digest in self._committed.get(reference.round, ())

    def recover(self, records: Sequence[CommitRecord]) -> None:
        """Continue after stored records: all whose leader is above the horizon of the last, in order.

        :raises BrokenCommitChain: they do not follow each other.
        """
        for record in records:
            if self.last is not None and (
                record.index != self.last.index + 1 or record.previous != self._digest
            ):
                raise BrokenCommitChain(record.index)
            self._remember(record)
        self._forget()

    def commit(self, leader: Block) -> tuple[CommitRecord, tuple[Block, ...]]:
        """Order the newly reachable blocks of a committed leader by round, author and digest."""
        blocks = sorted(self._walk(leader), key=lambda block: block.reference)
        timestamp_ms = leader.body.timestamp_ms
        if self.last is not None:
            timestamp_ms = Milliseconds(max(timestamp_ms, self.last.timestamp_ms))
        record = CommitRecord(
            index=1 if self.last is None else self.last.index + 1,
            previous=self._digest,
            timestamp_ms=timestamp_ms,
            leader=leader.reference,
            blocks=tuple(block.reference for block in blocks),
        )
        self._remember(record)
        self._forget()
        return record, tuple(blocks)

    def _walk(self, leader: Block) -> list[Block]:
        horizon = self.get_horizon()
        found = [leader]
        seen = {leader.reference.digest}
        pending = [leader]
        while pending:
            for reference in pending.pop().body.ancestors:
                if reference.round <= horizon or reference.digest in seen:
                    continue
                if self.is_committed(reference):
                    continue
                ancestor = self._dag.get_block(reference.digest)
                assert ancestor is not None, (
                    "ancestors above the horizon are accepted before their descendants"
                )
                seen.add(reference.digest)
                found.append(ancestor)
                pending.append(ancestor)
        return found

    def _remember(self, record: CommitRecord) -> None:
        for reference in record.blocks:
            self._committed.setdefault(reference.round, set()).add(reference.digest)
        self.last = record
        self._digest = compute_commit_digest(record)

    def _forget(self) -> None:
        horizon = self.get_horizon()
        for round_number in [number for number in self._committed if number <= horizon]:
            del self._committed[round_number]
