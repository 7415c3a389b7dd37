"""Proves ``C = A B`` in a kilobyte: the sumcheck protocol for matrix multiplication, made non-interactive.

Source: Thaler, "Time-Optimal Interactive Proofs for Circuit Evaluation", 2013 (arXiv 1304.3812), section on
MatMul. Matrices are read as functions on bits, ``A: {0,1}^a x {0,1}^c -> Z_p``, padded with zeros, and
``A~`` is the one extension to ``Z_p`` that is linear in every variable. Then, for random points x and y,

    ``C~(x, y) = sum over z in {0,1}^c of A~(x, z) B~(z, y)``.

In round j the prover sends the quadratic g_j, which sums the rest with variable j left open, by its values
at 0, 1 and 2; the verifier checks ``g_j(0) + g_j(1)`` against the claim and asks for ``g_j(t_j)`` next. At
the end it computes ``A~(x, t) B~(t, y)`` itself. Challenges are hashes of everything before them
(Fiat-Shamir).

Soundness: a wrong C has the right ``C~(x, y)`` with probability at most ``(a + b) / p`` (Schwartz-Zippel),
and a wrong claim survives a round with at most ``2 / p``: together ``(a + b + 2 c) / p`` per run and try.
Runs are independent; two leave below 2^-108 for the largest matrices.
"""

from typing import Annotated, Final

import numpy as np
from msgspec import Meta, Struct

from aivm.verification.challenges import draw_elements
from aivm.verification.errors import InvalidProduct, InvalidProofOfProduct, InvalidRequest
from aivm.verification.field import (
    PRIME,
    ZERO_BITS,
    Elements,
    add,
    add_up,
    compute_inner_product,
    multiply,
    subtract,
)
from aivm.verification.freivalds import Product
from aivm.verification.projection import Matrix, compute_left_projection, compute_projection, make_vector
from tangle.core.hashing import CHALLENGE, compute_record_hash
from tangle.core.types import Digest

LEVEL: Final = 6
"""Rung of the ladder; keeps its seeds apart from those of other checks."""

ROUNDS_MAX: Final = 16
"""Most rounds: sums of at most 2^16 terms."""

RUNS_MAX: Final = 4
"""Most runs of one proof; two are enough, more is a mistake."""

RUNS: Final = 2
"""Runs of a proof whose challenges the prover can compute ahead."""

Value = Annotated[int, Meta(ge=0, lt=PRIME)]
"""A field element."""

Quadratic = tuple[Value, Value, Value]
"""Values of a polynomial of degree 2 at 0, 1 and 2."""

Run = Annotated[tuple[Quadratic, ...], Meta(max_length=ROUNDS_MAX)]
"""One polynomial per round."""


