"""Merkle trees: published roots and proofs, all sizes to 64, and every way in which a proof can be wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tangle.core.errors import InvalidProof
from tangle.core.merkle import (
    InclusionProof,
    compute_inclusion_proof,
    compute_merkle_root,
    verify_inclusion,
)
from tangle.core.types import Digest
from tests.core import oracles

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "core" / "merkle.json").read_text())
LEAVES = [bytes.fromhex(leaf) for leaf in VECTORS["leaves"]]
SIZE_MAX = 64


def test_published_roots() -> None:
    assert [compute_merkle_root(LEAVES[:size]).hex() for size in range(SIZE_MAX + 1)] == VECTORS["roots"]


@pytest.mark.parametrize(
    "vector", VECTORS["proofs"], ids=lambda vector: f"{vector['index']} of {vector['size']}"
)
def test_published_proofs(vector: dict[str, Any]) -> None:
    size, index = vector["size"], vector["index"]
    path = tuple(Digest(bytes.fromhex(step)) for step in vector["path"])
    assert compute_inclusion_proof(LEAVES[:size], index) == InclusionProof(index, size, path)


@pytest.mark.parametrize("size", range(1, SIZE_MAX + 1))
def test_every_leaf_of_every_size_is_proved(size: int) -> None:
    leaves = LEAVES[:size]
    root = compute_merkle_root(leaves)
    assert root == oracles.compute_root(leaves)
    for index, leaf in enumerate(leaves):
        proof = compute_inclusion_proof(leaves, index)
        assert list(proof.path) == oracles.compute_path(leaves, index)
        verify_inclusion(root, leaf, proof)


def refuse(root: bytes, leaf: bytes, proof: InclusionProof) -> None:
    with pytest.raises(InvalidProof):
        verify_inclusion(Digest(root), leaf, proof)


def flip(data: bytes, place: int, change: int) -> bytes:
    return data[:place] + bytes([data[place] ^ change]) + data[place + 1 :]


@given(st.integers(1, SIZE_MAX), st.data())
def test_any_changed_byte_is_refused(size: int, data: st.DataObject) -> None:
    leaves = [b"leaf %d" % number for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    root, leaf = compute_merkle_root(leaves), leaves[index]
    proof = compute_inclusion_proof(leaves, index)
    change = data.draw(st.integers(1, 255))
    refuse(flip(root, data.draw(st.integers(0, 31)), change), leaf, proof)
    refuse(root, flip(leaf, data.draw(st.integers(0, len(leaf) - 1)), change), proof)
    refuse(root, leaf, replace(proof, path=(*proof.path, Digest(bytes(32)))))
    other = data.draw(st.integers(0, size + 3).filter(lambda place: place != index))
    refuse(root, leaf, replace(proof, index=other))
    if proof.path:
        step = data.draw(st.integers(0, len(proof.path) - 1))
        path = list(proof.path)
        path[step] = Digest(flip(path[step], data.draw(st.integers(0, 31)), change))
        refuse(root, leaf, replace(proof, path=tuple(path)))
        refuse(root, leaf, replace(proof, path=proof.path[:-1]))
        refuse(root, leaf, replace(proof, path=proof.path[1:]))


def test_a_proof_of_an_empty_tree_is_refused() -> None:
    refuse(compute_merkle_root([]), b"", InclusionProof(0, 0, ()))


def test_a_node_is_no_leaf() -> None:
    leaves = [b"a", b"b", b"c", b"d"]
    root = compute_merkle_root(leaves)
    left, right = (compute_merkle_root(half) for half in (leaves[:2], leaves[2:]))
    refuse(root, left + right, InclusionProof(0, 1, ()))
    refuse(root, b"\x01" + left + right, InclusionProof(0, 1, ()))


def test_a_tree_differs_from_the_tree_with_its_last_leaf_twice() -> None:
    assert compute_merkle_root([b"a", b"b", b"c"]) != compute_merkle_root([b"a", b"b", b"c", b"c"])


@pytest.mark.parametrize("index", [-1, 3])
def test_a_missing_leaf_has_no_proof(index: int) -> None:
    with pytest.raises(InvalidProof):
        compute_inclusion_proof(LEAVES[:3], index)
