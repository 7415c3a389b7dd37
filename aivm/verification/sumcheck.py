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
from numpy.typing import NDArray

from aivm.verification.challenges import draw_elements
from aivm.verification.errors import InvalidProduct, InvalidProofOfProduct, InvalidRequest
from aivm.verification.field import PRIME, ZERO_BITS, Elements, add, compute_inner_product, multiply, subtract
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


def prove_product(
    left: Matrix, right: Matrix, result: NDArray[np.int32], statement: Digest, runs: int = RUNS
) -> ProductProof:
    """Prove a product; costs one reading of each matrix per run and O(k) beyond.

    :param statement: binds all three matrices: a hash of their tensor ids.
    :raises InvalidProduct: shapes or types do not fit.
    :raises InvalidRequest: more runs than ``RUNS_MAX``, or none.
    """
    if not 1 <= runs <= RUNS_MAX:
        raise InvalidRequest(f"{runs} runs, not 1 to {RUNS_MAX}")
    return ProductProof(tuple(_prove_run(left, right, result, statement, run) for run in range(runs)))


def verify_product_proof(
    left: Matrix, right: Matrix, result: NDArray[np.int32], statement: Digest, proof: ProductProof
) -> None:
    """Check a proof; costs one reading of each matrix per run.

    :raises InvalidProduct: shapes or types do not fit.
    :raises InvalidProofOfProduct: the first equation that does not hold.
    """
    shape = _verify_shapes(left, right, result)
    rounds = _count_bits(shape[1])
    for run, quadratics in enumerate(proof.runs):
        if len(quadratics) != rounds:
            raise InvalidProofOfProduct(run, None, f"{len(quadratics)} rounds, not {rounds}")
        row_weights, column_weights, seed = _draw_points(shape, statement, run)
        claim = compute_inner_product(
            compute_projection(result, column_weights[:, np.newaxis])[:, 0], row_weights
        )
        point = []
        for round_, quadratic in enumerate(quadratics):
            if (quadratic[0] + quadratic[1]) % PRIME != claim:
                raise InvalidProofOfProduct(run, round_, "the polynomial does not add up to the claim")
            seed, challenge = _draw_challenge(seed, quadratic)
            claim = _evaluate(quadratic, challenge)
            point.append(challenge)
        weights = compute_weights(point)[: shape[1]]
        from_left = compute_projection(left, weights[:, np.newaxis])[:, 0]
        from_right = compute_projection(right, column_weights[:, np.newaxis])[:, 0]
        expected = (
            compute_inner_product(from_left, row_weights) * compute_inner_product(from_right, weights)
        ) % PRIME
        if claim != expected:
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


def _prove_run(
    left: Matrix, right: Matrix, result: NDArray[np.int32], statement: Digest, run: int
) -> tuple[Quadratic, ...]:
    shape = _verify_shapes(left, right, result)
    row_weights, column_weights, seed = _draw_points(shape, statement, run)
    rounds = _count_bits(shape[1])
    first = _pad(compute_left_projection(row_weights, left), rounds)
    second = _pad(compute_projection(right, column_weights[:, np.newaxis])[:, 0], rounds)
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


def _verify_shapes(left: Matrix, right: Matrix, result: NDArray[np.int32]) -> tuple[int, int, int]:
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[0]:
        raise InvalidProduct(f"shapes {left.shape} and {right.shape} do not fit")
    if result.shape != (left.shape[0], right.shape[1]) or result.dtype != np.int32:
        raise InvalidProduct(f"a result of shape {result.shape} and type {result.dtype}")
    shape = (left.shape[0], left.shape[1], right.shape[1])
    if min(shape) < 1 or shape[1] > 2**ROUNDS_MAX:
        raise InvalidProduct(f"m x k x n = {shape}")
    return shape


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