class ProductProof(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A proof about one product."""

    runs: Annotated[tuple[Run, ...], Meta(min_length=1, max_length=RUNS_MAX)]
    """Independent runs."""


def prove_product(product: Product, statement: Digest, runs: int = RUNS) -> ProductProof:
    """Prove a product; costs one reading of both operands per run, and O(k) beyond.

    :param statement: binds everything that is claimed: see ``compute_seed``.
    :raises InvalidProduct: shapes or types do not fit.
    :raises InvalidRequest: more runs than ``RUNS_MAX``, or none.
    """
    if not 1 <= runs <= RUNS_MAX:
        raise InvalidRequest(f"{runs} runs, not 1 to {RUNS_MAX}")
    return ProductProof(tuple(_prove_run(product, statement, run) for run in range(runs)))


def verify_product_proof(product: Product, statement: Digest, proof: ProductProof) -> None:
    """Check a proof; costs one reading of each matrix per run.

    :raises InvalidProduct: shapes or types do not fit.
    :raises InvalidProofOfProduct: the first equation that does not hold.
    """
    shape = _verify_shapes(product)
    rounds = _count_bits(shape[1])
    for run, quadratics in enumerate(proof.runs):
        if len(quadratics) != rounds:
            raise InvalidProofOfProduct(run, None, f"{len(quadratics)} rounds, not {rounds}")
        row_weights, column_weights, seed = _draw_points(shape, statement, run)
        claim = _compute_claim(product, row_weights, column_weights)
        point: list[int] = []
        for round_, quadratic in enumerate(quadratics):
            if (quadratic[0] + quadratic[1]) % PRIME != claim:
                raise InvalidProofOfProduct(run, round_, "the polynomial does not add up to the claim")
            seed, challenge = _draw_challenge(seed, quadratic)
            claim = _evaluate(quadratic, challenge)
            point.append(challenge)
        weights = compute_weights(point)[: shape[1]]
        from_left = compute_inner_product(_project(product.left, weights), row_weights)
        from_right = compute_inner_product(_project(product.right, column_weights), weights)
        if claim != from_left * from_right % PRIME:
            raise InvalidProofOfProduct(run, None, "the last claim is not the value of the operands")


def compute_error_bits(shape: tuple[int, int, int], runs: int) -> int:
    """Largest e with error at most ``2^-e`` for one try: ``((a + b + 2 c) / p)^runs``."""
    rows, terms, columns = map(_count_bits, shape)
    total = max(1, rows + columns + 2 * terms)
    return runs * (ZERO_BITS - (total - 1).bit_length())


def compute_weights(point: list[int]) -> Elements:
    """Weights of all corners at a point: ``prod (x_j if bit j else 1 - x_j)``, bit 0 of the index outermost.

    Their sum with the values at the corners is the multilinear extension at the point.
    """
    weights = np.ones(1, np.uint64)
    for value in point:
        chosen = multiply(weights, make_vector([value]))
        weights = np.stack([subtract(weights, chosen), chosen], axis=1).reshape(-1)
    return weights


def _prove_run(product: Product, statement: Digest, run: int) -> tuple[Quadratic, ...]:
    shape = _verify_shapes(product)
    row_weights, column_weights, seed = _draw_points(shape, statement, run)
    rounds = _count_bits(shape[1])
    first = _pad(compute_left_projection(row_weights, product.left), rounds)
    second = _pad(_project(product.right, column_weights), rounds)
    quadratics = []
    for _ in range(rounds):
        half = len(first) // 2
        low, high = (first[:half], second[:half]), (first[half:], second[half:])
        # At 2 a linear function is twice its value at 1 minus its value at 0.
        beyond = [subtract(add(top, top), bottom) for top, bottom in zip(high, low, strict=True)]
        quadratic = (
            compute_inner_product(*low),
            compute_inner_product(*high),
            compute_inner_product(beyond[0], beyond[1]),
        )
        quadratics.append(quadratic)
        seed, challenge = _draw_challenge(seed, quadratic)
        first, second = (
            add(bottom, multiply(subtract(top, bottom), make_vector([challenge])))
            for top, bottom in zip(high, low, strict=True)
        )
    return tuple(quadratics)


def _compute_claim(product: Product, row_weights: Elements, column_weights: Elements) -> int:
    # The bias adds the same to every row.
    claim = compute_inner_product(_project(product.result, column_weights), row_weights)
    if product.bias is None:
        return claim
    offset = int(_project(product.bias.reshape(1, -1), column_weights)[0])
    return (claim - offset * add_up(row_weights)) % PRIME


def _project(matrix: Matrix, vector: Elements) -> Elements:
    return compute_projection(matrix, vector[:, np.newaxis])[:, 0]


def _verify_shapes(product: Product) -> tuple[int, int, int]:
    left, right, result = product.left, product.right, product.result
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[0]:
        raise InvalidProduct(f"shapes {left.shape} and {right.shape} do not fit")
    if result.shape != (left.shape[0], right.shape[1]) or result.dtype != np.int32:
        raise InvalidProduct(f"a result of shape {result.shape} and type {result.dtype}")
    if min(product.shape) < 1 or product.shape[1] > 2**ROUNDS_MAX:
        raise InvalidProduct(f"m x k x n = {product.shape}")
    return product.shape


def _draw_points(
    shape: tuple[int, int, int], statement: Digest, run: int
) -> tuple[Elements, Elements, Digest]:
    seed = compute_record_hash(CHALLENGE, statement, LEVEL, run, *shape)
    bits = _count_bits(shape[0]), _count_bits(shape[2])
    drawn = draw_elements(seed, sum(bits)).tolist()
    return (
        compute_weights(drawn[: bits[0]])[: shape[0]],
        compute_weights(drawn[bits[0] :])[: shape[2]],
        seed,
    )


def _draw_challenge(seed: Digest, quadratic: Quadratic) -> tuple[Digest, int]:
    following = compute_record_hash(CHALLENGE, seed, *quadratic)
    return following, int(draw_elements(following, 1)[0])


def _evaluate(quadratic: Quadratic, place: int) -> int:
    # Lagrange through 0, 1, 2; 1/2 is 2^60 because 2^61 = 1.
    at_zero, at_one, at_two = quadratic
    half = 2**60
    value = at_zero * (place - 1) * (place - 2) * half
    value -= at_one * place * (place - 2)
    value += at_two * place * (place - 1) * half
    return value % PRIME


def _count_bits(length: int) -> int:
    return (length - 1).bit_length()


def _pad(values: Elements, bits: int) -> Elements:
    return np.concatenate([values, np.zeros(2**bits - len(values), np.uint64)])
