"""What no own block builds on yet: the open edge of the DAG, and the ancestors of the next own block.

An own block takes all of it in. So whatever its author did because of a block that it had accepted, as
committing a leader, executing a checkpoint, or naming a transaction that is anchored there, others can do
too once they have accepted the block's past; a faulty validator cannot hold them up by showing a block to one
of them only. Twins are taken in like all others, which is also how evidence of them spreads. Source: protocol
4.2, ADR 17.
"""

from collections.abc import Iterable
from typing import Final

from shards.blocks import Block
from shards.dag import Dag
from tangle.core.types import Digest

OPEN_TWINS_PER_AUTHOR_MAX: Final = 4
"""Twins of one author in the open edge. With at most f of 3f + 1 validators faulty the edge then stays below
the ancestors that a block may have; more twins are taken only when blocks of other authors build on them."""


class Frontier:
    """Accepted blocks that are not in the past of the newest own block."""

    def __init__(self, dag: Dag) -> None:
        self._dag = dag
        self._open: dict[Digest, Block] = {}

    def add(self, block: Block) -> None:
        """A block was accepted; all its ancestors were before."""
        self._open[block.reference.digest] = block

    def close(self, block: Block) -> None:
        """``block`` is an own one: its past needs no other block to name it."""
        for digest in self._walk(block):
            del self._open[digest]

    def forget(self, horizon: int) -> None:
        """Nobody can build on rounds up to ``horizon`` any more."""
        for digest in [d for d, block in self._open.items() if block.reference.round <= horizon]:
            del self._open[digest]

    def collect(self, round_number: int, own: Block | None) -> list[Block]:
        """The blocks below ``round_number`` whose pasts, with that of ``own``, hold all open blocks there.

        From the highest round down, and in a round in the order of acceptance. All open blocks of
        ``round_number`` - 1 are among them.
        """
        below = [block for block in self._open.values() if block.reference.round < round_number]
        below.sort(key=lambda block: -block.reference.round)
        covered = set() if own is None else {own.reference.digest, *self._walk(own)}
        edge = []
        for block in below:
            if block.reference.digest not in covered:
                edge.append(block)
                covered.update(self._walk(block))
        return edge

    def is_crowded(self, author: int) -> bool:
        """Whether as many twins of ``author`` are open as are taken unasked."""
        twins = sum(
            len(self._dag.get_slot(block.reference.round, author)) > 1
            for block in self._open.values()
            if block.reference.author == author
        )
        return twins >= OPEN_TWINS_PER_AUTHOR_MAX

    def _walk(self, block: Block) -> Iterable[Digest]:
        """Open blocks in the past of ``block``. What is not open has nothing open in its past."""
        found: set[Digest] = set()
        pending = [block]
        while pending:
            for reference in pending.pop().body.ancestors:
                ancestor = self._open.get(reference.digest)
                if ancestor is not None and reference.digest not in found:
                    found.add(reference.digest)
                    pending.append(ancestor)
        return found
