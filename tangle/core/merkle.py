"""Merkle trees in the shape of RFC 6962: roots and inclusion proofs.

Leaves hash with a 0x00 prefix and nodes with 0x01, so no leaf can pass as a node; a list of n leaves splits
at the largest power of two below n. The number of leaves is bound by the caller (checkpoints carry it). The
root of an empty list is the hash of the empty string.
"""

from collections.abc import Sequence

from msgspec import Struct

from tangle.core.errors import InvalidProof
from tangle.core.hashing import MERKLE, compute_hash
from tangle.core.types import Digest, Natural


class InclusionProof(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Evidence that one leaf stands at one place of a tree. Source: RFC 6962 section 2.1.1."""

    index: Natural
    """Position of the leaf, from 0."""

    size: Natural
    """Number of leaves in the tree."""

    path: tuple[Digest, ...]
    """Sibling hashes from the leaf up to the root."""


def compute_leaf_hash(leaf: bytes) -> Digest:
    """Hash of a leaf: ``H(0x00 || leaf)``."""
    return compute_hash(MERKLE, b"\x00" + leaf)


def compute_node_hash(left: Digest, right: Digest) -> Digest:
    """Hash of an inner node: ``H(0x01 || left || right)``."""
    return compute_hash(MERKLE, b"\x01" + left + right)


def compute_merkle_root(leaves: Sequence[bytes]) -> Digest:
    """Root over ``leaves`` (raw bytes) in order."""
    return compute_root_of_nodes([compute_leaf_hash(leaf) for leaf in leaves])


def compute_root_of_nodes(nodes: Sequence[Digest]) -> Digest:
    """Root over all nodes of one level: leaf hashes, or the roots of subtrees of 2^k leaves, the last of
    which may have fewer.
    """
    level = list(nodes)
    if not level:
        return compute_hash(MERKLE, b"")
    while len(level) > 1:
        level = _compute_parents(level)
    return level[0]


def compute_levels(nodes: Sequence[Digest]) -> tuple[tuple[Digest, ...], ...]:
    """All levels of a tree from ``nodes`` (all of one level) up to its root; for whoever gives many paths."""
    levels = [list(nodes)]
    while len(levels[-1]) > 1:
        levels.append(_compute_parents(levels[-1]))
    return tuple(map(tuple, levels))


def get_path(levels: Sequence[Sequence[Digest]], index: int) -> tuple[Digest, ...]:
    """Siblings from ``levels[0][index]`` up to the root.

    :raises InvalidProof: no such index.
    """
    if not 0 <= index < len(levels[0]):
        raise InvalidProof(f"node {index} of {len(levels[0])} does not exist")
    siblings = ((level, (index >> height) ^ 1) for height, level in enumerate(levels))
    return tuple(level[sibling] for level, sibling in siblings if sibling < len(level))


def compute_node_path(nodes: Sequence[Digest], index: int) -> tuple[Digest, ...]:
    """Siblings from ``nodes[index]`` up to the root, where ``nodes`` are all nodes of one level.

    :raises InvalidProof: no such index.
    """
    return get_path(compute_levels(nodes), index)


def compute_inclusion_proof(leaves: Sequence[bytes], index: int) -> InclusionProof:
    """Proof that ``leaves[index]`` is at ``index``.

    :raises InvalidProof: no such index.
    """
    path = compute_node_path([compute_leaf_hash(leaf) for leaf in leaves], index)
    return InclusionProof(index, len(leaves), path)


def verify_inclusion(root: Digest, leaf: bytes, proof: InclusionProof) -> None:
    """Check that ``leaf`` stands at ``proof.index`` of the tree with ``root`` and ``proof.size`` leaves.

    :raises InvalidProof: it does not. Source: RFC 9162 section 2.1.3.2.
    """
    verify_node(root, compute_leaf_hash(leaf), proof)


def verify_node(root: Digest, node: Digest, proof: InclusionProof) -> None:
    """Check that ``node`` stands at ``proof.index`` of a level of ``proof.size`` nodes under ``root``.

    :raises InvalidProof: it does not.
    """
    if proof.index >= proof.size:
        raise InvalidProof(f"node {proof.index} of {proof.size} does not exist")
    computed = node
    place, last = proof.index, proof.size - 1
    path = iter(proof.path)
    while last:
        if place & 1 or place < last:
            sibling = next(path, None)
            if sibling is None:
                raise InvalidProof("the path is too short")
            computed = (
                compute_node_hash(sibling, computed) if place & 1 else compute_node_hash(computed, sibling)
            )
        place >>= 1
        last >>= 1
    if next(path, None) is not None:
        raise InvalidProof("the path is too long")
    if computed != root:
        raise InvalidProof("the path leads to another root")


def _compute_parents(level: list[Digest]) -> list[Digest]:
    # An odd node at the end rises unchanged: this is the RFC's split at a power of two, seen from below.
    parents = [compute_node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    if len(level) % 2:
        parents.append(level[-1])
    return parents
