"""Sumcheck against the protocol written out; no changed product, proof or statement passes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aivm.verification.errors import InvalidProduct, InvalidProofOfProduct, InvalidRequest
from aivm.verification.field import PRIME
from aivm.verification.freivalds import Product
from aivm.verification.sumcheck import (
    ProductProof,
    compute_error_bits,
    compute_weights,
    prove_product,
    verify_product_proof,
)
from tangle.core.types import Digest
from tests.aivm.verification import oracles
from tests.aivm.verification.test_freivalds import make_product

STATEMENT = Digest(b"\x05" * 32)
SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 17), st.integers(1, 9))


def refuse(product: Product, proof: ProductProof, statement: Digest = STATEMENT) -> None:
    with pytest.raises(InvalidProofOfProduct):
        verify_product_proof(product, statement, proof)


@given(SHAPES, st.integers(0, 2**32), st.integers(1, 4))
def test_right_products_are_proven(shape: tuple[int, int, int], seed: int, runs: int) -> None:
    product = make_product(shape, seed, with_bias=bool(seed % 2))
    proof = prove_product(product, STATEMENT, runs)
    verify_product_proof(product, STATEMENT, proof)
    assert [len(run) for run in proof.runs] == [(shape[1] - 1).bit_length()] * runs


@given(st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 3)), st.integers(0, 2**32))
def test_proofs_are_those_of_the_protocol_written_out(shape: tuple[int, int, int], seed: int) -> None:
    product = make_product(shape, seed)
    expected = oracles.prove(product.left.tolist(), product.right.tolist(), STATEMENT, 2)
    assert [[list(each) for each in run] for run in prove_product(product, STATEMENT).runs] == expected


@given(SHAPES, st.integers(0, 2**32), st.integers(1, 2**32 - 1), st.data())
def test_a_wrong_entry_cannot_be_proven(
    shape: tuple[int, int, int], seed: int, error: int, data: st.DataObject
) -> None:
    product = make_product(shape, seed)
    honest = prove_product(product, STATEMENT)
    row, column = data.draw(st.integers(0, shape[0] - 1)), data.draw(st.integers(0, shape[2] - 1))
    product.result[row, column] = np.int64(int(product.result[row, column]) + error).astype(np.int32)
    refuse(product, honest)
    refuse(product, prove_product(product, STATEMENT))


@given(SHAPES.filter(lambda shape: shape[1] > 1), st.integers(0, 2**32), st.integers(1, PRIME - 1), st.data())
def test_a_changed_message_is_refused(
    shape: tuple[int, int, int], seed: int, error: int, data: st.DataObject
) -> None:
    product = make_product(shape, seed)
    proof = prove_product(product, STATEMENT)
    run = data.draw(st.integers(0, 1))
    round_ = data.draw(st.integers(0, len(proof.runs[run]) - 1))
    value = data.draw(st.integers(0, 2))
    changed = [[list(each) for each in each_run] for each_run in proof.runs]
    changed[run][round_][value] = (changed[run][round_][value] + error) % PRIME
    runs = tuple(tuple((each[0], each[1], each[2]) for each in each_run) for each_run in changed)
    refuse(product, ProductProof(runs))


def test_a_proof_for_another_statement_is_refused() -> None:
    product = make_product((4, 8, 4), 1)
    refuse(product, prove_product(product, STATEMENT), Digest(b"\x06" * 32))


def test_a_proof_with_rounds_missing_or_added_is_refused() -> None:
    product = make_product((4, 8, 4), 1)
    proof = prove_product(product, STATEMENT)
    refuse(product, replace(proof, runs=(proof.runs[0][:-1], proof.runs[1])))
    refuse(product, replace(proof, runs=(proof.runs[0] * 2, proof.runs[1])))


def test_a_cheater_that_follows_the_claim_fails_at_the_end() -> None:
    # It answers every round consistently with a wrong claim: only the operands themselves give it away.
    product = make_product((4, 2, 4), 2)
    wrong = Product(product.left, product.right, product.result + np.int32(1))
    honest = prove_product(wrong, STATEMENT, 1).runs[0][0]
    with pytest.raises(InvalidProofOfProduct, match="does not add up"):
        verify_product_proof(wrong, STATEMENT, ProductProof(((honest,),)))
    points = _draw_points(wrong)
    claim = oracles.extend(wrong.result.tolist(), points[:2], points[2:])
    consistent = (honest[0], (claim - honest[0]) % PRIME, honest[2])
    with pytest.raises(InvalidProofOfProduct, match="last claim"):
        verify_product_proof(wrong, STATEMENT, ProductProof(((consistent,),)))


def _draw_points(product: Product) -> list[int]:
    seed = oracles.hash_record(b"tangle/challenge", STATEMENT, 6, 0, *product.shape)
    return oracles.draw(seed, 4)


@given(st.lists(st.integers(0, PRIME - 1), max_size=6))
def test_weights_are_those_of_the_multilinear_extension(point: list[int]) -> None:
    weights = compute_weights(point)
    identity = [[int(i == j) for j in range(2 ** len(point))] for i in range(2 ** len(point))]
    for corner, row in enumerate(identity):
        assert int(weights[corner]) == oracles.extend([row], [], point)


@pytest.mark.parametrize(
    ("shape", "runs", "bits"), [((1, 1, 1), 1, 60), ((128, 128, 128), 1, 55), ((2**16, 2**16, 2**16), 2, 108)]
)
def test_error_bounds(shape: tuple[int, int, int], runs: int, bits: int) -> None:
    assert compute_error_bits(shape, runs) == bits


@pytest.mark.parametrize("runs", [0, 5])
def test_a_wrong_number_of_runs_is_refused(runs: int) -> None:
    with pytest.raises(InvalidRequest):
        prove_product(make_product((2, 2, 2), 0), STATEMENT, runs)


def test_what_does_not_fit_is_refused() -> None:
    product = make_product((3, 4, 5), 0)
    with pytest.raises(InvalidProduct):
        prove_product(Product(product.left, product.left, product.result), STATEMENT)
    with pytest.raises(InvalidProduct):
        prove_product(Product(product.left, product.right, product.result[:2]), STATEMENT)
