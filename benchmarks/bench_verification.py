"""What checking an integer product costs beside computing it: Freivalds, secret vectors, sumcheck.

The product is measured in three ways: as the oracle computes it (numpy's 64-bit integers, which use no
BLAS), in float64 BLAS (exact below 2^53), and in float32 BLAS, 1,024 terms at a time (exact below 2^24),
the fastest that numpy offers; conversions included. Ratios are against the fastest. One thread each, the
same core; each figure is the best of a few calls. Every check also refuses the product with one entry off
by one.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aivm.verification.challenges import ERROR_BITS_PRIVATE, compute_seed, compute_vector_count, draw_vectors
from aivm.verification.errors import InvalidProofOfProduct, WrongProduct
from aivm.verification.freivalds import Product, compute_product, prepare, verify_prepared, verify_product
from aivm.verification.sumcheck import prove_product, verify_product_proof
from tangle.core.types import Digest

SHAPES: Final = (
    (512, 512, 512),
    (1024, 1024, 1024),
    (2048, 2048, 2048),
    (4096, 4096, 4096),
    (16, 4096, 4096),
)
"""m, k, n."""

ORACLE_MACS_MAX: Final = 1024**3
"""The oracle's own product is timed up to here: beyond, one call takes minutes."""

FLOAT32_TERMS: Final = 1024
"""Most terms of a sum of products of int8 that float32 holds exactly."""

SEED: Final = compute_seed(Digest(bytes(32)), b"benchmark")
"""Seed of the vectors."""


def measure_ms(function: Callable[[], object], rounds: int) -> float:
    """Shortest of some calls, in milliseconds."""
    elapsed = []
    for _ in range(rounds):
        start = perf_counter_ns()
        function()
        elapsed.append(perf_counter_ns() - start)
    return min(elapsed) / 1e6


def compute_as_oracle(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """The product in 64-bit integers."""
    product: NDArray[Any] = left.astype(np.int64) @ right.astype(np.int64)
    return product


def compute_in_float32(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.int32]:
    """The product in float32: each block's sums are at most ``2^7 2^7 2^10 = 2^24``, so all are exact."""
    total = np.zeros((len(left), right.shape[1]), np.int32)
    for start in range(0, len(right), FLOAT32_TERMS):
        block = slice(start, start + FLOAT32_TERMS)
        total += (left[:, block].astype(np.float32) @ right[block].astype(np.float32)).astype(np.int32)
    return total


def refuses(check: Callable[[Product], object], product: Product) -> bool:
    """Whether a check refuses the product with one entry off by one."""
    wrong = product.result.copy()
    wrong[-1, -1] += 1
    try:
        check(Product(product.left, product.right, wrong))
    except (WrongProduct, InvalidProofOfProduct):
        return True
    return False


def measure_shape(shape: tuple[int, int, int]) -> str:
    """One row of the table."""
    rows, terms, columns = shape
    generator = np.random.default_rng(1)
    left = generator.integers(-128, 128, (rows, terms)).astype(np.int8)
    right = generator.integers(-128, 128, (terms, columns)).astype(np.int8)
    product = Product(left, right, compute_product(left, right).astype(np.int32))
    vectors = compute_vector_count(ERROR_BITS_PRIVATE)

    def project(each: Product) -> None:
        verify_product(each, draw_vectors(SEED, columns, vectors))

    prepared = prepare(right, draw_vectors(SEED, columns, vectors))

    def project_prepared(each: Product) -> None:
        verify_prepared(each.left, each.result, prepared)

    def project_twice(each: Product) -> None:
        verify_product(each, draw_vectors(SEED, columns, 2 * vectors))

    proof = prove_product(product, SEED)
    if not all(
        refuses(check, product)
        for check in (project, project_prepared, lambda each: verify_product_proof(each, SEED, proof))
    ):
        raise SystemExit("a wrong product passed")
    rounds = 3 if max(shape) > 2048 else 7
    oracle = "not run"
    if rows * terms * columns <= ORACLE_MACS_MAX:
        oracle = f"{measure_ms(lambda: compute_as_oracle(left, right), 1):,.0f}"
    if not np.array_equal(compute_in_float32(left, right), product.result):
        raise SystemExit("the products differ")
    wide = measure_ms(lambda: compute_product(left, right), rounds)
    narrow = measure_ms(lambda: compute_in_float32(left, right), rounds)
    fastest = min(wide, narrow)
    checks = [
        measure_ms(lambda: project(product), 2 * rounds),
        measure_ms(lambda: project_twice(product), 2 * rounds),
        measure_ms(lambda: project_prepared(product), 2 * rounds),
        measure_ms(lambda: prove_product(product, SEED), rounds),
        measure_ms(lambda: verify_product_proof(product, SEED, proof), rounds),
    ]
    figures = " | ".join(f"{value:,.1f} ({fastest / value:,.1f}x)" for value in checks)
    return f"| {rows} x {terms} x {columns} | {oracle} | {wide:,.1f} | {narrow:,.1f} | {figures} |"


def main() -> None:
    """Print the table; milliseconds, and in brackets how many times the fastest product takes as long."""
    print(f"numpy {np.__version__}, OPENBLAS_NUM_THREADS={os.environ['OPENBLAS_NUM_THREADS']}; milliseconds")
    print(
        "| m x k x n | oracle | float64 | float32 | one vector | two vectors | secret, prepared | prove "
        "| verify proof |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for shape in SHAPES:
        print(measure_shape(shape), flush=True)


if __name__ == "__main__":
    main()
