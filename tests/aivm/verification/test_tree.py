"""Kept trees: the same roots and proofs as the core's, and frontiers that fold back to their top."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.verification.tree import FRONTIER_MAX, MerkleTree, compute_steps, compute_top, list_frontier, split
from tangle.core.errors import InvalidProof
from tangle.core.merkle import compute_inclusion_proof, compute_merkle_root

SIZES = st.integers(1, 300)


def make_leaves(size: int) -> list[bytes]:
    return [bytes([at % 251, at // 251]) for at in range(size)]


@given(SIZES, st.data())
def test_roots_and_proofs_are_those_of_the_core(size: int, data: st.DataObject) -> None:
    leaves = make_leaves(size)
    tree = MerkleTree(leaves)
    index = data.draw(st.integers(0, size - 1))
    assert tree.root == compute_merkle_root(leaves)
    assert tree.get_proof(index) == compute_inclusion_proof(leaves, index)


def test_an_empty_tree_has_the_root_of_the_core() -> None:
    assert MerkleTree([]).root == compute_merkle_root([])


@given(SIZES, st.data())
def test_every_way_down_has_the_stated_number_of_steps(size: int, data: st.DataObject) -> None:
    leaves = make_leaves(size)
    tree = MerkleTree(leaves)
    span, steps = (0, size), 0
    while span[1] - span[0] > 1:
        parts = list_frontier(span)
        assert 2 <= len(parts) <= FRONTIER_MAX
        assert [each for part in parts for each in range(*part)] == list(range(*span))
        hashes = tree.get_frontier(span)
        assert compute_top(span, hashes) == tree.get_node(span)
        assert tree.get_node(span) == compute_merkle_root(leaves[slice(*span)])
        span, steps = data.draw(st.sampled_from(parts)), steps + 1
    assert steps <= compute_steps(size)


def test_a_tree_of_powers_of_sixteen_takes_all_steps() -> None:
    assert [compute_steps(size) for size in (1, 2, 16, 17, 256, 257)] == [0, 1, 1, 2, 2, 3]


@given(SIZES.filter(lambda size: size > 1), st.integers(0, 20))
def test_another_number_of_parts_is_refused(size: int, count: int) -> None:
    parts = MerkleTree(make_leaves(size)).get_frontier((0, size))
    if count == len(parts):
        assert compute_top((0, size), parts) == compute_merkle_root(make_leaves(size))
        return
    with pytest.raises(InvalidProof):
        compute_top((0, size), (parts * 20)[:count])


@pytest.mark.parametrize("span", [(0, 0), (1, 3), (0, 3), (4, 8), (-1, 1), (6, 5)])
def test_what_is_no_subtree_has_no_node(span: tuple[int, int]) -> None:
    with pytest.raises(InvalidProof):
        MerkleTree(make_leaves(7)).get_node(span)


def test_a_leaf_that_does_not_exist_has_no_proof() -> None:
    for index in (-1, 7):
        with pytest.raises(InvalidProof):
            MerkleTree(make_leaves(7)).get_proof(index)


def test_halves_are_those_of_rfc_6962() -> None:
    assert split((0, 7)) == ((0, 4), (4, 7))
    assert split((4, 7)) == ((4, 6), (6, 7))
