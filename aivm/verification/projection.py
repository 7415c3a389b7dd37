"""Integer matrices times vectors over the field: exact, and nearly as fast as memory allows.

A float64 holds every integer up to 2^53 exactly, so BLAS may do the sums if none can leave that range. A
vector of 61-bit elements is cut into limbs of b bits; ``|M| 2^b k <= 2^53`` then bounds each sum of k
terms, whatever the order in which BLAS adds. All limbs are multiplied at once, a few rows at a time so that
the widened rows stay in the cache; each limb's sums are reduced and rotated to their place.

Bounds: int8 and uint8 with k up to 2^14 need 2 limbs of 31 bits (``2^8 2^31 2^14 = 2^53``), int32 with k up
to 2^12 needs 7 limbs of 9 bits or more (``2^31 2^10 2^12 = 2^53``). Longer rows are cut into blocks of
columns.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aivm.verification.errors import InvalidProduct
from aivm.verification.field import BITS, PRIME, Elements, add, make_elements, rotate

Matrix = NDArray[np.int8] | NDArray[np.uint8] | NDArray[np.int16] | NDArray[np.int32]
"""An integer matrix of two dimensions."""

EXACT_BITS: Final = 53
"""float64 holds every integer up to 2^53."""

MAGNITUDE_BITS: Final = {"i1": 7, "u1": 8, "i2": 15, "i4": 31}
"""Largest magnitudes of element types: int8 reaches -2^7, uint8 stays below 2^8, and so on."""

BLOCK_COLUMNS: Final = {"i1": 2**14, "u1": 2**14, "i2": 2**13, "i4": 2**12}
"""Most columns multiplied at once."""

BLOCK_BYTES: Final = 2**20
"""Bytes of widened rows held at once: within a core's own cache, or the copies cost more than the sums."""


def compute_projection(matrix: Matrix, vectors: Elements) -> Elements:
    """``M V mod p``.

    :param matrix: shape ``(m, k)``, int8, uint8, int16 or int32, in any memory order.
    :param vectors: shape ``(k, t)``: t vectors.
    :return: shape ``(m, t)``.
    :raises InvalidProduct: another element type, or shapes that do not fit.
    """
    kind = matrix.dtype.str[1:]
    if kind not in MAGNITUDE_BITS:
        raise InvalidProduct(f"elements of type {matrix.dtype} are not checked")
    if matrix.ndim != 2 or vectors.ndim != 2 or matrix.shape[1] != vectors.shape[0]:
        raise InvalidProduct(f"shapes {matrix.shape} and {vectors.shape} do not fit")
    total = np.zeros((matrix.shape[0], vectors.shape[1]), np.uint64)
    step = BLOCK_COLUMNS[kind]
    for start in range(0, matrix.shape[1], step):
        block = slice(start, start + step)
        total = add(total, _project_block(matrix[:, block], vectors[block], MAGNITUDE_BITS[kind]))
    return total


def compute_limb_bits(magnitude_bits: int, terms: int) -> int:
    """Largest b with ``2^magnitude 2^b terms <= 2^53``; limbs are below 2^b."""
    return EXACT_BITS - magnitude_bits - (terms - 1).bit_length()


def _project_block(matrix: Matrix, vectors: Elements, magnitude_bits: int) -> Elements:
    rows, terms = matrix.shape
    count = vectors.shape[1]
    widest = compute_limb_bits(magnitude_bits, terms)
    limbs = -(-BITS // widest)
    width = -(-BITS // limbs)
    mask = np.uint64(2**width - 1)
    pieces = [((vectors >> np.uint64(place * width)) & mask).astype(np.float64) for place in range(limbs)]
    factors = np.concatenate(pieces, axis=1)
    sums = _multiply_exactly(matrix, factors)
    total = np.zeros((rows, count), np.uint64)
    for place in range(limbs):
        limb = make_elements(sums[:, place * count : (place + 1) * count].astype(np.int64))
        total = add(total, rotate(limb, place * width))
    return total


def _multiply_exactly(matrix: Matrix, factors: NDArray[np.float64]) -> NDArray[np.float64]:
    # Widened in the order in which it lies in memory, a part at a time.
    rows = len(matrix)
    if abs(matrix.strides[0]) < abs(matrix.strides[1]):
        turned = np.zeros((factors.shape[1], rows), np.float64)
        for part, wide in _widen(matrix.T):
            turned += factors[part].T @ wide
        return turned.T
    sums = np.empty((rows, factors.shape[1]), np.float64)
    for part, wide in _widen(matrix):
        np.matmul(wide, factors, out=sums[part])
    return sums


def _widen(matrix: Matrix) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    step = max(1, BLOCK_BYTES // (8 * matrix.shape[1]))
    wide = np.empty((min(step, matrix.shape[0]), matrix.shape[1]), np.float64)
    for start in range(0, matrix.shape[0], step):
        part = matrix[start : start + step]
        np.copyto(wide[: len(part)], part)
        yield slice(start, start + len(part)), wide[: len(part)]


def compute_left_projection(vector: Elements, matrix: Matrix) -> Elements:
    """``v^T M mod p`` for one vector of length m: shape ``(k,)``."""
    return compute_projection(matrix.T, vector[:, np.newaxis])[:, 0]


def make_vector(values: list[int]) -> Elements:
    """Plain integers within 0 ... p - 1 as elements."""
    if not all(0 <= value < PRIME for value in values):
        raise InvalidProduct("an element is not within 0 to p - 1")
    return np.array(values, np.uint64)
