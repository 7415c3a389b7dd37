"""How long things take: from a block to its commit, from a wallet's first step to order and to finality.

Both ends of every time are taken where a user would stand: a block's at its author, a transaction's at the
node that took it in; and the end is when that node has it on disk, executed. What papers report of an order
alone ends earlier.
"""

from collections.abc import Sequence
from typing import Final

from shards.blocks import BlockReference
from shards.commits import decode_commit
from simnet.load import Accepted
from tangle.core.types import Digest, TransactionId
from tangle.store.keys import decode_place, parse_block_key
from tangle.store.store import Table, WriteBatch

BLOCKS_MAX: Final = 4_096
"""Own blocks of one node that may wait for a commit; the oldest was skipped by all commits."""

COMMITS_MAX: Final = 4_096
"""Decoded commits that are kept; a node that comes later than so many has its own decoded again."""


class Stopwatch:
    """Watches what becomes durable where."""

    def __init__(self, nodes: int, accepted: Sequence[Accepted]) -> None:
        """:param accepted: what nodes said they have on disk; it grows."""
        self.blocks_ms: list[float] = []
        """From an own block on its author's disk to the commit that orders it, executed and on that disk."""

        self.ordered_ms: list[float] = []
        """From a wallet's first step to the transaction's effect on the disk of the node that took it in."""

        self.final_ms: list[float] = []
        """From a wallet's first step to a checkpoint with the signatures of a quorum on that disk."""

        self._own: list[dict[Digest, float]] = [{} for _ in range(nodes)]
        self._commits: dict[bytes, tuple[BlockReference, ...]] = {}
        self._accepted = accepted
        self._sent: dict[TransactionId, Accepted] = {}

    def on_durable(self, node: int, batch: WriteBatch, now_s: float) -> None:
        """A commit of a node's store returned."""
        own = self._own[node]
        for key in batch.changes.get(Table.BLOCKS, ()):
            _, _, author, digest = parse_block_key(key)
            if author == node:
                own[digest] = now_s
                if len(own) > BLOCKS_MAX:
                    own.pop(next(iter(own)))
        for value in batch.changes.get(Table.COMMITS, {}).values():
            for reference in self._read_blocks(value) if value is not None else ():
                begun_s = own.pop(reference.digest, None) if reference.author == node else None
                if begun_s is not None:
                    self.blocks_ms.append((now_s - begun_s) * 1_000)
        for identity, value in batch.changes.get(Table.TRANSACTION_INDEX, {}).items():
            if value is not None and decode_place(value).ordered is not None:
                self._add(self.ordered_ms, node, TransactionId(identity), now_s)

    def _read_blocks(self, commit: bytes) -> tuple[BlockReference, ...]:
        """All nodes make the same commits, so each is decoded once."""
        if commit not in self._commits:
            self._commits[commit] = decode_commit(commit).blocks
            if len(self._commits) > COMMITS_MAX:
                del self._commits[next(iter(self._commits))]
        return self._commits[commit]

    def on_final(self, node: int, transactions: Sequence[TransactionId], now_s: float) -> None:
        """Transactions became final at a node."""
        for identity in transactions:
            self._add(self.final_ms, node, identity, now_s)

    def _add(self, times_ms: list[float], node: int, identity: TransactionId, now_s: float) -> None:
        for index in range(len(self._sent), len(self._accepted)):
            self._sent[self._accepted[index].id] = self._accepted[index]
        accepted = self._sent.get(identity)
        if accepted is not None and accepted.node == node:
            times_ms.append((now_s - accepted.at_s) * 1_000)
