"""Merkle trees that are kept: proofs and subtrees without hashing again.

The shape is that of ``tangle.core.merkle`` (RFC 6962): n leaves split at the largest power of two below n.
A subtree is named by the leaves that it covers, ``first`` to ``last`` (excluded). ``list_frontier`` cuts a
subtree into at most 16 parts, four levels down: the step by which a dispute narrows.
"""

from collections.abc import Sequence
from typing import Final

from tangle.core.errors import InvalidProof
from tangle.core.hashing import MERKLE, compute_hash
from tangle.core.merkle import InclusionProof, compute_leaf_hash, compute_node_hash
from tangle.core.types import Digest

FRONTIER_LEVELS: Final = 4
"""Levels of one step: 16 hashes are half a kilobyte, and 2^18 chunks are five steps."""

FRONTIER_MAX: Final = 2**FRONTIER_LEVELS
"""Most parts of one step."""

Span = tuple[int, int]
"""First leaf of a subtree, and the one after its last."""


class MerkleTree:
    """All nodes over some leaves."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        """Hash ``leaves`` (raw bytes), in order."""
        self.size = len(leaves)
        self._levels: list[list[Digest]] = [[compute_leaf_hash(leaf) for leaf in leaves]]
        while len(self._levels[-1]) > 1:
            level = self._levels[-1]
            parents = [compute_node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
            if len(level) % 2:
                parents.append(level[-1])  # an odd node rises unchanged
            self._levels.append(parents)

    @property
    def root(self) -> Digest:
        """Root of the whole tree."""
        return self._levels[-1][0] if self.size else compute_hash(MERKLE, b"")

    def get_node(self, span: Span) -> Digest:
        """Hash of one subtree that ``split`` makes.

        :raises InvalidProof: no such subtree.
        """
        first, last = span
        level = (last - first - 1).bit_length()
        whole = last == self.size or last - first == 2**level
        if not 0 <= first < last <= self.size or first % 2**level or not whole:
            raise InvalidProof(f"leaves {first} to {last} of {self.size} are no subtree")
        return self._levels[level][first >> level]

    def get_proof(self, index: int) -> InclusionProof:
        """Proof that a leaf stands at ``index``.

        :raises InvalidProof: no such leaf.
        """
        if not 0 <= index < self.size:
            raise InvalidProof(f"leaf {index} of {self.size} does not exist")
        path = [
            level[sibling]
            for height, level in enumerate(self._levels)
            if (sibling := (index >> height) ^ 1) < len(level)
        ]
        return InclusionProof(index, self.size, tuple(path))

    def get_frontier(self, span: Span) -> tuple[Digest, ...]:
        """Hashes of the parts of a subtree, left to right."""
        return tuple(self.get_node(part) for part in list_frontier(span))


def split(span: Span) -> tuple[Span, Span]:
    """Both halves of a subtree with at least two leaves."""
    first, last = span
    middle = first + 2 ** ((last - first - 1).bit_length() - 1)
    return (first, middle), (middle, last)


def list_frontier(span: Span, levels: int = FRONTIER_LEVELS) -> list[Span]:
    """Parts of a subtree ``levels`` below its top, or as deep as it goes."""
    if levels == 0 or span[1] - span[0] == 1:
        return [span]
    left, right = split(span)
    return list_frontier(left, levels - 1) + list_frontier(right, levels - 1)


def compute_top(span: Span, parts: Sequence[Digest]) -> Digest:
    """Hash of a subtree from the hashes of its parts.

    :raises InvalidProof: another number of parts than the subtree has.
    """
    expected = len(list_frontier(span))
    if len(parts) != expected:
        raise InvalidProof(f"{len(parts)} parts of a subtree that has {expected}")
    return _fold(span, FRONTIER_LEVELS, list(reversed(parts)))


def compute_steps(leaves: int) -> int:
    """Steps from the root of so many leaves down to one leaf."""
    return -(-(leaves - 1).bit_length() // FRONTIER_LEVELS)


def _fold(span: Span, levels: int, parts: list[Digest]) -> Digest:
    if levels == 0 or span[1] - span[0] == 1:
        return parts.pop()
    left, right = split(span)
    folded = _fold(left, levels - 1, parts)
    return compute_node_hash(folded, _fold(right, levels - 1, parts))
